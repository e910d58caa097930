"""The one estimator: a discrete-time hazard with competing endings, over stacked person-periods.

One LightGBM booster reads the features and the period and gives the probabilities of "nothing", "the event" and, where
there are any, "a competing ending" within the period, given that none came before. They are recalibrated out of fold
and multiplied into the cumulative incidence. Because a period teaches as soon as *it* has passed, recent rows teach
about the near future long before their final answer is known (see `models.periods`); a model of final answers would
have to wait, or learn only from those that ended fast.
"""

from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np

from models import calibrate
from models.calibrate import Calibration
from models.periods import COMPETING, EVENT, Periods, accumulate, repeat, stack

DAY = 86_400_000_000
_CHUNK = 200_000


class LabelError(ValueError):
    """A label that cannot be learned; the message says what there is and what would be needed."""


@dataclass(frozen=True)
class Params:
    """How a booster is grown; sane and untuned. ``rounds`` is the most; the folds say when to stop."""

    num_leaves: int = 31
    learning_rate: float = 0.05
    min_child_samples: int = 50
    lambda_l2: float = 1.0
    feature_fraction: float = 0.8
    rounds: int = 600
    patience: int = 30
    folds: int = 3
    num_threads: int = 0

    def lightgbm(self, classes: int, seed: int) -> dict[str, object]:
        """LightGBM's own parameters; one class less than three is a binary task."""
        several = {"objective": "multiclass", "num_class": classes, "metric": "multi_logloss"}
        binary = {"objective": "binary", "metric": "binary_logloss"}
        return {
            **(several if classes > 2 else binary),
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_child_samples": self.min_child_samples,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_fraction,
            "num_threads": self.num_threads,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


@dataclass(frozen=True)
class Fitted:
    """What fitting saw: person-periods used, events and competing endings among them, rounds, loss out of fold."""

    rows: int
    person_periods: int
    events: int
    competing: int
    rounds: int
    loss: float


@dataclass(frozen=True)
class Hazard:
    """A fitted label. ``edges`` in microseconds; ``classes`` is 2, or 3 with competing endings."""

    booster: lgb.Booster = field(repr=False)
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

    def _curve(self, X: np.ndarray) -> np.ndarray:
        P = probabilities(self.booster, repeat(X, self.periods))
        period = np.repeat(np.arange(self.periods), len(X))
        P = self.calibration.apply(P, period).reshape(self.periods, len(X), self.classes)
        event = P[:, :, EVENT].T
        competing = P[:, :, COMPETING].T if self.classes > COMPETING else np.zeros_like(event)
        return accumulate(event, competing, open_ended=self.open_ended)


def probabilities(booster: lgb.Booster, X: np.ndarray, rounds: int | None = None) -> np.ndarray:
    """(m, classes) a booster's probabilities, "nothing" first, for binary and multiclass boosters alike."""
    P = np.asarray(booster.predict(X, num_iteration=rounds))
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
    open_ended: bool = False,
    params: Params | None = None,
) -> Hazard:
    """The hazard of one label from n encoded rows ``X`` (n, f); see `models.periods.stack` for the other arrays.

    ``groups`` (n,) names whom a row is about: nobody stands on both sides of a fold. The same seed gives the same
    model. Raises `LabelError` when there is nothing to learn.
    """
    params = params or Params()
    periods = stack(ending, after, followed, edges, open_ended=open_ended)
    _check(periods, edges, followed, label, open_ended)
    count = len(edges) + open_ended
    classes = 3 if (periods.target == COMPETING).any() else 2
    stacked = np.column_stack([X[periods.row], periods.period.astype(X.dtype)])
    train = lgb.Dataset(stacked, periods.target, free_raw_data=False)
    P, rounds, loss = _out_of_fold(train, stacked, periods, groups, params, classes, seed)
    weight = np.ones(len(periods))
    calibration = calibrate.fit(P, periods.target, periods.period, count, weight)
    booster = lgb.train(params.lightgbm(classes, seed), train, rounds)
    facts = Fitted(
        rows=len(np.unique(periods.row)),
        person_periods=len(periods),
        events=int(np.sum(periods.target == EVENT)),
        competing=int(np.sum(periods.target == COMPETING)),
        rounds=rounds,
        loss=loss,
    )
    text = booster.model_to_string()
    return Hazard(lgb.Booster(model_str=text), calibration, tuple(edges.tolist()), open_ended, classes, facts)


def _out_of_fold(
    train: lgb.Dataset,
    stacked: np.ndarray,
    periods: Periods,
    groups: np.ndarray,
    params: Params,
    classes: int,
    seed: int,
) -> tuple[np.ndarray, int, float]:
    """Out-of-fold probabilities (m, classes), the number of rounds that was best over the folds, its loss."""
    fold = folds(groups[periods.row], params.folds, seed)
    splits = [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(params.folds)]
    result = lgb.cv(
        params.lightgbm(classes, seed),
        train,
        params.rounds,
        folds=splits,
        callbacks=[lgb.early_stopping(params.patience, verbose=False)],
        return_cvbooster=True,
    )
    losses = next(v for k, v in result.items() if k.endswith("-mean"))
    rounds = int(np.argmin(losses)) + 1
    P = np.empty((len(periods), classes))
    for booster, (_, held) in zip(result["cvbooster"].boosters, splits, strict=True):
        P[held] = probabilities(booster, stacked[held], rounds)
    return P, rounds, float(losses[rounds - 1])


def folds(groups: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(n,) int fold of each row; a group is never split, and folds hold about equally many groups."""
    names, which = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).permutation(np.arange(len(names)) % count)[which]


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
