"""Rows as the operator's systems deliver them: collected as codes, handed out month by month as tables.

A row is delivered with the month in which it became known, so a late row comes in a later batch. What systems do to
their rows (deliver late, twice, damaged, or not at all, and correct them later) happens here and moves nobody.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.facts import SOURCES
from features.simulator.clock import DAY, HOUR, MINUTE
from features.simulator.draws import Draws, lognormal
from features.simulator.feeds import corrections, outages
from features.simulator.feeds.damage import damaged
from features.simulator.feeds.tables import Chunk, Value, coded, joined_chunks, own_columns, table
from features.simulator.scenario import Feeds
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

LATE_SPREAD = 1.0
"""Standard deviation of the logarithm of late rows' delays: one in a hundred takes ten times the median."""


FIRST_STATED = 10**12
"""The ids of rows that are stated at the beginning come after all others."""


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
    """Collects rows of every source. While ``open`` is false (the warm-up) rows are dropped.

    ``begin``, ``end``: the simulated instants, UTC microseconds; what would become known later is never delivered.
    """

    def __init__(self, draws: Draws, feeds: Feeds, begin: int, end: int) -> None:
        self.open = False
        self._draws, self._feeds = draws, feeds
        self._outages = {
            name: outages.drawn(draws.stream(f"outages of {name}"), name, feeds, begin, end) for name in SOURCES
        }
        self._chunks: dict[str, list[Chunk]] = {name: [] for name in SOURCES}
        self._waiting: dict[str, Chunk] = {name: joined_chunks(name, []) for name in SOURCES}
        self._next = dict.fromkeys(SOURCES, 0)

    def add(
        self, source: str, key_type: str, key: np.ndarray, at: np.ndarray, owner: np.ndarray | None, **columns: Value
    ) -> None:
        """Note rows: ``key`` are indices into that key type; ``owner`` whose customer relation bounds them in time
        (``None``: nobody's). Columns are a word, codes, numbers, flags or instants; what is not given is null.
        """
        if self.open and len(key):
            self._chunks[source].append(_chunk(source, key_type, key, at, owner, columns))

    def state(self, source: str, key_type: str, key: np.ndarray, at: int, **columns: Value) -> None:
        """Note rows that the first delivery begins with: known at once, of nobody, and no other row's chances move."""
        rows = _chunk(source, key_type, key, np.full(len(key), at), None, columns)
        rows |= {"id": FIRST_STATED + np.arange(len(key)), "known_at": rows["at"], "void": np.zeros(len(key), bool)}
        if self.open:
            self._waiting[source] = joined_chunks(source, [self._waiting[source], rows])

    def deliver(self, joined: np.ndarray, ended: np.ndarray, start: int, end: int) -> list[Batch]:
        """The batches of all rows known before ``end``, less those outside their owner's time as a customer."""
        return [self._batch(source, joined, ended, start, end) for source in SOURCES]

    def _batch(self, source: str, joined: np.ndarray, ended: np.ndarray, start: int, end: int) -> Batch:
        whole = joined_chunks(source, [self._waiting[source], *self._written(source)])
        ready = whole["known_at"] < end
        self._waiting[source] = {name: values[~ready] for name, values in whole.items()}
        owner, at = whole["owner"], whole["at"]
        ours = owner >= 0
        ready[ours] &= (joined[owner[ours]] <= at[ours]) & (at[ours] <= ended[owner[ours]])
        chosen = self._sent(source, np.flatnonzero(ready))
        chosen = chosen[np.argsort(whole["known_at"][chosen], kind="stable")]
        rows = table(source, {name: values[chosen] for name, values in whole.items()})
        rows = damaged(source, rows, self._draws.stream(f"damage of {source}"), self._feeds.damaged_share)
        return Batch(source, rows, self._outages[source].covered(start, end))

    def _written(self, source: str) -> list[Chunk]:
        """What was added since the last delivery, with ids, later corrections, and when each becomes known."""
        if not self._chunks[source]:
            return []
        rows = joined_chunks(source, self._chunks[source])
        self._chunks[source] = []
        n = len(rows["key"])
        rows["id"] = np.arange(self._next[source], self._next[source] + n)
        rows["known_at"] = rows["at"] + self._delays(source, n)
        rows["void"] = np.zeros(n, bool)
        self._next[source] += n
        revised = corrections.of(source, rows, self._draws.stream(f"corrections of {source}"), self._feeds)
        return [self._passed(source, chunk) for chunk in (rows, *revised)]

    def _delays(self, source: str, n: int) -> np.ndarray:
        """(n,) microseconds from when something happens until it is known: the usual lag, for some days on top."""
        share, (shortest, longest) = self._feeds.late_share, LAGS[source]
        luck = self._draws.stream(f"late rows of {source}").random(n)
        late = np.flatnonzero(luck < share)
        delay = self._draws.stream(f"lags of {source}").uniform(shortest, longest, n)
        delay[late] += lognormal((luck[late] + 2**-54) / share, self._feeds.late_days * DAY, LATE_SPREAD)
        return delay.astype(np.int64)

    def _passed(self, source: str, rows: Chunk) -> Chunk:
        """What the feed lets through, known when it is delivered."""
        down = self._outages[source]
        seen = down.sees(rows["at"])
        rows["known_at"] = down.delivered(rows["known_at"])
        return {name: values[seen] for name, values in rows.items()}

    def _sent(self, source: str, rows: np.ndarray) -> np.ndarray:
        """The rows, some of them twice."""
        again = self._draws.stream(f"resent rows of {source}").random(len(rows)) < self._feeds.resent_share
        return np.concatenate([rows, rows[again]])


def _chunk(
    source: str,
    key_type: str,
    key: np.ndarray,
    at: np.ndarray,
    owner: np.ndarray | None,
    columns: Mapping[str, Value],
) -> Chunk:
    n = len(key)
    chunk: Chunk = {
        "key_type": np.full(n, KEY_TYPES.index(key_type), np.int8),
        "key": np.array(key, np.int64),
        "at": np.array(at, np.int64),
        "owner": np.full(n, -1) if owner is None else np.array(owner, np.int64),
    }
    return chunk | {name: coded(source, name, columns.get(name), n) for name in own_columns(source)}
