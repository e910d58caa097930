import string

import idna
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat, PhoneNumberType, ValidationResult

from features.facts import TIME
from features.identity.keys import KeyRing
from features.identity.normalise import normalise
from features.identity.telephone import e164, region
from features.ingest import append_facts
from features.lake import Lake

CODES = sorted(COUNTRY_CODE_TO_REGION_CODE)
EXAMPLES = [
    phonenumbers.format_number(number, PhoneNumberFormat.E164)
    for name in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE)
    if (number := phonenumbers.example_number_for_type(name, kind))
]
numbers = st.sampled_from(EXAMPLES)
nearly = st.builds("{}{}".format, st.sampled_from(CODES), st.text(string.digits, min_size=3, max_size=14))


def by_the_library(text: str, name: str | None = None) -> str | None:
    """The slow twin: parsed, and refused where it is too short, too long or only good to be dialled locally."""
    try:
        number = phonenumbers.parse(text, name)
    except phonenumbers.NumberParseException:
        return None
    found = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    return found if possible and len(found) <= 16 else None


def ours(text: str, country: str | None = None) -> str | None:
    try:
        return e164(text, country)
    except ValueError:
        return None


@given(nearly)
@example("6200123456789")
@example("59800041234")
@example("250061234567")
@example("320471234567")
@example("78123456789")
@example("112025550123")
@example("5491123456789")
@settings(max_examples=1000)
def test_a_number_written_abroad_is_what_the_numbering_plans_say(digits):
    assert ours("+" + digits) == ours("00" + digits) == by_the_library("+" + digits)


@given(st.sampled_from(CODES), st.text(string.digits, min_size=4, max_size=13), st.sampled_from(["", "0", "1", "8"]))
@example(32, "471234567", "0")
@example(39, "612345678", "0")
@example(62, "123456789", "0")
@example(598, "04123456", "0")
@example(685, "482699887", "0")  # 0 is dialled before numbers abroad there
@example(972, "17414305685", "0")
@settings(max_examples=1000)
def test_a_national_number_is_what_its_countrys_plan_says(code, digits, front):
    assume(COUNTRY_CODE_TO_REGION_CODE[code][0] != "001")
    assume(not (front + digits).startswith("00"))
    assert ours(front + digits, str(code)) == by_the_library(front + digits, COUNTRY_CODE_TO_REGION_CODE[code][0])


def test_every_country_writes_its_own_numbers_nationally():
    """What a country prints on its letters is the number that others dial."""
    for number in EXAMPLES:
        parsed = phonenumbers.parse(number)
        main = phonenumbers.region_code_for_country_code(parsed.country_code)
        printed = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
        if by_the_library(printed, main) == number:  # not where a printed number is a local one, as in parts of +1
            assert normalise("msisdn", printed, str(parsed.country_code)) == number


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("06 12345678", "39", "+390612345678"),  # Italy dials its 0 from abroad too
        ("+39 (0)6 12345678", None, "+390612345678"),
        ("+49 (0)30 123456", None, "+4930123456"),
        ("+45 (0)32 12 34 56", None, "+4532123456"),  # Denmark has no trunk prefix to leave out
        ("1 202 555 0123", "1", "+12025550123"),
        ("(202) 555-0123", "+1", "+12025550123"),
        ("8 (912) 345-67-89", "7", "+79123456789"),
        ("06 1 234 5678", "36", "+3612345678"),
        ("0011 65 6123 4567", "61", "+6561234567"),  # Australia dials abroad by 0011
        ("0032 471 23 45 67", "61", "+32471234567"),
        ("011 32 471 23 45 67", "1", "+32471234567"),
        ("32 471 23 45 67", "32", "+32471234567"),  # the plus was lost
        ("+683 4002", None, "+6834002"),  # Niue: seven digits in all
        ("+800 1234 5678", None, "+80012345678"),
    ],
)
def test_trunk_prefixes_are_those_of_the_country(written, country, number):
    assert normalise("msisdn", written, country) == number


@given(numbers)
def test_a_number_has_one_spelling_which_stays(number):
    assert normalise("msisdn", number) == number
    assert normalise("msisdn", normalise("msisdn", number), "32") == number


DECORATE = (
    lambda number: "00" + number[1:],
    lambda number: f"tel:{number}",
    lambda number: f"TEL:{number}",
    lambda number: f"msisdn-{number[1:]}",
    lambda number: f"\u202a{number}\u202c",  # as a telephone copies it
    lambda number: "\uff0b" + "".join(chr(0xFF10 + int(d)) for d in number[1:]),  # full width
    lambda number: "+" + "".join(chr(0x0660 + int(d)) for d in number[1:]),  # Arabic-Indic digits
    lambda number: f" {number}\t",
)


