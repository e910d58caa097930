"""Purposes and objections: what may be used for profiling, and of whom; both are declared, and facts decide."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_operator import quick
from oracle import Fact, World
from worlds import LINKS, MINUTE, TYPES, history

from features.catalog import CATALOG as TELECOM
from features.conditions import DeclarationError, Event
from features.dataset import build, pairs
from features.declare import Calendar, Catalog, Feature, Label, Link, Rule, Task, Triggered
from features.facts import PURPOSES, SOURCES, TIME
from features.history import History
from features.identity.keys import KeyRing
from features.ingest import append_facts, check_source
from features.lake import Lake
from features.objection import objects, served

STATUS = Feature("profile", "last", "status")
CONSENT = Feature("profile", "last", "consent_profiling")
OBJECTION = Rule(CONSENT.name, "is", 0.0)
TASK = Task(
    name="leaving",
    entity="customer",
    cutoffs=Calendar("10m"),
    eligible=(Rule(STATUS.name, "is", "active"),),
    labels=(Label("leaves", Event.of("profile", status="left"), competing=Event.of("profile", status="notice")),),
    periods=("10m",),
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, (STATUS, CONSENT), (TASK,), objection=OBJECTION)
END = 200


def fact(id: str, key: int, at: float, known: float, **values: object) -> Fact:
    return Fact(id, key, round(at * MINUTE), round(known * MINUTE), False, values)


def consent(id: str, key: int, at: float, known: float, given: bool) -> Fact:
    return fact(id, key, at, known, consent_profiling=given)


def facts(*consents: Fact, evidence: tuple[Fact, ...] = ()) -> History:
    active = [fact(f"a{key}", key, 0, 0, status="active") for key in (1, 2)]
    covered = {"profile": ((0, END * MINUTE),), "journey": ((0, END * MINUTE),)}
    return history(World({"profile": [*active, *consents]}, list(evidence), TYPES, LINKS, covered), CATALOG)


def objecting(known: History, at: float, seen: float | None = None, key: int = 1) -> bool:
    instants, cuts = (None if m is None else np.array([round(m * MINUTE)]) for m in (at, seen))
    return bool(objects(known, "customer", np.array([key]), instants, cuts)[0])


def asked(known: History, key: int = 1) -> list[int]:
    """Cutoffs, in minutes, at which the customer is drawn."""
    entity, cutoff = pairs(known, TASK, 10 * MINUTE, 81 * MINUTE)
    return (cutoff[entity == key] // MINUTE).tolist()


EVERY = [10, 20, 30, 40, 50, 60, 70, 80]


def test_an_objection_counts_from_when_it_is_known_and_what_is_missing_is_none() -> None:
    known = facts(consent("no", 1, 20, 30, given=False), consent("yes", 2, 5, 5, given=True))
    assert [objecting(known, at) for at in (10, 30, 30.001, 150)] == [False, False, True, True]
    assert not objecting(known, 100, key=2)
    assert not objecting(known, 25, seen=30)
    assert objecting(known, 25, seen=30.001)


def test_an_objection_made_on_a_line_or_a_cookie_is_its_customers() -> None:
    linked = fact("e", 21, 10, 10, other=1, state="linked")
    known = facts(consent("no", 21, 12, 12, given=False), evidence=(linked,))
    assert objecting(known, 20)
    assert not objecting(known, 20, key=2)


def test_nothing_of_who_objects_is_drawn_not_even_their_past() -> None:
    known = facts(consent("no", 1, 35, 35, given=False))
    assert asked(known) == []
    assert asked(known, key=2) == EVERY


def test_who_was_found_to_be_an_objector_is_not_drawn_from_before_they_were() -> None:
    merged = fact("m", 1, 30, 30, other=2, state="linked")
    known = facts(consent("no", 2, 35, 35, given=False))
    links = (*LINKS, Link("customer", "customer", back=None))
    world = World(
        {
            "profile": [
                fact("a1", 1, 0, 0, status="active"),
                fact("a2", 2, 0, 1, status="active"),
                consent("no", 1, 50, 50, given=False),
            ]
        },
        [merged],
        TYPES,
        links,
        known.coverage,
    )
    told = history(world, replace(CATALOG, links=links))
    assert asked(told, key=1) == asked(told, key=2) == []


def test_who_withdraws_comes_back_but_for_while_the_objection_stood() -> None:
    known = facts(consent("no", 1, 35, 35, given=False), consent("yes", 1, 55, 58, given=True))
    assert asked(known) == [10, 20, 30, 60, 70, 80]


def test_an_objection_entered_by_mistake_and_voided_never_was() -> None:
    wrong = consent("no", 1, 35, 35, given=False)
    known = facts(wrong, replace(wrong, known_at=45 * MINUTE, void=True))
    assert asked(known) == [10, 20, 30, 50, 60, 70, 80]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9), st.booleans()), max_size=5, unique_by=lambda c: c[0]))
def test_no_row_is_drawn_while_an_objection_was_known_or_is(said: list[tuple[int, int, bool]]) -> None:
    known = facts(*(consent(f"c{i}", 1, at, at + lag, given=yes) for i, (at, lag, yes) in enumerate(said)))

    def refuses(c: float) -> bool:
        visible = [(at, at + lag, i, yes) for i, (at, lag, yes) in enumerate(said) if at < c and at + lag < c]
        return bool(visible) and not max(visible)[-1]

    assert asked(known) == [c for c in EVERY if not refuses(c) and not refuses(END + 1)]
    assert asked(known, key=2) == EVERY


def test_what_was_left_out_is_counted_and_told() -> None:
    known = facts(consent("no", 1, 35, 35, given=False))
    found = build(known, TASK, 10 * MINUTE, 81 * MINUTE, 100 * MINUTE)
    assert (set(found.entity.tolist()), found.objected) == ({2}, len(EVERY))
    nobody = facts(consent("no", 1, 35, 35, given=False), consent("no2", 2, 35, 35, given=False))
    with pytest.raises(DeclarationError, match="16 were left out because they object to profiling"):
        build(nobody, TASK, 10 * MINUTE, 81 * MINUTE, 100 * MINUTE)


def test_where_consent_is_needed_silence_is_an_objection() -> None:
    known = facts(consent("yes", 1, 25, 25, given=True))
    asks = replace(known, catalog=replace(CATALOG, objection=Rule(CONSENT.name, "is_not", 1.0)))
    assert (asked(asks), asked(asks, key=2)) == ([30, 40, 50, 60, 70, 80], [])


def test_a_workspace_without_the_rule_draws_everybody() -> None:
    known = facts(consent("no", 1, 0, 0, given=False))
    assert asked(replace(known, catalog=replace(CATALOG, objection=None))) == EVERY


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Rule("profile_consent_last", "is", 0.0), "objection: no feature 'profile_consent_last'"),
        (Rule(CONSENT.name, "is", "no"), "takes a number"),
        (Rule("journey_count_10m", "at_least", 1.0), "forgets after 10m"),
    ],
)
def test_an_objection_that_could_not_be_told_is_refused(rule: Rule, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        replace(CATALOG, features=(STATUS, CONSENT, Feature("journey", "count", window="10m")), objection=rule)


def test_every_source_is_declared_for_something_and_evidence_for_identification_alone() -> None:
    assert all(source.purposes and set(source.purposes) <= set(PURPOSES) for source in SOURCES.values())
    assert SOURCES["evidence"].purposes == ("identification",)
    with pytest.raises(DeclarationError, match="profiling, and rows of 'evidence' may not be used for that"):
        Feature("evidence", "count", window="10d")


def test_what_an_operator_may_not_profile_with_is_no_feature_label_or_trigger() -> None:
    narrow = {"usage": ("billing",)}
    bill = Feature("usage", "sum", "value", "30d")
    with pytest.raises(DeclarationError, match=rf"{bill.name} is profiling.*'usage'.*\(declared: billing\)"):
        replace(CATALOG, features=(STATUS, CONSENT, bill), purposes=narrow)
    owes = Label("owes", Event.of("usage", metric="late_days"))
    for task in (
        replace(TASK, labels=(owes,)),
        replace(TASK, cutoffs=Triggered(Event.of("usage", metric="bill"))),
    ):
        replace(CATALOG, tasks=(task,))
        with pytest.raises(DeclarationError, match="task 'leaving' is profiling, and rows of 'usage'"):
            replace(CATALOG, tasks=(task,), purposes=narrow)


@pytest.mark.parametrize(
    ("purposes", "says"),
    [
        ({"falts": ("service",)}, "unknown source 'falts'"),
        ({"faults": ("fun",)}, "purposes of 'faults': no purpose 'fun' .known: service, billing"),
        ({"faults": ("service", "marketing")}, "may narrow them .service, profiling., not add 'marketing'"),
        ({"evidence": ()}, "reading links is identification, and rows of 'evidence'.*declared: nothing"),
    ],
)
def test_purposes_can_be_narrowed_and_nothing_else(purposes: dict[str, tuple[str, ...]], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        replace(CATALOG, purposes=purposes)


def test_service_may_go_on_reading_what_is_declared_for_service() -> None:
    bill = Feature("usage", "last", "value")
    narrow = replace(CATALOG, features=(STATUS, CONSENT, bill), purposes={"usage": ("profiling",)})
    assert served(narrow) == {STATUS.name, CONSENT.name}
    offered = Feature("contact", "count", window="90d")
    assert offered.name not in served(replace(CATALOG, features=(STATUS, CONSENT, offered)))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, KeyRing, set[str]]:
    """A small operator's profile and journey, and who of its customers objects."""
    lake, ring = Lake(tmp_path_factory.mktemp("lake")), KeyRing(bytes(range(32)))
    refusing: set[str] = set()
    for batch in quick(150, 3):
        if batch.source in ("profile", "journey"):
            append_facts(lake, ring, batch.source, batch.rows, key_types=TELECOM.key_types, covered=batch.covered)
        if batch.source == "profile":
            rows = batch.rows.to_pandas()
            refusing |= set(rows[(rows.key_type == "customer") & rows.consent_profiling.eq(False)].key)
    return lake, ring, refusing


