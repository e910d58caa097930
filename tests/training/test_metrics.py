import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import metrics

Y = np.array([0, 0, 1, 1])
P = np.array([0.1, 0.4, 0.35, 0.8])


def test_by_hand():
    assert metrics.auc(Y, P) == 0.75
    assert metrics.average_precision(Y, P) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert metrics.brier(Y, P) == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert metrics.observed_expected(Y, P) == pytest.approx(2 / 1.65)


def test_calibration_error_by_hand():
    y = np.array([0] * 9 + [1] + [1] * 6 + [0] * 4)
    p = np.array([0.2] * 10 + [0.5] * 10)
    assert metrics.calibration_error(y, p) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)


def test_bins_hold_equally_many_and_equal_predictions_stay_together():
    found = metrics.bins(np.zeros(100), np.linspace(0, 1, 100))
    assert [b.rows for b in found] == [10] * 10
    assert [b.rows for b in metrics.bins(np.zeros(100), np.full(100, 0.3))] == [100]


def test_the_slope_recovers_a_known_distortion():
    rng = np.random.default_rng(0)
    z = rng.normal(size=100_000)
    y = rng.random(100_000) < 1 / (1 + np.exp(-(0.5 * z - 1)))
    assert metrics.calibration_slope(y, 1 / (1 + np.exp(-z))) == pytest.approx(0.5, abs=0.03)


def test_one_class_is_not_a_number_rather_than_a_crash():
    found = metrics.score(np.zeros(4, int), P)
    assert math.isnan(found["auc"])
    assert math.isnan(found["average_precision"])
    assert math.isnan(found["calibration_slope"])
    assert found["brier"] == pytest.approx(np.mean(P**2))
    assert math.isnan(metrics.score(np.zeros(0, int), np.zeros(0))["brier"])


def test_wilson_interval_of_a_textbook_case():
    assert metrics.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.2, 0.7])), min_size=2, max_size=30))
def test_lift_ends_at_one_and_does_not_depend_on_the_order_of_rows(rows: list[tuple[int, float]]):
    y, p = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    if not y.any():
        return
    share, lift = metrics.lift(y, p)
    assert share[-1] == 1
    assert lift[-1] == pytest.approx(1)
    assert lift == pytest.approx(metrics.lift(y[::-1], p[::-1])[1])


def test_lift_of_a_perfect_order():
    share, lift = metrics.lift(np.array([0, 1, 0, 0]), np.array([0.1, 0.9, 0.2, 0.3]))
    assert share.tolist() == [0.25, 0.5, 0.75, 1]
    assert lift == pytest.approx([4, 2, 4 / 3, 1])
