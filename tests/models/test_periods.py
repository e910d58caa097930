import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.periods import COMPETING, EVENT, NO_ENDING, Periods, accumulate, stack, thin

EDGES = np.array([10, 20, 40])
shares = st.floats(0, 1)


def rows(periods: Periods) -> set[tuple[int, int, int]]:
    return set(zip(periods.row.tolist(), periods.period.tolist(), periods.target.tolist(), strict=True))


def stacked(ending: int, after: int, followed: int, open_ended: bool = False) -> dict[int, int]:
    """Period -> target, of one row."""
    found = stack(np.array([ending]), np.array([after]), np.array([followed]), EDGES, open_ended=open_ended)
    return dict(zip(found.period.tolist(), found.target.tolist(), strict=True))


def test_a_quiet_row_teaches_about_each_period_it_was_followed_past():
    assert stacked(NO_ENDING, -1, 9) == {}
    assert stacked(NO_ENDING, -1, 10) == {0: 0}
    assert stacked(NO_ENDING, -1, 39) == {0: 0, 1: 0}
    assert stacked(NO_ENDING, -1, 40) == {0: 0, 1: 0, 2: 0}


def test_an_ending_belongs_to_the_period_that_begins_at_its_instant_and_ends_the_risk():
    assert stacked(EVENT, 9, 100) == {0: EVENT}
    assert stacked(EVENT, 10, 100) == {0: 0, 1: EVENT}
    assert stacked(COMPETING, 20, 100) == {0: 0, 1: 0, 2: COMPETING}
    assert stacked(EVENT, 40, 100) == {0: 0, 1: 0, 2: 0}


def test_an_ending_known_before_its_period_has_passed_does_not_teach_yet():
    assert stacked(EVENT, 12, 15) == {0: 0}
    assert stacked(EVENT, 12, 20) == {0: 0, 1: EVENT}


def test_in_the_open_ended_period_only_those_who_ended_teach():
    assert stacked(NO_ENDING, -1, 1000, open_ended=True) == {0: 0, 1: 0, 2: 0}
    assert stacked(COMPETING, 40, 50, open_ended=True) == {0: 0, 1: 0, 2: 0, 3: COMPETING}


@given(
    st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 60), st.integers(-5, 60)), min_size=1),
    st.booleans(),
)
def test_stacking_equals_the_slow_reading_of_the_rule(cases: list[tuple[int, int, int]], open_ended: bool):
    ending = np.array([e for e, _, _ in cases])
    after = np.array([a if e else -1 for e, a, _ in cases])
    followed = np.array([f for _, _, f in cases])
    wanted = set()
    for row, (e, a, f) in enumerate(zip(ending, after, followed, strict=True)):
        for k, (start, end) in enumerate(((0, 10), (10, 20), (20, 40))):
            at_risk = e == 0 or a >= start
            if at_risk and f >= end:
                wanted.add((row, k, int(e) if e and a < end else 0))
        if open_ended and e and a >= 40:
            wanted.add((row, 3, int(e)))
    assert rows(stack(ending, after, followed, EDGES, open_ended=open_ended)) == wanted


@given(arrays(float, (5, 4), elements=shares), arrays(float, (5, 4), elements=shares), st.booleans())
def test_a_curve_never_falls_and_stays_a_probability(event: np.ndarray, other: np.ndarray, open_ended: bool):
    competing = (1 - event) * other
    curve = accumulate(event, competing, open_ended=open_ended)
    assert (np.diff(curve, axis=1) >= 0).all()
    assert (curve >= 0).all()
    assert (curve <= 1).all()


def test_cumulative_incidence_by_hand():
    curve = accumulate(np.array([[0.1, 0.2]]), np.array([[0.3, 0.5]]))
    assert curve[0] == pytest.approx([0.1, 0.1 + 0.6 * 0.2])


def test_an_open_ended_task_splits_what_is_left():
    event, competing = np.array([[0.1, 0.02]]), np.array([[0.3, 0.06]])
    assert accumulate(event, competing, open_ended=True)[0] == pytest.approx([0.1, 0.1 + 0.6 * 0.25])
    assert accumulate(competing, event, open_ended=True)[0, -1] == pytest.approx(0.3 + 0.6 * 0.75)


def test_thinning_keeps_every_ending_and_the_weighted_rate():
    n, rng = 50_000, np.random.default_rng(0)
    target = (rng.random(n) < 0.02).astype(np.int8)
    whole = Periods(np.arange(n), np.zeros(n, np.int64), target, np.zeros(n, np.int64))
    taken, weight = thin(whole, 5_000, seed=1)
    assert abs(len(taken) - 5_000) < 300
    assert taken.target.sum() == target.sum()
    assert np.average(taken.target, weights=weight) == pytest.approx(target.mean(), rel=0.05)


def test_nothing_is_thinned_that_fits():
    whole = Periods(np.arange(9), np.zeros(9, np.int64), np.zeros(9, np.int8), np.zeros(9, np.int64))
    taken, weight = thin(whole, 9, seed=1)
    assert taken is whole
    assert (weight == 1).all()


def test_an_outage_that_ends_the_follow_up_does_not_make_an_answer_younger():
    passed = np.array([100, 100])
    found = stack(np.zeros(2, int), np.full(2, -1), np.array([100, 25]), EDGES, passed=passed)
    age = {(r, k): a for r, k, a in zip(found.row.tolist(), found.period.tolist(), found.age.tolist(), strict=True)}
    assert age == {(0, 0): 90, (0, 1): 80, (0, 2): 60, (1, 0): 90, (1, 1): 80}
