"""Visitors: keys nobody is known by yet, just after they were used, and what came of who turned out to use them.

Their rows are built by dropping *links*, not columns: the facts of the key itself, as known then, and nothing that a
link would have brought. Whose key it was, and so what came, is known only of those named soon after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.conditions import DAY, DeclarationError, Event
from features.dataset import EVENT, NO_ENDING, Dataset, Outcome, already_ended, labelled, occasions
from features.declare import Feature, Label, Task
from features.engine.columns import EVER_AGO, FOREVER
from features.history import History
from features.identity.reach import Reach
from features.objection import LATEST, never_used
from features.unnamed import Visitors

NAMED = "customer"
"""The label of being named as somebody the task may be asked about."""

_TOGETHER = "visitor"


@dataclass(frozen=True)
class Visits:
    """n instants at which somebody without a name may be asked about.

    ``key``, ``at`` (when the key was last used), ``cutoff`` (just after that was known): (n,) int64.
    """

    key: np.ndarray
    at: np.ndarray
    cutoff: np.ndarray

    def __len__(self) -> int:
        return len(self.key)

    def select(self, rows: np.ndarray) -> "Visits":
        """Those at these indices, or where this mask is true."""
        return Visits(self.key[rows], self.at[rows], self.cutoff[rows])


@dataclass(frozen=True)
class VisitorData:
    """``asked``: every visit, labelled with whether it was soon `NAMED` (``entity`` is the key); ``given``: those of
    customers who were, labelled with what came of them (``entity`` is the customer). Both read the key's own facts.
    """

    asked: Dataset
    given: Dataset


def build_visitors(history: History, task: Task, start: int, end: int, seen: int) -> VisitorData:
    """What a visitor model is taught with or tested on: cutoffs in ``[start, end)``, labels known before ``seen``.

    Raises `DeclarationError` where the catalogue declares no visitors. There may be none, or none who was named.
    """
    visitors = declared_visitors(history)
    seen = min(seen, history.end + 1)
    found = visits(history, task.entity, start, end)
    entity = named(history, task.entity, found, np.minimum(found.cutoff + visitors.within, seen))
    unused = of_objectors(history, task.entity, found)
    found, entity, objected = found.select(~unused), entity[~unused], int(unused.sum())
    customer = may_be_asked(history, task, entity, found.cutoff)
    X = history_of(history, found, visitors.features)
    return VisitorData(
        replace(_asked(history, task, visitors, found, X, customer, seen), objected=objected),
        _given(history, task, visitors, found.select(customer), X[customer], entity[customer], seen),
    )


def declared_visitors(history: History) -> Visitors:
    """The catalogue's visitors; `DeclarationError` where it has none."""
    if history.catalog.visitors is None:
        raise DeclarationError("this workspace declares no visitors (`Catalog(visitors=...)`)")
    return history.catalog.visitors


