"""Who turns out to be one: whose id stays, what an alias is asked, what is taken back, and what cannot be."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from graph_worlds import CATALOG, KINDS, LINKS, evidence_of, many_links, visits, world_of
from oracle import Fact
from test_rule_of_time import ask, link
from worlds import MINUTE, history

from features.conditions import Event
from features.dataset import already_ended, build, pairs
from features.declare import Calendar, Label, Task
from features.identity.graph.evidence import Kinds
from features.identity.graph.graph import read_graph


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
    n = 300
    kinds = Kinds.of(pa.table({"key_id": np.arange(n + 1), "key_type": ["customer"] * (n + 1)}))
    graph = read_graph(many_links(np.arange(n), np.arange(1, n + 1)), kinds, [LINKS[4]])
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
