"""Visitors: who may be asked about without a name, what is read of them, and whose outcome teaches."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from worlds import LINKS, MINUTE, TYPES, cutoffs, history, worlds

from features.conditions import DeclarationError, Event
from features.dataset import EVENT, NO_ENDING
from features.declare import Calendar, Catalog, Feature, Label, Rule, Task
from features.unnamed import Visitors
from features.visitors import Visits, build_visitors, history_of, last_visit, named, own_facts, visits

STATUS = Feature("profile", "last", "status")
FEATURES = (
    Feature("journey", "last", "topic"),
    Feature("journey", "since_last", where={"phase": "ask"}),
    Feature("journey", "sum", "value", "25m"),
)
VISITORS = Visitors(("cookie",), Event.of("journey", phase=("explore", "ask")), FEATURES, named_within="20m")
TASK = Task(
    name="leaving",
    entity="customer",
    cutoffs=Calendar("10m"),
    eligible=(Rule(STATUS.name, "is", "active"),),
    labels=(
        Label("leaves", Event.of("profile", status="left", reason="voluntary"), Event.of("profile", status="left")),
    ),
    periods=("10m", "20m"),
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, (STATUS, *FEATURES), (TASK,), visitors=VISITORS)
COVERED = {"profile": ((0, 5000 * MINUTE),), "journey": ((0, 5000 * MINUTE),)}
ANN, BOB, COOKIE = 1, 2, 21
ACTIVE = Fact("a", ANN, 0, 0, False, {"status": "active", "reason": None})
LEFT = Fact("x", ANN, 45 * MINUTE, 45 * MINUTE, False, {"status": "left", "reason": "voluntary"})


def visit(id: str, at: float, phase: str = "ask", known: float | None = None, key: int = COOKIE) -> Fact:
    known = at if known is None else known
    values = {"phase": phase, "channel": "web", "topic": "plans", "value": 1.0}
    return Fact(id, key, round(at * MINUTE), round(known * MINUTE), False, values)


def login(at: float, known: float | None = None, who: int = ANN, id: str = "l") -> Fact:
    known = at if known is None else known
    return Fact(id, COOKIE, round(at * MINUTE), round(known * MINUTE), False, {"other": who, "state": "linked"})


def world(*facts: Fact, evidence: tuple[Fact, ...] = (), profile: tuple[Fact, ...] = (ACTIVE, LEFT)) -> World:
    return World({"profile": list(profile), "journey": list(facts)}, list(evidence), TYPES, LINKS, COVERED)


def found(*facts: Fact, evidence: tuple[Fact, ...] = (), start: float = 0, end: float = 4000) -> list[float]:
    """Minutes of the cutoffs at which the cookie is asked about, a microsecond each taken off."""
    told = visits(
        history(world(*facts, evidence=evidence), CATALOG), "customer", round(start * MINUTE), round(end * MINUTE)
    )
    return [(cutoff - 1) / MINUTE for cutoff in told.cutoff.tolist()]


def test_a_key_is_asked_about_once_its_visit_is_known_and_once_a_day() -> None:
    day = 24 * 60
    facts = [visit("v", 30, known=35), visit("w", 50), visit("u", day + 5), visit("t", day + 1)]
    assert found(*facts) == [50, day + 5]
    assert found(facts[0]) == [35]


def test_only_the_declared_facts_and_key_types_ask() -> None:
    assert found(visit("v", 30, phase="use"), visit("w", 31, key=11)) == []


def test_a_revised_visit_asks_once() -> None:
    first = visit("v", 30)
    assert found(first, replace(first, known_at=40 * MINUTE)) == [30]


def test_who_was_known_at_the_visit_is_no_visitor_and_a_link_not_yet_known_makes_nobody_known() -> None:
    assert found(visit("v", 30), evidence=(login(20),)) == []
    assert found(visit("v", 30), evidence=(login(20, known=31),)) == [30]


def data(*evidence: Fact, seen: float = 1000, profile: tuple[Fact, ...] = (ACTIVE, LEFT)):
    told = history(world(visit("v", 30), evidence=evidence, profile=profile), CATALOG)
    return build_visitors(told, TASK, 0, 4000 * MINUTE, round(seen * MINUTE))


def test_a_visit_named_soon_teaches_what_came_of_its_owner() -> None:
    both = data(login(33, known=40))
    assert both.given.entity.tolist() == [ANN]
    (outcome,) = both.given.outcomes
    assert outcome.ending.tolist() == [EVENT]
    assert outcome.after[0] == 15 * MINUTE - 1
    assert both.asked.outcomes[0].ending.tolist() == [EVENT]
    assert both.asked.entity.tolist() == [COOKIE]
    assert both.asked.X.equals(both.given.X)


@pytest.mark.parametrize(
    "evidence",
    [(), (login(33, known=50.5),), (login(60),), (login(33, who=BOB),), (login(33), login(33, who=BOB, id="m"))],
    ids=["never named", "known too late", "the link does not reach back", "not eligible", "two at once"],
)
def test_a_visit_not_soon_named_as_one_eligible_customer_teaches_only_that(evidence: tuple[Fact, ...]) -> None:
    both = data(*evidence)
    assert len(both.given.X) == 0
    assert both.asked.outcomes[0].ending.tolist() == [NO_ENDING]


def test_what_was_named_after_the_training_instant_is_not_known() -> None:
    assert len(data(login(33, known=40), seen=40).given.X) == 0
    assert len(data(login(33, known=40), seen=41).given.X) == 1


def test_a_visit_can_only_teach_of_being_named_once_the_time_has_passed() -> None:
    asked = data(login(33), seen=49).asked
    assert asked.followed()[0] < asked.edges()[0] <= data(login(33), seen=51).asked.followed()[0]


@pytest.mark.parametrize("told_at", [33, 2000], ids=["soon", "late"])
def test_who_objects_is_not_learned_from_in_either_way(told_at: float) -> None:
    consent = Feature("profile", "last", "consent_profiling")
    catalog = replace(CATALOG, features=(*CATALOG.features, consent), objection=Rule(consent.name, "is", 0.0))
    no = replace(ACTIVE, id="n", at=1, known_at=1, values={**ACTIVE.values, "consent_profiling": False})
    told = history(world(visit("v", 30), evidence=(login(33, told_at),), profile=(ACTIVE, no)), catalog)
    both = build_visitors(told, TASK, 0, 4000 * MINUTE, 1000 * MINUTE)
    assert (len(both.asked.X), len(both.given.X)) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(worlds(), st.lists(cutoffs, min_size=1, max_size=3))
def test_a_visitors_row_is_the_keys_own_and_no_link_changes_it(told: World, instants: list[int]) -> None:
    at = np.array(instants, np.int64)
    rows = Visits(np.full(len(at), COOKIE), at, at)
    unlinked = history(replace(told, evidence=[]), CATALOG)
    linked = history_of(history(told, CATALOG), rows, FEATURES)
    assert linked.equals(history_of(unlinked, rows, FEATURES))
    assert linked.equals(unlinked.frame("cookie", rows.key, at, FEATURES))


@settings(max_examples=60, deadline=None)
@given(worlds(), cutoffs)
def test_keys_without_a_name_are_read_as_one(told: World, cutoff: int) -> None:
    """As one key would be that all their facts are about."""
    keys = [11, COOKIE]
    facts = {
        name: [replace(f, key=COOKIE if f.key in keys else f.key) for f in rows] for name, rows in told.facts.items()
    }
    together = own_facts(history(told, CATALOG), [*keys, COOKIE], cutoff, cutoff, FEATURES)
    one = own_facts(history(replace(told, facts=facts), CATALOG), [COOKIE], cutoff, cutoff, FEATURES)
    assert together.equals(one)


def test_the_last_visit_is_the_last_that_is_visible_and_a_microsecond_after_it_was_known() -> None:
    told = history(world(visit("v", 30, known=35), visit("w", 50), visit("x", 60, phase="hold")), CATALOG)
    minutes = (30, 35, 36, 50, 51, 100)
    said = [last_visit(told, [COOKIE], round(m * MINUTE)) for m in minutes]
    assert said == [None, None, 35 * MINUTE + 1, 35 * MINUTE + 1, 50 * MINUTE + 1, 50 * MINUTE + 1]
    assert last_visit(told, [22], 100 * MINUTE) is None
    assert last_visit(told, [22, COOKIE], 100 * MINUTE) == 50 * MINUTE + 1


@settings(max_examples=60, deadline=None)
@given(worlds(), cutoffs)
def test_a_key_asked_about_is_read_at_a_cutoff_of_training(told: World, now: int) -> None:
    found = history(told, CATALOG)
    instant = last_visit(found, [COOKIE], now)
    seen = visits(history(replace(told, evidence=[]), CATALOG), "customer", 0, now + 1)
    taught = seen.cutoff[seen.key == COOKIE].tolist()
    # A visit withdrawn since is in what was taught, and no visit any more.
    assert instant is None or instant <= max(taught)
    assert instant in (None, *taught) or any(c // (1440 * MINUTE) == instant // (1440 * MINUTE) for c in taught)


def test_the_owner_is_who_held_the_key_at_the_visit_not_who_holds_it_now() -> None:
    links = tuple(replace(link, one_parent=True) if link.child == "cookie" else link for link in LINKS)
    catalog = replace(CATALOG, links=links)
    evidence = (login(31), login(40, who=BOB, id="m"))
    told = replace(world(visit("v", 30), evidence=evidence), links=links)
    rows = visits(history(told, catalog), "customer", 0, 4000 * MINUTE)
    assert named(history(told, catalog), "customer", rows, np.array([1000 * MINUTE])).tolist() == [ANN]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"keys": ("phone",)}, "visitors: unknown key type 'phone'"),
        ({"keys": ()}, "visitors: name the key types"),
        ({"features": (FEATURES[0], FEATURES[0])}, "visitors: feature declared twice: journey_topic_last"),
        (
            {"features": (Feature("faults", "count", window="25m", via="site"),)},
            "asks for a parent, which nobody knows",
        ),
        ({"named_within": "0s"}, "named_within must be longer than nothing"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        replace(CATALOG, visitors=replace(VISITORS, **wrong))


def test_a_source_that_may_not_be_used_for_profiling_is_no_visitors() -> None:
    with pytest.raises(DeclarationError, match="reading visitors is profiling, and rows of 'journey' may not"):
        replace(CATALOG, features=(STATUS,), purposes={"journey": ("service",)})


def test_a_workspace_without_visitors_says_so() -> None:
    told = history(world(visit("v", 30)), replace(CATALOG, visitors=None))
    with pytest.raises(DeclarationError, match="declares no visitors"):
        visits(told, "customer", 0, MINUTE)
