import numpy as np
import pytest
from scipy.special import softmax

from models.calibrate import STEPS, Calibration, fit, odds


def wrong(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of two causes that are too extreme and too high, what came, and the period."""
    rng = np.random.default_rng(seed)
    Z = rng.normal([-2.0, -1.5], 1.0, size=(n, 2))
    period = rng.integers(0, 3, n)
    right = softmax(np.column_stack([np.zeros(n), 0.6 * Z - [0.8, 0.2] + 0.3 * period[:, None]]), axis=1)
    target = (right.cumsum(1) < rng.random(n)[:, None]).sum(1)
    return softmax(np.column_stack([np.zeros(n), Z]), axis=1), target, period


AGE = np.random.default_rng(9).random(60_000)


def test_a_known_distortion_is_undone_cause_by_cause_and_period_by_period():
    P, target, period = wrong(60_000)
    found = fit(P, target, period, 3, np.ones(len(P)), AGE)
    assert found.step == STEPS[0], "nothing drifts here"
    assert found.slope == pytest.approx((0.6, 0.6), abs=0.05)
    assert found.intercept[0] == pytest.approx((-0.8, -0.5, -0.2), abs=0.12)
    better = found.apply(P, period)
    for k in range(3):
        for cause in (1, 2):
            rows = period == k
            assert better[rows, cause].mean() == pytest.approx((target[rows] == cause).mean(), abs=0.005)


def test_probabilities_add_up_and_none_changes_nothing():
    P, _, period = wrong(100)
    same = Calibration.none(2, 3).apply(P, period)
    assert same == pytest.approx(P)
    assert same.sum(1) == pytest.approx(np.ones(100))


def test_a_handful_of_rows_hardly_bends_anything():
    P = np.full((4, 2), 0.5)
    found = fit(P, np.array([1, 1, 1, 1]), np.zeros(4, int), 1, np.ones(4), np.zeros(4))
    moved = found.apply(P, np.zeros(4, int))[0, 1]
    assert 0.5 < moved < 0.9


def test_weights_count_like_repeated_rows():
    P, target, period = wrong(500)
    twice = fit(np.tile(P, (2, 1)), np.tile(target, 2), np.tile(period, 2), 3, np.ones(1000), np.zeros(1000))
    weighted = fit(P, target, period, 3, np.full(500, 2.0), np.zeros(500))
    assert weighted.slope == pytest.approx(twice.slope, abs=1e-3)


def test_certain_probabilities_stay_finite():
    assert np.isfinite(odds(np.array([[1.0, 0.0], [0.0, 1.0]]))).all()


def test_the_newest_level_is_kept_where_the_level_drifts():
    rng = np.random.default_rng(3)
    n = 30_000
    age, z = rng.random(n), rng.normal(-2.0, 1.0, n)
    now = 1 / (1 + np.exp(-(z - 0.8)))
    then = 1 / (1 + np.exp(-(z - 0.8 + 1.6 * age)))
    target = (rng.random(n) < then).astype(int)
    P = np.column_stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))])
    none = np.zeros(n, int)
    found = fit(P, target, none, 1, np.ones(n), age)
    assert found.step > STEPS[0]
    expected = found.apply(P, none)[:, 1].mean()
    assert expected == pytest.approx(now.mean(), rel=0.1)
    assert then.mean() > 1.5 * now.mean(), "all of history together would say far more"


def test_a_shock_that_passed_does_not_become_the_level_but_a_jump_does():
    rng = np.random.default_rng(4)
    n = 120_000
    age, z = rng.random(n), rng.normal(-2.5, 1.0, n)
    month = np.floor(12 * age).astype(int)
    bumps = 0.12 * np.array([2.0, 0.0, -0.6, 1.0, 0.2, -1.2, 0.8, 0.0, -0.8, 0.6, 1.4, -0.4])
    jump = np.where(np.arange(12) == 0, 0.8, 0.0)
    P, none = np.column_stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))]), np.zeros(n, int)

    def level(moved: np.ndarray) -> float:
        came = rng.random(n) < 1 / (1 + np.exp(-(z + moved[month])))
        return fit(P, came.astype(int), none, 1, np.ones(n), age).intercept[0][0]

    assert level(bumps) < 0.6 * bumps[0]
    assert level(jump) > 0.6 * jump[0]
