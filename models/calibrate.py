"""Recalibration of the endings' probabilities within a period: few numbers, fitted out of fold.

For each cause c (the event, a competing ending) the log-odds against "nothing happened" are mapped to
``intercept[c, k] + slope[c] * log(p_c / p_0)``: Platt's scaling, extended to several causes as vector scaling
(Guo et al. 2017, "On Calibration of Modern Neural Networks"). The numbers are the most probable ones under weak
normal priors around "leave as it is", so that a handful of events cannot bend a curve.

The level of each cause may drift over calendar time as a random walk, beside shocks that pass (a local level model:
Harvey 1989, "Forecasting, Structural Time Series Models and the Kalman Filter", chapter 2); the level that is kept is
the newest one without its shock: a firm that left with all its lines says little about next month. How far the level
steps and how large shocks are is not assumed but chosen by the evidence (Laplace's approximation: MacKay 1992,
"Bayesian Interpolation"): what is kept is the mean over all steps and shocks, each weighed by it. Where nothing drifts
the smallest step wins, and all of history speaks with one voice.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

STEPS = (0.01, 0.03, 0.1, 0.3, 1.0)
SHOCKS = (0.01, 0.1)
BLOCKS = 12
_WIDTH = {1: 0.02, 2: 0.25}
"""Person-periods whose log-odds are that close count as alike, by the number of causes."""
_SLOPE_SD, _LEVEL_SD, _PERIOD_SD = 0.5, 2.0, 0.5
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Calibration:
    """``slope`` per cause, ``intercept`` per cause and period (the period as inner index).

    ``step``: by how much, in log-odds, the level was found to drift from one `BLOCKS`-th of history to the next;
    ``shock``: how large its passing deviations were found to be.
    """

    slope: tuple[float, ...]
    intercept: tuple[tuple[float, ...], ...]
    step: float = 0.0
    shock: float = 0.0

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
    problem = _Problem.of(P, target, period, periods, weight, age)
    tried = [(step, shock) for step in STEPS for shock in SHOCKS]
    thetas: list[np.ndarray] = []
    evidence: list[float] = []
    for step, shock in tried:
        theta, said = problem.solve(step, shock, thetas[-1] if thetas else None)
        thetas.append(theta)
        evidence.append(said)
    theta = np.tensordot(softmax(evidence), np.array(thetas), axes=1)
    step, shock = tried[int(np.argmax(evidence))]
    intercept = theta[:, 1:2] + theta[:, 2 : 2 + periods]
    return Calibration(tuple(theta[:, 0].tolist()), tuple(tuple(row) for row in intercept.tolist()), step, shock)


@dataclass(frozen=True)
class _Problem:
    """A multinomial regression of what came on the log-odds ``Z`` (m, causes) and shared columns ``shared`` (m, d).

    A row is a cell of person-periods that are alike, with ``hits`` (m, 1 + causes) how much of each ending came. The
    columns are a level, one indicator per period, one per block of history that is 1 in it and all older ones (its
    coefficient is the step of the random walk into the past, so every prior is independent), and one per block alone.
    """

    Z: np.ndarray
    shared: np.ndarray
    hits: np.ndarray
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
        Z = odds(P)
        block = np.floor(BLOCKS * age / (age.max() * (1 + 1e-9) + _SMALLEST)).astype(np.int64)
        width = _WIDTH.get(Z.shape[1], max(_WIDTH.values()))
        alike = np.column_stack([np.floor(Z / width).astype(np.int64), block, period])
        _, first, cell = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        cell, count = cell.ravel(), len(first)
        hits = np.zeros((count, P.shape[1]))
        np.add.at(hits, (cell, target.astype(np.int64)), weight)
        total = np.maximum(hits.sum(axis=1), _SMALLEST)
        mean = np.column_stack([np.bincount(cell, weight * z, count) / total for z in Z.T])
        of_block = block[first]
        older, alone = of_block[:, None] >= np.arange(1, BLOCKS), np.eye(BLOCKS)[of_block]
        shared = np.column_stack([np.ones(count), np.eye(periods)[period[first]], older, alone])
        return cls(mean, shared, hits, periods)

    def solve(self, step: float, shock: float, begin: np.ndarray | None = None) -> tuple[np.ndarray, float]:
        """Most probable coefficients (causes, 1 + d), slope first, and the log evidence for that step and shock.

        ``begin``: coefficients that are nearly right, to find them sooner.
        """
        causes = self.Z.shape[1]
        sds = [_SLOPE_SD, _LEVEL_SD, *[_PERIOD_SD] * self.periods, *[step] * (BLOCKS - 1), *[shock] * BLOCKS]
        sd = np.array(sds)
        mean = np.zeros((causes, len(sd)))
        mean[:, 0] = 1.0
        prior = (mean.ravel(), np.tile(sd, causes))
        found = minimize(
            lambda t: self._loss(t, *prior),
            (mean if begin is None else begin).ravel(),
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
        residual = (np.exp(logp) * self.hits.sum(axis=1)[:, None] - self.hits)[:, 1:]
        pull = (theta - mean) / sd
        value = -float(np.sum(self.hits * logp)) + float(pull @ pull) / 2
        slope = np.sum(residual * self.Z, axis=0)
        return value, np.column_stack([slope, residual.T @ self.shared]).ravel() + pull / sd

    def _curvature(self, theta: np.ndarray, sd: np.ndarray) -> np.ndarray:
        p, weight = np.exp(self._logp(theta))[:, 1:], self.hits.sum(axis=1)
        columns = [np.column_stack([z, self.shared]) for z in self.Z.T]
        causes = range(len(columns))

        def block(a: int, b: int) -> np.ndarray:
            variance = weight * p[:, a] * ((a == b) - p[:, b])
            return np.asarray(columns[a].T @ (columns[b] * variance[:, None]))

        return np.asarray(np.block([[block(a, b) for b in causes] for a in causes]) + np.diag(sd**-2))
