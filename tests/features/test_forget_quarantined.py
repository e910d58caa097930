"""Refused rows: a person's go and stay away, nobody else's are told, and a scan finds what a forgetting would."""

import pytest
from few_people import do, few_people, link, say, touch, touches
from forgotten_person import forgotten
from private_operator import Operator

from features.catalog import CATALOG
from features.privacy.export import export
from features.privacy.person import needles
from features.privacy.quarantined import spelled
from features.privacy.rotation import rotate
from features.privacy.scan import scan
from features.privacy.secrets import open_keyring

NUMBER = "msisdn:+32471000001"


@pytest.fixture
def few(tmp_path) -> Operator:
    return few_people(tmp_path)


def found(operator: Operator, key: str) -> set[str]:
    """In which columns of the quarantine, if any, a scan finds something."""
    wanted = needles(operator.lake, CATALOG, operator.ring, *key.split(":", 1))
    return {f.where for f in scan(operator.home, wanted) if "quarantine" in f.path}


def told(operator: Operator, key: str) -> list[dict]:
    return export(operator.lake, CATALOG, operator.ring, *key.split(":", 1))["quarantine"]


@pytest.mark.parametrize(
    "raw", ["0471000001", "0471 00.00 01", "+32 (0)471 000001 ext. 4", "32471000001", "tel:0471000001"]
)
def test_a_refused_row_stays_away_when_the_feed_comes_again(few, raw):
    say(few, link(NUMBER, "customer:C1", "2025-01-01"))
    feed = [touch(NUMBER, "2025-02-01"), touch(f"msisdn:{raw}", "2025-02-02"), touch("msisdn:0471999999", "2025-02-03")]
    sent = do(few, *feed)
    refused = sent.quarantined - 1
    assert bool(found(few, NUMBER)) == bool(refused)
    assert forgotten(few, *NUMBER.split(":")).quarantined == refused
    assert found(few, NUMBER) == set()
    again = do(few, *feed)
    assert (again.kept, again.suppressed) == (0, 2)
    assert found(few, NUMBER) == set()
    assert few.lake.quarantine().num_rows == 1
    assert do(few, touch(f"msisdn:{raw}", "2025-03-02")).quarantined == refused, "another row nobody could know"
    assert bool(found(few, NUMBER)) == bool(refused), "the scan finds what a forgetting would"
    assert forgotten(few, *NUMBER.split(":")).quarantined == refused


def test_a_refused_row_stays_away_after_the_secret_was_rotated(few):
    links = link("loyalty:L1", "email:no address", "2025-01-01"), link("loyalty:L2", "customer:C2", "2025-01-01")
    say(few, *links)
    assert forgotten(few, "loyalty", "L1").quarantined == 1
    bad = link("loyalty:L2", "email:ann lee@example.com", "2025-01-02")
    say(few, bad)
    few.lake.compact()
    assert forgotten(few, "email", "lee@example.com").quarantined == 1
    rotate(few.home)
    turned = Operator(few.home, few.lake, open_keyring(few.home, few.lake), few.names, few.moved)
    assert say(turned, bad).suppressed == 1


def test_somebody_elses_refused_rows_neither_go_nor_are_told(few):
    say(
        few,
        link("email:ann@telco.example", "customer:C1", "2025-01-01"),
        link("cookie:z", "customer:1234567", "2025-01-01"),
    )
    others = (
        "email:joann@telco.example (home)",
        "email:jo.ann@telco.example x",
        "msisdn:0471234567",
        "msisdn:047C12345678",
    )
    do(few, *[touch(key, "2025-02-01", topic="private") for key in others])
    assert few.lake.quarantine().num_rows == 4
    for key in ("email:ann@telco.example", "customer:1234567", "msisdn:+3212345678"):
        assert told(few, key) == []
        assert forgotten(few, *key.split(":")).quarantined == 0


def test_what_is_only_spelled_alike_goes_but_is_told_to_nobody(few):
    say(few, link("email:ann@telco.example", "customer:C1", "2025-01-01"))
    do(
        few,
        touch("email:Ann@Telco.example (home)", "2025-02-01"),
        touch("email:ann@telco.example", "2025-02-01", phase="x"),
    )
    assert len(told(few, "email:ann@telco.example")) == 1, "the one that is known by its hash"
    assert forgotten(few, "email", "ann@telco.example").quarantined == 2


@pytest.mark.parametrize(
    ("raw", "same"),
    [
        ("0471 23 45 67", True),
        ("471234567", True),
        ("0032471234567", True),
        ("+0032471234567", True),
        ("+471234567", False),  # Norway's
        ("00471234567", False),
        ("9471234567", False),
        ("71234567", False),
        ("4712345678", False),
        ("call 0471234567", False),
    ],
)
def test_a_number_is_the_same_as_a_whole_only(raw, same):
    row = f'{{"key_type": "msisdn", "key": "{raw}"}}'
    assert bool(spelled(row, CATALOG, "msisdn", "+32471234567", None)) == same
    assert spelled(row.replace("msisdn", "customer"), CATALOG, "msisdn", "+32471234567", None) == ()
    assert bool(spelled(row.replace("msisdn", "mobile"), CATALOG, "msisdn", "+32471234567", None)) == same


def test_a_row_of_the_future_goes_alone_and_does_not_silence_the_key_until_then(few):
    say(few, link(NUMBER, "customer:C1", "2025-01-01"))
    sent = [touch(NUMBER, "2025-02-01"), touch(NUMBER, "2099-02-01"), touch(NUMBER, "2199-02-01")]
    assert do(few, *sent).quarantined == 1
    done = forgotten(few, "customer", "C1")
    assert (done.facts["journey"], done.quarantined, touches(few)) == (2, 1, [])
    assert do(few, *sent).suppressed == 3
    assert (few.lake.quarantine().num_rows, few.lake.keys().num_rows) == (0, 0)
    assert do(few, touch(NUMBER, "2090-02-01")).kept == 1
    assert say(few, link(NUMBER, "customer:C2", "2090-01-01")).kept == 1