def visits(history: History, entity_type: str, start: int, end: int) -> Visits:
    """The occasions in ``[start, end)`` at which a declared key was nobody's that was known; the last one of each day.

    A browser that is used all day is one visitor, not fifty.
    """
    visitors = declared_visitors(history)
    key, at, cutoff = occasions(history, visitors.asked, start, end)
    asked = np.isin(key, np.concatenate([history.entities_of[t] for t in visitors.keys]))
    found = Visits(key[asked], at[asked], cutoff[asked])
    found = found.select(np.lexsort((found.at, found.cutoff, found.key)))
    holder, _ = history.owners(entity_type, found.key, found.at, found.cutoff)
    found = found.select(np.bincount(holder, minlength=len(found)) == 0)
    again = (np.diff(found.key) == 0) & (np.diff(found.cutoff // DAY) == 0)
    return found.select(np.append(~again, True)) if len(found) else found


def named(history: History, entity_type: str, found: Visits, known_by: np.ndarray) -> np.ndarray:
    """(n,) int64: whose the key was when used, as known at ``known_by`` (n,); -1 where nobody's, or not one's only."""
    row, holder = history.owners(entity_type, found.key, found.at, known_by)
    entity = np.full(len(found), -1, np.int64)
    entity[row] = holder
    entity[np.bincount(row, minlength=len(found)) > 1] = -1
    return entity


def of_objectors(history: History, entity_type: str, found: Visits) -> np.ndarray:
    """(n,) bool: visits of somebody, as far as the lake knows now, who objects: however late they were named."""
    row, holder = history.owners(entity_type, found.key, found.at, np.full(len(found), LATEST, np.int64))
    refused = row[never_used(history, entity_type, holder, found.cutoff[row])]
    return np.bincount(refused, minlength=len(found)) > 0


def may_be_asked(history: History, task: Task, entity: np.ndarray, cutoff: np.ndarray) -> np.ndarray:
    """(n,) bool: there is an entity (not -1), and the task may be asked about it at the cutoff."""
    kept = entity >= 0
    if kept.any():
        kept[kept] = history.eligible(task, entity[kept], cutoff[kept])
    return kept


def given_customers(history: History, task: Task, found: Visits, entity: np.ndarray, seen: int) -> Dataset:
    """What came, as known before ``seen``, of the customers said to be behind these visits, ``entity`` (n,)."""
    visitors = declared_visitors(history)
    X = history_of(history, found, visitors.features)
    return _given(history, task, visitors, found, X, entity, seen)


def history_of(history: History, found: Visits, features: Sequence[Feature]) -> pd.DataFrame:
    """One row per visit: what the key's own facts said at the cutoff."""
    return _own(history, found.key, np.arange(len(found)), found.cutoff, found.cutoff, features)


def own_facts(
    history: History, keys: Sequence[int], cutoff: int, seen: int, features: Sequence[Feature]
) -> pd.DataFrame:
    """One row: what the facts of several keys say together, each fact once, though nobody knows whose they are."""
    ids = np.unique(np.asarray(keys, np.int64))
    return _own(history, ids, np.zeros(len(ids), np.int64), np.array([cutoff]), np.array([seen]), features)


def last_visit(history: History, keys: Sequence[int], now: int) -> int | None:
    """The instant just after the last visit with one of the keys, of those visible at ``now``, became known: the cutoff
    of its row in `visits`. ``None``: there was none.
    """
    asked = declared_visitors(history).asked
    columns = history.columns[asked.source]
    runs = zip(*columns.runs(np.unique(np.asarray(keys, np.int64))), strict=True)
    rows = np.concatenate([np.arange(low, high) for low, high in runs])
    rows = rows[columns.bits((asked.conditions,))[rows] > 0]
    return latest_visit(columns.known[rows], columns.ends(rows), columns.rank[rows], now)


def latest_visit(known: np.ndarray, until: np.ndarray, rank: np.ndarray, now: int) -> int | None:
    """Of some visits, (n,) int64 each: known since, until, and the rank of the fact: just after the last of those that
    stand at ``now`` first became known. ``None``: none does.
    """
    seen = known < now
    known, until, rank = known[seen], until[seen], rank[seen]
    standing = np.isin(rank, rank[now <= until])
    known, rank = known[standing], rank[standing]
    order = np.lexsort((known, rank))
    known, rank = known[order], rank[order]
    first = known[np.append(True, np.diff(rank) != 0)] if len(known) else known
    return int(first.max()) + 1 if len(first) else None


def _own(
    history: History,
    keys: np.ndarray,
    row: np.ndarray,
    cutoff: np.ndarray,
    seen: np.ndarray,
    features: Sequence[Feature],
) -> pd.DataFrame:
    """Row ``row[i]`` reads all that ever happened to ``keys[i]``, whoever is known to hold it."""
    ever, never = np.full(len(keys), EVER_AGO, np.int64), np.full(len(keys), FOREVER, np.int64)
    reach = Reach(row.astype(np.int64), keys.astype(np.int64), ever, never, ever, never)
    apart = replace(history, _reach={_TOGETHER: reach})
    return apart.frame(_TOGETHER, np.arange(len(cutoff)), cutoff, features, seen)


def _asked(
    history: History,
    task: Task,
    visitors: Visitors,
    found: Visits,
    X: pd.DataFrame,
    customer: np.ndarray,
    seen: int,
) -> Dataset:
    """The visits with the one label that somebody eligible was named within the first and only period."""
    label = Label(NAMED, Event.of("evidence", state="linked"))
    naming = replace(task, labels=(label,), periods=(visitors.named_within,), gap="0s", label_delay="0s")
    ending = np.where(customer, EVENT, NO_ENDING).astype(np.int8)
    outcome = Outcome(NAMED, ending, np.where(customer, 0, -1).astype(np.int64))
    return Dataset(
        naming, visitors.features, found.key, found.cutoff, X, (outcome,), seen, fingerprint=history.fingerprint
    )


def _given(
    history: History,
    task: Task,
    visitors: Visitors,
    found: Visits,
    X: pd.DataFrame,
    entity: np.ndarray,
    seen: int,
) -> Dataset:
    kept = ~already_ended(history, task, entity, found.cutoff, seen)
    X = X[kept].reset_index(drop=True)
    return labelled(history, task, visitors.features, X, entity[kept], found.cutoff[kept], seen)
