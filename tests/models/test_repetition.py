"""A monthly panel that looks 90 days ahead tells of every departure up to three times."""

import numpy as np
import pytest
from known_hazards import DAY, EDGES

from models import calibrate
from models.calibrate import STEPS
from models.periods import Periods, repetition, stack

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