@given(numbers, st.sampled_from(DECORATE), st.data())
def test_decorations_do_not_make_another_number(number, decorate, data):
    places = data.draw(st.lists(st.integers(4, len(number) - 1), max_size=4))
    text = number
    for place in sorted(places, reverse=True):
        text = (
            text[:place] + data.draw(st.sampled_from([" ", "-", ".", "/", "\u00a0", "\u2011", "\u2013"])) + text[place:]
        )
    assert normalise("msisdn", text) == number
    assert normalise("msisdn", decorate(number)) == number


@given(numbers, numbers)
def test_two_numbers_never_meet(one, other):
    assume(one != other)
    assert normalise("msisdn", one) != normalise("msisdn", other)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("+32 471 23 45 67 ext. 12", "an extension"),
        ("tel:+32471234567;ext=12", "an extension"),
        ("tel:471234567;phone-context=+32", "an extension"),
        ("+32471234567x12", "an extension"),
        ("+1800FLOWERS", "digits, spaces"),
        ("+999123456789", "no country's calling code"),
        ("+1 555 0123", "no length"),  # good to be dialled locally only
        ("++32471234567", "digits, spaces"),
        ("msisdn-+32471234567", "digits, spaces"),
        ("0471234567", "calling code of its country"),
        ("\u200b", "empty"),
    ],
)
def test_what_is_wrong_with_a_number_is_said_without_it(value, why):
    with pytest.raises(ValueError, match=why) as refused:
        normalise("msisdn", value)
    assert value not in str(refused.value)
    assert "47123" not in str(refused.value)


def test_a_calling_code_that_is_none_is_refused():
    assert region("+44") == "GB"
    for code in ("999", "BE", "800", ""):
        with pytest.raises(ValueError, match="no country's calling code"):
            normalise("msisdn", "0471234567", code)


@pytest.mark.parametrize(
    ("spellings", "address"),
    [
        (["Ann.Lee@Example.COM", "mailto:ann.lee@example.com", "MAILTO:Ann.Lee@example.com."], "ann.lee@example.com"),
        (["ann@M\u00fcnchen.de", "ann@mu\u0308nchen.de", "ann@xn--mnchen-3ya.DE"], "ann@xn--mnchen-3ya.de"),
        (["\uff41\uff4e\uff4e@example\uff0ecom"], "ann@example.com"),
        (["Stra\u00dfe@example.com", "stra\u00dfe@EXAMPLE.com"], "stra\u00dfe@example.com"),
        (["a@fu\u00dfball.de", "a@xn--fuball-cta.de"], "a@xn--fuball-cta.de"),
        (["ann+news@example.com"], "ann+news@example.com"),
    ],
)
def test_spellings_of_one_address_are_one_key(spellings, address):
    assert {normalise("email", s) for s in spellings} == {address}


def test_tags_and_dots_of_a_name_are_kept_because_they_may_be_other_mailboxes():
    addresses = ["ann.lee@example.com", "annlee@example.com", "ann.lee+shop@example.com"]
    assert len({normalise("email", a) for a in addresses}) == 3


