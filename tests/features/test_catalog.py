"""The built-in catalogue: enough to choose from, each feature worth telling, and what the models read unchanged."""

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from oracle import DAY, Fact, World
from worlds import history

from features.catalog import CATALOG, shortlist
from features.catalog.windows import over
from features.declare import MAX_FILTERS, Aggregate

DOCS = Path(__file__).parents[2] / "docs" / "features.md"
SUBJECTS = {"journey", "faults", "sla", "usage", "profile", "contact", "calendar"}
TYPES = {1: "customer", 2: "customer", 11: "line", 31: "site", 32: "site", 41: "account", 51: "market"}
NOW = 500 * DAY


def test_there_are_many_candidates_about_every_subject() -> None:
    counts = Counter(feature.source for feature in CATALOG.features)
    assert counts.total() >= 200
    assert set(counts) == SUBJECTS
    assert min(counts.values()) >= 10


def test_every_feature_can_be_told() -> None:
    for feature in CATALOG.features:
        assert feature.unit, feature.name
        assert feature.group in CATALOG.groups, feature.name
        assert feature.meaning == feature.meaning.strip(), feature.name
        assert "_" not in feature.meaning, feature.name


def test_a_window_is_said_in_the_meaning() -> None:
    for feature in CATALOG.features:
        if feature.window is not None and feature.aggregate not in ("last", "open", "open_age"):
            assert f"in {feature.window.removesuffix('d')} days" in feature.meaning, feature.name


def test_no_two_features_say_the_same() -> None:
    meanings = Counter(feature.meaning for feature in CATALOG.features)
    assert [words for words, n in meanings.items() if n > 1] == []
    declared = Counter(
        (f.source, f.aggregate, f.column, f.window, frozenset(f.filters), f.of, f.via) for f in CATALOG.features
    )
    assert max(declared.values()) == 1


def test_every_group_has_features_and_no_source_too_many_filters() -> None:
    read = (*CATALOG.features, *CATALOG.visitors.features) if CATALOG.visitors else CATALOG.features
    assert {feature.group for feature in read} == set(CATALOG.groups)
    for source in SUBJECTS:
        filters = {each for f in CATALOG.features if f.source == source for each in f.filters}
        assert len(filters) <= MAX_FILTERS


def test_the_models_read_the_shortlist_and_nothing_else() -> None:
    assert len(shortlist.ALL) == 40
    for task, names in zip(CATALOG.tasks, (shortlist.CHURN, shortlist.ALL), strict=True):
        assert [feature.name for feature in CATALOG.task_features(task)] == list(names)


def test_a_line_over_several_windows_is_one_feature_a_window() -> None:
    found = list(over("usage", "rate_change", "value", "30d 90d", group="bills", meaning="change of the bill"))
    assert [feature.name for feature in found] == ["usage_value_rate_change_30d", "usage_value_rate_change_90d"]
    assert found[1].meaning == "change of the bill in 90 days against the 90 before"


def test_the_table_in_the_documentation_counts_what_is_declared() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (\d+) \|$", DOCS.read_text(), re.MULTILINE)
    counts = Counter(feature.group for feature in CATALOG.features)
    assert {(name, words): int(n) for name, words, n in rows} == {
        (name, words): counts[name] for name, words in CATALOG.groups.items()
    }


def test_the_example_in_the_documentation_is_true() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    exec(example, {})


def test_the_documentation_tells_every_aggregate() -> None:
    told = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\|( `\w+`(?:, `\w+`)* )\|", DOCS.read_text(), re.MULTILINE)))
    assert set(get_args(Aggregate)) <= set(told)


def fact(source: str, key: int, days: float, **values: object) -> Fact:
    """Something that happened so many days before the cutoff, known at once."""
    at = NOW - round(days * DAY)
    return Fact(f"{source}-{key}-{days}-{values}", key, at, at, False, values)


def linked(key: int, other: int, days: float = 400) -> Fact:
    return fact("evidence", key, days, other=other, state="linked")


