"""Labels: the same rule of time on the interval after the cutoff, counted only when they were known and mature."""

from dataclasses import replace

import numpy as np
import pytest
from oracle import Fact, World
from worlds import LINKS, MINUTE, TYPES, history

from features.conditions import DeclarationError, Event
from features.dataset import COMPETING, EVENT, NO_ENDING, build, calendar_cutoffs, pairs
from features.declare import Calendar, Catalog, Feature, Label, Rule, Task, Triggered

STATUS = Feature("profile", "last", "status")
TASK = Task(
    name="leaving",
    entity="customer",
    cutoffs=Calendar("10m"),
    eligible=(Rule(STATUS.name, "is", "active"),),
    labels=(
        Label(
            "leaves",
            Event.of("profile", status=("notice", "left"), reason="voluntary"),
            competing=Event.of("profile", status=("notice", "left"), reason="moved"),
        ),
    ),
    periods=("10m", "20m"),
    label_delay="5m",
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, (STATUS,), (TASK,))
COVERED = {"profile": ((0, 200 * MINUTE),), "journey": ((0, 200 * MINUTE),)}


def status(id: str, key: int, at: float, known: float, status: str, reason: str | None = None) -> Fact:
    return Fact(id, key, round(at * MINUTE), round(known * MINUTE), False, {"status": status, "reason": reason})


def world(*facts: Fact, evidence: tuple[Fact, ...] = (), **facts_of: list[Fact]) -> World:
    return World({"profile": list(facts), **facts_of}, list(evidence), TYPES, LINKS, COVERED)


def dataset(facts: World, seen: float, task: Task = TASK, start: float = 10, end: float = 11) -> object:
    return build(history(facts, CATALOG), task, round(start * MINUTE), round(end * MINUTE), round(seen * MINUTE))


ACTIVE = status("a", 1, 0, 0, "active")


def outcome(*facts: Fact, seen: float = 100) -> tuple[int, float]:
    found = dataset(world(ACTIVE, *facts), seen).outcomes[0]
    return int(found.ending[0]), float(found.after[0]) / MINUTE


def test_an_ending_at_the_cutoff_is_the_first_that_counts() -> None:
    assert outcome(status("x", 1, 10, 12, "left", "voluntary")) == (EVENT, 0.0)


def test_the_first_ending_wins() -> None:
    moved, left = status("m", 1, 13, 14, "left", "moved"), status("x", 1, 15, 15, "left", "voluntary")
    assert outcome(moved, left) == (COMPETING, 3.0)
    assert outcome(replace(moved, at=16 * MINUTE, known_at=16 * MINUTE), left) == (EVENT, 5.0)


def test_an_ending_not_yet_known_at_the_training_instant_is_none() -> None:
    late = status("x", 1, 12, 30, "left", "voluntary")
    assert outcome(late, seen=30)[0] == NO_ENDING
    assert outcome(late, seen=30.001)[0] == EVENT


def test_who_had_left_though_nobody_knew_is_not_asked_about() -> None:
    """Left before the cutoff, known after it: no future to learn from, and not a stayer."""
    late = status("x", 1, 9, 12, "left", "voluntary")
    both = world(ACTIVE, late, status("b", 2, 0, 0, "active"))
    assert dataset(both, seen=100).entity.tolist() == [2]
    assert dataset(both, seen=12).entity.tolist() == [1, 2]


def test_who_leaves_within_the_gap_is_not_a_stayer() -> None:
    in_gap = status("x", 1, 12, 12, "left", "voluntary")
    found = dataset(world(ACTIVE, in_gap, status("b", 2, 0, 0, "active")), 100, replace(TASK, gap="5m"))
    assert found.entity.tolist() == [2]


