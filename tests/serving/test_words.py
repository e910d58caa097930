"""What an agent reads of a value."""

import pytest

from features.declare import Feature
from serving.deciding.words import Sayer

COUNT = Feature("journey", "count", window="30d", meaning="calls in 30 days")
SINCE = Feature("sla", "since_last", where={"breached": True}, meaning="since a promise was broken")
END = Feature("profile", "last", "contract_end", meaning="end of the contract")
CONSENT = Feature("profile", "last", "consent_marketing", meaning="may be contacted")
BILL = Feature("usage", "last", "value", where={"metric": "bill"}, meaning="the last bill")
PAYS = Feature("profile", "last", "payment", meaning="how they pay")


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        (COUNT, 1150.0, "1,150"),
        (SINCE, 1.0, "1 day"),
        (SINCE, 205.2, "205 days"),
        (SINCE, None, "never"),
        (END, 102.0, "in 102 days"),
        (END, -1750.0, "4.8 years ago"),
        (END, None, "none known"),
        (CONSENT, 0.0, "no"),
        (BILL, 30.3, "30.30"),
        (BILL, 1234.5, "1,234"),
        (PAYS, "prepaid", "prepaid"),
    ],
)
def test_a_value_is_said_by_its_unit(feature: Feature, value: float | str | None, words: str) -> None:
    assert Sayer(feature).said(value) == words


def test_a_fact_stands_beside_what_is_usual() -> None:
    assert Sayer(COUNT).fact(4.0, 0.0) == "calls in 30 days: 4, usually 0"
