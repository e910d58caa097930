"""A scorer gives what LightGBM and the model give for the same row, to the last bit."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from grown_models import ROWS, Plan, booster, drawn, grown, model, odd
from hypothesis import given, settings
from hypothesis import strategies as st
from known_hazards import known
from small_models import small_model

from models.bundle import Model
from models.scorer import Scorer
from models.trees import read

plans = st.builds(
    Plan,
    classes=st.sampled_from([2, 3]),
    periods=st.integers(1, 3),
    apart=st.booleans(),
    leaves=st.sampled_from([2, 5, 15, 32, 33, 80]),
    missing=st.sampled_from(["nan", "zero", "none"]),
    sigmoid=st.sampled_from([1.0, 0.7]),
    seed=st.integers(0, 10_000),
    rounds=st.integers(1, 6),
)


def effects(model: Model, label: str, x: np.ndarray) -> dict[str, float]:
    """The obvious way: every group, and every feature, replaced in a row of its own."""
    before = model.hazards[label].curve(x[None])[0, -1]
    found = {}
    for name in (*dict.fromkeys(model.groups.values()), *model.features):
        columns = [j for j, (feature, group) in enumerate(model.groups.items()) if name in (feature, group)]
        other = x.copy()
        other[columns] = model.typical[columns]
        found[name] = float(100 * (before - model.hazards[label].curve(other[None])[0, -1]))
    return found


def check_reasons(scorer: Scorer, label: str, x: np.ndarray) -> None:
    wanted = effects(scorer.model, label, x)
    curve, why = scorer.explained(x, label, x, {})
    assert np.array_equal(curve, scorer.model.curve(label, x[None])[0])
    groups = scorer.model.groups
    moved = [group for group in dict.fromkeys(groups.values()) if wanted[group] != 0]
    assert [(r.group, r.effect) for r in why] == sorted(((g, wanted[g]) for g in moved), key=lambda p: -abs(p[1]))
    for reason in why:
        names = sorted((n for n in groups if groups[n] == reason.group), key=lambda n: -abs(wanted[n]))[:2]
        assert [n for n, _, _ in reason.features] == [n for i, n in enumerate(names) if i == 0 or wanted[n] != 0]


@settings(max_examples=60)
@given(st.lists(plans, min_size=1, max_size=3), st.integers(1, 6), st.integers(1, 4))
def test_curves_and_reasons_are_those_of_the_model_to_the_last_bit(drawn_plans, features: int, groups: int):
    hazards = {f"l{i}": grown(features, plan) for i, plan in enumerate(drawn_plans)}
    tried = model(hazards, features, groups, drawn_plans[0].seed, known=0.8)
    scorer = Scorer(tried)
    rows = odd(drawn(25, features, 77), 78)
    wanted = {label: tried.curve(label, rows) for label in tried.labels}
    for i, x in enumerate(rows):
        found = scorer.curves(x)
        assert list(found) == list(tried.labels)
        for label in tried.labels:
            assert np.array_equal(found[label], wanted[label][i])
    for x in rows[:3]:
        for label in tried.labels:
            check_reasons(scorer, label, x)


def test_values_at_a_threshold_go_left_as_in_lightgbm():
    hazard = grown(3, Plan(leaves=31, missing="none"))
    tried = model({"leaves": hazard}, 3)
    splits = [s for tree in read(hazard.boosters[0]).trees for s in tree.splits if s.feature < 3]
    near = {np.float32(s.threshold) for s in splits}
    values = sorted(
        {step for v in near for step in (np.nextafter(v, np.float32(-9)), v, np.nextafter(v, np.float32(9)))}
    )
    rows = np.random.default_rng(0).choice(np.array(values, np.float32), (300, 3))
    scorer = Scorer(tried)
    assert np.array_equal([scorer.curves(x)["leaves"] for x in rows], tried.curve("leaves", rows))


@pytest.mark.parametrize("open_ended", [False, True])
def test_a_fitted_model_is_scored_as_it_predicts(open_ended: bool):
    fitted = small_model(open_ended)
    X = known(50, seed=5).X
    scorer, wanted = Scorer(fitted), fitted.predict(X)
    for i, x in enumerate(fitted.encoder.transform(X)):
        for label, curve in scorer.curves(x).items():
            assert np.array_equal(curve, wanted[label][i])


def test_more_changes_than_fit_into_a_word_are_all_told():
    features = 70
    tried = model({"leaves": grown(features, Plan(classes=3, periods=2, rounds=40, leaves=15))}, features, groups=8)
    x = np.array(tried.typical) + 1
    check_reasons(Scorer(tried), "leaves", np.where(np.isnan(x), 1, x).astype(np.float32))


def test_a_typical_row_has_no_reasons():
    tried = model({"leaves": grown(4, Plan(periods=3))}, 4)
    assert Scorer(tried).explained(tried.typical, "leaves", tried.typical, {})[1] == ()


def test_threads_do_not_disturb_each_other():
    tried = model({"leaves": grown(6, Plan(classes=3, periods=3, leaves=15, rounds=30))}, 6)
    scorer, rows = Scorer(tried), drawn(400, 6, 5)

    def explained(x: np.ndarray):
        curve, why = scorer.explained(x, "leaves", x, {})
        return curve.tolist(), why

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(explained, rows)) == [explained(x) for x in rows]


def test_a_row_of_another_length_is_refused():
    scorer = Scorer(model({"leaves": grown(3, Plan())}, 3))
    for wrong in (np.zeros(4, np.float32), np.zeros((1, 3), np.float32)):
        with pytest.raises(ValueError, match="a row of 3 features is scored, not one of shape"):
            scorer.curves(wrong)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"linear_tree": True}, "linear leaves"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "random forest"),
        ({"objective": "regression"}, "objective 'regression'"),
        ({"objective": "multiclassova", "num_class": 3}, "objective 'multiclassova'"),
    ],
)
def test_trees_the_model_never_grows_are_refused(other: dict[str, object], words: str):
    X = drawn(ROWS, 2, 0, missing=False)
    with pytest.raises(ValueError, match=words):
        read(booster(X, X[:, 0] > 0, Plan(), **other))


def test_splits_on_categories_are_refused():
    X = pd.DataFrame({"plan": pd.Categorical.from_codes(np.arange(ROWS) % 5, list("abcde"))})
    with pytest.raises(ValueError, match="split on categories"):
        read(booster(X, np.arange(ROWS) % 5 > 2, Plan()))
