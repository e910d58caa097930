"""Rows of one source as the plain arrays the kernel reads: grouped by key, ordered (key, at, known_at, id).

The same construction serves the lake (`Lake.pieces`), tables in memory (`in_memory`), the buckets of a large lake
and, later, the live store. A column is decoded when it is first asked for. Times are int64 UTC microseconds; `FOREVER`
stands for "not yet".
"""

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.conditions import Condition
from features.engine import decode
from features.engine.locate import locate
from features.engine.matching import by_code, by_interval, mark, word
from features.engine.memory import empty
from features.facts import TIME, source

FOREVER = 2**62
EVER_AGO = -(2**62)
LARGEST = 1e15
"""The greatest amount a number may have: sums of any number of them stay exact."""
_KEPT_BITS = 16
_LOOKED_UP = 65_536
_MOST = 0.7
"""Where a larger share of the rows is wanted, leaving out the others is not worth the while."""
_Words = list[tuple[slice, pa.Array]]
"""The words that codes of some rows mean."""
_SPINE = ("key_id", "at", "known_at", "until")


class Pieces(Protocol):
    """Rows in reading order, in pieces that may be read at the same time."""

    @property
    def counts(self) -> Sequence[int]:
        """How many rows each piece has."""

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        """Columns of one piece; ``rank`` only where it `has` that."""

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same, some rows at a time."""

    def has(self, name: str) -> bool:
        """Whether every piece has the column."""


class Keyed(Protocol):
    """What is read through keys, such as a `Reach`."""

    @property
    def key(self) -> np.ndarray:
        """(r,) int64."""

    def __hash__(self) -> int: ...


class Columns:
    """n rows of m keys of one source.

    ``keys`` (m,) int64, rising; the rows of ``keys[i]`` are ``starts[i]:starts[i + 1]``. ``at``, ``known`` (n,) int64;
    ``revised`` (r,) int64, rising: the rows that were revised, few as a rule, and ``until`` (r,) when.
    """

    def __init__(
        self, source_name: str, pieces: Pieces, names: Iterable[str] = (), within: tuple[int, int] | None = None
    ) -> None:
        """``names``: columns that will be wanted, decoded in the same pass. ``within``: only rows of
        ``low <= at < high`` will be asked for, so that others need not be kept. Raises `ValueError` for unfit numbers.
        """
        self.source = source_name
        self._pieces = pieces
        self._within, self._offsets = self._kept(within)
        n = int(self._offsets[-1])
        self._numbers: dict[str, np.ndarray] = {}
        self._codes: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
        self._bits: OrderedDict[tuple, np.ndarray] = OrderedDict()
        self._rank: np.ndarray | None = None
        self._runs: WeakKeyDictionary[Keyed, tuple[np.ndarray, np.ndarray]] = WeakKeyDictionary()
        self._lock = Lock()
        self.at, self.known = empty(n, np.int64), empty(n, np.int64)
        self._decode([*_SPINE, *names])

    def __len__(self) -> int:
        return len(self.at)

    def runs(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row ranges ``(start, end)`` of each key, both 0 where the key has no rows."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        start, end = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)

        def part(i: int) -> None:
            some = slice(i * _LOOKED_UP, (i + 1) * _LOOKED_UP)
            spans = np.empty((len(keys[some]), 2), np.int64)
            locate(self.keys, self.starts, np.array(keys[some], np.int64), spans)
            start[some], end[some] = spans[:, 0], spans[:, 1]

        _each(part, -(-len(keys) // _LOOKED_UP))
        return start, end

    def runs_of(self, reach: Keyed) -> tuple[np.ndarray, np.ndarray]:
        """The `runs` of a reach's keys, found once for as long as it lives."""
        if reach not in self._runs:
            self._runs[reach] = self.runs(reach.key)
        return self._runs[reach]

    def ends(self, rows: np.ndarray) -> np.ndarray:
        """Until when each of these rows held: its next revision's ``known_at``, or `FOREVER`."""
        place = np.searchsorted(self.revised, rows)
        found = np.append(self.revised, -1)[place] == rows
        return np.where(found, np.append(self.until, FOREVER)[place], FOREVER)

    @cached_property
    def revision_bits(self) -> np.ndarray:
        """(n / 64 + 1,) uint64 with a bit set for each of ``revised``; (0,) where none is."""
        if not len(self.revised):
            return np.empty(0, np.uint64)
        flags = np.zeros((len(self) // 64 + 1) * 64, bool)
        flags[self.revised] = True
        return np.packbits(flags, bitorder="little").view("<u8").astype(np.uint64, copy=False)

    def numbers(self, name: str) -> np.ndarray:
        """(n,) float64 of a number or time (microseconds); missing is NaN."""
        if name not in self._numbers:
            self._decode([name])
        return self._numbers[name]

    def codes(self, name: str) -> np.ndarray:
        """(n,) of a category, flag or case: places in its `vocabulary`, -1 where missing.

        int8 where few values are declared, else int32.
        """
        if name not in self._codes:
            self._decode([name])
        return self._codes[name][0]

    def vocabulary(self, name: str) -> tuple[str, ...]:
        """The values of a category or flag, in the order of their codes."""
        self.codes(name)
        return self._codes[name][1]

    def coded(self, name: str) -> bool:
        """Whether a column is read as codes rather than as numbers."""
        return source(self.source).column(name).kind in ("category", "flag", "case")

    @property
    def rank(self) -> np.ndarray:
        """(n,) int64: a hash of the id, which breaks ties of (at, known) the same way everywhere."""
        if self._rank is None:
            self._decode(["rank" if self._pieces.has("rank") else "id"])
        assert self._rank is not None
        return self._rank

    @property
    def case(self) -> np.ndarray:
        """(n,) int32 code of the case a row belongs to, -1 for none; (0,) where the source has no cases."""
        names = [c.name for c in source(self.source).columns if c.kind == "case"]
        return self.codes(names[0]) if names else np.empty(0, np.int32)

    @property
    def state(self) -> np.ndarray:
        """(n,) int8 code of ``state``: 0 opened, 1 cleared, -1 neither; (0,) where the source has no cases."""
        return self.codes("state") if any(c.kind == "case" for c in source(self.source).columns) else self.case

    def bits(self, filters: tuple[tuple[Condition, ...], ...]) -> np.ndarray:
        """(n,) with bit i set where the row meets every condition of ``filters[i]`` (at most 64); see `matching.word`.

        A missing value meets no condition. The few last ones asked for are kept.
        """
        with self._lock:
            if filters in self._bits:
                self._bits.move_to_end(filters)
                return self._bits[filters]
        bits = empty(len(self), word(len(filters)))
        bits[:] = (1 << len(filters)) - 1
        for name in sorted({c.column for conditions in filters for c in conditions}):
            tests = [[c for c in conditions if c.column == name] for conditions in filters]
            if self.coded(name):
                mark(bits, self.codes(name), by_code(tests, self.vocabulary(name)))
            else:
                bounds, table = by_interval(tests)
                mark(bits, self.numbers(name), table, bounds)
        with self._lock:
            self._bits[filters] = bits
            while len(self._bits) > _KEPT_BITS:
                self._bits.popitem(last=False)
        return bits

    def matching(self, conditions: tuple[Condition, ...]) -> np.ndarray:
        """(n,) bool: the rows that meet every condition."""
        return self.bits((conditions,)) > 0

    def stored(self, rows: np.ndarray, names: Sequence[str]) -> pa.Table:
        """Columns of these rows, in their order, as they are stored: read anew, piece by piece.

        Raises `ValueError` where not all rows were kept.
        """
        if self._within is not None:
            raise ValueError(f"{self.source}: only rows of some time were read, so none can be shown")
        schema = source(self.source).schema.append(pa.field("until", TIME))
        wanted = pa.schema([schema.field(name) for name in names])
        order, parts = np.argsort(rows, kind="stable"), [wanted.empty_table()]
        piece = np.searchsorted(self._offsets, rows[order], "right") - 1
        for p in np.unique(piece):
            within = rows[order][piece == p] - self._offsets[p]
            parts.append(self._pieces.read(int(p), names).take(pa.array(within)).cast(wanted))
        return pa.concat_tables(parts).take(pa.array(np.argsort(order, kind="stable")))

    def _kept(self, within: tuple[int, int] | None) -> tuple[tuple[int, int] | None, np.ndarray]:
        """Of which time rows are kept (``None``: all); where the rows of each piece begin, with the end of the last.

        Where most rows are wanted anyway, all are kept.
        """
        counts = np.array(self._pieces.counts, np.int64)
        if within is not None:
            wanted = np.zeros(len(counts), np.int64)

            def look(piece: int) -> None:
                for batch in self._pieces.batches(piece, ["at"]):
                    at = decode.micros(batch.column("at"))
                    wanted[piece] += np.count_nonzero((at >= within[0]) & (at < within[1]))

            _each(look, len(counts))
            if wanted.sum() < _MOST * counts.sum():
                return within, np.append(0, np.cumsum(wanted))
        return None, np.append(0, np.cumsum(counts))

    def _decode(self, names: Sequence[str]) -> None:
        """Reads columns of all pieces at once on all cores, each piece to its place."""
        names = list(dict.fromkeys(names))
        for name in names:
            if name not in (*_SPINE, "id", "rank") and not self.coded(name):
                self._numbers[name] = empty(len(self), np.float64)
        coded = [n for n in names if n not in (*_SPINE, "id", "rank") and self.coded(n)]
        heard = {name: decode.few_values(source(self.source).column(name)) for name in coded}
        codes = {n: empty(len(self), np.int32 if heard[n] is None else np.int8) for n in coded}
        rank = empty(len(self), np.int64) if {"id", "rank"} & set(names) else None
        pieces = range(len(self._pieces.counts))
        words: dict[str, list[_Words]] = {name: [[] for _ in pieces] for name in codes}
        runs: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in pieces]
        ends: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in pieces]
        read = list(dict.fromkeys([*names, "at"])) if self._within else names

        def place(piece: int) -> None:
            start = int(self._offsets[piece])
            for batch in self._pieces.batches(piece, read):
                kept = self._wanted(batch)
                rows = slice(start, start + (batch.num_rows if kept is None else len(kept)))
                start = rows.stop
                for name in names:
                    column = batch.column(name)
                    if name == "key_id":
                        runs[piece].append(decode.runs_of_keys(_of(column.to_numpy(), kept), rows.start))
                    elif name in ("at", "known_at"):
                        (self.at if name == "at" else self.known)[rows] = _of(decode.micros(column), kept)
                    elif name == "until":
                        column = column if kept is None or column.null_count == len(column) else column.take(kept)
                        ends[piece].append(decode.ends(column, rows.start))
                    elif name in ("id", "rank"):
                        assert rank is not None
                        found = column.to_numpy() if name == "rank" else decode.hashes(pa.chunked_array([column]))
                        rank[rows] = _of(found, kept)
                    elif name in codes:
                        said = decode.coded(column, heard[name], kept, codes[name][rows])
                        words[name][piece].append((rows, said))
                    else:
                        self._amounts(name, column, kept, self._numbers[name][rows])

        _each(place, len(pieces))
        if "key_id" in names:
            self.keys, self.starts = decode.joined_runs([run for piece in runs for run in piece], len(self))
            found = [(decode.NO_ROWS, decode.NO_ROWS), *(end for piece in ends for end in piece)]
            self.revised, self.until = (np.concatenate(side) for side in zip(*found, strict=True))
        self._rank = self._rank if rank is None else rank
        for name, said in codes.items():
            self._codes[name] = (
                said,
                self._one_vocabulary(name, said, [word for piece in words[name] for word in piece]),
            )

    def _wanted(self, batch: pa.RecordBatch) -> np.ndarray | None:
        """The rows of a batch that are kept, ``None`` for all."""
        if self._within is None:
            return None
        at = decode.micros(batch.column("at"))
        return np.flatnonzero((at >= self._within[0]) & (at < self._within[1]))

    def _amounts(self, name: str, column: pa.Array, kept: np.ndarray | None, out: np.ndarray) -> None:
        column = column if kept is None else column.take(kept)
        if source(self.source).column(name).kind == "time":
            out[:] = column.cast(TIME).cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        elif (most := decode.amounts(column, out)) > LARGEST:
            raise ValueError(f"{self.source}.{name}: {most:g} is beyond what can be added up ({LARGEST:g})")

    def _one_vocabulary(self, name: str, codes: np.ndarray, words: "_Words") -> tuple[str, ...]:
        """The words all codes mean from now on; those of rows with words of their own are changed in place."""
        column = source(self.source).column(name)
        declared = decode.few_values(column)
        if declared is not None:
            return tuple(declared.to_pylist())
        heard = pc.unique(pa.chunked_array([pa.array([], pa.string()), *(said for _, said in words)], pa.string()))
        if column.kind != "case":
            heard = heard.take(pc.sort_indices(heard))

        def translate(batch: int) -> None:
            rows, said = words[batch]
            if not said.equals(heard):
                places = np.append(decode.places(said, heard), np.int32(-1))
                codes[rows] = places[codes[rows]]

        _each(translate, len(words))
        return () if column.kind == "case" else tuple(heard.to_pylist())


def _of(values: np.ndarray, kept: np.ndarray | None) -> np.ndarray:
    return values if kept is None else values[kept]


def _each(work: Callable[[int], None], pieces: int) -> None:
    """All pieces, on all cores."""
    if pieces <= 1:
        for piece in range(pieces):
            work(piece)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, range(pieces)))
