"""The one estimator: a discrete-time hazard with competing endings, over stacked person-periods.

LightGBM reads the features and gives the probabilities of "nothing", "the event" and, where there are any, "a competing
ending" within a period, given that none came before. What foretells an ending next week may not be what foretells one
in three months: either one booster reads the period too, or each period has trees of its own; the folds say which.
The probabilities are recalibrated out of fold and multiplied into the cumulative incidence. Because a period teaches as
soon as *it* has passed, recent rows teach about the near future long before their final answer is known (see
`models.periods`); a model of final answers would have to wait, or learn only from those that ended fast.
"""

import os
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np

from models import calibrate
from models.calibrate import Calibration
from models.periods import COMPETING, EVENT, NO_ENDING, Periods, accumulate, alone, repeat, repetition, stack, thin

DAY = 86_400_000_000
_CHUNK = 200_000
_ROWS_A_THREAD = 200_000


class LabelError(ValueError):
    """A label that cannot be learned; the message says what there is and what would be needed."""


@dataclass(frozen=True)
class Params:
    """How a booster is grown; sane and untuned.

    ``rounds`` is the most, the folds say when to stop. ``most_periods``: how many person-periods are read at most, see
    `models.periods.thin`. ``apart``: how many endings each period must have for trees of its own to be tried.
    ``num_threads`` 0: one per 200,000 person-periods, as more only wait for each other.
    """

    num_leaves: int = 15
    learning_rate: float = 0.05
    min_child_samples: int = 100
    lambda_l2: float = 10.0
    feature_fraction: float = 0.5
    rounds: int = 600
    patience: int = 30
    folds: int = 3
    most_periods: int = 300_000
    apart: int = 200
    num_threads: int = 0

    def lightgbm(self, classes: int, rows: int, seed: int) -> dict[str, object]:
        """LightGBM's own parameters for that many classes (two: a binary task) and person-periods."""
        several = {"objective": "multiclass", "num_class": classes, "metric": "multi_logloss"}
        binary = {"objective": "binary", "metric": "binary_logloss"}
        return {
            **(several if classes > 2 else binary),
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_child_samples": self.min_child_samples,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "num_threads": self.num_threads or min(1 + rows // _ROWS_A_THREAD, os.cpu_count() or 1),
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            # By default bins are made from a sample, and missing values it happens not to hold would be read as 0.
            "bin_construct_sample_cnt": max(rows, 1),
            "verbosity": -1,
        }


@dataclass(frozen=True)
class Fitted:
    """What fitting saw: rows, mature person-periods, how many of these were read, events and competing endings among
    them, rounds grown (by all boosters), and the loss out of fold (mean log-loss of a person-period).

    ``whole``: the columns of ``X`` that were missing in none of the person-periods read, so that what a missing value
    means could not be learned.
    """

    rows: int
    person_periods: int
    read: int
    events: int
    competing: int
    rounds: int
    loss: float
    whole: tuple[int, ...]


