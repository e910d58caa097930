"""Declarations name themselves and refuse what cannot mean anything, when they are declared."""

from dataclasses import replace

import pytest

from features.conditions import DeclarationError, Event, at_least, below, duration
from features.declare import Calendar, Catalog, Feature, Label, Link, Rule, Task, Visitors

LEAVES = Event.of("profile", status="left")


def share(where: dict[str, object], among: dict[str, object]) -> Feature:
    return Feature("journey", "share", window="7d", where=where, among=among)


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
        (Feature("usage", "max", "value", "90d", where={"metric": "bill"}), "usage_metric_bill_value_max_90d"),
        (Feature("journey", "repeats", "channel", "30d"), "journey_channel_repeats_30d"),
        (Feature("journey", "rate_change", window="30d", of="account"), "journey_rate_change_30d_of_account"),
        (Feature("usage", "rate_change", "value", "30d"), "usage_value_rate_change_30d"),
        (Feature("sla", "share", window="90d", where={"breached": True}), "sla_breached_true_share_90d"),
        (
            Feature("journey", "share", window="90d", where={"outcome": "open"}, among={"phase": "ask"}),
            "journey_outcome_open_share_among_phase_ask_90d",
        ),
    ],
)
def test_names_are_derived(feature: Feature, name: str) -> None:
    assert feature.name == name


@pytest.mark.parametrize(
    ("feature", "unit"),
    [
        (Feature("faults", "max", "minutes", "30d"), "minutes"),
        (Feature("usage", "sum", "value", "30d", where={"metric": "bill"}, measured="currency"), "currency"),
        (Feature("faults", "sum", "truck_roll", "30d"), "count"),
        (Feature("faults", "mean", "truck_roll", "30d"), "share"),
        (Feature("profile", "last", "consent_marketing"), "0 or 1"),
        (Feature("profile", "last", "contract_end"), "days from the cutoff"),
        (Feature("profile", "last", "plan"), "category"),
        (Feature("journey", "repeats", "channel", "30d"), "count"),
        (Feature("sla", "share", window="90d", where={"breached": True}), "share"),
        (Feature("usage", "rate_change", "value", "30d", measured="currency"), "relative change"),
        (Feature("faults", "open_age", window="30d"), "days"),
    ],
)
def test_units_are_derived(feature: Feature, unit: str) -> None:
    assert feature.unit == unit


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
        (lambda: Feature("journey", "min", "channel", "7d"), "min works on number, and journey.channel is a category"),
        (lambda: Feature("faults", "max", "truck_roll", "7d"), "max works on number, and faults.truck_roll is a flag"),
        (lambda: Feature("faults", "max", "minutes"), "max needs a window"),
        (lambda: Feature("journey", "mean", "channel", "7d"), "works on number or flag"),
        (lambda: Feature("faults", "last", "case"), "is a case"),
        (lambda: Feature("journey", "count", "channel", "7d"), "count works on no column"),
        (lambda: Feature("journey", "repeats", "topic", "7d"), "repeats needs at most 64 declared values of topic"),
        (lambda: Feature("journey", "repeats", "value", "7d"), "works on category or flag"),
        (lambda: Feature("journey", "rate_change", "channel", "7d"), "works on number"),
        (lambda: Feature("journey", "rate_change"), "needs a window"),
        (lambda: Feature("journey", "share", window="7d"), "needs where"),
        (lambda: Feature("journey", "share", where={"phase": "ask"}), "needs a window"),
        (lambda: Feature("journey", "share", "value", "7d", where={"phase": "ask"}), "share works on no column"),
        (lambda: share({"phase": "ask"}, {"phase": "use"}), "always 0"),
        (lambda: share({"value": below(0)}, {"value": at_least(0)}), "always 0"),
        (lambda: share({"phase": ("ask", "use")}, {"phase": "ask", "channel": "web"}), "always 1"),
        (lambda: share({"phase": "ask"}, {"phase": "asks"}), "is never 'asks'"),
        (lambda: share({"phase": "ask"}, {"chanel": "web"}), "has no column 'chanel'"),
        (lambda: Feature("journey", "count", window="7d", among={"phase": "ask"}), "among is for share alone"),
        (lambda: Feature("faults", "sum", "minutes", "7d", measured="hours"), "faults.minutes is minutes, not 'hours'"),
        (lambda: Feature("journey", "count", window="7d", measured="visits"), "there is none"),
        (lambda: Feature("journey", "count", window="-7d"), "not a duration"),
        (lambda: Feature("journey", "count", window=7), "not a duration"),
        (lambda: Feature("journey", "count", window="7d", where={"phase": ["ask"]}), "a tuple of texts"),
        (lambda: Feature("journey", "count", window="7d", where={"topic": None}), "cannot equal None"),
        (lambda: Feature("journey", "count", window="7d", where={"value": 3}), "at_least/below"),
        (lambda: Feature("journey", "count", window="7d", where="ask"), "where maps columns to values"),
        (lambda: Feature("usage", "count", window="7d", where={"value": at_least(9, 5)}), "no number is at least 9"),
        (lambda: Feature("evidence", "count", window="7d"), "may not be used for that"),
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
TOTAL = Feature("usage", "sum", "value", "30d")


