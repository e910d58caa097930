import lightgbm as lgb
import numpy as np
import pytest
from known_hazards import DAY, EDGES, Known, known, staggered

from models.encode import Encoder
from models.hazard import Hazard, LabelError, Params, fit, folds

QUICK = Params(num_leaves=7, learning_rate=0.1, rounds=80, patience=10, num_threads=1)


def learned(rows: Known, followed: np.ndarray, open_ended: bool = False, params: Params = QUICK) -> Hazard:
    X = Encoder.fit(rows.X).transform(rows.X)
    groups = np.arange(len(X))
    given = rows.seen(followed)
    return fit(X, *given, EDGES, label="leaves", groups=groups, seed=0, open_ended=open_ended, params=params)


def encoded(train: Known, rows: Known) -> np.ndarray:
    return Encoder.fit(train.X).transform(rows.X)


def test_the_curve_is_right_although_most_rows_were_not_followed_to_the_end():
    train, test = known(20_000), known(20_000, seed=7)
    followed = staggered(20_000)
    curve = learned(train, followed).curve(encoded(train, test))
    assert curve.mean(0) == pytest.approx(test.truth.mean(0), rel=0.05)
    assert np.abs(curve - test.truth).mean(0).max() < 0.02
    expected, came = curve[:, -1].sum(), np.sum((test.ending == 1) & (test.after < EDGES[-1]))
    assert came / expected == pytest.approx(1.0, abs=0.06)
    ending, _, _ = train.seen(followed)
    only_ended = np.mean(ending[ending > 0] == 1)
    assert abs(only_ended - test.truth[:, -1].mean()) > 0.1, "the shortcut this estimator replaces would be as good"


def test_periods_share_trees_where_the_same_foretells_all_and_do_not_where_it_does_not():
    rows, rng = known(20_000), np.random.default_rng(1)
    assert len(learned(rows, staggered(20_000)).boosters) == 1
    soon, late = rng.normal(size=(2, 20_000))
    hazards = 1 / (1 + np.exp(3.0 - 2.5 * np.column_stack([soon, late, -soon])))
    came = rng.random(hazards.shape) < hazards
    ending, first = came.any(axis=1).astype(np.int8), came.argmax(axis=1)
    after = np.where(ending > 0, np.concatenate(([0], EDGES[:-1]))[first] + DAY, -1)
    X = np.column_stack([soon, late]).astype(np.float32)
    found = fit(
        X, ending, after, np.full(20_000, EDGES[-1]), EDGES, label="l", groups=np.arange(20_000), seed=0, params=QUICK
    )
    assert len(found.boosters) == len(EDGES)
    truth = 1 - np.cumprod(1 - hazards, axis=1)
    assert np.abs(found.curve(X) - truth).mean(0).max() < 0.03
    assert found.told(X[:5]).shape[0] == 5 * len(EDGES)


def test_an_open_ended_answer_is_right_although_slow_ones_have_not_ended():
    train, test = known(20_000, open_ended=True), known(20_000, seed=7, open_ended=True)
    curve = learned(train, staggered(20_000, longest=240), open_ended=True).curve(encoded(train, test))
    assert curve.shape == (20_000, 4)
    assert curve.mean(0) == pytest.approx(test.truth.mean(0), rel=0.07)
    assert (np.diff(curve, axis=1) >= 0).all()
    assert curve.max() <= 1


def test_one_period_without_competing_endings_is_a_plain_probability():
    train = known(8_000, competing=0.0)
    hazard = learned(train, np.full(8_000, 200 * DAY))
    assert hazard.classes == 2
    assert hazard.curve(encoded(train, train)).mean(0) == pytest.approx(train.truth.mean(0), rel=0.06)


def test_thinned_rows_still_give_the_right_level():
    train = known(20_000, competing=0.01)
    params = Params(num_leaves=7, learning_rate=0.1, rounds=80, patience=10, num_threads=1, most_periods=15_000)
    hazard = learned(train, np.full(20_000, 200 * DAY), params=params)
    assert hazard.fitted.read < 15_500 < hazard.fitted.person_periods
    assert hazard.curve(encoded(train, train)).mean(0) == pytest.approx(train.truth.mean(0), rel=0.06)


def test_the_same_seed_gives_the_same_floats_whatever_the_threads():
    train = known(2_000)
    followed = staggered(2_000)
    X = encoded(train, train)
    two = Params(num_leaves=7, learning_rate=0.1, rounds=20, patience=10, num_threads=2)
    one = Params(num_leaves=7, learning_rate=0.1, rounds=20, patience=10, num_threads=1)
    assert np.array_equal(learned(train, followed, params=one).curve(X), learned(train, followed, params=two).curve(X))


def test_all_of_a_fit_asks_lightgbm_for_the_same_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps one number for the process: a label that asks for another crashes those fitted at the same time."""
    asked: set[object] = set()
    predict = lgb.Booster.predict

    def noted(booster: lgb.Booster, *given: object, **named: object) -> object:
        asked.add(named.get("num_threads"))
        return predict(booster, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(lgb.Booster, "predict", noted)
    learned(known(2_000), staggered(2_000), params=QUICK)
    assert asked == {QUICK.num_threads}


def test_no_rows_give_no_curves():
    train = known(2_000)
    assert learned(train, staggered(2_000)).curve(np.empty((0, 3), np.float32)).shape == (0, 3)


def test_a_label_without_events_says_so():
    quiet = known(1_000)
    quiet = Known(quiet.X, np.zeros(1_000, np.int8), np.full(1_000, -1), quiet.truth)
    with pytest.raises(LabelError, match=r"label 'leaves' has one class: no event in 3000 mature periods of 1000 rows"):
        learned(quiet, np.full(1_000, 100 * DAY))


def test_a_label_that_always_comes_says_so():
    sure = Known(known(1_000).X, np.ones(1_000, np.int8), np.zeros(1_000, np.int64), np.empty(0))
    X = Encoder.fit(sure.X).transform(sure.X)
    given = sure.seen(np.full(1_000, 100 * DAY))
    with pytest.raises(LabelError, match="every one of 1000 mature periods has the event"):
        fit(X, *given, EDGES[:1], label="leaves", groups=np.arange(1_000), seed=0, params=QUICK)


def test_a_period_nobody_was_followed_past_is_named():
    with pytest.raises(LabelError, match=r"none of 500 rows can teach about the period up to 90 days .* 70\.0 days"):
        learned(known(500), np.full(500, 70 * DAY))


def test_a_group_is_never_split_and_folds_are_even():
    groups = np.random.default_rng(0).integers(0, 300, 2_000)
    fold = folds(groups, 3, seed=0)
    per_group = [len(set(fold[groups == g])) for g in np.unique(groups)]
    assert set(per_group) == {1}
    sizes = [len(np.unique(groups[fold == f])) for f in range(3)]
    assert max(sizes) - min(sizes) <= 1


def test_too_few_to_hold_some_out_says_how_many_it_takes():
    rows = known(1_000)
    X = Encoder.fit(rows.X).transform(rows.X)
    with pytest.raises(LabelError, match="label 'leaves': 1000 rows are about 2 different ones; it takes 3"):
        fit(X, *rows.seen(staggered(1_000)), EDGES, label="leaves", groups=np.arange(1_000) % 2, seed=0, params=QUICK)