def drawn(lake: Lake) -> tuple[History, set[int], int]:
    known = History.load(lake, TELECOM)
    task = TELECOM.task("churn")
    found = build(known, task, known.start, known.end, known.end, features=(STATUS,))
    return known, set(found.entity.tolist()), found.objected


def test_no_row_of_an_objector_is_in_a_dataset_and_who_withdraws_is_in_the_next(
    lake: tuple[Lake, KeyRing, set[str]],
) -> None:
    store, ring, refusing = lake
    known, entities, left_out = drawn(store)
    ids = {name: ring.key_id("customer", name) for name in refusing}
    assert 15 < len(refusing) < 60  # a fifth of the simulated customers
    assert not entities & set(ids.values())
    assert left_out >= len(refusing) / 2
    everyone = replace(known, catalog=replace(TELECOM, objection=None))
    task = TELECOM.task("churn")
    entity, cutoff = pairs(everyone, task, known.start, known.end)
    back = next(name for name in sorted(refusing) if (entity == ids[name]).sum() == 2)
    second = sorted(cutoff[entity == ids[back]])[1]
    row = withdrawal(back, second - 1)
    append_facts(store, ring, "profile", row, key_types=TELECOM.key_types, covered=[])
    later, entities, fewer = drawn(store)
    assert entities & set(ids.values()) == {ids[back]}
    assert (later.end, fewer) == (known.end, left_out - 1)
    entity, cutoff = pairs(later, task, known.start, known.end)
    assert cutoff[entity == ids[back]].min() == second


def withdrawal(customer: str, at: int) -> pa.Table:
    when = pa.array([at - 1], pa.int64()).cast(TIME)
    return pa.table(
        {
            "id": ["withdrawn"], "key_type": ["customer"], "key": [customer], "at": when, "known_at": when,
            "consent_profiling": [True],
        }
    )  # fmt: skip


def test_a_source_reports_what_it_may_be_used_for(lake: tuple[Lake, KeyRing, set[str]]) -> None:
    assert check_source(lake[0], "profile").purposes == ("service", "billing", "profiling", "marketing")
    assert check_source(lake[0], "profile", narrowed={"profile": ("profiling",)}).purposes == ("profiling",)
