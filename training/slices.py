"""How good a model is for whom: figures by the values of a column, and where it fell behind the champion.

Of each slice the log-loss is compared with the champion's on the same rows, in shares of the slice's own entropy, so
that slices of different base rates can be held against one another. Variances are summed over customers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import norm

from training import metrics
from training.metrics import clustered_error, log_losses

LEAST_EVENTS = 20
"""A slice with fewer events, or fewer rows without one, tells nothing."""
MISSING = "(missing)"
_MOST_VALUES = 12
_BANDS = 4
_SMALLEST = 1e-9


@dataclass(frozen=True)
class Slice:
    """One value of one column. ``loss``: how much more log-loss than the champion, in shares of the slice's entropy,
    and its standard ``error``; ``None`` without a champion or with too few events. ``champion_auc``: NaN without one.
    """

    column: str
    value: str
    rows: int
    events: int
    auc: float
    observed_expected: float
    champion_auc: float
    loss: float | None
    error: float | None

    @property
    def words(self) -> str:
        """Which one, and what it lost."""
        return f"{self.column} {self.value}: {self.loss or 0.0:+.1%} log-loss on {self.events} events"

    def chance(self, margin: float) -> float:
        """How likely so large a loss is, were the true one just ``margin``."""
        if self.loss is None or self.error is None:
            return 1.0
        return float(norm.sf((self.loss - margin) / max(self.error, _SMALLEST)))


def by_slice(
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    slices: Mapping[str, np.ndarray],
    champion: np.ndarray | None = None,
) -> list[Slice]:
    """Every value of every column; ``groups``, each of ``slices`` and ``champion`` (its probabilities) are (n,)."""
    more = None if champion is None else log_losses(y, p) - log_losses(y, champion)
    found = []
    for column, values in slices.items():
        for value in sorted(pd.unique(values), key=str):
            rows = values == value
            events, count = int(y[rows].sum()), int(rows.sum())
            loss, error = None, None
            if more is not None and LEAST_EVENTS <= events <= count - LEAST_EVENTS:
                mean, share = float(more[rows].mean()), events / count
                entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
                loss = mean / entropy
                error = clustered_error((more[rows] - mean) / count, groups[rows]) / entropy
            found.append(
                Slice(
                    column,
                    str(value),
                    count,
                    events,
                    metrics.auc(y[rows], p[rows]),
                    metrics.observed_expected(y[rows], p[rows]),
                    float("nan") if champion is None else metrics.auc(y[rows], champion[rows]),
                    loss,
                    error,
                )
            )
    return found


def fallen(found: Sequence[Slice], alpha: float, margin: float) -> list[Slice]:
    """The slices that lost more than ``margin`` beyond chance, by Holm's step-down (Holm 1979), surest first."""
    told = sorted((each for each in found if each.error is not None), key=lambda each: each.chance(margin))
    fell: list[Slice] = []
    for i, each in enumerate(told):
        if each.chance(margin) > alpha / (len(told) - i):
            break
        fell.append(each)
    return fell


def values_of(X: pd.DataFrame, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Column -> (n,) words: its categories, or the quarters of a number; columns with one or too many values are left
    out.
    """
    found = {}
    for name in columns:
        column = X[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            words = column.astype(object)
        else:
            words = _bands(column).astype(object)
        told = words.where(column.notna(), MISSING).to_numpy()
        if 1 < len(pd.unique(told)) <= _MOST_VALUES:
            found[str(name)] = told
    return found


def frame(found: Sequence[Slice]) -> pd.DataFrame:
    """One row per slice."""
    return pd.DataFrame([asdict(each) for each in found])


def _bands(column: pd.Series) -> pd.Series:
    known = column.dropna()
    cuts = np.unique(np.quantile(known, np.arange(1, _BANDS) / _BANDS)) if len(known) else np.empty(0)
    edges = ["", *(f"{cut:,.4g}" for cut in cuts), ""]
    place = np.searchsorted(cuts, column.fillna(0.0).to_numpy(np.float64), "right")
    held = np.unique(place[column.notna().to_numpy()])
    names = {band: _band(i + 1, *list(pairwise(edges))[band]) for i, band in enumerate(held)}
    return pd.Series([names.get(band, MISSING) for band in place], column.index)


def _band(number: int, low: str, high: str) -> str:
    """Named so that the order of the words is that of the numbers."""
    words = f"{low} to {high}" if low and high else f"from {low}" if low else f"below {high}" if high else "all"
    return f"{number}: {words}"