@dataclass(frozen=True)
class Hazard:
    """A fitted label. ``edges`` in microseconds; ``classes`` is 2, or 3 with competing endings.

    ``boosters``: one per period, or one for all; each reads the features and the period.
    """

    boosters: tuple[lgb.Booster, ...] = field(repr=False)
    calibration: Calibration
    edges: tuple[int, ...]
    open_ended: bool
    classes: int
    fitted: Fitted

    @property
    def periods(self) -> int:
        """How many numbers a curve has: one per edge, and one for the end of an open-ended task."""
        return len(self.edges) + self.open_ended

    def curve(self, X: np.ndarray) -> np.ndarray:
        """(n, periods) float64 cumulative probability of the event by each edge, for encoded rows ``X`` (n, f)."""
        parts = [self._curve(X[i : i + _CHUNK]) for i in range(0, len(X), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty((0, self.periods))

    def told(self, X: np.ndarray, **options: object) -> np.ndarray:
        """(periods * n, ...) what the boosters predict for ``X`` (n, f) by period, with options of LightGBM."""
        stacked = repeat(X, self.periods)
        if len(self.boosters) == 1:
            return np.asarray(self.boosters[0].predict(stacked, **options))
        parts = np.split(stacked, self.periods)
        return np.concatenate([b.predict(part, **options) for b, part in zip(self.boosters, parts, strict=True)])

    def _curve(self, X: np.ndarray) -> np.ndarray:
        P = _with_nothing(self.told(X))
        period = np.repeat(np.arange(self.periods), len(X))
        P = self.calibration.apply(P, period).reshape(self.periods, len(X), self.classes)
        event = P[:, :, EVENT].T
        competing = P[:, :, COMPETING].T if self.classes > COMPETING else np.zeros_like(event)
        return accumulate(event, competing, open_ended=self.open_ended)


def probabilities(booster: lgb.Booster, X: np.ndarray, rounds: int | None = None, threads: int = 0) -> np.ndarray:
    """(m, classes) a booster's probabilities, "nothing" first, for binary and multiclass boosters alike.

    ``threads`` 0: all. LightGBM keeps the number for the whole process and believes that it stays as it was while a
    call lasts: calls at the same time crash unless all of them ask for the same.
    """
    return _with_nothing(np.asarray(booster.predict(X, num_iteration=rounds, num_threads=threads)))


def _with_nothing(P: np.ndarray) -> np.ndarray:
    return P if P.ndim == 2 else np.column_stack([1.0 - P, P])


def fit(
    X: np.ndarray,
    ending: np.ndarray,
    after: np.ndarray,
    followed: np.ndarray,
    edges: np.ndarray,
    *,
    label: str,
    groups: np.ndarray,
    seed: int,
    passed: np.ndarray | None = None,
    open_ended: bool = False,
    params: Params | None = None,
) -> Hazard:
    """The hazard of one label from n encoded rows ``X`` (n, f); see `models.periods.stack` for the other arrays.

    ``groups`` (n,) names whom a row is about: nobody stands on both sides of a fold. The same seed gives the same
    model. Raises `LabelError` when there is nothing to learn.
    """
    params = params or Params()
    periods = stack(ending, after, followed, edges, open_ended=open_ended, passed=passed)
    _check(periods, edges, followed, label, open_ended)
    _check_groups(groups, params.folds, label)
    counts = np.bincount(periods.target, minlength=3)
    used, weight = thin(periods, params.most_periods, seed)
    classes = 3 if counts[COMPETING] else 2
    data = _Data(X, used, weight, folds(groups[used.row], params.folds, seed))
    tried = [_grown(data, parts, classes, params, seed) for parts in _ways(used, params)]
    best = min(tried, key=lambda grown: grown.loss)
    until = followed if passed is None else passed
    once = weight * alone(groups, until)[used.row] / repetition(periods, groups, after - until)
    calibration = calibrate.fit(best.P, used.target, used.period, len(edges) + open_ended, once, used.age)
    whole = tuple(np.flatnonzero(~np.isnan(X[np.unique(used.row)]).any(axis=0)).tolist())
    fitted = Fitted(
        len(X),
        len(periods),
        len(used),
        int(counts[EVENT]),
        int(counts[COMPETING]),
        sum(best.rounds),
        best.loss,
        whole,
    )
    boosters = tuple(_all_rows(data.part(part), n, classes, params, seed) for part, n in best.parts())
    return Hazard(boosters, calibration, tuple(edges.tolist()), open_ended, classes, fitted)


@dataclass(frozen=True)
class _Grown:
    """Out-of-fold probabilities ``P`` (m, classes), their mean loss, and the rounds best for each of ``rows``,
    the person-periods that share trees.
    """

    P: np.ndarray
    rows: list[np.ndarray]
    rounds: list[int]
    loss: float

    def parts(self) -> list[tuple[np.ndarray, int]]:
        """Which person-periods grow how many rounds together."""
        return list(zip(self.rows, self.rounds, strict=True))


def _ways(used: Periods, params: Params) -> list[list[np.ndarray]]:
    """Ways to share trees: all periods, or none where each has endings enough to try."""
    kinds = np.unique(used.period)
    endings = np.bincount(used.period[used.target != NO_ENDING], minlength=len(kinds))
    apart = len(kinds) > 1 and (endings >= params.apart).all()
    alone = [[np.flatnonzero(used.period == k) for k in kinds]] if apart else []
    return [[np.arange(len(used))], *alone]


def _grown(data: "_Data", parts: list[np.ndarray], classes: int, params: Params, seed: int) -> _Grown:
    P, rounds, losses = np.empty((len(data.periods), classes)), [], 0.0
    for rows in parts:
        grow = params.lightgbm(classes, len(rows), seed)
        P[rows], best, loss = _out_of_fold(data.part(rows), grow, params)
        rounds.append(best)
        losses += loss * data.weight[rows].sum()
    return _Grown(P, parts, rounds, float(losses / data.weight.sum()))


def _all_rows(data: "_Data", rounds: int, classes: int, params: Params, seed: int) -> lgb.Booster:
    """Reading the text back makes the fitted trees the very ones a saved model will have."""
    grown = lgb.train(params.lightgbm(classes, len(data.periods), seed), data.lightgbm(), rounds)
    return lgb.Booster(model_str=grown.model_to_string())


@dataclass(frozen=True)
class _Data:
    """Stacked person-periods: the rows they come from, what they weigh and the fold they are held out in."""

    X: np.ndarray
    periods: Periods
    weight: np.ndarray
    fold: np.ndarray

    def part(self, chosen: np.ndarray) -> "_Data":
        """Only these person-periods."""
        return _Data(self.X, self.periods.select(chosen), self.weight[chosen], self.fold[chosen])

    def stacked(self, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """(m, f + 1) features and period of the chosen person-periods."""
        return np.column_stack([self.X[self.periods.row[chosen]], self.periods.period[chosen].astype(self.X.dtype)])

    def lightgbm(self) -> lgb.Dataset:
        """All of it, as LightGBM reads it."""
        return lgb.Dataset(self.stacked(), self.periods.target, weight=self.weight)


def _out_of_fold(data: _Data, grow: dict[str, object], params: Params) -> tuple[np.ndarray, int, float]:
    """Out-of-fold probabilities (m, classes), the number of rounds that was best over the folds, its loss."""
    splits = [(np.flatnonzero(data.fold != f), np.flatnonzero(data.fold == f)) for f in range(params.folds)]
    stop = lgb.early_stopping(params.patience, verbose=False)
    result = lgb.cv(grow, data.lightgbm(), params.rounds, folds=splits, callbacks=[stop], return_cvbooster=True)
    losses = next(values for name, values in result.items() if name.endswith("-mean"))
    rounds = int(np.argmin(losses)) + 1
    boosters = result["cvbooster"].boosters
    threads = int(str(grow["num_threads"]))
    pairs = zip(boosters, splits, strict=True)
    parts = [probabilities(b, data.stacked(held), rounds, threads) for b, (_, held) in pairs]
    P = np.empty((len(data.periods), parts[0].shape[1]))
    for part, (_, held) in zip(parts, splits, strict=True):
        P[held] = part
    return P, rounds, float(losses[rounds - 1])


def folds(groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(n,) int fold of each row; a group is never split, and folds hold about equally many groups."""
    names, which = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).permutation(np.arange(len(names)) % count)[which]


def _check_groups(groups: np.ndarray, least: int, label: str) -> None:
    found = len(np.unique(groups))
    if found < least:
        raise LabelError(f"label '{label}': {len(groups)} rows are about {found} different ones; it takes {least}")


def _check(periods: Periods, edges: np.ndarray, followed: np.ndarray, label: str, open_ended: bool) -> None:
    longest = max(float(followed.max(initial=0)) / DAY, 0.0)
    for k in range(len(edges) + open_ended):
        if not (periods.period == k).any():
            until = f"{edges[k] / DAY:g} days" if k < len(edges) else "its end"
            raise LabelError(
                f"label '{label}': none of {len(followed)} rows can teach about the period up to {until} "
                f"(the longest mature follow-up is {longest:.1f} days): use earlier cutoffs or shorter periods"
            )
    if not (periods.target == EVENT).any():
        raise LabelError(
            f"label '{label}' has one class: no event in {len(periods)} mature periods of {len(followed)} rows: "
            "check the label's event, or train on more or earlier cutoffs"
        )
    if (periods.target == EVENT).all():
        raise LabelError(f"label '{label}' has one class: every one of {len(periods)} mature periods has the event")
