"""Rows as the operator's systems deliver them: collected as codes, handed out month by month as tables.

A row is delivered with the month in which it became known, so a late row comes in a later batch.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.facts import SOURCES
from features.simulator.clock import DAY, HOUR, MINUTE
from features.simulator.draws import Draws
from features.simulator.feeds import corrections
from features.simulator.feeds.tables import Chunk, Value, coded, joined_chunks, own_columns, table
from features.simulator.vocabulary import KEY_TYPES

LAGS: dict[str, tuple[float, float]] = {
    "journey": (1 * MINUTE, 9 * MINUTE),
    "faults": (2 * MINUTE, 20 * MINUTE),
    "sla": (2 * DAY, 5 * DAY),
    "usage": (18 * HOUR, 30 * HOUR),
    "profile": (1 * HOUR, 8 * HOUR),
    "contact": (10 * MINUTE, 2 * HOUR),
    "calendar": (1 * MINUTE, 1 * HOUR),
    "evidence": (5 * MINUTE, 1 * HOUR),
}
"""After how long a source's rows become known: shortest and longest, in microseconds."""


@dataclass(frozen=True)
class Batch:
    """What one source delivered for one month.

    ``rows`` are in the form a SELECT over raw files has: ``id``, ``key_type``, ``key``, ``at``, ``known_at``, ``void``
    and the source's own columns. ``covered``: UTC microseconds ``[from, to)`` in which the source was observed.
    """

    source: str
    rows: pa.Table
    covered: tuple[tuple[int, int], ...]


class Ledger:
    """Collects rows of every source. While ``open`` is false (the warm-up) rows are dropped."""

    def __init__(self, draws: Draws, revised_share: float, void_share: float) -> None:
        self.open = False
        self._streams = {name: draws.stream(f"ledger of {name}") for name in SOURCES}
        self._shares = (revised_share, void_share)
        self._chunks: dict[str, list[Chunk]] = {name: [] for name in SOURCES}
        self._next = dict.fromkeys(SOURCES, 0)

    def add(
        self, source: str, key_type: str, key: np.ndarray, at: np.ndarray, owner: np.ndarray | None, **columns: Value
    ) -> None:
        """Note rows: ``key`` are indices into that key type; ``owner`` whose customer relation bounds them in time
        (``None``: nobody's). Columns are a word, codes, numbers, flags or instants; what is not given is null.
        """
        n = len(key)
        if not self.open or n == 0:
            return
        rng, (shortest, longest) = self._streams[source], LAGS[source]
        chunk: Chunk = {
            "id": np.arange(self._next[source], self._next[source] + n),
            "key_type": np.full(n, KEY_TYPES.index(key_type), np.int8),
            "key": np.asarray(key, np.int64),
            "at": np.asarray(at, np.int64),
            "known_at": at + rng.uniform(shortest, longest, n).astype(np.int64),
            "void": np.zeros(n, bool),
            "owner": np.full(n, -1) if owner is None else np.asarray(owner, np.int64),
        }
        chunk |= {name: coded(source, name, columns.get(name), n) for name in own_columns(source)}
        self._next[source] += n
        self._chunks[source].append(chunk)
        self._chunks[source] += corrections.of(source, chunk, rng, *self._shares)

    def deliver(self, joined: np.ndarray, ended: np.ndarray, start: int, end: int) -> list[Batch]:
        """The batches of all rows known before ``end``, less those outside their owner's time as a customer."""
        return [self._batch(source, joined, ended, start, end) for source in SOURCES]

    def _batch(self, source: str, joined: np.ndarray, ended: np.ndarray, start: int, end: int) -> Batch:
        whole = joined_chunks(source, self._chunks[source])
        ready = whole["known_at"] < end
        self._chunks[source] = [{name: values[~ready] for name, values in whole.items()}]
        owner, at = whole["owner"], whole["at"]
        ours = owner >= 0
        ready[ours] &= (joined[owner[ours]] <= at[ours]) & (at[ours] <= ended[owner[ours]])
        chosen = np.flatnonzero(ready)
        chosen = chosen[np.argsort(whole["known_at"][chosen], kind="stable")]
        rows = table(source, {name: values[chosen] for name, values in whole.items()})
        return Batch(source, rows, ((start, end),))
