from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from pairs import DAY, FEATURES, dataset

from features.dataset import Dataset, Outcome
from models.bundle import Model
from models.hazard import LabelError, Params
from training import evaluate
from training.fit import Settings, _typical, fit

QUICK = Settings(params=Params(num_leaves=7, learning_rate=0.1, rounds=60, patience=10, folds=2, num_threads=1))
TRAIN = dataset(6_000, start=0, days=180, seen=180)


@cache
def model() -> Model:
    return fit(TRAIN, QUICK)


def with_outcome(data: Dataset, ending: int, after: int) -> Dataset:
    n = len(data.X)
    return replace(data, outcomes=(Outcome("leaves", np.full(n, ending, np.int8), np.full(n, after)),))


def test_out_of_time_the_curve_is_calibrated_at_every_horizon():
    test = dataset(6_000, start=180, days=60, seen=400, seed=5)
    detail = evaluate.table(evaluate.score(model(), test))
    assert list(detail.horizon) == ["30d", "60d", "90d"]
    assert detail.observed_expected.to_numpy() == pytest.approx(1, abs=0.12)
    assert (detail.auc > 0.68).all()


def test_a_pair_counts_at_a_horizon_only_once_it_was_followed_past_it():
    test = dataset(600, start=180, days=60, seen=270, seed=5)
    at = {s.horizon: s for s in evaluate.score(model(), test)}
    assert (len(at["30d"].y), at["30d"].unknown) == (600, 0)
    assert len(at["60d"].y) == np.sum(270 * DAY - test.cutoff >= 60 * DAY)
    assert len(at["90d"].y) == 1
    assert at["90d"].unknown == 599


def test_an_event_at_the_edge_itself_comes_after_it():
    test = with_outcome(dataset(10, start=180, days=1, seen=400), 1, 30 * DAY)
    at = {s.horizon: s for s in evaluate.score(model(), test)}
    assert at["30d"].y.sum() == 0
    assert at["60d"].y.sum() == 10


def test_a_competing_ending_is_a_known_answer():
    test = with_outcome(dataset(10, start=180, days=1, seen=400), 2, DAY)
    assert all(len(s.y) == 10 and s.y.sum() == 0 for s in evaluate.score(model(), test))


def test_the_end_of_an_open_ended_task_counts_those_whose_ending_is_known():
    train = dataset(3_000, start=0, days=180, seen=300, open_ended=True)
    test = dataset(500, start=300, days=10, seen=400, seed=3, open_ended=True)
    last = evaluate.score(fit(train, QUICK), test)[-1]
    assert last.horizon == "end"
    assert len(last.y) == np.sum(test.outcomes[0].ending > 0)
    assert last.unknown == np.sum(test.outcomes[0].ending == 0) > 0


def detail(**columns: list[object]) -> pd.DataFrame:
    base = {name: [0.5] * len(columns["label"]) for name in (*evaluate.MACRO, "calibration_slope")}
    return pd.DataFrame({**base, "events": 1, "unknown": 0, **columns})


def test_the_headline_is_the_last_horizon_and_the_mean_over_labels():
    found = evaluate.headline(
        detail(label=["a", "a", "b", "b"], horizon=["30d", "60d"] * 2, auc=[0.1, 0.8, 0.1, 0.6], rows=[9, 8, 9, 7])
    )
    assert (found["horizon"], found["auc"], found["rows"], found["events"]) == ("60d", pytest.approx(0.7), 8, 2)
    assert found["notes"] == []


def test_an_unknown_last_horizon_falls_back_and_says_so():
    found = evaluate.headline(detail(label=["a", "a"], horizon=["30d", "60d"], rows=[9, 0]))
    assert found["horizon"] == "30d"
    assert found["notes"] == ["no test outcome is known at 60d yet: the figures are for 30d"]
    nothing = evaluate.headline(detail(label=["a"], horizon=["30d"], rows=[0]))
    assert nothing["auc"] is None
    assert "no test pair has an outcome that is known yet" in str(nothing["notes"])


def test_one_class_in_the_test_window_is_null_with_a_note():
    test = with_outcome(dataset(10, start=180, days=1, seen=400), 0, -1)
    found = evaluate.headline(evaluate.table(evaluate.score(model(), test)))
    assert found["auc"] is None
    assert found["brier"] is not None
    assert found["notes"] == ["'leaves' has one class among 10 test pairs: no AUC"]


