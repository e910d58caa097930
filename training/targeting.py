"""What a list of the riskiest is worth, and how sure a figure is: what a reviewer asks after the AUC."""

from collections.abc import Sequence

import numpy as np

from features.dataset import Dataset
from training.evaluate import Scored

SHARES = (0.01, 0.05, 0.1)
"""How much of everybody is contacted."""
VALUE = "profile_monthly_value_last"
DRAWS = 200
_INTERVAL = (2.5, 97.5)


def of(scored: Sequence[Scored], test: Dataset, horizon: object) -> dict[str, float]:
    """``label.horizon.figure`` -> figure, for every label at one horizon: `top` and `intervals`."""
    found: dict[str, float] = {}
    for one in scored:
        if one.horizon == horizon and one.y.any() and not one.y.all():
            value = test.X[VALUE].to_numpy(np.float64)[one.known] if VALUE in test.X else None
            figures = top(one.y, one.p, value) | intervals(one.y, one.p, test.groups[one.known])
            found |= {f"{one.label}.{one.horizon}.{name}": figure for name, figure in figures.items()}
    return found


def top(y: np.ndarray, p: np.ndarray, value: np.ndarray | None = None) -> dict[str, float]:
    """Of the riskiest 1, 5 and 10 %: how many times the events of chance they hold (``lift_top_5``), and, with what
    each is worth a month, the share of what all who leave are worth that they hold (``revenue_top_5``).

    Of rows with equal probabilities at the edge each counts in part. A missing value counts nothing.
    """
    found = {}
    lost = None if value is None else y * np.nan_to_num(value)
    for share in SHARES:
        weight = _riskiest(p, share)
        name = f"top_{share * 100:g}"
        found[f"lift_{name}"] = float((weight * y).sum() / weight.sum() / y.mean())
        if lost is not None and lost.sum() > 0:
            found[f"revenue_{name}"] = float((weight * lost).sum() / lost.sum())
    return found


def intervals(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, float]:
    """95 % intervals of AUC and observed over expected, by drawing customers anew (percentile bootstrap, clustered:
    Field and Welsh 2007, "Bootstrapping clustered data"): ``auc_low``, ``auc_high``, ``observed_expected_low``, ...
    """
    _, code = np.unique(groups, return_inverse=True)
    _, place = np.unique(p, return_inverse=True)
    rng, customers, found = np.random.default_rng(seed), code.max() + 1, []
    for _ in range(draws):
        weight = np.bincount(rng.integers(0, customers, customers), minlength=customers)[code]
        events, others = np.bincount(place, weight * y), np.bincount(place, weight * (1 - y))
        before = np.cumsum(others) - others / 2
        pairs = events.sum() * others.sum()
        auc = (events * before).sum() / pairs if pairs else np.nan
        found.append((auc, (weight * y).sum() / (weight * p).sum()))
    low, high = np.nanpercentile(np.array(found), _INTERVAL, axis=0)
    names = ("auc", "observed_expected")
    sides = (("low", low), ("high", high))
    return {f"{name}_{side}": float(at[i]) for i, name in enumerate(names) for side, at in sides}


def _riskiest(p: np.ndarray, share: float) -> np.ndarray:
    """(n,) how much of each row is among the riskiest ``share``: 1, 0, or a part where the edge cuts through equals."""
    wanted = share * len(p)
    edge = np.partition(p, len(p) - max(int(np.ceil(wanted)), 1))[len(p) - max(int(np.ceil(wanted)), 1)]
    above, at = p > edge, p == edge
    return above + at * (wanted - above.sum()) / at.sum()