@pytest.mark.parametrize(
    "value",
    [
        "ann@example..com", "ann@.example.com", "@example.com", "ann@", "ann", "Ann <ann@example.com>", "a@b.c;d@e.f",
        "ann@example.com?subject=x", "ann\u0007@example.com", "ann@\u00fc\u2028.de", "ann@-\u00fc.de",
        "a\u3000b@example.com",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_being_repeated(value):
    with pytest.raises(ValueError, match=r"^email: ") as refused:
        normalise("email", value)
    assert value not in str(refused.value)
    assert "ann" not in str(refused.value)


def spelled(kind: str, text: str) -> str | None:
    """The one spelling, ``None`` where it is refused; refusals by a codec would repeat what they refuse."""
    try:
        return normalise(kind, text, "32")
    except UnicodeError:
        raise
    except ValueError:
        return None


@pytest.mark.parametrize("kind", ["email", "msisdn", "imsi", "imei", "customer"])
@given(text=st.text(max_size=12), data=st.data())
def test_normalising_twice_changes_nothing_more(kind, text, data):
    if kind == "email":
        text = f"{text}@{data.draw(st.text(st.characters(categories=['Ll', 'Lu', 'Nd']), min_size=1, max_size=6))}.org"
    once = spelled(kind, text)
    assert once is None or spelled(kind, once) == once


@given(st.text(st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=8))
def test_case_never_makes_another_address(name):
    plain = spelled("email", f"{name}@example.org")
    assert spelled("email", f"{name.lower()}@EXAMPLE.org") == plain


def test_letters_that_folding_would_join_are_two_peoples():
    assert normalise("email", "wei\u00df@x.de") != normalise("email", "weiss@x.de")


def test_a_raised_digit_is_no_digit_of_a_number():
    with pytest.raises(ValueError, match="msisdn"):
        normalise("msisdn", "+3247123456\u00b2")


def test_a_domain_in_any_alphabet_is_the_one_that_is_looked_up():
    assert normalise("email", "a@пример.рф") == f"a@{idna.encode('пример.рф').decode()}"


@pytest.mark.parametrize(
    "value", ["imsi-206010123456789", "206 01 0123456789 ", "IMSI-206010123456789", "206-01-0123456789"]
)
def test_spellings_of_an_imsi(value):
    assert normalise("imsi", value) == "206010123456789"


def luhn(digits: str) -> bool:
    """The twin: the whole number's weighted digits add up to a multiple of ten."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        total += sum(divmod(int(digit) * (1 + place % 2), 10))
    return total % 10 == 0


@given(st.text("0123456789", min_size=14, max_size=14), st.text("0123456789", min_size=2, max_size=2))
def test_a_handset_is_one_key_with_and_without_check_digit_and_version(handset, version):
    right = next(d for d in string.digits if luhn(handset + d))
    spellings = [handset, handset + right, handset + version, f"imei-{handset}{right}", f"imeisv-{handset}{version}"]
    spellings += [handset + "0"]  # as networks transmit it
    assert {normalise("imei", s) for s in spellings} == {handset}
    for wrong in set(string.digits) - {right, "0"}:
        with pytest.raises(ValueError, match="check digit"):
            normalise("imei", handset + wrong)


@pytest.mark.parametrize(
    "value", ["imeisv-352099001761481", "imei-35209900176", "35209900176148123", "imsi-35209900176148"]
)
def test_what_is_no_handset_is_refused(value):
    with pytest.raises(ValueError, match=r"^imei: "):
        normalise("imei", value)


def test_any_other_key_is_stripped_and_composed_but_never_guessed_at():
    assert normalise("customer", " Cafe\u0301 7 ") == "Caf\u00e9 7"
    assert normalise("customer", "C1") != normalise("customer", "c1")
    for value in ("C\x00123", "\ufeffC123", "C\u200b123", "C\ud800"):
        with pytest.raises(ValueError, match="customer: the key holds control or invisible characters"):
            normalise("customer", value)


def test_keys_as_other_systems_write_them_are_one_and_the_malformed_go_to_quarantine_with_the_reason(tmp_path):
    """Numbers, cards and handsets as standard interfaces spell them, good ones first."""
    written = {
        "msisdn": [
            "msisdn-491701234567",
            "0170 1234567",
            "+49 (0)170/1234567",
            "tel:+49-170-1234567",
            "0170-12345678901",
        ],
        "imsi": ["imsi-262011234567890", " 26201 1234567890 ", "26201-1234567890", "imsi-26201123456789012"],
        "imei": ["imei-352099001761481", "imeisv-3520990017614823", "35-209900-176148-1", "352099001761482"],
    }
    rows = [(kind, key) for kind, keys in written.items() for key in keys]
    when = pa.array([1_700_000_000_000_000] * len(rows), pa.int64()).cast(TIME)
    table = pa.table(
        {
            "id": [str(i) for i in range(len(rows))],
            "key_type": [kind for kind, _ in rows],
            "key": [key for _, key in rows],
            "at": when,
            "known_at": when,
            "metric": ["minutes"] * len(rows),
            "value": [1.0] * len(rows),
        }
    )
    lake = Lake(tmp_path / "lake")
    append_facts(lake, KeyRing(bytes(range(32)), "49"), "usage", table, key_types=tuple(written))
    assert len(set(lake.read("usage")["key_id"].to_pylist())) == len(written)
    reasons = lake.quarantine()["reason"].to_pylist()
    assert [reason.split(": ")[:2] for reason in sorted(reasons)] == [["key", kind] for kind in sorted(written)]
    assert not any(digits in reason for reason in reasons for digits in ("1234567", "1761482"))
