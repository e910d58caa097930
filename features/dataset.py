"""Pairs (entity, cutoff), their features and what came after: what training is fed with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from features.conditions import DeclarationError, Event, duration
from features.declare import Calendar, Feature, Label, Task
from features.engine.columns import EVER_AGO, FOREVER
from features.engine.frame import observed_to, present_parent
from features.engine.plan import COUNT, Emission, compile_event, compile_plan
from features.history import History
from features.objection import never_used

NO_ENDING, EVENT, COMPETING = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """What came after each cutoff, for one label, as far as it was known before ``Dataset.seen``.

    ``ending``: (n,) int8, `NO_ENDING`, `EVENT` or `COMPETING`, the first that came.
    ``after``: (n,) int64 microseconds from ``cutoff + gap`` to that ending, -1 where none is known.
    """

    name: str
    ending: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """n pairs. ``X`` has one column per feature, in order: float32 (NaN: missing) or pandas ``category``.

    ``entity`` (n,) int64 key ids; ``cutoff`` (n,) int64 UTC microseconds; ``seen``: labels are those known before
    this instant; ``fingerprint`` of the lake it was read from.
    """

    task: Task
    features: tuple[Feature, ...]
    entity: np.ndarray
    cutoff: np.ndarray
    X: pd.DataFrame
    outcomes: tuple[Outcome, ...]
    seen: int
    fingerprint: str
    observed: np.ndarray | None = None
    """(n,) int64: until when the labels' sources are covered without a gap after the cutoff (``None``: for ever)."""
    together: np.ndarray | None = None
    """(n,) int64: with whom the entity decides (its last account, say), or itself (``None``: everyone alone)."""
    objected: int = 0
    """How many pairs were not drawn because the entity objects to profiling."""

    @property
    def groups(self) -> np.ndarray:
        """(n,) int64: who stands and falls together. Rows of one group are never on both sides of a fold."""
        return self.entity if self.together is None else self.together

    def followed(self) -> np.ndarray:
        """(n,) int64 microseconds of mature follow-up: from ``cutoff + gap`` to ``seen`` less the label delay.

        A gap in the feed the labels come from ends it: silence there is not "nothing happened".
        """
        mature = np.full(len(self.cutoff), self.seen - duration(self.task.label_delay), np.int64)
        if self.observed is not None:
            mature = np.minimum(mature, self.observed)
        return mature - self.cutoff - duration(self.task.gap)

    def select(self, columns: Sequence[str]) -> "Dataset":
        """The same pairs and outcomes with only the named features, in their declared order."""
        features = tuple(f for f in self.features if f.name in columns)
        return replace(self, features=features, X=self.X[[f.name for f in features]])

    def rows(self, chosen: np.ndarray) -> "Dataset":
        """Only the pairs at these indices, or where this mask is true."""
        outcomes = tuple(replace(o, ending=o.ending[chosen], after=o.after[chosen]) for o in self.outcomes)
        observed = None if self.observed is None else self.observed[chosen]
        together = None if self.together is None else self.together[chosen]
        entity, cutoff, X = self.entity[chosen], self.cutoff[chosen], self.X.iloc[np.arange(len(self.X))[chosen]]
        return replace(self, entity=entity, cutoff=cutoff, X=X, outcomes=outcomes, observed=observed, together=together)

    def joined(self, other: "Dataset") -> "Dataset":
        """These pairs and another's of the same features, labels and instant, in one."""

        def both(mine: np.ndarray | None, theirs: np.ndarray | None) -> np.ndarray | None:
            return None if mine is None or theirs is None else np.concatenate([mine, theirs])

        X = pd.DataFrame(
            {
                name: union_categoricals([self.X[name], other.X[name]])
                if isinstance(self.X[name].dtype, pd.CategoricalDtype)
                else np.concatenate([self.X[name], other.X[name]])
                for name in self.X
            }
        )
        outcomes = tuple(
            Outcome(a.name, np.concatenate([a.ending, b.ending]), np.concatenate([a.after, b.after]))
            for a, b in zip(self.outcomes, other.outcomes, strict=True)
        )
        return replace(
            self,
            entity=np.concatenate([self.entity, other.entity]),
            cutoff=np.concatenate([self.cutoff, other.cutoff]),
            X=X,
            outcomes=outcomes,
            observed=both(self.observed, other.observed),
            together=both(self.together, other.together),
            objected=self.objected + other.objected,
        )

    def edges(self) -> np.ndarray:
        """(k,) int64 upper edges of the task's follow-up periods, in microseconds after ``cutoff + gap``."""
        return np.array([duration(p) for p in self.task.periods], dtype=np.int64)


