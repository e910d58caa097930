"""What each aggregate says at its edges: nothing there, something missing, one instant too early, not covered."""

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from worlds import FEATURES, LINKS, MINUTE, TYPES, cutoffs, history, worlds

from features.conditions import at_least
from features.declare import Feature

ASKED = {"phase": "ask"}
ALL = ((-100 * MINUTE, 100 * MINUTE),)
NOW = 50


def touch(id: str, at: float, phase: str = "ask", channel: str = "web", value: float | None = None) -> Fact:
    known = round(at * MINUTE)
    return Fact(id, 1, known, known, False, {"phase": phase, "channel": channel, "value": value})


def fault(id: str, at: float, state: str) -> Fact:
    known = round(at * MINUTE)
    return Fact(id, 1, known, known, False, {"case": "a", "state": state})


def told(feature: Feature, *facts: Fact, covered: tuple[tuple[int, int], ...] = ALL, beside: tuple[Feature, ...] = ()):
    """The feature of customer 1 at minute 50, computed beside others."""
    world = World({feature.source: facts}, [], TYPES, LINKS, {feature.source: covered})
    found = history(world).frame("customer", np.array([1]), np.array([NOW * MINUTE]), (feature, *beside))
    return found[feature.name].iloc[0]


@pytest.mark.parametrize(
    ("feature", "nothing"),
    [
        (Feature("journey", "count", window="10m"), 0),
        (Feature("journey", "sum", "value", "10m"), 0),
        (Feature("journey", "mean", "value", "10m"), math.nan),
        (Feature("journey", "min", "value", "10m"), math.nan),
        (Feature("journey", "max", "value", "10m"), math.nan),
        (Feature("journey", "distinct", "channel", "10m"), 0),
        (Feature("journey", "repeats", "channel", "10m"), 0),
        (Feature("journey", "last", "value"), math.nan),
        (Feature("journey", "since_last"), math.nan),
        (Feature("journey", "share", window="10m", where=ASKED), math.nan),
        (Feature("journey", "rate_change", window="10m"), 0),
        (Feature("journey", "rate_change", "value", "10m"), 0),
        (Feature("faults", "open", window="10m"), 0),
        (Feature("faults", "open_age", window="10m"), 0),
    ],
    ids=lambda value: value.aggregate if isinstance(value, Feature) else None,
)
def test_nothing_there(feature: Feature, nothing: float) -> None:
    assert told(feature) == pytest.approx(nothing, nan_ok=True)
    if feature.window is not None:
        assert np.isnan(told(feature, covered=((0, 45 * MINUTE),)))


@pytest.mark.parametrize(
    ("aggregate", "value"),
    [("count", 3), ("sum", 1.5), ("mean", 0.75), ("min", -0.5), ("max", 2.0), ("last", 2.0)],
)
def test_a_missing_number_is_no_row_of_its_column(aggregate: str, value: float) -> None:
    facts = [touch("a", 42, value=-0.5), touch("b", 45, value=2.0), touch("c", 48)]
    column = None if aggregate == "count" else "value"
    assert told(Feature("journey", aggregate, column, "10m"), *facts) == value  # type: ignore[arg-type]


def test_a_missing_number_is_neither_above_nor_below() -> None:
    facts = [touch("a", 45, value=1.0), touch("b", 46)]
    share = Feature("journey", "share", window="10m", where={"value": at_least(0)})
    assert told(share, *facts) == 0.5


def test_repeats_are_the_contacts_beyond_the_first_on_each_channel() -> None:
    facts = [touch(str(i), 45 + i / 10, channel=name) for i, name in enumerate(("web", "web", "web", "app", "chat"))]
    assert told(Feature("journey", "repeats", "channel", "10m"), *facts) == 2
    assert told(Feature("journey", "distinct", "channel", "10m"), *facts) == 3


def test_a_share_is_of_the_rows_among_which_it_is_asked_for() -> None:
    share = Feature("journey", "share", window="10m", where={"channel": "web"}, among=ASKED)
    assert told(share, touch("a", 45), touch("b", 46, channel="app"), touch("c", 47, phase="use")) == 0.5
    assert told(share, touch("a", 45, channel="app")) == 0
    assert np.isnan(told(share, touch("a", 45, phase="use")))


