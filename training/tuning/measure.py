"""How good a way of growing boosters is, asked of the training window alone: by customer and out of time at once.

A third of the customers at a time is held out. The model is fitted, just as `training.fit` does it, on the others with
what was known at an inner instant M, `HELD_DAYS` before the training instant T. It is judged on what became known of
the held-out third between M and T: on every label and horizon that matured in between, whenever its cutoff was.

Why not by customer alone, as the folds of a fit do: the model answers about a later time than it learned from, and a
way of growing that learns what was true of one season would look good. Why not by time alone, on cutoffs after M: a
horizon of three months and a label delay leave of a short history one horizon of one cutoff, and the others unjudged.
Cutoffs before M may not be judged for customers that were fitted on, as the same departure is seen from several
cutoffs, from some of which it had matured by M; of customers held out nothing was seen.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from features.conditions import DAY, duration
from features.dataset import EVENT, NO_ENDING, Dataset
from models.hazard import LabelError, folds
from training.evaluate import horizons
from training.fit import Settings, fit, instant

HELD_DAYS = 60
FOLDS = 3
_SMALLEST = 1e-9

Cell = tuple[str, str]
"""A label and a horizon."""


@dataclass(frozen=True)
class Measure:
    """Pairs with outcomes as ``known`` at M and, these and ``later`` ones, at T; the fold each is held out in.

    ``y`` (n, c) bool: whether the event of each of the c ``cells`` had come; ``judged`` (n, c) bool: whether the answer
    matured between M and T. n is the number of later pairs.
    """

    known: Dataset = field(repr=False)
    later: Dataset = field(repr=False)
    fold_known: np.ndarray = field(repr=False)
    fold_later: np.ndarray = field(repr=False)
    cells: tuple[Cell, ...]
    y: np.ndarray = field(repr=False)
    judged: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, known: Dataset, later: Dataset, seed: int) -> "Measure":
        """The measure from the pairs before M with labels known by M, and those before T with labels known by T.

        Raises `models.hazard.LabelError` where no event became known in between.
        """
        fold = folds(np.concatenate([known.groups, later.groups]), FOLDS, seed)
        cells, y, judged = _matured(later, known.seen)
        told = (y & judged).any(axis=0) & (~y & judged).any(axis=0)  # a cell of one class says nothing
        if not told.any():
            raise LabelError(
                f"task '{later.task.name}': nothing to tune on: no label has both an event and none among what became "
                f"known between {instant(known.seen)} and {instant(later.seen)}: begin with the untuned model"
            )
        cells = tuple(cell for cell, kept in zip(cells, told, strict=True) if kept)
        n = len(known.entity)
        return cls(known, later, fold[:n], fold[n:], cells, y[:, told], judged[:, told])

    def losses(self, settings: Settings) -> np.ndarray:
        """(n, c) log-loss of every judged answer, NaN elsewhere, when fitted as ``settings`` say.

        Raises `models.hazard.LabelError` for a label that cannot be learned by M.
        """
        found = np.full(self.y.shape, np.nan)
        for f in range(FOLDS):
            told = _prefixed(settings, f"fold {f + 1} of {FOLDS}: ")
            held = np.flatnonzero((self.fold_later == f) & self.judged.any(axis=1))
            curves = fit(self.known.rows(np.flatnonzero(self.fold_known != f)), told).predict(self.later.X.iloc[held])
            names = horizons(self.later)
            P = np.column_stack([curves[label][:, names.index(horizon)] for label, horizon in self.cells])
            P = np.clip(np.where(self.y[held], P, 1.0 - P), _SMALLEST, 1.0)
            found[held] = -np.log(P)
        return np.where(self.judged, found, np.nan)

    def means(self, losses: np.ndarray) -> dict[Cell, float]:
        """The mean log-loss of each label and horizon."""
        return dict(zip(self.cells, np.nanmean(losses, axis=0).tolist(), strict=True))

    def gain(self, losses: np.ndarray, default: np.ndarray) -> tuple[float, float]:
        """By which share losses are below the default's, mean over labels and horizons, and its standard error.

        Paired, and clustered on who decides together (the sandwich of Liang & Zeger 1986 for a mean): what one account
        tells from several cutoffs counts once.
        """
        count = self.judged.sum(axis=0)
        share = np.nan_to_num((default - losses) / np.nanmean(default, axis=0)) / count / len(self.cells)
        _, whom = np.unique(self.later.groups, return_inverse=True)
        each = np.bincount(whom, weights=share.sum(axis=1))
        return float(each.sum()), float(np.sqrt(len(each) * each.var()))


def _matured(data: Dataset, since: int) -> tuple[tuple[Cell, ...], np.ndarray, np.ndarray]:
    """The task's cells, and (n, c) whether the event had come and whether the answer matured from ``since`` on."""
    delay, edges, followed = duration(data.task.label_delay) + duration(data.task.gap), data.edges(), data.followed()
    cells, y, judged = [], [], []
    for outcome in data.outcomes:
        for k, horizon in enumerate(horizons(data)):
            cells.append((outcome.name, horizon))
            if k < len(edges):
                y.append((outcome.ending == EVENT) & (outcome.after < edges[k]))
                judged.append((followed >= edges[k]) & (data.cutoff + delay + edges[k] > since))
            else:
                y.append(outcome.ending == EVENT)
                judged.append((outcome.ending != NO_ENDING) & (data.cutoff + delay + outcome.after > since))
    return tuple(cells), np.column_stack(y), np.column_stack(judged)


def _prefixed(settings: Settings, words: str) -> Settings:
    return replace(settings, progress=lambda more: settings.progress(f"{words}{more}"))


def held_from(train_to: int) -> int:
    """The inner instant M of a training instant T, both UTC microseconds."""
    return train_to - HELD_DAYS * DAY
