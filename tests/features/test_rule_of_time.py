"""The engine equals the oracle, and nothing that was not known at the cutoff moves any feature.

`test_mutations.py` breaks each rule on purpose and sees these tests fail.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle import Fact, World
from worlds import CATALOG, FEATURES, LINKS, MINUTE, TYPES, cutoffs, history, worlds

ENTITIES = [1, 2]


def engine(world: World, entities: list[int], at: list[int], seen: list[int] | None = None) -> pd.DataFrame:
    cuts = None if seen is None else np.array(seen)
    return history(world).frame("customer", np.array(entities), np.array(at), FEATURES, cuts)


def same(left: object, right: object) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    if math.isnan(float(left)) or math.isnan(float(right)):
        return math.isnan(float(left)) and math.isnan(float(right))
    return np.float32(left) == np.float32(right)


def ask(id: str, key: int, at: float, known: float, **values: object) -> Fact:
    return Fact(
        id,
        key,
        int(at * MINUTE),
        int(known * MINUTE),
        False,
        {"phase": "ask", "channel": "web", "value": 1.0, **values},
    )


def link(id: str, key: int, other: int, at: float, known: float, state: str = "linked") -> Fact:
    return Fact(id, key, int(at * MINUTE), int(known * MINUTE), False, {"other": other, "state": state})


def world_of(journey: list[Fact], evidence: list[Fact], **changes: object) -> World:
    covered = dict.fromkeys(("journey", "faults", "profile"), ((-100 * MINUTE, 100 * MINUTE),))
    return replace(World({"journey": journey}, evidence, TYPES, LINKS, covered), **changes)


def count(world: World, c: float, window: str = "10m") -> float:
    feature = next(f for f in FEATURES if f.name == f"journey_count_{window}")
    return float(engine(world, [1], [round(c * MINUTE)])[feature.name].iloc[0])


def test_a_window_is_closed_at_its_older_end_and_open_at_the_cutoff() -> None:
    world = world_of([ask("old", 1, 10, 10), ask("new", 1, 20, 10)], [])
    assert count(world, 20) == 1
    assert count(world, 20 + 1 / MINUTE) == 1
    assert count(world, 30) == 1
    assert count(world, 30 + 1 / MINUTE) == 0


def test_a_fact_counts_only_after_the_instant_it_was_known() -> None:
    world = world_of([ask("late", 1, 10, 15)], [])
    assert count(world, 15) == 0
    assert count(world, 15 + 1 / MINUTE) == 1


def test_a_revision_replaces_from_the_instant_it_is_known() -> None:
    revised = replace(ask("x", 1, 10, 14), values={"phase": "use", "channel": "web", "value": 3.0})
    world = world_of([ask("x", 1, 10, 11), revised], [])
    column = "journey_value_sum_25m"
    frame = engine(world, [1, 1], [14 * MINUTE, 14 * MINUTE + 1])
    assert frame[column].tolist() == [1.0, 3.0]


def test_a_link_known_later_brings_the_past_only_for_cutoffs_after_it() -> None:
    """An anonymous visit on Monday, linked by a login on Thursday, counts at its Monday for cutoffs after Thursday."""
    world = world_of([ask("visit", 21, 10, 10)], [link("login", 21, 1, 15, 16)])
    assert count(world, 16) == 0
    assert count(world, 16 + 1 / MINUTE) == 1


def test_a_link_reaches_back_only_as_far_as_its_key_type_says() -> None:
    world = world_of([ask("long ago", 21, 10, 10)], [link("login", 21, 1, 31, 31)])
    feature = next(f for f in FEATURES if f.name == "journey_phase_ask_count_40m")
    assert engine(world, [1], [40 * MINUTE])[feature.name].iloc[0] == 0


def test_a_key_reached_over_two_paths_counts_once() -> None:
    """A cookie that two customers of one account use: the account saw one visit, not two."""
    both = [link("a", 21, 1, 11, 11), link("b", 21, 2, 12, 14), link("c", 1, 41, 0, 0), link("d", 2, 41, 0, 0)]
    world = world_of([ask("visit", 21, 10, 10)], both)
    for at in (13, 15, 20):
        assert engine(world, [1], [at * MINUTE])["journey_count_25m_of_account"].iloc[0] == 1


def test_a_reassigned_number_leaves_its_former_owner() -> None:
    facts = [ask("his", 11, 5, 5), ask("hers", 11, 12, 12)]
    world = world_of(facts, [link("first", 11, 1, 0, 0), link("second", 11, 2, 10, 13)])
    frame = engine(world, [1, 2, 1, 2], [13 * MINUTE, 13 * MINUTE, 14 * MINUTE, 14 * MINUTE])
    assert frame["journey_value_sum_25m"].tolist() == [2.0, 0.0, 1.0, 1.0]


def test_an_uncovered_window_is_missing_not_zero() -> None:
    gap = {"journey": ((0, 20 * MINUTE), (25 * MINUTE, 60 * MINUTE))}
    world = world_of([], [], coverage=gap)
    assert count(world, 20) == 0
    assert np.isnan(count(world, 22))
    assert np.isnan(count(world, 34))
    assert count(world, 35) == 0


def test_an_entity_nobody_knows_has_no_history_and_is_no_error() -> None:
    world = world_of([ask("x", 1, 10, 10)], [])
    frame = engine(world, [99], [20 * MINUTE])
    assert frame["journey_count_10m"].tolist() == [0.0]
    assert frame["faults_minutes_sum_40m_of_site"].isna().all()


def test_blocks_do_not_change_the_bits() -> None:
    rng = np.random.default_rng(5)
    facts = [ask(str(i), 1, rng.uniform(0, 60), rng.uniform(0, 60), value=float(rng.normal())) for i in range(200)]
    hist = history(world_of(facts, []))
    at = rng.integers(0, 70 * MINUTE, 40_000)
    many = hist.frame("customer", np.full(len(at), 1), at, CATALOG.features)
    for i in (0, 16_383, 16_384, 39_999):
        one = hist.frame("customer", np.array([1]), at[i : i + 1], CATALOG.features)
        pd.testing.assert_frame_equal(one, many.iloc[[i]].reset_index(drop=True))


def fault(id: str, key: int, at: float, state: str, case: str = "a") -> Fact:
    values = {"case": case, "state": state, "severity": "major"}
    return Fact(id, key, round(at * MINUTE), round(at * MINUTE), False, values)


def test_a_case_is_open_until_it_is_cleared_and_again_when_it_reopens() -> None:
    cases = [fault("1", 1, 10, "opened"), fault("2", 1, 15, "cleared"), fault("3", 11, 20, "opened")]
    link_ = link("line", 11, 1, 0, 0)
    world = world_of([], [link_], facts={"faults": [*cases, fault("4", 1, 12, "opened", "b")]})
    name = "faults_severity_major_or_critical_open_40m"
    at = [round((m + 0.5) * MINUTE) for m in (10, 12, 15, 20)]
    assert engine(world, [1] * 4, at)[name].tolist() == [1, 2, 1, 2]


def test_at_the_same_instant_cleared_wins() -> None:
    cases = [
        f
        for i in range(20)
        for f in (fault(f"o{i}", 1, 10, "opened", f"c{i}"), fault(f"x{i}", 1, 10, "cleared", f"c{i}"))
    ]
    world = world_of([], [], facts={"faults": cases})
    assert engine(world, [1], [20 * MINUTE])["faults_severity_major_or_critical_open_40m"].tolist() == [0]


def test_a_case_ages_from_its_first_opening_and_is_not_open_on_a_line_given_up() -> None:
    opened = [fault("1", 11, 5, "opened"), fault("2", 11, 20, "opened")]
    mine = link("on", 11, 1, 0, 0)
    kept, gone = world_of([], [mine]), world_of([], [mine, link("off", 11, 2, 22, 22)])
    for world, age in ((kept, 19 * MINUTE / 86_400_000_000), (gone, 0)):
        frame = engine(replace(world, facts={"faults": opened}), [1], [24 * MINUTE])
        assert frame["faults_open_age_25m"].iloc[0] == np.float32(age)


def test_who_gets_a_line_does_not_read_what_came_before_it_was_given_up() -> None:
    """An unlinking that is all we know of the former owner still ends their time."""
    catalog_link = replace(LINKS[0], back=None)
    evidence = [link("off", 11, 2, 10, 10, "unlinked"), link("on", 11, 1, 20, 20)]
    world = world_of([ask("theirs", 11, 5, 5), ask("nobody's", 11, 15, 15)], evidence, links=(catalog_link, *LINKS[1:]))
    known = history(world, replace(CATALOG, links=world.links))
    feature = next(f for f in FEATURES if f.name == "journey_value_sum_25m")
    frame = known.frame("customer", np.array([1]), np.array([25 * MINUTE]), [feature])
    assert frame[feature.name].tolist() == [1.0]
    assert world.value(feature, 1, 25 * MINUTE) == 1.0


@pytest.mark.parametrize(("first", "second"), [(1, 11), (11, 1)])
def test_ties_are_broken_by_the_id_not_by_key_or_order_of_arrival(first: int, second: int) -> None:
    """Same instant, same known_at, two keys: the ids alone decide, whichever key folds first."""
    for a, b in (("p", "q"), ("r", "s"), ("t", "u")):
        facts = [ask(a, first, 10, 10, topic="billing"), ask(b, second, 10, 10, topic="outage")]
        world = world_of(facts, [link("line", 11, 1, 0, 0)])
        feature = next(f for f in FEATURES if f.name == "journey_topic_last")
        expected = world.value(feature, 1, 20 * MINUTE)
        assert engine(world, [1], [20 * MINUTE])[feature.name].iloc[0] == expected
        swapped = replace(world, facts={"journey": facts[::-1]})
        assert engine(swapped, [1], [20 * MINUTE])[feature.name].iloc[0] == expected


@pytest.mark.parametrize("known_to_be_apart", [14, 40])
def test_unlinking_ends_the_reach_once_it_is_known(known_to_be_apart: float) -> None:
    evidence = [link("on", 11, 1, 0, 0), link("off", 11, 1, 8, known_to_be_apart, "unlinked")]
    world = world_of([ask("before", 11, 5, 5), ask("after", 11, 9, 9)], evidence)
    assert count(world, 15, "10m") == (0 + (1 if known_to_be_apart < 15 else 2))


@given(worlds(), st.lists(cutoffs, min_size=1, max_size=3))
def test_every_feature_equals_the_oracle(world: World, at: list[int]) -> None:
    pairs = [(e, c) for e in ENTITIES for c in at]
    frame = engine(world, [e for e, _ in pairs], [c for _, c in pairs])
    for i, (entity, c) in enumerate(pairs):
        for feature in FEATURES:
            expected = world.value(feature, entity, c)
            assert same(frame[feature.name].iloc[i], expected), (feature.name, entity, c, expected)


@given(worlds(), cutoffs, cutoffs)
def test_two_cuts_windows_end_at_now_and_visibility_at_the_stamp(world: World, now: int, stamp: int) -> None:
    frame = engine(world, ENTITIES, [now, now], [stamp, stamp])
    for i, entity in enumerate(ENTITIES):
        for feature in FEATURES:
            assert same(frame[feature.name].iloc[i], world.value(feature, entity, now, stamp)), feature.name


def without_the_unknown(facts: list[Fact], c: int) -> list[Fact]:
    return [f for f in facts if f.known_at < c]


@given(worlds(), cutoffs)
def test_what_is_known_later_changes_no_feature(world: World, c: int) -> None:
    past = replace(
        world,
        facts={name: without_the_unknown(facts, c) for name, facts in world.facts.items()},
        evidence=without_the_unknown(world.evidence, c),
    )
    pd.testing.assert_frame_equal(
        engine(world, ENTITIES, [c, c]).astype(object), engine(past, ENTITIES, [c, c]).astype(object)
    )


@given(worlds(), cutoffs)
def test_what_happens_later_changes_no_feature(world: World, c: int) -> None:
    """A row known early about something still to come (planned work) counts only once it has happened."""
    once = {f.id for fs in world.facts.values() for f in fs if sum(g.id == f.id for g in fs) == 1}
    past = replace(
        world,
        facts={n: [f for f in fs if f.at < c or f.id not in once] for n, fs in world.facts.items()},
    )
    pd.testing.assert_frame_equal(
        engine(world, ENTITIES, [c, c]).astype(object), engine(past, ENTITIES, [c, c]).astype(object)
    )