def test_a_missing_category_is_no_category() -> None:
    said = [
        Fact(id, 1, at * MINUTE, at * MINUTE, values={"consent_marketing": consent})
        for id, at, consent in (("a", 45, None), ("b", 46, True))
    ]
    assert told(Feature("profile", "distinct", "consent_marketing", "10m"), *said) == 1
    assert told(Feature("profile", "repeats", "consent_marketing", "10m"), *said) == 0


@pytest.mark.parametrize(
    ("before", "lately", "change"), [(0, 2, 1), (2, 0, -1), (1, 2, 1 / 3), (3, 3, 0), (4, 2, -1 / 3)]
)
def test_a_change_is_relative_to_both_windows(before: int, lately: int, change: float) -> None:
    facts = [touch(f"b{i}", 35) for i in range(before)] + [touch(f"l{i}", 45) for i in range(lately)]
    assert told(Feature("journey", "rate_change", window="10m"), *facts) == np.float32(change)


def test_a_change_of_sums_may_cross_zero() -> None:
    change = Feature("journey", "rate_change", "value", "10m")
    assert told(change, touch("a", 35, value=-1.0), touch("b", 45, value=3.0)) == 1
    assert told(change, touch("a", 35, value=-3.0), touch("b", 45, value=-1.0)) == 0.5
    assert told(change, touch("a", 45, value=1.0), touch("b", 46, value=-1.0)) == 0


@pytest.mark.parametrize(("at", "change"), [(40, 1), (40 - 1 / MINUTE, -1), (30, -1), (30 - 1 / MINUTE, 0), (50, 0)])
def test_both_windows_of_a_change_are_closed_at_their_older_end(at: float, change: float) -> None:
    assert told(Feature("journey", "rate_change", window="10m"), touch("a", at)) == change


def test_a_change_is_missing_unless_both_windows_are_covered() -> None:
    since = ((35 * MINUTE, 80 * MINUTE),)
    assert told(Feature("journey", "count", window="10m"), touch("a", 45), covered=since) == 1
    assert np.isnan(told(Feature("journey", "rate_change", window="10m"), touch("a", 45), covered=since))
    assert (
        told(Feature("journey", "rate_change", window="10m"), touch("a", 45), covered=((30 * MINUTE, 80 * MINUTE),))
        == 1
    )


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_sum_is_exact_in_any_order(values: list[float], luck) -> None:
    total = Feature("journey", "sum", "value", "40m")
    whole = Fraction(sum(int(Fraction(value) * 2**60) for value in values), 2**60)
    luck.shuffle(values)
    facts = [touch(str(i), luck.uniform(11, 49), value=value) for i, value in enumerate(values)]
    assert told(total, *facts) == np.float32(float(whole))


def test_an_open_case_is_as_old_as_its_first_opening_whatever_else_is_asked_for() -> None:
    """Asked for beside a feature that looks back for ever, it says the same as alone."""
    age, ever = Feature("faults", "open_age", window="10m"), Feature("faults", "since_last")
    opened = [fault("1", 20, "opened"), fault("2", 25, "cleared"), fault("3", 30, "opened"), fault("4", 45, "opened")]
    expected = np.float32(20 * MINUTE / 86_400_000_000)
    assert told(age, *opened, beside=(ever,)) == expected
    assert told(age, *opened) == expected


@settings(max_examples=15)
@given(worlds(), cutoffs)
def test_a_value_does_not_depend_on_what_it_is_asked_for_beside(world: World, c: int) -> None:
    known = history(world)
    together = known.frame("customer", np.array([1, 2]), np.array([c, c]), FEATURES)
    for feature in FEATURES:
        alone = known.frame("customer", np.array([1, 2]), np.array([c, c]), (feature,))
        pd.testing.assert_frame_equal(alone, together[[feature.name]], check_exact=True)