def test_an_entity_nobody_had_heard_of_is_not_asked_about() -> None:
    everyone = replace(TASK, eligible=())
    facts = world(ACTIVE, status("later", 2, 9, 25, "active"))
    entity, cutoff = pairs(history(facts, replace(CATALOG, tasks=(everyone,))), everyone, 10 * MINUTE, 31 * MINUTE)
    assert [(e, c // MINUTE) for e, c in zip(entity, cutoff, strict=True)] == [(1, 10), (1, 20), (1, 30), (2, 30)]


def test_a_withdrawn_ending_is_none() -> None:
    left = status("x", 1, 12, 13, "left", "voluntary")
    assert outcome(left, replace(left, known_at=20 * MINUTE, void=True), seen=50)[0] == NO_ENDING
    assert outcome(left, replace(left, known_at=20 * MINUTE, void=True), seen=20)[0] == EVENT


def test_an_ending_of_a_line_of_the_customer_is_theirs() -> None:
    link = Fact("e", 11, 0, 0, False, {"other": 1, "state": "linked"})
    found = dataset(world(ACTIVE, status("x", 11, 12, 12, "left", "voluntary"), evidence=(link,)), 100)
    assert found.outcomes[0].ending.tolist() == [EVENT]


def test_only_the_eligible_are_asked_about() -> None:
    gone = status("g", 2, 0, 1, "left", "voluntary")
    assert dataset(world(ACTIVE, gone), 100).entity.tolist() == [1]


def test_follow_up_is_what_has_matured_and_was_covered() -> None:
    assert dataset(world(ACTIVE), seen=30).followed().tolist() == [(30 - 5 - 10) * MINUTE]
    gap = replace(world(ACTIVE), coverage={"profile": ((0, 18 * MINUTE), (25 * MINUTE, 200 * MINUTE))})
    assert dataset(gap, seen=100).followed().tolist() == [8 * MINUTE]


def test_nothing_is_known_beyond_the_end_of_the_lake() -> None:
    at_the_end, far_beyond = (dataset(world(ACTIVE), seen=seen).followed().tolist() for seen in (200, 9_000))
    assert at_the_end[0] <= far_beyond[0] <= (200 - 5 - 10) * MINUTE + 1


def test_no_pair_at_all_is_an_error_that_says_where_it_looked() -> None:
    with pytest.raises(DeclarationError, match="no eligible customer at any cutoff"):
        dataset(world(), 100)


def test_a_trigger_asks_just_after_the_event_was_known_and_once_for_all_revisions() -> None:
    asks = replace(TASK, cutoffs=Triggered(Event.of("journey", phase="ask")))
    ask = Fact("q", 21, 12 * MINUTE, 14 * MINUTE, False, {"phase": "ask", "channel": "web"})
    again = replace(ask, known_at=20 * MINUTE, values={"phase": "ask", "channel": "app"})
    link = Fact("e", 21, 12 * MINUTE, 13 * MINUTE, False, {"other": 1, "state": "linked"})
    catalog = replace(CATALOG, tasks=(asks,))
    known = history(world(ACTIVE, evidence=(link,), journey=[ask, again]), catalog)
    entity, cutoff = pairs(known, asks, 0, 100 * MINUTE)
    assert (entity.tolist(), cutoff.tolist()) == ([1], [14 * MINUTE + 1])


def test_a_trigger_on_a_key_nobody_is_known_by_asks_about_nobody() -> None:
    asks = replace(TASK, cutoffs=Triggered(Event.of("journey", phase="ask")), eligible=())
    ask = Fact("q", 21, 12 * MINUTE, 14 * MINUTE, False, {"phase": "ask", "channel": "web"})
    entity, _ = pairs(history(world(journey=[ask]), replace(CATALOG, tasks=(asks,))), asks, 0, 100 * MINUTE)
    assert entity.tolist() == []


def test_calendar_months_begin_at_utc_midnight_of_the_first() -> None:
    start, end = (np.datetime64(t, "us").astype(np.int64) for t in ("2025-01-31T12:00", "2025-04-01T00:00"))
    found = calendar_cutoffs("month", int(start), int(end)).astype("datetime64[us]").astype(str)
    assert [t[:16] for t in found] == ["2025-02-01T00:00", "2025-03-01T00:00"]
