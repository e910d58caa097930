"""How good probabilities are: ranking, calibration and both at once, each a plain function of (y, p).

``y`` (n,) 0 or 1, ``p`` (n,) probabilities. What cannot be computed, such as the AUC of one class, is NaN.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.metrics import average_precision_score, roc_auc_score

BINS = 10
_WILSON_Z = 1.959963984540054
_SMALLEST = 1e-9
_NEWTON_STEPS = 50


@dataclass(frozen=True)
class Bin:
    """One bin of predictions: mean prediction, share of events and its 95 % Wilson interval, and how many rows."""

    expected: float
    observed: float
    low: float
    high: float
    rows: int


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve; NaN with one class."""
    return float(roc_auc_score(y, p)) if _two_classes(y) else float("nan")


def average_precision(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the precision-recall steps; NaN without events."""
    return float(average_precision_score(y, p)) if y.any() else float("nan")


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared difference of probability and outcome."""
    return float(np.mean((p - y) ** 2)) if len(y) else float("nan")


def observed_expected(y: np.ndarray, p: np.ndarray) -> float:
    """Events that came over the sum of probabilities: 1 is right, below 1 is too pessimistic."""
    return float(y.sum() / p.sum()) if p.sum() > 0 else float("nan")


def calibration_slope(y: np.ndarray, p: np.ndarray) -> float:
    """Slope of a logistic regression of ``y`` on the log-odds of ``p``: below 1, the probabilities are too extreme.

    Cox (1958), "Two further applications of a model for binary regression". NaN with one class or equal predictions.
    """
    return float(_recalibrated(y, p)[1])


def calibration_slope_error(y: np.ndarray, p: np.ndarray) -> float:
    """Standard error of `calibration_slope`, from the information of the rows as if they were independent."""
    theta = _recalibrated(y, p)
    x = logit(np.clip(p, _SMALLEST, 1 - _SMALLEST))
    q = expit(theta[0] + theta[1] * x)
    weight = q * (1 - q)
    total = weight.sum()
    spread = float((weight * (x - (weight * x).sum() / total) ** 2).sum()) if total > 0 else 0.0
    return spread**-0.5 if spread > 0 else float("nan")


def _recalibrated(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Intercept and slope; NaN with one class or equal predictions."""
    x = logit(np.clip(p, _SMALLEST, 1 - _SMALLEST))
    if not _two_classes(y) or np.ptp(x) == 0:
        return np.full(2, np.nan)

    design = np.column_stack([np.ones(len(x)), x])

    def loss(theta: np.ndarray) -> float:
        z = design @ theta
        return float(np.sum(np.logaddexp(0, z) - y * z))

    theta, step = np.array([0.0, 1.0]), np.ones(2)
    now = loss(theta)
    for _ in range(_NEWTON_STEPS):
        q = expit(design @ theta)
        curvature = design.T @ (design * (q * (1 - q))[:, None]) + _SMALLEST * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (q - y))
        while np.abs(step).max() > _SMALLEST and not (after := loss(theta - step)) < now:
            step = step / 2
        if np.abs(step).max() <= _SMALLEST:
            break
        theta, now = theta - step, after
    return theta


def bins(y: np.ndarray, p: np.ndarray, count: int = BINS) -> list[Bin]:
    """Bins of equally many rows by rising prediction; equal predictions stay together, so there may be fewer bins."""
    if not len(y):
        return []
    cuts = np.quantile(p, np.arange(1, count) / count, method="inverted_cdf")
    which = np.searchsorted(cuts, p, side="left")
    return [_bin(y[which == b], p[which == b]) for b in np.unique(which)]


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """Expected calibration error over `BINS` equal-count bins: mean |observed - expected|, weighted by rows."""
    found = bins(y, p)
    return sum(b.rows * abs(b.observed - b.expected) for b in found) / len(y) if found else float("nan")


def lift(y: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (n,) of the rows, riskiest first, and how many times more events they hold than chance would find.

    Equal predictions count as a whole, spread evenly, so that the order of the rows cannot matter.
    """
    _, which, rows = np.unique(-p, return_inverse=True, return_counts=True)
    each = np.bincount(which, weights=y) / rows
    taken = np.arange(1, len(y) + 1)
    return taken / len(y), np.cumsum(each[np.sort(which)]) / taken / np.mean(y)


def score(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """Every metric of one set of predictions."""
    return {
        "auc": auc(y, p),
        "average_precision": average_precision(y, p),
        "brier": brier(y, p),
        "calibration_error": calibration_error(y, p),
        "observed_expected": observed_expected(y, p),
        "calibration_slope": calibration_slope(y, p),
        "base_rate": float(np.mean(y)) if len(y) else float("nan"),
        "rows": len(y),
        "events": int(y.sum()),
    }


def log_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(n,) minus the logarithm of the probability given to what came."""
    p = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return -np.where(y == 1, np.log(p), np.log1p(-p))


def clustered_error(terms: np.ndarray, groups: np.ndarray) -> float:
    """Standard error of a sum of centred ``terms`` (n,) of which those of one of ``groups`` (n,) belong together."""
    _, code = np.unique(groups, return_inverse=True)
    each = np.bincount(code, weights=terms)
    return float(np.sqrt((each**2).sum() * len(each) / max(len(each) - 1, 1)))


def wilson(events: float, rows: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    share, z2 = events / rows, _WILSON_Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _WILSON_Z * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def _bin(y: np.ndarray, p: np.ndarray) -> Bin:
    return Bin(float(p.mean()), float(y.mean()), *wilson(float(y.sum()), len(y)), len(y))


def _two_classes(y: np.ndarray) -> bool:
    return bool(0 < y.sum() < len(y))
