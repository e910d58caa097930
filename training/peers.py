"""What else one might have fitted, beside the hazard: one booster per horizon, and logistic regression.

Both answer one question, "has it come by this horizon?", and so learn only from rows whose answer there is mature: a
row must have been followed past the whole horizon, where the hazard already learns from each period that has passed.
A competing ending is the answer "no".
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from features.conditions import duration
from features.dataset import EVENT, NO_ENDING, Dataset, Outcome
from models import hazard
from models.bundle import Model
from models.encode import FEWEST_ROWS
from models.hazard import Hazard, LabelError
from models.periods import Periods, stack, thin
from training import evaluate, metrics
from training.evaluate import Scored
from training.fit import Settings

OURS, BOOSTER, LOGISTIC = "hazard", "one booster per horizon", "logistic regression"
LOGISTIC_ROWS = 100_000
MOST_CATEGORIES = 30
_QUANTILES = 100
_SMALLEST = 1e-9

Predict = Callable[[pd.DataFrame], np.ndarray]


@dataclass(frozen=True)
class Peer:
    """A fitted peer for one label and horizon. ``rows``: how many had a mature answer to learn from.

    ``predict(X)`` gives (n,) the probability that the event has come by the horizon; NaN where it could not be fitted,
    and ``note`` says why.
    """

    model: str
    label: str
    horizon: str
    rows: int
    predict: Predict = field(repr=False)
    note: str = ""


@dataclass(frozen=True)
class _Question:
    """Whether the event comes by one horizon: arrays (n,) as `models.periods.stack` reads them, of a single period."""

    label: str
    horizon: str
    ending: np.ndarray
    after: np.ndarray
    followed: np.ndarray
    passed: np.ndarray
    edge: np.ndarray

    @property
    def mature(self) -> np.ndarray:
        """(n,) bool: who can be learned from."""
        return np.asarray(self.followed >= self.edge)


def peers(model: Model, train: Dataset, test: Dataset, settings: Settings) -> pd.DataFrame:
    """A row per label, horizon and model (`OURS`, `BOOSTER`, `LOGISTIC`), all tested on the same rows of ``test``.

    Columns: ``label``, ``horizon``, ``model``, ``auc``, ``average_precision``, ``brier``, ``log_loss``,
    ``observed_expected``, ``calibration_slope``, ``rows``, ``events``, ``train_rows`` (whose answer, or in our case
    whose first period, is mature) and ``note``. What cannot be computed is NaN. ``model`` was fitted on ``train``.
    """
    fitted = {(p.model, p.label, p.horizon): p for p in (*boosters(model, train, settings), *logistic(train, settings))}
    rows = []
    for ours in evaluate.score(model, test):
        first = int(np.sum(train.followed() >= train.edges()[0]))
        rows.append(_row(OURS, ours, first, ""))
        for name in (BOOSTER, LOGISTIC):
            peer = fitted[name, ours.label, ours.horizon]
            p = peer.predict(test.X[ours.known]) if len(ours.y) else ours.p
            rows.append(_row(name, replace(ours, p=p), peer.rows, peer.note))
    return pd.DataFrame(rows)


def flat(table: pd.DataFrame) -> dict[str, float]:
    """``peers.model.label.horizon.figure`` -> figure of every peer in a table of `peers`; ours stand elsewhere."""
    found: dict[str, float] = {}
    for row in table[table.model != OURS].to_dict(orient="records"):
        place = f"peers.{row['model'].replace(' ', '_')}.{row['label']}.{row['horizon']}"
        found |= {f"{place}.{k}": float(row[k]) for k in (*_FIGURES, "train_rows") if row[k] == row[k]}
    return found


def boosters(model: Model, train: Dataset, settings: Settings) -> list[Peer]:
    """One booster per label and horizon: parameters, folds by customer, rounds and recalibration as the hazard's.

    It reads the features as ``model`` encodes them, which was fitted on the same rows.
    """
    encoded = model.encoder.transform(train.X)

    def one(question: _Question, threads: int) -> Peer:
        try:
            found = _booster(encoded, question, train.groups, settings, threads)
        except LabelError as error:
            return _none(BOOSTER, question, str(error))
        predict = _Reads(model, found)
        return Peer(BOOSTER, question.label, question.horizon, int(question.mature.sum()), predict)

    return _side_by_side(one, train, BOOSTER, settings)


def logistic(train: Dataset, settings: Settings) -> list[Peer]:
    """Logistic regression per label and horizon on at most `LOGISTIC_ROWS` mature rows, drawn and weighted as the
    hazard's are; not recalibrated.
    """

    def one(question: _Question, threads: int) -> Peer:
        periods = _stacked(question)
        if not (periods.target == EVENT).any() or (periods.target == EVENT).all():
            note = f"label '{question.label}' has one class among {len(periods)} mature rows at {question.horizon}"
            return _none(LOGISTIC, question, note)
        read, weight = thin(periods, LOGISTIC_ROWS, settings.seed)
        pipeline = regression(train.X)
        pipeline.fit(_plain(train.X.iloc[read.row]), read.target, logisticregression__sample_weight=weight)
        return Peer(LOGISTIC, question.label, question.horizon, len(periods), _Regression(pipeline))

    return _side_by_side(one, train, LOGISTIC, settings)


def regression(X: pd.DataFrame) -> Pipeline:
    """The pipeline for a frame's columns: what is missing is the median and marked; numbers are their quantiles, as
    counts and sums have long tails; categories are columns of their own.
    """
    categories = [name for name in X if isinstance(X[name].dtype, pd.CategoricalDtype)]
    numbers = [name for name in X if name not in categories]
    quantiles = QuantileTransformer(n_quantiles=_QUANTILES, subsample=None)
    numeric = make_pipeline(SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), quantiles)
    known = OneHotEncoder(
        max_categories=MOST_CATEGORIES, min_frequency=FEWEST_ROWS, handle_unknown="infrequent_if_exist"
    )
    columns = ColumnTransformer([("numbers", numeric, numbers), ("categories", known, categories)])
    return make_pipeline(columns, LogisticRegression(max_iter=1_000))


@dataclass(frozen=True)
class _Reads:
    """A booster of one horizon over the rows as the model beside it encodes them.

    A value that it never saw missing is the typical one, as the hazard's own are (see `models.encode.Encoder`).
    """

    model: Model
    found: Hazard

    def __call__(self, X: pd.DataFrame) -> np.ndarray:
        encoded = self.model.encoder.transform(X)
        for j in self.found.fitted.whole:
            encoded[np.isnan(encoded[:, j]), j] = self.model.typical[j]
        return self.found.curve(encoded)[:, 0]


@dataclass(frozen=True)
class _Regression:
    pipeline: Pipeline

    def __call__(self, X: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.pipeline.predict_proba(_plain(X))[:, 1])


def _plain(X: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: "missing" is one of them, and of those never seen nothing has to be known."""
    texts = [str(name) for name in X if isinstance(X[name].dtype, pd.CategoricalDtype)]
    return X.assign(**{name: X[name].astype("object").where(X[name].notna(), "missing") for name in texts})