def test_a_label_that_cannot_be_learned_names_task_label_and_instant():
    with pytest.raises(LabelError, match=r"task 'churn', labels known by 1970-06-30T00:00:00\+00:00: label 'leaves'"):
        fit(with_outcome(TRAIN, 0, -1), QUICK)


def test_ablation_shows_what_each_subset_is_worth():
    test = dataset(3_000, start=180, days=60, seen=400, seed=5)
    subsets = {"noise": [FEATURES[2].name], **evaluate.history_subsets(TRAIN)}
    found = evaluate.ablation(TRAIN, test, subsets, QUICK).set_index("subset")
    assert list(found.features) == [1, 2, 3]
    assert found.auc["noise"] == pytest.approx(0.5, abs=0.04)
    assert found.auc["own fields"] > 0.68
    assert found.auc["with history"] > 0.68


def test_typical_values_and_groups_are_those_of_the_training_rows():
    late, plan, faults = model().manifest.features
    assert late.typical == pytest.approx(float(TRAIN.X[late.name].median()))
    assert (plan.typical, plan.kind, plan.group) == ("basic", "category", "own")
    assert faults.group == "history"


def test_a_value_missing_for_the_first_time_is_read_as_typical_and_not_as_zero():
    name = FEATURES[0].name
    train = replace(TRAIN, X=TRAIN.X.assign(**{name: TRAIN.X[name] + np.float32(10)}))
    model = fit(train, QUICK)
    row = train.X.iloc[[0]]
    missing, typical, zero = (
        model.predict(row.assign(**{name: np.float32(value)}))["leaves"]
        for value in (np.nan, model.manifest.features[0].typical, 0.0)
    )
    assert np.array_equal(missing, typical)
    assert not np.array_equal(missing, zero)


def test_a_value_missing_only_where_nothing_is_known_yet_was_not_learned():
    name = FEATURES[0].name
    recent = TRAIN.followed() < 30 * DAY
    late = fit(replace(TRAIN, X=TRAIN.X.assign(**{name: TRAIN.X[name].mask(recent)})), QUICK)
    often = fit(replace(TRAIN, X=TRAIN.X.assign(**{name: TRAIN.X[name].mask(~recent & (TRAIN.X[name] > 1))})), QUICK)
    assert late.manifest.features[0].fill == late.manifest.features[0].typical
    assert often.manifest.features[0].fill is None


def test_old_answers_stay_old_where_an_outage_ended_their_follow_up():
    train = dataset(6_000, start=0, days=540, seen=540)
    old = train.cutoff < 360 * DAY
    (outcome,) = train.outcomes
    fewer = np.where(old & (np.arange(6_000) % 4 > 0), 0, outcome.ending).astype(np.int8)
    train = replace(
        train,
        outcomes=(Outcome("leaves", fewer, np.where(fewer, outcome.after, -1)),),
        observed=np.where(old, train.cutoff + 90 * DAY, 600 * DAY),
    )
    recent = dataset(6_000, start=540, days=30, seen=900, seed=5)
    detail = evaluate.table(evaluate.score(fit(train, QUICK), recent))
    assert detail.observed_expected.to_numpy() == pytest.approx(1, abs=0.25)


def test_what_is_typical_is_what_it_is_for_most_rows():
    def typical(*values: float | str | None) -> float | str | None:
        kind = "category" if any(isinstance(v, str) for v in values) else "number"
        return _typical(pd.Series(values, dtype="category" if kind == "category" else float), kind)

    assert typical(*[np.nan] * 7, 3, 4, 5) is None
    assert typical(*[np.nan] * 3, 3, 4, 8) == 4
    assert typical(np.nan) is None
    assert typical("a", "b", "b", None, None, None) is None
    assert typical("a", "b", "b", None, None) == "b"


def test_the_headline_does_not_rest_on_a_few_early_answers_or_on_one_class():
    few = detail(
        label=["a"] * 3, horizon=["30d", "60d", "end"], rows=[1000, 900, 2], unknown=[0, 100, 998], events=[9, 20, 1]
    )
    found = evaluate.headline(few)
    assert (found["horizon"], found["rows"]) == ("60d", 900)
    assert found["notes"] == [
        "2 of 1000 test outcomes are known at end yet: the figures are for 60d",
        "100 test outcomes are not known yet and were left out",
    ]
    assert evaluate.headline(few.assign(events=[9, 900, 1]))["horizon"] == "30d"