def of_topic(topic: str) -> Feature:
    return Feature("journey", "count", window="7d", where={"topic": topic})


def part_of_topic(topic: str) -> Feature:
    """Two filters: the topic, and the questions about it."""
    return Feature("journey", "share", window="7d", where={"phase": "ask"}, among={"topic": topic})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"features": (PLAN, PLAN)}, "declared twice: profile_plan_last"),
        ({"features": (TOTAL, replace(TOTAL, measured="currency"))}, "declared twice: usage_value_sum_30d"),
        ({"features": (Feature("journey", "count", window="401d"),)}, "looks back at most 400d"),
        ({"features": (Feature("journey", "rate_change", window="201d"),)}, "rate_change reads two windows"),
        ({"features": (Feature("journey", "count", window="7d"),), "longest": "6d"}, "looks back at most 6d"),
        ({"features": tuple(of_topic(str(i)) for i in range(65))}, "'journey': 65 distinct filters"),
        ({"features": tuple(part_of_topic(str(i)) for i in range(33))}, "'journey': 66 distinct filters"),
        ({"features": (PLAN,), "groups": {"plan": "the plan"}}, "profile_plan_last: no meaning"),
        ({"features": (replace(PLAN, meaning="tariff"),), "groups": {"plan": "the plan"}}, "no group"),
        (
            {"features": (replace(PLAN, meaning="tariff", group="plans"),), "groups": {"plan": "the plan"}},
            r"unknown group 'plans' \(declared: plan\)",
        ),
        (
            {
                "features": (PLAN, Feature("faults", "count", window="7d", via="customer")),
                "links": (Link("line", "customer"),),
                "tasks": (Task("t", "customer", Calendar(), (Label("l", LEAVES),), ("30d",)),),
            },
            "no link leads from 'customer' to 'customer'",
        ),
        (
            {"tasks": (Task("t", "line", Calendar(), (Label("l", LEAVES),), ("30d",), features=(PLAN.name,) * 2),)},
            "task 't', feature declared twice",
        ),
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


def test_only_the_last_of_something_may_be_longer_ago_than_counts_look_back() -> None:
    ago = (Feature("journey", "since_last"), Feature("journey", "last", "topic", "900d"))
    assert Catalog(("line",), (), ago, ()).features == ago


def test_filters_are_counted_once_however_they_are_read() -> None:
    """The limit is on what is tested of a row, not on how many features, windows or reaches ask for it."""
    links = (Link("line", "customer"),)
    features = tuple(
        replace(of_topic(str(topic)), window=window, of=of)
        for topic in range(64)
        for window in ("7d", "30d")
        for of in (None, "customer")
    )
    assert len(Catalog(("line", "customer"), links, features, ()).features) == 256


def test_a_share_among_rows_of_one_column_tests_no_row_twice() -> None:
    asks = share({"phase": "ask"}, {"phase": ("ask", "use")})
    assert asks.filters == (Event.of("journey", phase="ask").conditions, asks.among_conditions)


def test_a_task_reads_its_features_in_the_order_it_names_them() -> None:
    task = Task("t", "line", Calendar(), (Label("l", LEAVES),), ("30d",), features=(TOTAL.name, PLAN.name))
    catalog = Catalog(("line",), (), (PLAN, TOTAL, STATUS), (task, replace(task, name="all", features=None)))
    assert catalog.task_features(catalog.task("t")) == (TOTAL, PLAN)
    assert catalog.task_features(catalog.task("all")) == (PLAN, TOTAL, STATUS)


def test_every_feature_of_visitors_is_said_in_words_too() -> None:
    asked = Event.of("journey", phase="explore")
    visitors = Visitors(("cookie",), asked, (Feature("journey", "since_last", group="plan"),))
    with pytest.raises(DeclarationError, match="journey_since_last: no meaning"):
        Catalog(("cookie",), (), (), (), groups={"plan": "the plan"}, visitors=visitors)