def build(
    history: History,
    task: Task,
    start: int,
    end: int,
    seen: int,
    features: Sequence[Feature] | None = None,
) -> Dataset:
    """The task's pairs with cutoffs in ``[start, end)``, their features, and outcomes known before ``seen``.

    Nothing can be known beyond the lake's end, so ``seen`` is cut back to it.
    All instants UTC microseconds. Raises `DeclarationError` when there is no pair at all, saying where it looked.
    """
    seen = min(seen, history.end + 1)
    chosen = tuple(features or history.catalog.task_features(task))
    entity, cutoff = eligible_pairs(history, task, start, end)
    objecting = never_used(history, task.entity, entity, cutoff)
    entity, cutoff = entity[~objecting], cutoff[~objecting]
    ended = already_ended(history, task, entity, cutoff, seen)
    entity, cutoff = entity[~ended], cutoff[~ended]
    if not len(entity):
        raise DeclarationError(
            f"task '{task.name}': no eligible {task.entity} at any cutoff in [{instant(start)}, {instant(end)}); "
            f"the lake holds {instant(history.start)} to {instant(history.end)}{_left_out(objecting)}"
        )
    X = history.frame(task.entity, entity, cutoff, chosen)
    return replace(labelled(history, task, chosen, X, entity, cutoff, seen), objected=int(objecting.sum()))


def labelled(
    history: History,
    task: Task,
    features: Sequence[Feature],
    X: pd.DataFrame,
    entity: np.ndarray,
    cutoff: np.ndarray,
    seen: int,
) -> Dataset:
    """These pairs with these features ``X`` and what came of the entities, as known before ``seen``."""
    return Dataset(
        task=task,
        features=tuple(features),
        entity=entity,
        cutoff=cutoff,
        X=X,
        outcomes=tuple(_outcome(history, task, label, entity, cutoff, seen) for label in task.labels),
        seen=seen,
        fingerprint=history.fingerprint,
        observed=_observed(history, task, cutoff),
        together=_together(history, task, entity, cutoff),
    )


def _together(history: History, task: Task, entity: np.ndarray, cutoff: np.ndarray) -> np.ndarray | None:
    """What each entity belonged to at its last cutoff: one group an entity, wherever it moved."""
    if task.together is None:
        return None
    last = np.array(pd.Series(cutoff).groupby(entity).transform("max"), np.int64)
    parent, present = present_parent(history.parents(task.entity, task.together), entity, last, last)
    return np.where(present, parent, entity)


def _left_out(objecting: np.ndarray) -> str:
    return f"; {objecting.sum():,} were left out because they object to profiling" if objecting.any() else ""


def instant(micros: int) -> str:
    """ISO 8601 text of UTC microseconds, to the second."""
    return pd.Timestamp(micros, unit="us", tz="UTC").isoformat(timespec="seconds")


