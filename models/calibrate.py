"""Recalibration of the endings' probabilities within a period: few numbers, fitted out of fold.

For each cause c (the event, a competing ending) the log-odds against "nothing happened" are mapped to
``intercept[c, k] + slope[c] * log(p_c / p_0)``: Platt's scaling, extended to several causes as vector scaling
(Guo et al. 2017, "On Calibration of Modern Neural Networks"). The numbers are the most probable ones under weak
normal priors around "leave as it is", so that a handful of events cannot bend a curve.

The level of each cause may drift over calendar time as a random walk (a local level model: Harvey 1989, "Forecasting,
Structural Time Series Models and the Kalman Filter", chapter 2); the level that is kept is the newest one. How far it
steps is not assumed but chosen by the evidence (Laplace's approximation: MacKay 1992, "Bayesian Interpolation"):
where nothing drifts the smallest step wins, and all of history speaks with one voice.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

STEPS = (0.01, 0.03, 0.1, 0.3, 1.0)
BLOCKS = 12
MOST_ROWS = 400_000
_SLOPE_SD, _LEVEL_SD, _PERIOD_SD = 0.5, 2.0, 0.5
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Calibration:
    """``slope`` per cause, ``intercept`` per cause and period (the period as inner index).

    ``step``: by how much, in log-odds, the level was found to drift from one `BLOCKS`-th of history to the next.
    """

    slope: tuple[float, ...]
    intercept: tuple[tuple[float, ...], ...]
    step: float = 0.0

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


def fit(
    P: np.ndarray, target: np.ndarray, period: np.ndarray, periods: int, weight: np.ndarray, age: np.ndarray
) -> Calibration:
    """The calibration of out-of-fold probabilities ``P`` (m, 1 + causes) to what came, ``target`` (m,) in 0..causes.

    ``weight`` (m,) is how much each person-period counts (1: one observation; less where several tell of the same
    ending, see `models.periods.repetition`, or drift is found where there is none); ``age`` (m,) is how long ago, in
    any unit, it was known what came.
    """
    every = slice(None, None, -(-len(P) // MOST_ROWS))
    problem = _Problem.of(P[every], target[every], period[every], periods, weight[every], age[every])
    found = [(*problem.solve(step), step) for step in STEPS]
    theta, _, step = max(found, key=lambda f: f[1])
    intercept = theta[:, 1:2] + theta[:, 2 : 2 + periods]
    return Calibration(tuple(theta[:, 0].tolist()), tuple(tuple(row) for row in intercept.tolist()), step)


@dataclass(frozen=True)
class _Problem:
    """A multinomial regression of what came on the log-odds ``Z`` (m, causes) and shared columns ``shared`` (m, d).

    The columns are a level, one indicator per period, and one per block of history that is 1 in it and all older
    ones: its coefficient is the step of the random walk into the past, so every prior is independent.
    """

    Z: np.ndarray
    shared: np.ndarray
    hit: np.ndarray
    weight: np.ndarray
    periods: int

    @classmethod
    def of(
        cls,
        P: np.ndarray,
        target: np.ndarray,
        period: np.ndarray,
        periods: int,
        weight: np.ndarray,
        age: np.ndarray,
    ) -> "_Problem":
        block = np.floor(BLOCKS * age / (age.max() * (1 + 1e-9) + _SMALLEST)).astype(int)
        older = block[:, None] >= np.arange(1, BLOCKS)
        shared = np.column_stack([np.ones(len(P)), np.eye(periods)[period], older])
        return cls(odds(P), shared, np.eye(P.shape[1])[target.astype(int)], weight, periods)

    def solve(self, step: float) -> tuple[np.ndarray, float]:
        """Most probable coefficients (causes, 1 + d), slope first, and the log evidence for that step."""
        causes = self.Z.shape[1]
        sd = np.array([_SLOPE_SD, _LEVEL_SD, *[_PERIOD_SD] * self.periods, *[step] * (BLOCKS - 1)])
        start = np.zeros((causes, len(sd)))
        start[:, 0] = 1.0
        prior = (start.ravel(), np.tile(sd, causes))
        found = minimize(
            lambda t: self._loss(t, *prior),
            start.ravel(),
            jac=True,
            hess=lambda t: self._curvature(t, prior[1]),
            method="trust-exact",
        )
        _, logdet = np.linalg.slogdet(self._curvature(found.x, prior[1]))
        evidence = -found.fun - logdet / 2 - np.log(prior[1]).sum()
        return found.x.reshape(causes, -1), float(evidence)

    def _logp(self, theta: np.ndarray) -> np.ndarray:
        T = theta.reshape(self.Z.shape[1], -1)
        logits = self.Z * T[:, 0] + self.shared @ T[:, 1:].T
        return np.asarray(log_softmax(np.column_stack([np.zeros(len(logits)), logits]), axis=1))

    def _loss(self, theta: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> tuple[float, np.ndarray]:
        logp = self._logp(theta)
        residual = (np.exp(logp) - self.hit)[:, 1:] * self.weight[:, None]
        pull = (theta - mean) / sd
        value = -float(np.sum(self.weight[:, None] * self.hit * logp)) + float(pull @ pull) / 2
        slope = np.sum(residual * self.Z, axis=0)
        return value, np.column_stack([slope, residual.T @ self.shared]).ravel() + pull / sd

    def _curvature(self, theta: np.ndarray, sd: np.ndarray) -> np.ndarray:
        p = np.exp(self._logp(theta))[:, 1:]
        columns = [np.column_stack([z, self.shared]) for z in self.Z.T]
        causes = range(len(columns))

        def block(a: int, b: int) -> np.ndarray:
            variance = self.weight * p[:, a] * ((a == b) - p[:, b])
            return np.asarray(columns[a].T @ (columns[b] * variance[:, None]))

        return np.asarray(np.block([[block(a, b) for b in causes] for a in causes]) + np.diag(sd**-2))
