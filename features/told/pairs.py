"""Which (entity, cutoff) pairs are answered: those asked for or everybody known then, less those of who objects."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.dataset import everybody
from features.history import History
from features.objection import WORDS, never_used
from features.told.asked import AskedError, check_type, counted, instants

NOBODY = -1
"""Stands for an entity that a key led to nobody; no key has this id."""


@dataclass(frozen=True)
class Pairs:
    """p pairs to be answered: ``entity``, ``cutoff`` (p,) int64, and ``row`` (p,) where each stood among those asked.

    ``unknown``: how many distinct entities the lake has never heard of, in ``unknown_pairs`` pairs: they have no
    history. ``aliases``: pairs of an id another one stands for at the cutoff: they have none of their own.
    ``objected``: pairs left out because the entity objects to profiling. ``named``: whether the pairs were asked for.
    """

    entity_type: str
    entity: np.ndarray
    cutoff: np.ndarray
    row: np.ndarray
    unknown: int = 0
    unknown_pairs: int = 0
    aliases: int = 0
    objected: int = 0
    named: bool = True

    def without_objections(self, history: History) -> "Pairs":
        """The same less those of who objects (`objection.never_used`); counted in ``objected``."""
        objecting = never_used(history, self.entity_type, self.entity, self.cutoff)
        kept = ~objecting
        return replace(
            self,
            entity=self.entity[kept],
            cutoff=self.cutoff[kept],
            row=self.row[kept],
            objected=int(objecting.sum()),
        )

    def judged(self, history: History) -> "Pairs":
        """The same, with ``unknown``, ``unknown_pairs`` and ``aliases`` counted."""
        nobody = ~pd.Series(self.entity).isin(history.entities_of[self.entity_type]).to_numpy()
        alias = ~history.standing(self.entity_type, self.entity, self.cutoff) & ~nobody
        return replace(
            self,
            unknown=len(pd.unique(self.entity[nobody])),
            unknown_pairs=int(nobody.sum()),
            aliases=int(alias.sum()),
        )

    def with_nameless(self, keys: int) -> "Pairs":
        """The same where ``keys`` distinct keys led to `NOBODY`: each counts as unknown, not all as one."""
        return replace(self, unknown=self.unknown + max(keys - 1, 0))

    @property
    def left_out(self) -> str:
        """How many pairs are not answered, and why."""
        return f"{counted(self.objected, 'pair')} left out because {WORDS}"

    def remarks(self) -> list[str]:
        """What a person should know of these pairs, a sentence each."""
        of = self.entity_type
        said = []
        if not self.named and not len(self.entity) and not self.objected:
            said.append(f"the lake had heard of no {of} by then")
        if self.unknown:
            said.append(
                f"the lake has not heard of {self.unknown:,} of the {of}s asked for "
                f"({counted(self.unknown_pairs, 'pair')}): they have no history"
            )
        if self.aliases:
            said.append(f"{counted(self.aliases, 'pair')} of a {of} that another stands for by then: ask for that one")
        if self.objected and self.named:
            said.append(self.left_out)
        return said


def all_pairs(history: History, entity_type: str, cutoffs: np.ndarray) -> Pairs:
    """Everybody known at each of the cutoffs (k,), ordered by entity and cutoff; also of who objects."""
    check_type(history.catalog, entity_type)
    entity, cutoff = everybody(history, entity_type, distinct(cutoffs))
    order = np.lexsort((cutoff, entity))
    return Pairs(entity_type, entity[order], cutoff[order], np.arange(len(order)), named=False)


def product(history: History, entity_type: str, entities: Any, cutoffs: np.ndarray) -> Pairs:
    """Each of the entities at each of the cutoffs (k,), in the order they are given."""
    check_type(history.catalog, entity_type)
    if not len(cutoffs):
        raise AskedError("no cutoff is given: at which instant?")
    ids = key_ids(entities)
    pairs = np.repeat(ids, len(cutoffs)), np.tile(cutoffs, len(ids))
    return Pairs(entity_type, *pairs, np.arange(len(pairs[0]))).judged(history)


def given(history: History, entity_type: str, pairs: Any) -> Pairs:
    """A frame with ``entity`` and ``cutoff`` as columns or index, or such a MultiIndex, row by row."""
    check_type(history.catalog, entity_type)
    frame = pairs.to_frame(index=False) if isinstance(pairs, pd.MultiIndex) else pairs
    if not isinstance(frame, pd.DataFrame):
        raise AskedError("pairs are a frame (or a MultiIndex) with entity and cutoff")
    if {"entity", "cutoff"} <= set(frame.index.names):
        frame = frame.index.to_frame(index=False)
    for name in ("entity", "cutoff"):
        if name not in frame.columns:
            raise AskedError(f"pairs: no column '{name}' (there are: {', '.join(map(str, frame.columns))})")
    entity, cutoff = key_ids(frame["entity"]), instants(frame["cutoff"])
    return Pairs(entity_type, entity, cutoff, np.arange(len(entity))).judged(history)


def holders(history: History, entity_type: str, keys: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """(p,) int64: who alone holds each key just before the cutoff, as known then; `NOBODY` for none and for several."""
    row, entity = history.owners(entity_type, keys, cutoffs - 1, cutoffs)
    found = np.full(len(keys), NOBODY, np.int64)
    found[row] = entity
    found[np.bincount(row, minlength=len(keys)) > 1] = NOBODY
    return found


def key_ids(said: Any) -> np.ndarray:
    """(m,) int64 of key ids; raises `AskedError` naming the place (from 0) of the first that is none."""
    values = pd.Series([said] if isinstance(said, int | np.integer) else said)
    missing = values.isna().to_numpy()
    if missing.any():
        raise AskedError(f"entity {missing.argmax()}: missing")
    if len(values) and not pd.api.types.is_integer_dtype(values.dtype):
        wrong = [not isinstance(value, int | np.integer) for value in values]
        if any(wrong):
            raise AskedError(f"entity {wrong.index(True)}: no key id; `KeyRing.key_id` gives that of a name")
    return values.to_numpy(np.int64)


def distinct(cutoffs: np.ndarray) -> np.ndarray:
    """Each cutoff once, rising; raises `AskedError` where there is none."""
    if not len(cutoffs):
        raise AskedError("no cutoff is given: at which instant?")
    return np.unique(cutoffs)
