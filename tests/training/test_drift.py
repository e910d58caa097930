"""Drift: two draws from one world are alike, a world that moved is seen, and chance is not."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from training.drift import drift, level, stability_index


def frame(seed: int, shift: float = 0.0, fiber: float = 0.3, rows: int = 5_000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    use = np.where(rng.random(rows) < 0.1, np.nan, rng.gamma(2, 1, rows) + shift).astype(np.float32)
    line = pd.Categorical(np.where(rng.random(rows) < fiber, "fiber", "copper"), ["copper", "fiber"])
    return pd.DataFrame({"use": use, "line": line, "same": np.ones(rows, np.float32)})


def test_two_draws_from_one_world_are_alike() -> None:
    before, now = frame(1), frame(2)
    assert all(stability_index(before[name], now[name]) < 0.02 for name in before)
    assert stability_index(before["use"], before["use"]) == 0


def test_the_index_is_the_sum_it_is_defined_as() -> None:
    before = pd.Series(pd.Categorical(["a"] * 50 + ["b"] * 50))
    now = pd.Series(pd.Categorical(["a"] * 80 + ["b"] * 20))
    assert stability_index(before, now) == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4), rel=1e-6)


def test_what_moved_is_named_worst_first() -> None:
    found = drift(frame(1), frame(2, shift=1.0, fiber=0.9), {})
    assert set(found.shifted) == {"line", "use"}
    assert list(found.shifted.values()) == sorted(found.shifted.values(), reverse=True)
    assert found.found
    assert found.words.startswith(f"{next(iter(found.shifted))} shifted (index ")


def test_a_new_word_and_a_column_that_went_missing_are_shifts() -> None:
    before, now = frame(1), frame(2)
    now["line"] = pd.Categorical(["laser"] * len(now))
    now["use"] = np.float32(np.nan)
    assert set(drift(before, now, {}).shifted) == {"line", "use"}


def test_a_level_is_off_only_beyond_chance() -> None:
    rng = np.random.default_rng(3)
    p = expit(rng.normal(-3, 1, 20_000))
    wrong = [level((rng.random(len(p)) < p).astype(int), p)[1] for _ in range(100)]
    assert sum(wrong) <= 2
    ratio, off = level((rng.random(len(p)) < 1.4 * p).astype(int), p)
    assert off
    assert 1.3 < ratio < 1.5
    few = p[:100]
    assert sum(level((rng.random(len(few)) < few).astype(int), few)[1] for _ in range(200)) <= 10
    assert level(np.zeros(len(p), int), p) == (0.0, True)