def _none(name: str, question: _Question, note: str) -> Peer:
    return Peer(name, question.label, question.horizon, int(question.mature.sum()), _unknown, note)


def _unknown(X: pd.DataFrame) -> np.ndarray:
    return np.full(len(X), np.nan)


def _booster(encoded: np.ndarray, question: _Question, groups: np.ndarray, settings: Settings, threads: int) -> Hazard:
    """A hazard of a single period, in which no ending competes, is a calibrated booster of the horizon."""
    return hazard.fit(
        encoded,
        question.ending,
        question.after,
        question.followed,
        question.edge,
        label=question.label,
        groups=groups,
        seed=settings.seed,
        passed=question.passed,
        params=replace(settings.params, num_threads=settings.params.num_threads or threads),
    )


def _side_by_side(one: Callable[[_Question, int], Peer], train: Dataset, name: str, settings: Settings) -> list[Peer]:
    """Every label and horizon in order, several fitted at once in threads that share the rows and the cores."""
    questions = list(_questions(train))
    workers = min(os.cpu_count() or 1, len(questions))
    settings.progress(f"beside it: {name}, {len(questions)} of them")
    return list(
        Parallel(n_jobs=workers, prefer="threads")(
            delayed(one)(question, (os.cpu_count() or 1) // workers) for question in questions
        )
    )


def _questions(train: Dataset) -> Iterator[_Question]:
    task = train.task
    passed = train.seen - duration(task.label_delay) - duration(task.gap) - train.cutoff
    for outcome in train.outcomes:
        event = np.where(outcome.ending == EVENT, EVENT, NO_ENDING).astype(np.int8)
        for k, horizon in enumerate(evaluate.horizons(train)):
            if k < len(train.edges()):
                edge, followed, ago = train.edges()[k : k + 1], train.followed(), passed
            else:
                edge, followed, ago = _whenever(outcome, passed)
            yield _Question(outcome.name, horizon, event, outcome.after, followed, ago, edge)


def _whenever(outcome: Outcome, passed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The end of an open-ended task as a horizon later than every ending: known of those that ended."""
    edge = np.array([int(outcome.after.max(initial=0)) + 1])
    return edge, np.where(outcome.ending != NO_ENDING, edge, -1), passed + edge


def _stacked(question: _Question) -> Periods:
    return stack(question.ending, question.after, question.followed, question.edge, passed=question.passed)


_FIGURES = ("auc", "average_precision", "brier", "log_loss", "observed_expected", "calibration_slope")


def _row(name: str, scored: Scored, train_rows: int, note: str) -> dict[str, object]:
    y, p = scored.y, scored.p
    found = dict.fromkeys(_FIGURES, float("nan"))
    if len(y) and not np.isnan(p).any():
        found |= {k: v for k, v in metrics.score(y, p).items() if k in found}
        found["log_loss"] = log_loss(y, p)
    head = {"label": scored.label, "horizon": scored.horizon, "model": name}
    return {**head, **found, "rows": len(y), "events": int(y.sum()), "train_rows": train_rows, "note": note}


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log-likelihood of ``y`` (n,) in [0, 1] under the probabilities ``p`` (n,)."""
    q = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return float(-np.mean(y * np.log(q) + (1 - y) * np.log1p(-q)))
