"""A person is forgotten: nothing decoded tells of them any more, and nobody else's fact or feature changes."""

import json
from collections import Counter
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from forgotten_person import AT, add, facts, forgotten, journey, marks, number_of, refuse
from private_operator import Operator, operator

from features.catalog import CATALOG
from features.engine.columns import FOREVER
from features.lake import LakeError
from features.privacy.person import PersonError, needles
from features.privacy.scan import scan


@pytest.fixture
def small(tmp_path) -> Operator:
    return operator(tmp_path)


def test_a_former_owners_facts_go_and_everybody_elses_stay_with_every_feature(small):
    former, others = small.moved.former, [n for n in small.names["customer"] if n != small.moved.former]
    before, features = facts(small), [small.frame(others, days) for days in (0, 25)]
    theirs = marks(small, former)
    done = forgotten(small, "customer", former)
    assert done.facts["evidence"] > 2
    assert done.facts["journey"] > 1
    for name, rows in facts(small).items():
        assert rows.equals(before[name].filter(pa.array(~theirs.strike(before[name])))), name
    touches = facts(small)["journey"].filter(pc.starts_with(facts(small)["journey"]["id"], "moved-"))
    assert touches["action"].to_pylist() == ["touch5"], "the present owner's, not the former's"
    for days, known in zip((0, 25), features, strict=True):
        pd.testing.assert_frame_equal(small.frame(others, days), known, check_exact=True)


def test_nothing_of_them_is_left_and_the_same_feeds_bring_nothing_back(small):
    wanted = needles(small.lake, CATALOG, small.ring, "customer", small.moved.former)
    assert {f.needle for f in scan(small.home, wanted)} >= {i for i, n in enumerate(wanted) if isinstance(n, int)}
    gone = forgotten(small, "customer", small.moved.former).facts
    assert scan(small.home, wanted) == ()
    receipts = small.again()
    moved = Counter({"journey": 1, "evidence": 1})
    assert {r.source: r.suppressed for r in receipts if r.suppressed} == dict(Counter(gone) - moved)
    assert sum(r.kept + r.quarantined for r in receipts) == 0
    assert scan(small.home, wanted) == ()
    assert forgotten(small, "customer", small.moved.former).nothing


def test_a_new_life_under_the_same_key_is_kept(small):
    forgotten(small, "customer", small.moved.former)
    later = datetime(2090, 1, 1, tzinfo=UTC)
    receipt = add(small, "journey", journey({"id": "anew", "key": small.moved.former, "at": later, "known_at": later}))
    assert (receipt.kept, receipt.suppressed) == (1, 0)


def test_quarantined_rows_go_by_hash_by_surrogate_and_by_the_digits_of_the_key_given(small):
    mine, other = small.names["customer"][3:5]
    number = number_of(small, mine)
    refuse(small, mine, number, "mine")
    refuse(small, other, number_of(small, other), "other")
    assert small.lake.quarantine().num_rows == 8
    assert forgotten(small, "msisdn", number).quarantined == 3
    left = [json.loads(text)["id"] for text in small.lake.quarantine()["row"].to_pylist()]
    assert sorted(left) == ["q1-other", "q2-other", "q3-mine", "q3-other", "q4-other"]
    again = journey({"id": "q5", "key": mine, "phase": "sleep"})
    assert (add(small, "journey", again).suppressed, small.lake.quarantine().num_rows) == (1, 5)


CARD = {"key_type": "loyalty", "key": "FAMILY-CARD"}


def share_a_card(operator: Operator, one: str, other: str) -> None:
    """A card that leads to one customer by itself and to another by the address it was ordered with."""
    ends = (
        {**CARD, "other_type": "customer", "other": one},
        {**CARD, "other_type": "email", "other": "family@example.com"},
        {"key_type": "email", "key": "family@example.com", "other_type": "customer", "other": other},
    )
    rows = [{"id": f"card{i}", "at": AT, "known_at": AT, **end} for i, end in enumerate(ends)]
    add(operator, "evidence", pa.Table.from_pylist(rows))
    add(operator, "journey", journey({"id": "shared", **CARD}))


def holders(operator: Operator) -> set[int]:
    card = operator.ring.key_id("loyalty", "FAMILY-CARD")
    return set(operator.history().find("loyalty", card, FOREVER - 1, FOREVER).tolist())


def test_a_key_that_several_hold_does_not_say_who_is_meant(small):
    share_a_card(small, *small.names["customer"][3:5])
    with pytest.raises(PersonError, match="2 customers hold this loyalty now") as stop:
        forgotten(small, "loyalty", "FAMILY-CARD")
    assert "FAMILY" not in str(stop.value)


def test_what_of_a_shared_key_is_another_persons_too_stays(small):
    mine, other = small.names["customer"][3:5]
    share_a_card(small, mine, other)
    assert len(holders(small)) == 2
    forgotten(small, "customer", mine)
    assert "shared" in small.lake.read("journey")["id"].to_pylist()
    assert holders(small) == {small.ring.key_id("customer", other)}


def test_the_keys_of_account_and_site_stay(small):
    before = small.lake.keys()
    forgotten(small, "customer", small.moved.former)
    gone = set(before["key_id"].to_pylist()) - set(small.lake.keys()["key_id"].to_pylist())
    types = before.filter(pc.is_in(before["key_id"], pa.array(gone)))["key_type"].to_pylist()
    assert {"customer", "line"} <= set(types)
    assert not {"account", "site", "market"} & set(types)


def test_a_customer_goes_with_every_id_they_had(small):
    old, new = small.names["customer"][3:5]
    merge = {"id": "same", "key_type": "customer", "key": new, "other_type": "customer", "other": old}
    add(small, "evidence", pa.Table.from_pylist([merge | {"at": AT, "known_at": AT}]))
    forgotten(small, "customer", new)
    left = set(small.lake.keys()["key_id"].to_pylist())
    assert not {small.ring.key_id("customer", name) for name in (old, new)} & left


def test_a_visitor_nobody_can_name_is_forgotten_by_the_key_alone(small):
    add(small, "journey", journey({"id": "v", "key_type": "cookie", "key": "a visitor's"}))
    done = forgotten(small, "cookie", "a visitor's")
    assert (done.customers, done.keys, done.facts) == (0, {"cookie": 1}, {"journey": 1})


@pytest.mark.parametrize(
    ("key_type", "value", "says"),
    [("msisdn", "0471-x", "msisdn: "), ("passport", "AB 123", "'passport' is not a type of key")],
)
def test_what_is_no_key_is_refused_without_repeating_it(small, key_type, value, says):
    with pytest.raises(PersonError, match=says) as stop:
        forgotten(small, key_type, value)
    assert value not in str(stop.value)


def test_a_key_nobody_has_heard_of_leaves_the_lake_as_it_is(small):
    version = small.lake.snapshot().version
    assert forgotten(small, "customer", "nobody").nothing
    assert small.lake.snapshot().version == version


def test_a_ring_without_the_suppression_secret_may_not_add_to_a_lake_that_forgot(small):
    forgotten(small, "customer", small.moved.former)
    blind = Operator(small.home, small.lake, type(small.ring)(small.ring.secret), small.names, small.moved)
    with pytest.raises(LakeError, match="came without the tags"):
        add(blind, "journey", journey({"id": "x", "key": small.moved.former}))
