"""Recalibration of the endings' probabilities within a period: few numbers, fitted out of fold.

For each cause c (the event, a competing ending) the log-odds against "nothing happened" are mapped to
``intercept[c, k] + slope[c] * log(p_c / p_0)``: Platt's scaling, extended to several causes as vector scaling
(Guo et al. 2017, "On Calibration of Modern Neural Networks"). The numbers are the most probable ones under weak
normal priors around "leave as it is", so that a handful of events cannot bend a curve.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

_SLOPE_SD, _LEVEL_SD, _PERIOD_SD = 0.5, 2.0, 0.5
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Calibration:
    """``slope`` per cause, ``intercept`` per cause and period (the period as inner index)."""

    slope: tuple[float, ...]
    intercept: tuple[tuple[float, ...], ...]

    @classmethod
    def none(cls, causes: int, periods: int) -> "Calibration":
        """The one that changes nothing."""
        return cls((1.0,) * causes, ((0.0,) * periods,) * causes)

    def apply(self, P: np.ndarray, period: np.ndarray) -> np.ndarray:
        """(m, 1 + causes) calibrated probabilities of rows in ``period`` (m,); rows add up to 1."""
        Z = np.asarray(self.intercept).T[period] + np.asarray(self.slope) * odds(P)
        return softmax(np.column_stack([np.zeros(len(Z)), Z]), axis=1)


def odds(P: np.ndarray) -> np.ndarray:
    """(m, causes) log-odds of each cause against "nothing happened" (column 0 of ``P``)."""
    L = np.log(np.maximum(P, _SMALLEST))
    return L[:, 1:] - L[:, :1]


def fit(P: np.ndarray, target: np.ndarray, period: np.ndarray, periods: int, weight: np.ndarray) -> Calibration:
    """The calibration of out-of-fold probabilities ``P`` (m, 1 + causes) to what came, ``target`` (m,) in 0..causes.

    ``weight`` (m,) is how much each person-period counts (1: one observation).
    """
    Z, causes = odds(P), P.shape[1] - 1
    hit = np.eye(causes + 1)[target.astype(int)]

    def unpack(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        slope, level, shift = np.split(theta, [causes, 2 * causes])
        return slope, level, shift.reshape(causes, periods)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope, level, shift = unpack(theta)
        logits = np.column_stack([np.zeros(len(Z)), (level[:, None] + shift).T[period] + slope * Z])
        logp = log_softmax(logits, axis=1)
        residual = (np.exp(logp) - hit)[:, 1:] * weight[:, None]
        by_period = np.stack([np.bincount(period, residual[:, c], periods) for c in range(causes)])
        prior = ((slope - 1) / _SLOPE_SD, level / _LEVEL_SD, shift / _PERIOD_SD)
        value = -np.sum(weight[:, None] * hit * logp) + sum(float(np.sum(p**2)) for p in prior) / 2
        slopes = (residual * Z).sum(0) + prior[0] / _SLOPE_SD
        levels = residual.sum(0) + prior[1] / _LEVEL_SD
        shifts = by_period + prior[2] / _PERIOD_SD
        return value, np.concatenate([slopes, levels, shifts.ravel()])

    start = np.concatenate([np.ones(causes), np.zeros(causes * (1 + periods))])
    slope, level, shift = unpack(minimize(loss, start, jac=True, method="L-BFGS-B").x)
    intercept = level[:, None] + shift
    return Calibration(tuple(slope.tolist()), tuple(tuple(row) for row in intercept.tolist()))
