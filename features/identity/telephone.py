"""Telephone numbers in one spelling: E.164, as the numbering plans of the world have it.

Trunk prefixes, prefixes to dial abroad and possible lengths are `phonenumbers`' (the plans change; a release of it may
move a few numbers from refused to accepted, or back). Lengths alone are held against the plan, not ranges: a range may
be newer than the release. Nine numbers in ten are written plainly; they are recognised without parsing, ten times
faster, exactly where parsing would change nothing.
"""

import re
from dataclasses import dataclass
from functools import cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

_DECORATION = re.compile(r"[\s\-./()\u2010-\u2015\u2212]")
_TRUNK, _ABROAD = "(0)", "00"
_EXTENSION = re.compile(r"(?:;|#|x|ext)", re.IGNORECASE)
_LONGEST = 15


@dataclass(frozen=True, slots=True)
class _Plan:
    """How national numbers of a calling code are built.

    ``front``: what parsing looks for in front of them (``None``: nothing); it is taken off unless they ``fit`` the plan
    only with it. ``zero``: it is the trunk prefix 0 and nothing else.
    """

    lengths: frozenset[int]
    front: re.Pattern[str] | None
    fit: re.Pattern[str]
    zero: bool


def e164(text: str, country: str | None = None) -> str:
    """``+`` and the digits of the number abroad; ``country`` is the calling code of national numbers, such as ``"32"``.

    ``tel:`` (RFC 3966) and ``msisdn-`` (3GPP's GPSI, whose digits are always international) may come before it.
    Raises `ValueError` saying what is wrong without repeating the number. ``text`` has ASCII digits, as `normalise`
    leaves it.

    >>> e164("tel:+32-471-23-45-67"), e164("msisdn-32471234567"), e164("8 (912) 345-67-89", "7")
    ('+32471234567', '+32471234567', '+79123456789')
    """
    head, dash, digits = text.partition("-")
    if dash and head.lower() == "msisdn":
        return _international(_digits(digits))
    if text[:4].lower() == "tel:":
        text = text[4:]
    if _TRUNK not in text:
        return _read(_bare(text), country)
    try:  # where numbers abroad begin with 0 (Italy), so does this one; where that is a trunk prefix, parsing drops it
        return _read(_bare(text.replace(_TRUNK, "0", 1)), country)
    except ValueError:
        return _read(_bare(text.replace(_TRUNK, "", 1)), country)


def _bare(text: str) -> str:
    return _DECORATION.sub("", text)


def _read(bare: str, country: str | None) -> str:
    if bare.startswith("+"):
        return _international(_digits(bare[1:]))
    digits, abroad = _digits(bare), _abroad(country)
    if digits.startswith("00") and (abroad.pattern == _ABROAD or not abroad.match(digits)):
        return _international(digits[2:])
    if country is None:
        raise ValueError("msisdn: a national number needs the calling code of its country (or write it with +)")
    main, code = region(country), country.removeprefix("+")
    plain = _without_trunk(_plan(code), digits) if digits[0] == "0" and not abroad.match(digits) else None
    return f"+{code}{plain}" if plain else _parsed(digits, main)


def _digits(bare: str) -> str:
    if bare.isascii() and bare.isdigit():
        return bare
    if _EXTENSION.search(bare):
        raise ValueError("msisdn: an extension or a parameter is not part of a number; give the number alone")
    raise ValueError("msisdn: a number holds digits, spaces, dashes and a leading + only")


def _international(digits: str) -> str:
    plan, national = _plan_of(digits)
    if plan is None:
        raise ValueError("msisdn: the number begins with no country's calling code (is it national, without a +?)")
    plain = _without_trunk(plan, national)
    return f"+{digits[: -len(national)]}{plain}" if plain else _parsed("+" + digits, None)


def _without_trunk(plan: _Plan | None, national: str) -> str | None:
    """The national number, where what parsing would make of it is certain."""
    if plan is None:
        return None
    if plan.zero and national[:1] == "0" and not plan.fit.fullmatch(national):
        national = national[1:]
    certain = len(national) in plan.lengths and not (plan.front and plan.front.match(national))
    return national if certain else None


def _parsed(text: str, region_code: str | None) -> str:
    try:
        number = phonenumbers.parse(text, region_code)
    except NumberParseException:
        raise ValueError(f"msisdn: a number of {len(text.lstrip('+'))} digits fits no numbering plan") from None
    found = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    possible = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
    if not possible or len(found) > 1 + _LONGEST:
        raise ValueError(
            f"msisdn: {len(found) - 1} digits with the country's is no length of a number of +{number.country_code}"
        )
    return found


@cache
def region(country: str) -> str:
    """The (main) region of a calling code; raises `ValueError` when there is no such code.

    >>> region("32"), region("+1")
    ('BE', 'US')
    """
    code = country.removeprefix("+")
    found = phonenumbers.region_code_for_country_code(int(code)) if code.isascii() and code.isdigit() else "ZZ"
    if found in ("ZZ", "001"):
        raise ValueError(f"msisdn: '{country}' is no country's calling code (write it such as '32')")
    return found


@cache
def _abroad(country: str | None) -> re.Pattern[str]:
    """What is dialled before a number abroad: 00 in most countries, 0011 in Australia."""
    found = PhoneMetadata.metadata_for_region(region(country)) if country is not None else None
    return re.compile((found.international_prefix if found else None) or _ABROAD)


def _plan_of(digits: str) -> tuple[_Plan | None, str]:
    """The plan of the calling code the digits begin with (no code begins another), and the digits after it."""
    for size in (2, 1, 3):
        plan = _plan(digits[:size])
        if plan:
            return plan, digits[size:]
    return None, digits


@cache
def _plan(code: str) -> _Plan | None:
    if code[:1] in ("", "0"):
        return None
    found = PhoneMetadata.metadata_for_region_or_calling_code(
        int(code), phonenumbers.region_code_for_country_code(int(code))
    )
    if found is None or found.general_desc is None:
        return None
    desc, front = found.general_desc, found.national_prefix_for_parsing
    return _Plan(
        lengths=frozenset(n for n in desc.possible_length if len(code) + n <= _LONGEST),
        front=re.compile(front) if front else None,
        fit=re.compile(desc.national_number_pattern or ""),
        zero=front == "0" and not found.national_prefix_transform_rule,
    )
