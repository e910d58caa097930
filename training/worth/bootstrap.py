"""Customers drawn anew: how sure a figure is that was counted on several rows of each."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

DRAWS = 200
INTERVAL = (2.5, 97.5)
"""Percentiles of a 95 % interval."""


def weights(groups: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each row counts, (n,) int64, once per draw: all rows of a customer together, or none.

    ``groups`` (n,) whose row it is. The cluster bootstrap of Field and Welsh (2007), "Bootstrapping clustered data".
    """
    code, names = pd.factorize(groups)
    rng, size = np.random.default_rng(seed), len(names)
    for _ in range(draws):
        yield np.bincount(rng.integers(0, size, size), minlength=size)[code]


def interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of a figure's draws (d,), each a draw, so they may be infinite; NaN without any."""
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.percentile(values, INTERVAL, method="inverted_cdf")
    return float(low), float(high)


def mean_interval(values: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """The interval of a mean of ``values`` (n,), clustered on ``groups`` (n,)."""
    if not len(values):
        return float("nan"), float("nan")
    return interval(np.array([(w * values).sum() / w.sum() for w in weights(groups, seed=seed)]))