def read(facts: dict[str, list[Fact]], evidence: list[Fact]) -> pd.Series:
    """Every feature of customer 1, in a lake that covers everything."""
    covered = dict.fromkeys(SUBJECTS, ((0, NOW),))
    world = World(facts, evidence, TYPES, CATALOG.links, covered)
    return history(world, CATALOG).frame("customer", np.array([1]), np.array([NOW]), CATALOG.features).iloc[0]


HOME = [linked(1, 31), linked(31, 51), linked(1, 41), linked(2, 41), linked(11, 1)]


def test_what_an_analyst_would_look_for_is_found() -> None:
    """One customer with a story, told through the names an analyst would use."""
    ask = {"phase": "ask", "channel": "call_center", "topic": "billing", "action": "call"}
    journey = [
        fact("journey", 1, 3, **ask, outcome="open", sentiment=-0.8),
        fact("journey", 1, 5, **ask, outcome="handed_off", sentiment=-0.4),
        fact("journey", 1, 40, **ask | {"channel": "chat"}, outcome="solved", sentiment=0.2),
        fact("journey", 2, 10, phase="ask", channel="web", action="cancel_enquiry", topic="contract"),
    ]
    usage = [
        *(fact("usage", 1, days, metric="bill", value=value) for days, value in ((15, 60.0), (45, 30.0), (75, 30.0))),
        *(fact("usage", 11, days, metric="gigabytes", value=value) for days, value in ((10, 5.0), (40, 15.0))),
    ]
    found = read({"journey": journey, "usage": usage}, HOME)
    assert found["journey_phase_ask_count_7d"] == 2
    assert found["journey_phase_ask_channel_repeats_30d"] == 1
    assert found["journey_phase_ask_channel_distinct_90d"] == 2
    assert found["journey_outcome_open_or_handed_off_share_among_phase_ask_90d"] == np.float32(2 / 3)
    assert found["journey_phase_ask_rate_change_30d"] == np.float32(1 / 3)
    assert found["journey_sentiment_min_30d"] == np.float32(-0.8)
    assert found["journey_phase_ask_outcome_last"] == "open"
    assert found["journey_action_cancel_enquiry_count_60d_of_account"] == 1
    assert found["usage_metric_bill_value_rate_change_30d"] == np.float32(1 / 3)
    assert found["usage_metric_bill_value_max_90d"] == 60
    assert found["usage_metric_gigabytes_value_rate_change_30d"] == np.float32(-0.5)


def test_faults_are_told_apart_by_whose_they_are() -> None:
    down = {"state": "opened", "planned": False, "severity": "critical"}
    faults = [
        fact("faults", 11, 20, case="a", **down),
        fact("faults", 31, 10, case="b", **down),
        fact("faults", 31, 100, case="c", **down),
        fact("faults", 31, 99, case="c", state="cleared", planned=False, minutes=90.0),
    ]
    found = read({"faults": faults}, [linked(11, 1), linked(1, 32), linked(1, 31, 50)])
    assert found["faults_planned_false_state_opened_count_90d"] == 1
    assert found["faults_planned_false_state_opened_count_90d_via_site"] == 1
    assert np.isnan(found["faults_planned_false_state_cleared_minutes_max_365d_via_site"])
    assert found["faults_planned_false_state_opened_count_365d_of_site"] == 2
    assert found["faults_planned_false_state_cleared_minutes_mean_365d_of_site"] == 90
    assert found["faults_open_90d"] == 1
    assert found["faults_open_30d_via_site"] == 1


def test_the_market_is_reached_through_the_site_they_live_at() -> None:
    calendar = [
        fact("calendar", 51, 12, kind="rival_campaign", value=1.0),
        fact("calendar", 51, 60, kind="price_rise", value=4.5),
        fact("calendar", 51, 20, kind="season", value=-0.9),
    ]
    found = read({"calendar": calendar}, HOME)
    assert found["calendar_kind_rival_campaign_value_from_0.5_since_last_of_market"] == 12
    assert found["calendar_kind_price_rise_value_last_180d_of_market"] == 4.5
    assert found["calendar_kind_season_value_last_of_market"] == np.float32(-0.9)
    nowhere = read({"calendar": calendar}, [linked(1, 31)])
    assert nowhere.filter(like="of_market").isna().all()
