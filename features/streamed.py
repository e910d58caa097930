"""Features of any number of pairs in bounded memory: at once where the facts fit, else bucket by bucket."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.buckets import divide, labelled
from features.declare import Catalog
from features.engine.plan import read_by
from features.facts import source
from features.feature import Feature
from features.history import History
from features.lake import Lake, Snapshot

_FRAME_BYTES = 128_000_000
_SPINE_BYTES, _BITS_BYTES = 24, 8
_SHARE = 4
"""A bucket may take a quarter of the memory: beside it stand decoded pieces, the reach and a frame being written."""


@dataclass(frozen=True)
class Progress:
    """How far a streamed computation is: pairs done, of how many, and in words."""

    done: int
    pairs: int
    words: str


def needed_bytes(snapshot: Snapshot, features: Sequence[Feature]) -> int:
    """How much memory the decoded rows of everything the features read would take, at most."""
    total = 0
    for name, columns in read_by(features).items():
        rows = sum(snapshot.stored[path].rows for path in snapshot.files.get(name, ()))
        kinds = {c.name: c.kind for c in source(name).columns}
        wide = sum(8 if kinds[column] in ("number", "time") else 4 for column in columns)
        total += rows * (_SPINE_BYTES + _BITS_BYTES + wide)
    return total


def fits(snapshot: Snapshot, features: Sequence[Feature], memory: int) -> bool:
    """Whether the rows the features read take at most half of so many bytes: then they are folded at once."""
    return needed_bytes(snapshot, features) <= memory // 2


def streamed(
    lake: Lake,
    catalog: Catalog,
    entity_type: str,
    entities: np.ndarray,
    cutoffs: np.ndarray,
    features: Sequence[Feature],
    *,
    memory: int,
    snapshot: Snapshot | None = None,
    who: History | None = None,
    spill: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[pd.DataFrame]:
    """Frames with ``entity``, ``cutoff`` and the features, together every pair once; where dealt, in another order.

    ``memory``: bytes the whole may take; ``spill``: the folder where buckets are put meanwhile (default: the system's).
    ``who``: a history of the same snapshot with or without its facts, where there is one already.
    """
    snapshot = snapshot or lake.snapshot()
    if fits(snapshot, features, memory):
        history = who if who and any(map(len, who.columns.values())) else History.load(lake, catalog, snapshot)
        yield from _in_memory(history, entity_type, entities, cutoffs, features, progress)
        return
    buckets = -(-needed_bytes(snapshot, features) * _SHARE // memory)
    who = who or History.load(lake, catalog, snapshot, facts=False)
    with tempfile.TemporaryDirectory(dir=spill, prefix="tieline-buckets-") as folder:
        progress(Progress(0, len(entities), f"dealing the rows into {buckets} buckets"))
        tasks = os.cpu_count() or 1
        asked = (entity_type, entities, cutoffs, features)
        division = divide(who, lake, snapshot, *asked, buckets, tasks, Path(folder))
        with ThreadPoolExecutor(tasks) as pool:
            list(pool.map(division.deal, range(tasks)))
        done = 0
        for bucket in range(buckets):
            entity, cutoff = division.pairs(bucket)
            block = division.block(bucket)
            for rows in _slices(len(entity), features):
                values = block.frame(entity_type, entity[rows], cutoff[rows], features)
                yield labelled(entity[rows], cutoff[rows], values)
                done += len(values)
                progress(Progress(done, len(entities), f"bucket {bucket + 1} of {buckets}"))


def _in_memory(
    history: History,
    entity_type: str,
    entities: np.ndarray,
    cutoffs: np.ndarray,
    features: Sequence[Feature],
    progress: Callable[[Progress], None],
) -> Iterator[pd.DataFrame]:
    for rows in _slices(len(entities), features):
        values = history.frame(entity_type, entities[rows], cutoffs[rows], features)
        yield labelled(entities[rows], cutoffs[rows], values)
        progress(Progress(rows.stop, len(entities), "all facts in memory"))


def _slices(pairs: int, features: Sequence[Feature]) -> Iterator[slice]:
    """Consecutive pairs whose frame stays small; at least one slice, so that a frame without rows has its columns."""
    size = max(1, _FRAME_BYTES // (4 * max(1, len(features)) + 16))
    for low in range(0, max(pairs, 1), size):
        yield slice(low, min(low + size, pairs))
