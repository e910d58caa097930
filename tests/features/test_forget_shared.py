"""One of several who used a key is forgotten, or told what is kept: the others' time of it is untouched and untold."""

from datetime import UTC, datetime

import pandas as pd
import pytest
from few_people import do, few_people, holder, link, say, touch, touches
from forgotten_person import forgotten
from private_operator import Operator

from features.catalog import CATALOG
from features.identity.registers.propose import Proposals
from features.identity.registers.proposed import append_proposals
from features.privacy.export import export
from features.privacy.person import PersonError, needles
from features.privacy.scan import scan

NUMBER = "msisdn:+32471000001"


@pytest.fixture
def few(tmp_path) -> Operator:
    return few_people(tmp_path)


def told(operator: Operator, key: str) -> list[str]:
    """The ids of the touches that an export tells."""
    found = export(operator.lake, CATALOG, operator.ring, *key.split(":", 1))
    return sorted(fact["id"] for fact in found["sources"].get("journey", {"facts": []})["facts"])


def share_a_tablet(few: Operator, people: int = 20) -> list[str]:
    days = [f"2025-03-{i + 1:02}" for i in range(people)]
    say(few, *[link("cookie:tablet", f"customer:C{i}", at) for i, at in enumerate(days)])
    do(few, *[touch("cookie:tablet", f"{at}T01:00") for at in days], touch("customer:C0", "2025-03-01"))
    return [f"cookie:tablet@{at}T01:00" for at in days]


@pytest.mark.parametrize("whose", ["customer:C0", "customer:C15"])
def test_a_tablet_that_too_many_share_stays_with_everybody_on_it(few, whose):
    everybody = share_a_tablet(few)
    assert not set(told(few, whose)) & set(everybody)
    forgotten(few, *whose.split(":"))
    assert set(everybody) <= set(touches(few))
    named = few.lake.read("evidence")["other_id"].to_pylist()
    assert len(named) == 19
    assert few.ring.key_id(*whose.split(":")) not in named


def test_a_tablet_that_some_share_goes_for_their_own_time_of_it(few):
    share_a_tablet(few, 4)
    mine = told(few, "customer:C1")
    assert mine
    forgotten(few, "customer", "C1")
    assert len(touches(few)) == 5 - len(mine)
    assert few.ring.key_id("cookie", "tablet") in few.lake.keys()["key_id"].to_pylist()


def test_a_key_that_too_many_share_is_no_visitor(few):
    everybody = share_a_tablet(few)
    with pytest.raises(PersonError, match="too many customers share this cookie"):
        forgotten(few, "cookie", "tablet")
    assert set(everybody) <= set(touches(few))


@pytest.mark.parametrize("key", ["site:S1", "account:A1", "market:M1"])
def test_what_is_nobody_is_neither_forgotten_nor_told(few, key):
    say(few, *[link(f"customer:C{i}", other, "2025-01-01") for i in range(3) for other in ("site:S1", "account:A1")])
    do(few, touch("site:S1", "2025-02-01"), touch("account:A1", "2025-02-01"))
    for ask in (forgotten, told):
        with pytest.raises(PersonError, match=rf"a {key.split(':')[0]} is no customer.*msisdn") as stop:
            ask(few, *(key.split(":") if ask is forgotten else [key]))
        assert key.split(":")[1] not in str(stop.value)
    assert len(touches(few)) == 2
    assert few.lake.read("evidence").num_rows == 6


