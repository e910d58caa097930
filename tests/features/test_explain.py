"""An explanation is the value and the very facts behind it: from them alone the value can be computed again."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World, aggregate
from test_rule_of_time import ask, link, same, world_of
from worlds import CATALOG, FEATURES, MINUTE, cutoffs, history, stored, worlds

from features.declare import Catalog, Feature, Rule
from features.engine.columns import Columns
from features.engine.in_memory import from_table
from features.told.asked import AskedError
from features.told.explain import Explanation, explain

NAMED = {f.name: f for f in FEATURES}


def micros(times: pd.Series, unbounded: float) -> list[float]:
    return [unbounded if pd.isna(t) else t.value // 1000 for t in times.dt.as_unit("ns")]


def recomputed(found: Explanation) -> Any:
    """The value by the oracle's arithmetic, over the facts of the explanation and nothing else."""
    told, feature = found.facts, found.feature
    columns = [c for c in told.columns if c in ("phase", "channel", "topic", "value", "case", "state", "severity")]
    columns += [c for c in told.columns if c in ("minutes", "contract_end", "consent_marketing")]
    at, until = micros(told["at"], math.nan), micros(told["at_to"], math.inf)
    facts, reached = [], {}
    for i, row in enumerate(told.to_dict(orient="records")):
        values = {c: None if pd.isna(row[c]) else row[c] for c in columns}
        if isinstance(values.get("contract_end"), pd.Timestamp):
            values["contract_end"] = values["contract_end"].value // 1000
        known = row["known_at"].value // 1000
        facts.append(Fact(row["id"], int(row["key_id"]), int(at[i]), int(known), False, values))
        reached[row["id"], known] = until[i]
    low = -math.inf if feature.window is None else found.cutoff - feature.window_micros
    return aggregate(feature, facts, low, found.cutoff, lambda f: reached[f.id, f.known_at] >= found.cutoff)


@settings(max_examples=8)
@given(worlds(), st.sampled_from([1, 2]), cutoffs, st.one_of(st.none(), cutoffs))
def test_the_value_follows_from_the_facts_that_are_shown_alone(
    world: World, entity: int, c: int, seen: int | None
) -> None:
    known = history(world)
    cuts = np.array([c if seen is None else seen])
    values = known.frame("customer", np.array([entity]), np.array([c]), FEATURES, cuts).iloc[0]
    for feature in FEATURES:
        found, value = explain(known, feature.name, entity, c, seen), values[feature.name]
        assert (found.value is None) == bool(pd.isna(value)) == bool(found.why)
        if found.value is not None:
            assert found.value == value
            assert same(recomputed(found), value), (feature.name, entity, c, seen)


@settings(max_examples=10)
@given(worlds(), cutoffs)
def test_what_is_met_is_what_the_declaration_says(world: World, c: int) -> None:
    known = history(world)
    for name, column in (("journey_phase_ask_count_40m", "phase"), ("faults_state_opened_count_25m_via_site", "state")):
        facts = explain(known, name, 1, c).facts
        (condition,) = NAMED[name].conditions
        assert facts["met"].tolist() == facts[column].isin(condition.values).tolist()


def explained(name: str, world: World, c: float, **more: Any) -> Explanation:
    return explain(history(world), name, 1, round(c * MINUTE), **more)


def test_a_fact_is_shown_with_its_key_and_since_when_that_was_known_to_be_theirs() -> None:
    world = world_of([ask("visit", 21, 10, 11)], [link("login", 21, 1, 15, 16)])
    found = explained("journey_phase_ask_count_40m", world, 20)
    (fact,) = found.facts.to_dict(orient="records")
    assert (found.value, fact["id"], fact["key_id"], fact["key_type"], fact["met"]) == (1, "visit", 21, "cookie", True)
    assert (fact["known_at"].value, fact["known_from"].value) == (11 * MINUTE * 1000, 16 * MINUTE * 1000)
    assert pd.isna(fact["until"])
    assert found.words.endswith("is 1 (count)")


