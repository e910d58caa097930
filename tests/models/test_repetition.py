"""A monthly panel that looks 90 days ahead tells of every departure up to three times."""

import numpy as np
import pytest
from known_hazards import DAY, EDGES

from models import calibrate
from models.calibrate import STEPS
from models.hazard import Params, fit
from models.periods import TOGETHER, Periods, alone, repetition, stack

QUICK = Params(num_leaves=7, learning_rate=0.1, rounds=60, patience=10, folds=2, num_threads=1)

HAZARD, MONTHS, PEOPLE = 0.02, 15, 2_500


def panel(seed: int) -> tuple[Periods, float]:
    """The person-periods of people who leave at a constant monthly hazard, and how often each departure is told."""
    gone = np.random.default_rng(seed).exponential(-30 * DAY / np.log(1 - HAZARD), PEOPLE).astype(np.int64)
    who, month = np.nonzero(gone[:, None] > np.arange(MONTHS) * 30 * DAY)
    followed = (MONTHS - month) * 30 * DAY
    after = gone[who] - month * 30 * DAY
    known = after < followed
    after = np.where(known, after, -1)
    periods = stack(known.astype(np.int8), after, followed, EDGES)
    return periods, repetition(periods, who, after - followed)


def calibrated(seed: int) -> tuple[float, float]:
    """The step that was found, and by how much the newest level is off, in log-odds; the given one was right."""
    periods, times = panel(seed)
    alike = np.column_stack([periods.period, periods.target, periods.age])
    rows, count = np.unique(alike, axis=0, return_counts=True)
    period, target, age = rows.T
    P = np.full((len(rows), 2), (1 - HAZARD, HAZARD))
    found = calibrate.fit(P, target, period, 3, count / times, age)
    newest = found.apply(P[:3], np.arange(3))[:, 1].mean()
    return found.step, float(np.log(newest / HAZARD))


def test_a_constant_hazard_has_no_drift_and_the_right_level():
    found = [calibrated(seed) for seed in range(24)]
    steps, off = np.array(found).T
    assert np.median(steps) == STEPS[0]
    departures = PEOPLE * (1 - (1 - HAZARD) ** MONTHS)
    assert np.sqrt(np.mean(off**2)) < 1.5 / np.sqrt(departures)


def test_an_ending_seen_by_three_cutoffs_is_told_three_times():
    cutoff = np.array([0, 30, 60, 0]) * DAY
    gone = np.array([80, 80, 80, 10]) * DAY
    followed = 200 * DAY - cutoff
    periods = stack(np.ones(4, np.int8), gone - cutoff, followed, EDGES)
    assert repetition(periods, np.array([1, 1, 1, 2]), gone) == 2.0
    assert repetition(periods, np.arange(4), gone) == 1.0


@pytest.mark.parametrize("rows", [0, 5])
def test_without_endings_nothing_is_repeated(rows: int):
    quiet = stack(np.zeros(rows, int), np.full(rows, -1), np.full(rows, 200 * DAY), EDGES)
    assert repetition(quiet, np.arange(rows), np.zeros(rows)) == 1.0


def test_a_firm_that_leaves_with_all_its_lines_does_not_move_the_level_of_everybody():
    rng = np.random.default_rng(5)
    n, firm = 40_000, 400
    x = rng.normal(size=n).astype(np.float32)
    p = 1 / (1 + np.exp(4.0 - x))
    groups = np.append(np.arange(n - firm), np.full(firm, n))
    ending = (rng.random(n) < p).astype(np.int8)
    ending[-firm:] = 1
    month = rng.integers(1, 13, n) * DAY * 30
    month[-firm:] = DAY * 30
    edges = np.array([DAY * 30])
    after = np.where(ending > 0, DAY, -1)
    found = fit(x[:, None], ending, after, month, edges, label="l", groups=groups, seed=0, params=QUICK)
    expected = found.curve(x[:-firm, None])[:, 0].mean() / p[:-firm].mean()
    assert ending.mean() / p.mean() > 1.2, "counted line by line it would"
    assert expected < 1.12


def test_who_is_asked_alone_counts_as_one():
    assert alone(np.arange(5), np.zeros(5)).tolist() == [1.0] * 5
    assert alone(np.zeros(5), np.arange(5)).tolist() == [1.0] * 5
    assert alone(np.zeros(11), np.zeros(11)).sum() == pytest.approx(11 / (1 + 10 * TOGETHER))
