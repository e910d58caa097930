"""The key graph: guards, merges, what is taken back, candidates; against the oracle, in any order, and undone again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from test_rule_of_time import ask, link, same
from worlds import MINUTE, cutoffs, history, stored

from features.conditions import Event
from features.dataset import already_ended, build, pairs
from features.declare import Calendar, Catalog, Feature, Label, Link, Task
from features.identity.graph.evidence import Kinds, by_link
from features.identity.graph.graph import Graph, read_graph, updated
from features.identity.reach import own_reach, parents

TYPES = {
    1: "customer",
    2: "customer",
    3: "customer",
    4: "customer",
    21: "cookie",
    22: "cookie",
    51: "email",
    61: "card",
    31: "site",
    32: "site",
    41: "account",
    42: "account",
}
LINKS = (
    Link("cookie", "customer", back="15m", shared=2),
    Link("email", "customer", back=None, undone=True),
    Link("card", "email", one_parent=False, shared=1),
    Link("card", "customer", back=None),
    Link("customer", "customer", back=None, shared=2),
    Link("customer", "account", back=None),
    Link("customer", "site", rolls_up=False, back="10m"),
)
FEATURES = (
    Feature("journey", "count", window="40m"),
    Feature("journey", "sum", "value", "25m"),
    Feature("journey", "last", "value"),
    Feature("journey", "count", window="25m", of="account"),
    Feature("faults", "count", window="40m", where={"state": "opened"}, via="site"),
    Feature("faults", "count", window="40m", where={"state": "opened"}, of="site"),
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, FEATURES, ())
COVERED = dict.fromkeys(("journey", "faults", "profile"), ((-100 * MINUTE, 100 * MINUTE),))
_PAIRS = (
    *((21, c) for c in (1, 2, 3) for _ in range(2)),
    *((51, 1), (51, 2), (61, 51), (61, 3), (22, 4)),
    *((1, 2), (2, 1), (2, 3), (3, 1), (3, 4), (4, 1)),
    *((1, 41), (2, 41), (3, 42), (1, 31), (2, 31), (3, 32), (4, 32)),
)
_minute = st.integers(0, 60).map(lambda m: m * MINUTE)


@st.composite
def said(draw: st.DrawFn) -> list[Fact]:
    rows = []
    for i in range(draw(st.integers(0, 16))):
        key, other = draw(st.sampled_from(_PAIRS))
        state = draw(st.sampled_from(["linked", "linked", "linked", "unlinked", "candidate"]))
        at = draw(_minute)
        known = at + draw(st.integers(0, 30)) * MINUTE
        rows.append(Fact(f"e{i}", key, at, known, False, {"other": other, "state": state}))
        if draw(st.integers(0, 4)) == 0:
            moved = draw(st.sampled_from(_PAIRS))
            change = {"key": moved[0], "values": {"other": moved[1], "state": state}, "void": draw(st.booleans())}
            rows.append(replace(rows[-1], known_at=known + draw(st.integers(1, 20)) * MINUTE, **change))
    return rows


@st.composite
def worlds(draw: st.DrawFn) -> World:
    journey = [
        ask(f"j{i}", draw(st.sampled_from([1, 2, 3, 4, 21, 22, 51, 61])), draw(st.integers(0, 60)), 0, value=i + 1.0)
        for i in range(draw(st.integers(1, 12)))
    ]
    faults = [
        Fact(f"f{i}", draw(st.sampled_from([31, 32])), draw(_minute), 0, False, {"case": f"c{i}", "state": "opened"})
        for i in range(draw(st.integers(0, 3)))
    ]
    return World({"journey": journey, "faults": faults}, draw(said()), TYPES, LINKS, COVERED)


def world_of(evidence: Sequence[Fact], journey: Sequence[Fact] = ()) -> World:
    return World({"journey": list(journey)}, list(evidence), TYPES, LINKS, COVERED)


def frame(world: World, entities: Sequence[int], at: Sequence[int]) -> pd.DataFrame:
    return history(world, CATALOG).frame("customer", np.array(entities), np.array(at), FEATURES)


def visits(world: World, customer: int, minute: float) -> float:
    return float(frame(world, [customer], [round(minute * MINUTE)])["journey_count_40m"].iloc[0])


@given(world=worlds(), c=cutoffs)
def test_every_feature_of_every_customer_equals_the_oracle(world: World, c: int) -> None:
    found = frame(world, [1, 2, 3, 4], [c] * 4)
    for i, customer in enumerate((1, 2, 3, 4)):
        for feature in FEATURES:
            expected = world.value(feature, customer, c)
            assert same(found[feature.name].iloc[i], expected), (feature.name, customer, c, expected)


@settings(max_examples=30)
@given(world=worlds(), c=cutoffs)
def test_an_account_reads_all_who_are_the_same_as_its_customers(world: World, c: int) -> None:
    feature = FEATURES[0]
    found = history(world, CATALOG).frame("account", np.array([41, 42]), np.array([c, c]), [feature])[feature.name]
    assert [float(v) for v in found] == [world.value(feature, account, c) for account in (41, 42)]


def evidence_of(facts: Sequence[Fact]) -> pa.Table:
    return stored(world_of(facts)).evidence


KINDS = Kinds.of(stored(world_of([])).keys)


def same_graph(left: Graph, right: Graph) -> None:
    for one, other in (*zip(left.links.values(), right.links.values(), strict=True),):
        pd.testing.assert_frame_equal(one, other)
    for one, other in zip(left.guarded.values(), right.guarded.values(), strict=True):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(left.members("customer"), right.members("customer"))
    pd.testing.assert_frame_equal(left.problems(), right.problems())


@settings(max_examples=50)
@given(facts=said(), order=st.randoms(use_true_random=False), batches=st.integers(1, 5))
def test_evidence_in_any_order_gives_the_graph_of_a_rebuild(facts: list[Fact], order, batches: int) -> None:
    arriving = list(facts)
    order.shuffle(arriving)
    graph, so_far = read_graph(evidence_of([]), KINDS, LINKS), []
    for batch in np.array_split(np.arange(len(arriving)), batches):
        new = [arriving[i] for i in batch]
        ids = {fact.id for fact in new}
        so_far += new
        touched = np.unique([fact.key for fact in so_far if fact.id in ids]).astype(np.int64)
        table = evidence_of(so_far)
        fresh = table.filter(pa.array(np.isin(table["key_id"].to_numpy(), touched)))
        graph = updated(graph, by_link(fresh, KINDS, LINKS), touched)
    same_graph(graph, read_graph(evidence_of(facts), KINDS, LINKS))


@settings(max_examples=30)
@given(facts=said(), some=st.sets(st.sampled_from([1, 2, 3, 4])))
def test_the_reach_of_some_customers_is_theirs_in_the_reach_of_all(facts: list[Fact], some: set[int]) -> None:
    graph = read_graph(evidence_of(facts), KINDS, LINKS)
    whole = own_reach("customer", np.array([1, 2, 3, 4]), graph)
    part = own_reach("customer", np.array(sorted(some), np.int64), graph)
    kept = np.isin(whole.entity, list(some))
    for name in vars(part):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[kept])


@settings(max_examples=50)
@given(world=worlds(), pair=st.sampled_from([(1, 2), (3, 2), (4, 1)]), merged_at=st.integers(0, 30))
def test_merge_then_unmerge_gives_back_every_feature_exactly(
    world: World, pair: tuple[int, int], merged_at: int
) -> None:
    # Nothing else is said of whether these two are the same: a second statement would stand on its own.
    others = [e for e in world.evidence if TYPES[e.values["other"]] != "customer" or TYPES[e.key] != "customer"]
    undone = [link("m1", *pair, merged_at, merged_at), link("m2", *pair, 61, 61, "unlinked")]
    at = [round(m * MINUTE) for m in (61.5, 65, 70) for _ in range(4)]
    before = frame(replace(world, evidence=others), [1, 2, 3, 4] * 3, at)
    after = frame(replace(world, evidence=[*others, *undone]), [1, 2, 3, 4] * 3, at)
    pd.testing.assert_frame_equal(before, after)


@settings(max_examples=50)
@given(world=worlds(), c=cutoffs)
def test_no_feature_uses_a_link_or_merge_not_yet_known(world: World, c: int) -> None:
    known = replace(world, evidence=[e for e in world.evidence if e.known_at < c])
    left, right = (frame(w, [1, 2, 3, 4], [c] * 4) for w in (world, known))
    # Age, which decides whose id stays, is the first naming ever; it cannot lie later than what is known.
    pd.testing.assert_frame_equal(left, right)


def test_the_older_id_stays_and_the_younger_becomes_its_alias() -> None:
    told = [link("a", 1, 41, 0, 5), link("b", 2, 41, 0, 3), link("m", 1, 2, 10, 10)]
    world = world_of(told, [ask("x", 1, 8, 8), ask("y", 2, 9, 9)])
    assert (visits(world, 1, 10), visits(world, 2, 10)) == (1, 1)
    assert (visits(world, 1, 11), visits(world, 2, 11)) == (0, 2)
    found = history(world, CATALOG).candidates([("customer", 1)], 11 * MINUTE, 11 * MINUTE)
    assert found[0].tolist() == [2]
    assert found[1][0] == pytest.approx(1.0, abs=1e-3)


def test_an_unmerge_restores_both() -> None:
    told = [link("m", 1, 2, 10, 10), link("u", 2, 1, 20, 20, "unlinked")]
    world = world_of(told, [ask("x", 1, 8, 8), ask("y", 2, 9, 9)])
    # Both were first named by the merge itself: the one that the other is said to belong to stands.
    assert [visits(world, 1, m) for m in (9.5, 15, 21)] == [1, 0, 1]
    assert [visits(world, 2, m) for m in (9.5, 15, 21)] == [1, 2, 1]


def test_a_correction_counts_from_when_it_is_known_whatever_time_it_speaks_of() -> None:
    told = [link("m", 1, 2, 10, 10), link("u", 1, 2, 9, 20, "unlinked")]
    world = world_of(told, [ask("x", 1, 8, 8), ask("y", 2, 8, 8)])
    assert [visits(world, 2, m) for m in (15, 21)] == [2, 1]


def test_a_chain_of_merges_longer_than_may_be_is_not_joined_and_is_told() -> None:
    n = 3_000
    rows = pa.table(
        {
            "id": [f"e{i}" for i in range(n)],
            "key_id": pa.array(np.arange(n)),
            "other_id": pa.array(np.arange(1, n + 1)),
            **{name: pa.array(np.arange(n) * 1000).cast(pa.timestamp("us", tz="UTC")) for name in ("at", "known_at")},
            "until": pa.nulls(n, pa.timestamp("us", tz="UTC")),
            "state": ["linked"] * n,
        }
    )
    kinds = Kinds.of(pa.table({"key_id": np.arange(n + 1), "key_type": ["customer"] * (n + 1)}))
    graph = read_graph(rows, kinds, [LINKS[4]])
    members = graph.members("customer")
    assert members[members["known_to"] == 2**62]["parent"].value_counts().max() == 3
    assert set(graph.problems()["problem"]) == {"merge of too many"}


def test_a_merge_against_what_is_said_to_be_apart_joins_nothing_and_is_told() -> None:
    told = [link("m", 1, 2, 1, 1), link("n", 2, 3, 2, 2), link("u", 1, 3, 3, 3, "unlinked")]
    graph = read_graph(evidence_of(told), KINDS, LINKS)
    known = graph.members("customer")
    now = known[known["known_to"] > 50 * MINUTE]
    assert {(row.child, row.parent) for row in now.itertuples()} == {(1, 2), (2, 2), (3, 3)}
    problems = graph.problems()
    assert problems["problem"].tolist() == ["contradictory merge", "unmerge of what was never merged"]
    assert problems["known"].tolist() == [3 * MINUTE, 3 * MINUTE]


def test_an_unmerge_of_what_was_never_merged_changes_nothing_and_is_told() -> None:
    told = [link("u", 1, 2, 5, 5, "unlinked")]
    world = world_of(told, [ask("x", 1, 8, 8)])
    assert visits(world, 1, 10) == 1
    assert read_graph(evidence_of(told), KINDS, LINKS).problems()["problem"].tolist() == [
        "unmerge of what was never merged"
    ]


def test_a_key_that_too_many_share_is_read_by_nobody_from_when_that_is_known() -> None:
    told = [link(f"e{c}", 21, c, c, 2 * c) for c in (1, 2, 3)]
    world = world_of(told, [ask("x", 21, 3.5, 3.5)])
    assert [visits(world, 2, m) for m in (5, 6, 6.5, 40)] == [1, 1, 0, 0]
    assert [visits(world, 3, m) for m in (6, 6.5, 40)] == [0, 0, 0]
    graph = read_graph(evidence_of(told), KINDS, LINKS)
    assert graph.guarded[LINKS[0]].to_numpy().tolist() == [[21, 6 * MINUTE, 2**62]]
    assert len(history(world, CATALOG).candidates([("cookie", 21)], 10 * MINUTE, 10 * MINUTE)[0]) == 0


def test_a_guard_ends_when_it_turns_out_that_fewer_share_the_key() -> None:
    told = [link(f"e{c}", 21, c, c, 2 * c) for c in (1, 2, 3)]
    withdrawn = replace(told[2], known_at=20 * MINUTE, void=True)
    world = world_of([*told, withdrawn], [ask("x", 21, 3.5, 3.5)])
    assert [visits(world, 2, m) for m in (6, 6.5, 20, 20.5)] == [1, 0, 0, 1]


def test_a_customer_said_to_be_the_same_as_too_many_is_merged_with_none() -> None:
    told = [link(f"m{c}", 1, c, 1, c) for c in (2, 3, 4)]
    world = world_of(told, [ask("x", 2, 0.5, 0.5), ask("y", 1, 0.5, 0.5)])
    assert visits(world, 1, 3) + visits(world, 2, 3) == 2
    assert max(visits(world, 1, 3), visits(world, 2, 3)) == 2
    assert (visits(world, 1, 5), visits(world, 2, 5)) == (1, 1)


def test_what_was_never_so_gives_the_address_back_to_whom_it_belonged() -> None:
    told = [link("a", 51, 1, 0, 0), link("b", 51, 2, 10, 10), link("u", 51, 2, 20, 20, "unlinked")]
    world = world_of(told, [ask("x", 51, 5, 5), ask("y", 51, 15, 15)])
    assert (visits(world, 1, 16), visits(world, 2, 16)) == (1, 1)
    assert (visits(world, 1, 21), visits(world, 2, 21)) == (2, 0)


def test_whoever_stands_for_others_was_heard_of_when_they_were() -> None:
    world = world_of([link("m", 2, 1, 30, 30)], [ask("y", 2, 2, 2)])
    assert history(world, CATALOG).first_known("customer").tolist()[:2] == [30 * MINUTE, 2 * MINUTE]


def test_an_ending_known_under_a_former_id_is_not_learned_from_the_merge() -> None:
    left = [Fact("x", 2, 20 * MINUTE, 20 * MINUTE, False, {"status": "left"})]
    world = replace(world_of([link("m", 2, 1, 60, 60)], [ask("y", 1, 25, 25)]), facts={"profile": left})
    ending = Event.of("profile", status="left")
    task = Task("leaving", "customer", Calendar("10m"), (Label("leaves", ending, ending),), ("10m",))
    found = history(world, replace(CATALOG, tasks=(task,)))
    at = np.array([30, 50, 70]) * MINUTE
    assert not already_ended(found, task, np.array([1, 1, 1]), at, 100 * MINUTE).any()


def test_a_hub_with_a_hundred_thousand_neighbours_is_no_obstacle() -> None:
    n = 100_000
    rows = pa.table(
        {
            "id": [f"e{i}" for i in range(n)],
            "key_id": pa.array(np.full(n, 7, np.int64)),
            "other_id": pa.array(np.arange(1000, 1000 + n)),
            "at": pa.array(np.arange(n) * 1000).cast(pa.timestamp("us", tz="UTC")),
            "known_at": pa.array(np.arange(n) * 1000 + 5).cast(pa.timestamp("us", tz="UTC")),
            "until": pa.nulls(n, pa.timestamp("us", tz="UTC")),
            "state": ["linked"] * n,
        }
    )
    ids = np.append(7, np.arange(1000, 1000 + n))
    for kind, its_link in (("cookie", LINKS[0]), ("customer", LINKS[4])):
        kinds = Kinds.of(pa.table({"key_id": ids, "key_type": [kind] + ["customer"] * n}))
        graph = read_graph(rows, kinds, [its_link])
        assert graph.guarded[its_link].to_numpy().tolist() == [[7, 2005, 2**62]]
    members = graph.members("customer")
    assert set(members[members["known_to"] == 2**62]["parent"]) == set(members["child"])


@settings(max_examples=30)
@given(facts=said())
def test_parents_and_reach_never_overlap(facts: list[Fact]) -> None:
    graph = read_graph(evidence_of(facts), KINDS, LINKS)
    for reach in (own_reach("customer", np.array([1, 2, 3, 4]), graph), parents("customer", "site", graph)):
        rows = pd.DataFrame(vars(reach))
        for _, group in rows.groupby(["entity", "key"]):
            for a in group.itertuples():
                for b in group.itertuples():
                    apart = (
                        a.at_to <= b.at_from
                        or b.at_to <= a.at_from
                        or a.known_to <= b.known_from
                        or b.known_to <= a.known_from
                    )
                    assert a.Index == b.Index or apart


def test_an_alias_is_not_asked_about_while_another_stands_for_it() -> None:
    told = [
        link("a", 1, 41, 0, 0),
        link("b", 2, 41, 0, 1),
        link("m", 1, 2, 10, 10),
        link("u", 1, 2, 20, 20, "unlinked"),
    ]
    world = world_of(told, [ask("x", 1, 2, 2), ask("y", 2, 2, 2)])
    task = Task("visits", "customer", Calendar("5m"), (Label("again", Event.of("journey", phase="ask")),), ("5m",))
    entity, cutoff = pairs(history(world, replace(CATALOG, tasks=(task,))), task, 5 * MINUTE, 26 * MINUTE)
    asked = {minute: set(entity[cutoff == minute * MINUTE].tolist()) for minute in (5, 10, 15, 20, 25)}
    assert asked == {5: {1, 2}, 10: {1, 2}, 15: {1}, 20: {1}, 25: {1, 2}}


def test_what_came_of_an_alias_is_what_came_of_the_one_that_stands_for_it() -> None:
    told = [link("a", 1, 41, 0, 0), link("b", 2, 41, 0, 1), link("m", 1, 2, 10, 10)]
    world = world_of(told, [ask("x", 1, 2, 2), ask("y", 2, 2, 2), ask("z", 2, 8, 8)])
    task = Task("visits", "customer", Calendar("5m"), (Label("again", Event.of("journey", phase="ask")),), ("5m",))
    found = history(world, replace(CATALOG, tasks=(task,)))
    data = build(found, task, 5 * MINUTE, 6 * MINUTE, seen=30 * MINUTE)
    assert data.entity.tolist() == [1, 2]
    assert data.outcomes[0].after.tolist() == [3 * MINUTE, 3 * MINUTE]