def pairs(history: History, task: Task, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """(entity, cutoff), each (n,) int64, of every eligible entity that does not object, at every cutoff."""
    entity, cutoff = eligible_pairs(history, task, start, end)
    kept = ~never_used(history, task.entity, entity, cutoff)
    return entity[kept], cutoff[kept]


def eligible_pairs(history: History, task: Task, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """(entity, cutoff), each (n,) int64, of every eligible entity at every cutoff in ``[start, end)``; also of who
    objects to profiling, so only to be counted.
    """
    if isinstance(task.cutoffs, Calendar):
        entity, cutoff = everybody(history, task.entity, calendar_cutoffs(task.cutoffs.every, start, end))
    else:
        entity, cutoff = _triggered(history, task.entity, task.cutoffs.event, start, end)
    kept = history.eligible(task, entity, cutoff)
    return entity[kept], cutoff[kept]


def everybody(history: History, entity_type: str, instants: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(entity, cutoff), each (n,) int64: at each of ``instants`` (k,) who was heard of by then, but no aliases."""
    entities = history.entities_of[entity_type]
    entity, cutoff = np.tile(entities, len(instants)), np.repeat(instants, len(entities))
    heard_of = np.tile(history.first_known(entity_type), len(instants)) < cutoff
    entity, cutoff = entity[heard_of], cutoff[heard_of]
    standing = history.standing(entity_type, entity, cutoff)
    return entity[standing], cutoff[standing]


def calendar_cutoffs(every: str, start: int, end: int) -> np.ndarray:
    """(k,) int64 instants in ``[start, end)``: firsts of months, or whole multiples of a duration since 1970."""
    if every != "month":
        step = duration(every)
        return np.arange(-(-start // step) * step, end, step, dtype=np.int64)
    months = pd.date_range(
        pd.Timestamp(start, unit="us").ceil("D"), pd.Timestamp(end - 1, unit="us"), freq="MS", normalize=True
    )
    return months.to_numpy().astype("datetime64[us]").astype(np.int64)


def _triggered(history: History, entity_type: str, event: Event, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """One pair per occasion and entity that reached its key then."""
    key, at, cutoff = occasions(history, event, start, end)
    row, entity = history.owners(entity_type, key, at, cutoff)
    found = np.unique(np.stack([cutoff[row], entity], axis=1), axis=0)
    return found[:, 1], found[:, 0]


def occasions(history: History, event: Event, start: int, end: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(key, at, cutoff) of every fact of an event (its first known revision): cutoff is a microsecond after it was
    known, within ``[start, end)``.
    """
    columns = history.columns[event.source]
    rows = np.flatnonzero(columns.matching(event.conditions))
    rows = rows[np.lexsort((columns.known[rows], columns.rank[rows]))]
    rows = rows[np.append(True, np.diff(columns.rank[rows]) != 0)] if len(rows) else rows
    cutoff = columns.known[rows] + 1
    rows, cutoff = (a[(start <= cutoff) & (cutoff < end)] for a in (rows, cutoff))
    return np.repeat(columns.keys, np.diff(columns.starts))[rows], columns.at[rows], cutoff


def already_ended(history: History, task: Task, entity: np.ndarray, cutoff: np.ndarray, seen: int) -> np.ndarray:
    """(n,) bool: an ending came before the follow-up begins, and nobody knew at the cutoff.

    Such a pair has no future to learn from: it would be taught as "stayed". Only for labels that are a race to an end.
    """
    ended = np.zeros(len(entity), bool)
    visible = np.full(len(cutoff), seen, np.int64)
    heads = history.heads(task.entity, entity, seen)
    row, member = history.group(task.entity, entity, seen)
    for label in task.labels:
        for event in (label.event, label.competing) if label.competing else ():
            before = [Emission(event.conditions, COUNT, None, EVER_AGO, edge) for edge in (0, duration(task.gap))]
            plan = compile_plan(event.source, before)
            of_member = history.fold_own(task.entity, plan, member, cutoff[row], cutoff[row])[:, 0]
            at_cutoff = np.bincount(row, weights=of_member, minlength=len(entity))
            ended |= history.fold_own(task.entity, plan, heads, cutoff, visible)[:, 1] > at_cutoff
    return ended


def _outcome(history: History, task: Task, label: Label, entity: np.ndarray, cutoff: np.ndarray, seen: int) -> Outcome:
    """The first ending of a label: the same fold, on the interval after the cutoff, as known before ``seen``.

    Of who was found to be the same as somebody else by then, it is what came of the one that stands for both.
    """
    gap = duration(task.gap)
    visible = np.full(len(cutoff), seen, np.int64)
    heads = history.heads(task.entity, entity, seen)

    def first(event: Event | None) -> np.ndarray:
        if event is None:
            return np.full(len(cutoff), FOREVER, np.int64)
        out = history.fold_own(task.entity, compile_event(event, gap), heads, cutoff, visible)[:, 0]
        return np.where(np.isnan(out), FOREVER, np.nan_to_num(out) - gap).astype(np.int64)

    event, competing = first(label.event), first(label.competing)
    soonest = np.minimum(event, competing)
    ending = np.where(event <= competing, EVENT, COMPETING).astype(np.int8)
    none = soonest == FOREVER
    return Outcome(label.name, np.where(none, NO_ENDING, ending).astype(np.int8), np.where(none, -1, soonest))


def _observed(history: History, task: Task, cutoff: np.ndarray) -> np.ndarray:
    events = [e for label in task.labels for e in (label.event, label.competing) if e is not None]
    start = cutoff + duration(task.gap)
    ends = [observed_to(history.coverage.get(name, ()), start) for name in {e.source for e in events}]
    return np.min(ends, axis=0)