def test_a_revised_fact_is_shown_as_it_was_known_then() -> None:
    later = replace(ask("x", 1, 10, 14), values={"phase": "use", "channel": "web", "value": 3.0})
    world = world_of([ask("x", 1, 10, 11), later], [])
    early, late = (explained("journey_value_sum_25m", world, c).facts for c in (13, 15))
    assert (early["value"].tolist(), late["value"].tolist()) == ([1.0], [3.0])
    assert early["until"].iloc[0].value == 14 * MINUTE * 1000


def test_each_fact_has_the_rectangle_it_was_read_through() -> None:
    theirs = [link("phone", 11, 1, 2, 3), link("browser", 21, 1, 15, 16)]
    world = world_of([ask("a", 21, 10, 10), ask("b", 1, 11, 11), ask("c", 11, 12, 12)], theirs)
    facts = explained("journey_phase_ask_count_40m", world, 20).facts
    assert facts["id"].tolist() == ["a", "b", "c"]
    assert [None if pd.isna(t) else t.value // (1000 * MINUTE) for t in facts["known_from"]] == [16, None, 3]


@pytest.mark.parametrize("keys", [(1, 11), (11, 1)])
def test_of_one_instant_the_last_row_is_the_one_that_is_meant(keys: tuple[int, int]) -> None:
    for ids in (("p", "q"), ("r", "s"), ("t", "u"), ("v", "w")):
        facts = [ask(id, key, 10, 10, topic=f"topic {id}") for id, key in zip(ids, keys, strict=True)]
        found = explained("journey_topic_last", world_of(facts, [link("line", 11, 1, 0, 0)]), 20)
        assert found.facts["topic"].iloc[-1] == found.value


def case(id: str, at: float, state: str, case: str = "a") -> Fact:
    values = {"case": case, "state": state, "severity": None, "minutes": None}
    return Fact(id, 1, round(at * MINUTE), round(at * MINUTE), False, values)


def test_how_long_a_case_is_open_shows_its_openings_before_the_window_and_no_other_cases() -> None:
    opened = [case("1", 1, "opened"), case("2", 5, "cleared"), case("3", 8, "opened"), case("4", 40, "opened")]
    other = [case("5", 2, "opened", "b")]
    found = explained("faults_open_age_25m", world_of([], [], facts={"faults": opened + other}), 50)
    assert found.facts["id"].tolist() == ["1", "2", "3", "4"]
    assert found.value == np.float32(42 * MINUTE / 86_400_000_000)


def test_stored_rows_come_in_the_order_they_are_asked_for_from_any_piece() -> None:
    table = stored(world_of([ask(id, key, 10, 10) for id, key in (("a", 1), ("b", 2), ("c", 11))], [])).tables[
        "journey"
    ]
    columns = Columns("journey", TwoPieces(from_table("journey", table).stored(np.arange(3), table.column_names)))
    found = columns.stored(np.array([2, 0, 1, 2]), ["id", "key_id"])
    assert found.to_pydict() == {"id": ["c", "a", "b", "c"], "key_id": [11, 1, 2, 11]}


class TwoPieces:
    """A table as two pieces, the first of two rows."""

    def __init__(self, table: pa.Table) -> None:
        self.parts = table[:2], table[2:]
        self.counts = [len(part) for part in self.parts]

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        return self.parts[piece].select(list(names))

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from self.read(piece, names).to_batches()

    def has(self, name: str) -> bool:
        return name in self.parts[0].column_names


def test_two_cuts_are_explained_apart() -> None:
    world = world_of([ask("a", 1, 10, 12)], [])
    assert explained("journey_count_10m", world, 11).value == 0
    assert explained("journey_count_10m", world, 11, seen=13 * MINUTE).value == 1


def test_of_a_parent_says_which_one() -> None:
    world = world_of([ask("theirs", 41, 10, 10)], [link("home", 1, 41, 0, 0)])
    found = explained("journey_count_25m_of_account", world, 20)
    assert (found.parent, found.facts["key_type"].tolist(), found.reach["key_id"].tolist()[-1]) == (41, ["account"], 41)


@pytest.mark.parametrize(
    ("name", "evidence", "why"),
    [
        ("journey_count_25m_of_account", [], "no account of this customer is known at the cutoff"),
        ("faults_minutes_mean_40m_via_site", [], "no site of this customer was known by then"),
        ("journey_value_mean_25m", [], "no fact of 'journey' counts in the 25m before the cutoff"),
        ("journey_topic_last", [], "no fact of 'journey' counts before the cutoff"),
        ("faults_minutes_mean_25m_of_site", [("home", 1, 31)], "no fact of 'faults' counts"),
    ],
)
def test_what_is_missing_says_why(name: str, evidence: list[tuple], why: str) -> None:
    world = world_of([], [link(id, key, other, 0, 0) for id, key, other in evidence])
    found = explained(name, world, 20)
    assert found.value is None
    assert why in found.why
    assert why in found.words


def test_facts_that_say_nothing_of_it_are_told_from_none_at_all() -> None:
    world = world_of([ask("a", 1, 10, 10, topic=None), ask("b", 1, 11, 11, value=None)], [])
    assert "no fact of 'journey' before the cutoff says its topic" in explained("journey_topic_last", world, 20).why
    found = explained("journey_phase_use_since_last", world, 20)
    assert "of 2 facts of 'journey' before the cutoff there is none that meets: phase is use" in found.why
    share = explained("journey_phase_ask_share_among_channel_web_or_app_topic_billing_40m", world, 20)
    assert "there is none that meets: channel is web or app, topic is billing" in share.why


def test_a_window_that_is_not_covered_says_what_is() -> None:
    gap = {"journey": ((-100 * MINUTE, 5 * MINUTE), (10 * MINUTE, 100 * MINUTE))}
    found = explained("journey_value_sum_25m", world_of([ask("a", 1, 12, 12)], [], coverage=gap), 20)
    assert found.value is None
    assert "not covered all the time from 1969-12-31T23:55:00+00:00 to 1970-01-01T00:20:00+00:00" in found.why
    assert "only 1969-12-31T23:55:00+00:00 to 1970-01-01T00:05:00+00:00, 1970-01-01T00:10:00+00:00 to" in found.why
    assert found.facts["id"].tolist() == ["a"]
    elsewhere = explained("journey_value_sum_25m", world_of([], [], coverage={"journey": ((0, 1),)}), 90)
    assert elsewhere.why.endswith("at no time of it")
    assert (
        "the lake holds nothing of 'journey'" in explained("journey_topic_last", world_of([], [], coverage={}), 9).why
    )


def test_who_is_not_known_or_is_an_alias_is_said() -> None:
    world = world_of([], [])
    found = explain(history(world), "journey_count_10m", 99, 20 * MINUTE)
    assert (found.value, found.note) == (0, "the lake has not heard of this customer: there is no history")
    assert explained("journey_count_10m", world, 20).note == ""


def test_of_who_objects_nothing_is_told() -> None:
    feature = Feature("profile", "last", "consent_marketing")
    rule = Rule(feature.name, "is", 0.0)
    catalog = Catalog(CATALOG.key_types, CATALOG.links, FEATURES, (), objection=rule)
    said = Fact("no", 1, 5 * MINUTE, 5 * MINUTE, False, {"consent_marketing": False})
    known = history(world_of([], [], facts={"profile": [said]}), catalog)
    with pytest.raises(AskedError, match="they object to profiling"):
        explain(known, "journey_count_10m", 1, 20 * MINUTE)
    assert explain(known, "journey_count_10m", 2, 20 * MINUTE).value == 0


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(AskedError, match="did you mean journey_count_10m"):
        explain(history(world_of([], [])), "journey_cuont_10m", 1, 0)
