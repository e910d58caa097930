"""For whom a model is how good: every value of a column, and only what lost beyond chance is said to have lost."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from training.slices import MISSING, by_slice, fallen, values_of

N = 20_000


def operator(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What came, the true probabilities, customers with two rows each, and their region."""
    rng = np.random.default_rng(seed)
    z = rng.normal(-2.5, 1.0, N)
    region = np.repeat(rng.choice(["north", "south"], N // 2), 2)
    return (rng.random(N) < expit(z)).astype(int), expit(z), np.repeat(np.arange(N // 2), 2), region


def test_every_value_has_its_figures():
    y, p, groups, region = operator()
    found = {s.value: s for s in by_slice(y, p, groups, {"region": region})}
    assert found.keys() == {"north", "south"}
    assert sum(s.rows for s in found.values()) == N
    assert sum(s.events for s in found.values()) == y.sum()
    for each in found.values():
        assert each.observed_expected == pytest.approx(1.0, abs=0.12)
        assert each.loss is None, "nothing to compare with"


def test_only_the_slice_that_lost_is_said_to_have_lost():
    y, p, groups, region = operator(1)
    worse = np.where(region == "south", 0.5 * p + 0.5 * p.mean(), p)
    fell = fallen(by_slice(y, worse, groups, {"region": region}, champion=p), 0.05, 0.01)
    assert [s.value for s in fell] == ["south"]
    assert "south" in fell[0].words
    assert not fallen(by_slice(y, p, groups, {"region": region}, champion=p), 0.05, 0.01)


def test_a_slice_with_a_handful_of_events_tells_nothing():
    y, p, groups, region = operator(2)
    rare = np.where(np.arange(N) < 30, "rare", region)
    found = {s.value: s for s in by_slice(y, p, groups, {"region": rare}, champion=p)}
    assert found["rare"].loss is None
    assert found["rare"].chance(0.0) == 1.0


def test_numbers_become_quarters_and_what_is_missing_stands_apart():
    X = pd.DataFrame(
        {
            "tenure": np.append(np.arange(99.0), np.nan),
            "plan": pd.Categorical(["a", "b"] * 50),
            "same": np.ones(100),
            "name": pd.Categorical([f"n{i}" for i in range(100)]),
        }
    )
    found = values_of(X, list(X))
    assert found.keys() == {"tenure", "plan"}, "one value, or too many, is no slice"
    told, counts = np.unique(found["tenure"], return_counts=True)
    assert MISSING in told
    assert len(told) == 5
    assert counts.max() <= 26
