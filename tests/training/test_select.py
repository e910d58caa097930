"""Few variables: what tells is kept, a twin leaves for the other, noise leaves first; a curve says what each costs."""

from dataclasses import replace

import numpy as np
import pytest
from pairs import FEATURES, dataset

from features.dataset import Dataset
from features.declare import Feature
from models.hazard import Params
from training.fit import Settings
from training.select import Chosen, choose, twins_of

QUICK = Settings(params=Params(num_leaves=7, learning_rate=0.1, rounds=40, patience=10, folds=2, num_threads=1))
PAIN, PLAN, NOISE = (feature.name for feature in FEATURES)
TWIN = Feature("usage", "sum", "value", "30d", group="own")
NOISES = tuple(Feature("usage", "sum", "value", f"{days}d", group="own") for days in range(40, 48))


def wide(data: Dataset, seed: int) -> Dataset:
    """The same with a twin of what tells most, and columns that tell nothing."""
    rng = np.random.default_rng(seed)
    more = {TWIN.name: np.exp(data.X[PAIN] / 4).astype(np.float32)}
    more |= {feature.name: rng.normal(size=len(data.X)).astype(np.float32) for feature in NOISES}
    return replace(data, features=(*data.features, TWIN, *NOISES), X=data.X.assign(**more))


@pytest.fixture(scope="module")
def chosen() -> Chosen:
    earlier = wide(dataset(3_000, start=0, days=180, seen=180), 1)
    later = wide(dataset(2_000, start=180, days=60, seen=400, seed=5), 2)
    return choose([(earlier, later)], QUICK, budget=2, steps=(6, 2, 1))


def test_what_tells_is_kept_and_noise_is_not(chosen: Chosen) -> None:
    assert chosen.kept[1] == PLAN or chosen.kept[0] == PLAN
    assert {PAIN, TWIN.name} & set(chosen.kept)
    assert len(chosen.kept) == 2
    assert set(chosen.gains) == set(chosen.lost) == set(chosen.kept)
    assert min(chosen.lost.values()) > 0.01


def test_of_twins_one_leaves_for_the_other(chosen: Chosen) -> None:
    ((left, stayed),) = chosen.twins.items()
    assert {left, stayed} == {PAIN, TWIN.name}
    assert left not in chosen.kept


def test_the_curve_says_what_each_number_of_variables_gives(chosen: Chosen) -> None:
    curve = chosen.curve.set_index("variables")["auc"]
    assert curve.index.tolist() == [12, 6, 2, 1]
    assert curve[2] > curve[12] - 0.01
    assert curve[1] < curve[2]


def test_constant_and_missing_columns_are_nobodys_twins() -> None:
    X = dataset(500, 0, 180, 180).X.assign(one=np.float32(1), two=np.float32(2), none=np.float32(np.nan))
    assert twins_of(X, dict.fromkeys(X.columns, 1.0)) == {}


def test_a_budget_of_none_is_refused() -> None:
    data = dataset(500, 0, 180, 180)
    with pytest.raises(ValueError, match="at least one variable"):
        choose([(data, data)], QUICK, budget=0)
