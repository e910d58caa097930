"""Lists of the riskiest, and intervals that hold the truth as often as they say."""

import numpy as np
import pytest
from scipy.special import expit

from training.metrics import auc
from training.targeting import intervals, top


def test_a_list_holds_the_events_of_the_riskiest() -> None:
    p = np.linspace(0, 1, 200)
    y = np.zeros(200, int)
    y[-2:], y[100] = 1, 1
    value = np.where(np.arange(200) == 199, 70.0, 15.0)
    found = top(y, p, value)
    assert found["lift_top_1"] == pytest.approx(1 / (3 / 200))
    assert found["lift_top_10"] == pytest.approx((2 / 20) / (3 / 200))
    assert found["revenue_top_1"] == pytest.approx(85 / 100)
    assert top(y, p).keys() == {"lift_top_1", "lift_top_5", "lift_top_10"}


def test_equals_share_the_edge_so_that_their_order_does_not_matter() -> None:
    y = np.array([1] * 10 + [0] * 90)
    assert top(y, np.full(100, 0.3)) == pytest.approx({"lift_top_1": 1, "lift_top_5": 1, "lift_top_10": 1})


def test_a_value_that_is_missing_counts_nothing() -> None:
    y, p = np.array([1, 1, 0, 0] * 25), np.tile([0.9, 0.8, 0.2, 0.1], 25)
    value = np.tile([np.nan, 10, 5, 5], 25)
    assert top(y, p, value)["revenue_top_10"] == 0


def test_intervals_hold_the_truth_though_rows_of_one_customer_are_alike() -> None:
    held, draws, rng = 0, 60, np.random.default_rng(1)
    many = expit(-1 + 1.5 * rng.normal(size=400_000))
    truth = auc((rng.random(len(many)) < many).astype(int), many)
    for seed in range(draws):
        each = np.random.default_rng(100 + seed)
        groups = np.repeat(np.arange(150), 6)
        p = expit(-1 + 1.5 * each.normal(size=150))[groups]
        y = (each.random(150)[groups] < p).astype(int)
        found = intervals(y, p, groups, seed=seed)
        held += found["auc_low"] <= truth <= found["auc_high"]
    assert held >= 0.85 * draws