def test_a_number_given_back_is_theirs_until_then_and_the_next_owners_from_then_on(few):
    say(few, link(NUMBER, "customer:C1", "2025-01-01"), link(NUMBER, "customer:C1", "2025-09-01", "unlinked"))
    do(few, *[touch(NUMBER, at) for at in ("2024-06-01", "2025-02-01", "2025-10-01")])
    assert told(few, "customer:C1") == [f"{NUMBER}@2025-02-01"]
    forgotten(few, "customer", "C1")
    assert touches(few) == [f"{NUMBER}@2024-06-01", f"{NUMBER}@2025-10-01"]
    later = say(few, link(NUMBER, "customer:C2", "2025-11-01"))
    assert (later.kept, later.suppressed) == (1, 0)
    assert do(few, touch(NUMBER, "2025-11-10"), touch(NUMBER, "2025-02-01")).suppressed == 1
    assert holder(few, NUMBER, "2026-01-01") == [few.ring.key_id("customer", "C2")]


def test_a_key_that_nothing_names_any_more_goes_though_it_was_given_back(few):
    say(few, link(NUMBER, "customer:C1", "2025-01-01"), link(NUMBER, "customer:C1", "2025-09-01", "unlinked"))
    do(few, touch(NUMBER, "2025-02-01"))
    wanted = needles(few.lake, CATALOG, few.ring, "msisdn", "+32471000001")
    forgotten(few, "customer", "C1")
    assert not few.lake.keys().num_rows
    assert scan(few.home, wanted) == ()
    assert say(few, link(NUMBER, "customer:C2", "2025-11-01")).kept == 1


def test_an_address_that_was_typed_wrong_was_never_theirs(few):
    wrong = "email:stranger@example.com"
    say(few, link(wrong, "customer:C1", "2025-01-01"), link(wrong, "customer:C1", "2025-03-01", "unlinked"))
    do(few, touch(wrong, "2025-02-01"), touch(wrong, "2025-05-01"), touch("customer:C1", "2025-02-01"))
    assert told(few, "customer:C1") == ["customer:C1@2025-02-01"]
    forgotten(few, "customer", "C1")
    assert len(touches(few)) == 2
    assert do(few, touch(wrong, "2025-02-02")).kept == 1


def test_two_customers_who_turned_out_not_to_be_the_same_keep_their_own(few):
    say(few, link("cookie:a", "customer:A", "2025-01-01"), link("cookie:b", "customer:B", "2025-01-01"))
    say(few, link("customer:B", "customer:A", "2025-02-01"), link("customer:B", "customer:A", "2025-03-01", "unlinked"))
    do(few, *[touch(key, "2025-02-02") for key in ("cookie:a", "cookie:b", "customer:B")])
    assert told(few, "customer:A") == ["cookie:a@2025-02-02"]
    forgotten(few, "customer", "A")
    assert touches(few) == ["cookie:b@2025-02-02", "customer:B@2025-02-02"]


def propose(few: Operator, at: datetime):
    """A register in which C1 has the card L1, and C2 the card L2."""
    columns = {"left": ["C1", "C2"], "right": ["L1", "L2"], "state": "linked", "confidence": 0.99, "alone": 0.99}
    found = Proposals("customer", "loyalty", pd.DataFrame(columns), ("L1", "L2"), 2, 2, 0.5, (), (), 0.0)
    return append_proposals(few.lake, few.ring, found, at, key_types=CATALOG.key_types, links=CATALOG.links)


def test_a_register_that_still_names_them_does_not_bring_them_back(few):
    say(few, link("cookie:1", "customer:C1", "2025-01-01"), link("cookie:2", "customer:C2", "2025-01-01"))
    do(few, touch("loyalty:L1", "2025-02-01"))
    assert propose(few, datetime(2025, 3, 1, tzinfo=UTC)).stated == 2
    wanted = needles(few.lake, CATALOG, few.ring, "customer", "C1")
    forgotten(few, "customer", "C1")
    again = propose(few, datetime(2090, 1, 1, tzinfo=UTC))
    assert (again.refused, again.unchanged) == (1, 1)
    assert scan(few.home, wanted) == ()
    do(few, touch("customer:C1", "2090-02-01"), touch("loyalty:L1", "2090-02-01"))
    assert propose(few, datetime(2090, 3, 1, tzinfo=UTC)).refused == 0, "they came back of themselves"
