"""Declarations name themselves and refuse what cannot mean anything, when they are declared."""

from dataclasses import replace

import pytest

from features.conditions import DeclarationError, Event, at_least, below, duration
from features.declare import Calendar, Catalog, Feature, Label, Link, Rule, Task

LEAVES = Event.of("profile", status="left")


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        (Feature("faults", "sum", "minutes", "30d"), "faults_minutes_sum_30d"),
        (
            Feature("journey", "count", window="12h", where={"phase": ("ask", "use")}),
            "journey_phase_ask_or_use_count_12h",
        ),
        (Feature("faults", "count", window="7d", of="site"), "faults_count_7d_of_site"),
        (Feature("faults", "count", window="7d", via="site"), "faults_count_7d_via_site"),
        (
            Feature("usage", "count", window="7d", where={"value": at_least(5, 9)}),
            "usage_value_from_5_below_9_count_7d",
        ),
        (Feature("usage", "count", window="7d", where={"value": below(9)}), "usage_value_below_9_count_7d"),
        (Feature("profile", "last", "plan"), "profile_plan_last"),
    ],
)
def test_names_are_derived(feature: Feature, name: str) -> None:
    assert feature.name == name


@pytest.mark.parametrize(
    ("declare", "says"),
    [
        (lambda: Feature("falts", "count", window="7d", where={"state": "opened"}), "unknown source 'falts'"),
        (lambda: Feature("faults", "sum", "minuets", "7d"), "has no column 'minuets'"),
        (lambda: Feature("faults", "sum", "severity", "7d"), "works on number or flag"),
        (lambda: Feature("faults", "sum", window="7d"), "needs a column"),
        (lambda: Feature("faults", "count"), "needs a window"),
        (lambda: Feature("faults", "count", window="soon"), "not a duration"),
        (lambda: Feature("faults", "count", window="0d"), "longer than nothing"),
        (lambda: Feature("faults", "median", "minutes", "7d"), "unknown aggregate"),
        (lambda: Feature("journey", "count", window="7d", where={"phase": "browse"}), "is never 'browse'"),
        (lambda: Feature("usage", "count", window="7d", where={"metric": at_least(3)}), "need a number"),
        (lambda: Feature("usage", "count", window="7d", where={"value": "3"}), "cannot equal"),
        (lambda: Feature("journey", "distinct", "topic", "7d"), "at most 64 declared values"),
        (lambda: Feature("journey", "open", window="7d"), "cases open and clear"),
        (lambda: Feature("faults", "count", window="7d", of="site", via="site"), "not both"),
        (lambda: Link("line", "line"), "a merge holds for all time"),
        (lambda: Link("line", "customer", trust=0.0), "trust is a probability"),
        (lambda: Link("line", "customer", shared=0), "shared must be at least 1"),
        (lambda: Task("t", "customer", Calendar(), (Label("l", LEAVES),), periods=("60d", "30d")), "rising"),
        (lambda: Task("t", "customer", Calendar(), (), periods=("30d",)), "no label"),
        (lambda: Task("t", "c", Calendar(), (Label("l", LEAVES),), periods=("30d",), open_ended=True), "competing"),
        (lambda: Calendar("fortnight"), "not a duration"),
        (lambda: Calendar("0d"), "some time apart"),
        (lambda: Feature("faults", "count", window="300000000d"), "1000 years"),
        (lambda: Feature("journey", "count", window="7d", where={"phase": ()}), "no value given"),
        (lambda: Feature("usage", "count", window="7d", where={"value": at_least(float("nan"))}), "finite"),
        (lambda: Task("t", "c", Calendar(), (Label("l", LEAVES), Label("l", LEAVES)), ("30d",)), "declared twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_caught_when_it_is_declared(declare: object, says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        declare()  # type: ignore[operator]


PLAN = Feature("profile", "last", "plan")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": (PLAN, PLAN)}, "declared twice: profile_plan_last"),
        ({"links": (Link("line", "customer"), Link("line", "customer"))}, "link declared twice"),
        ({"links": (Link("line", "customer"), Link("customer", "line"))}, "back to itself"),
        ({"features": (Feature("faults", "count", window="7d", of="site"),)}, "no link leads to 'site'"),
        ({"links": (Link("line", "castle"),)}, "unknown key type 'castle'"),
        ({"tasks": (Task("t", "king", Calendar(), (Label("l", LEAVES),), ("30d",)),)}, "unknown key type 'king'"),
        (
            {
                "tasks": (
                    Task("t", "line", Calendar(), (Label("l", LEAVES),), ("30d",), eligible=(Rule("x", "is", 1),)),
                )
            },
            "no feature 'x'",
        ),
    ],
)
def test_a_catalogue_is_whole(changes: dict[str, tuple[object, ...]], says: str) -> None:
    parts = {"key_types": ("line", "customer"), "links": (), "features": (PLAN,), "tasks": (), **changes}
    with pytest.raises(DeclarationError, match=says):
        Catalog(**parts)  # type: ignore[arg-type]


STATUS = Feature("profile", "last", "status")
BILL = Feature("usage", "sum", "value", "30d")


@pytest.mark.parametrize(
    "rule",
    [
        Rule(STATUS.name, "is", "actve"),
        Rule(STATUS.name, "at_least", "active"),
        Rule(STATUS.name, "is", 1),
        Rule(BILL.name, "is", "3"),
        Rule(BILL.name, "equals", 3),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_rule_fits_its_feature(rule: Rule) -> None:
    task = Task("t", "line", Calendar(), (Label("l", LEAVES),), ("30d",), eligible=(rule,))
    with pytest.raises(DeclarationError, match="task 't': rule"):
        Catalog(("line",), (), (STATUS, BILL), (task,))


def test_a_feature_may_be_declared_like_another() -> None:
    asks = Feature("journey", "count", window="30d", where={"phase": "ask"})
    assert replace(asks, window="60d").name == "journey_phase_ask_count_60d"


def test_an_unknown_task_is_named_with_those_there_are() -> None:
    with pytest.raises(DeclarationError, match=r"no task 'x' \(this workspace has: none\)"):
        Catalog(("line",), (), (), ()).task("x")


def test_durations_may_be_fractions() -> None:
    assert duration("5.5d") == 5 * duration("1d") + duration("12h")
