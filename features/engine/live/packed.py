"""A key's history as one run of bytes, and back.

::

    int64   key, words in all, rows of each section of the layout, 1 where that section has revised rows
    then, of each section with rows:
    int64   at, known, rank, bits of the filters    rows each, ordered (at, known, rank)
    int64   until                                   rows, where any of them was revised
    float64 each number                             rows each
    int32   each code                               rows each, filled up to whole words
    int64   case (a hash of its name; -1: none)     rows, where the section has cases

Bytes are copied, never interpreted, when they are read (`arena`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.engine.columns import FOREVER, Columns
from features.engine.live.layout import Layout, Section

NO_CASE = -1
Code = Callable[[str, str, str], int]
"""(source, column, word) -> the number that stands for the word in all packed bytes of a store."""


@dataclass(frozen=True)
class Rows:
    """n rows of one key and section, in reading order. ``at``, ``known``, ``rank``, ``until``, ``case`` (n,) int64;
    ``bits`` (n,) uint64; ``numbers`` (k, n) float64; ``codes`` (m, n) int32, -1 for missing.
    """

    at: np.ndarray
    known: np.ndarray
    rank: np.ndarray
    bits: np.ndarray
    until: np.ndarray
    numbers: np.ndarray
    codes: np.ndarray
    case: np.ndarray

    def __len__(self) -> int:
        return len(self.at)

    def ordered(self) -> "Rows":
        """The same rows by (at, known, rank)."""
        order = np.lexsort((self.rank, self.known, self.at))
        return self if (np.diff(order) == 1).all() else self.take(order)

    def take(self, rows: np.ndarray | slice) -> "Rows":
        """Only these."""
        return Rows(
            self.at[rows],
            self.known[rows],
            self.rank[rows],
            self.bits[rows],
            self.until[rows],
            self.numbers[:, rows],
            self.codes[:, rows],
            self.case[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> "Rows":
        """All rows of several, in reading order."""
        if len(parts) == 1:
            return parts[0].ordered()
        return cls(
            at=np.concatenate([p.at for p in parts]),
            known=np.concatenate([p.known for p in parts]),
            rank=np.concatenate([p.rank for p in parts]),
            bits=np.concatenate([p.bits for p in parts]),
            until=np.concatenate([p.until for p in parts]),
            numbers=np.concatenate([p.numbers for p in parts], axis=1),
            codes=np.concatenate([p.codes for p in parts], axis=1),
            case=np.concatenate([p.case for p in parts]),
        ).ordered()


def pack(key: int, layout: Layout, sections: Mapping[int, Rows]) -> bytes:
    """The bytes of a key; ``sections``: place in the layout -> its rows."""
    head = np.zeros(2 + 2 * len(layout.sections), np.int64)
    parts: list[np.ndarray] = [head]
    for place in range(len(layout.sections)):
        rows = sections.get(place)
        if rows is None or not len(rows):
            continue
        revised = bool((rows.until < FOREVER).any())
        head[2 + 2 * place], head[3 + 2 * place] = len(rows), revised
        parts += [rows.at, rows.known, rows.rank, rows.bits.view(np.int64)]
        parts += [rows.until] if revised else []
        parts += [rows.numbers.reshape(-1).view(np.int64), _wide(rows.codes)]
        parts += [rows.case] if layout.sections[place].case else []
    head[0], head[1] = key, sum(len(part) for part in parts)
    return np.concatenate(parts).tobytes()


def unpack(blob: bytes, layout: Layout) -> dict[int, Rows]:
    """Place in the layout -> rows, of the bytes of one key."""
    words = np.frombuffer(blob, np.int64)
    found, at = {}, 2 + 2 * len(layout.sections)
    for place, section in enumerate(layout.sections):
        n, revised = int(words[2 + 2 * place]), bool(words[3 + 2 * place])
        if not n:
            continue

        def taken(size: int) -> np.ndarray:
            nonlocal at
            at += size
            return words[at - size : at]

        moments, known, rank, bits = (taken(n) for _ in range(4))
        until = taken(n) if revised else np.full(n, FOREVER, np.int64)
        numbers = taken(n * len(section.numbers)).view(np.float64).reshape(-1, n)
        wide = taken(len(section.codes) * _words(n)).view(np.int32).reshape(len(section.codes), 2 * _words(n))[:, :n]
        case = taken(n) if section.case else np.full(n, NO_CASE, np.int64)
        found[place] = Rows(moments, known, rank, bits.view(np.uint64), until, numbers, wide, case)
    return found


def _words(n: int) -> int:
    """How many whole words so many codes fill."""
    return (n + 1) // 2


def _wide(codes: np.ndarray) -> np.ndarray:
    m, n = codes.shape
    wide = np.full((m, 2 * _words(n)), -1, np.int32)
    wide[:, :n] = codes
    return wide.reshape(-1).view(np.int64)


class Encoder:
    """Rows as their source has them -> `Rows`, by the section's own tables."""

    def __init__(self, section: Section, code: Code) -> None:
        self.section = section
        self._code = code
        self._standing: dict[tuple[str, object], int] = {}
        self._every = (1 << len(section.filters)) - 1

    def rows(self, facts: Sequence[tuple[int, int, int, int, Mapping[str, object]]]) -> Rows:
        """``facts``: (at, known, until, rank, content) of each row; times in UTC microseconds, also in the content."""
        at, known, until, rank, content = zip(*facts, strict=True)
        section, n = self.section, len(facts)
        numbers = np.array([[_number(c.get(name)) for c in content] for name in section.numbers], np.float64)
        codes = np.array([[self._coded(name, c.get(name)) for c in content] for name in section.codes], np.int32)
        return Rows(
            np.array(at, np.int64),
            np.array(known, np.int64),
            np.array(rank, np.int64),
            np.array([self._bits(c) for c in content], np.uint64),
            np.array(until, np.int64),
            numbers.reshape(len(section.numbers), n),
            codes.reshape(len(section.codes), n),
            np.array([case_of(c.get(section.case)) for c in content], np.int64),
        ).ordered()

    def _bits(self, content: Mapping[str, object]) -> int:
        bits = self._every
        for test in self.section.tests:
            value = content.get(test.column)
            if not test.coded:
                bits &= test.standing(value)
                continue
            found = self._standing.get((test.column, value))
            if found is None:
                found = self._standing[test.column, value] = test.standing(value)
            bits &= found
        return bits

    def _coded(self, column: str, value: object) -> int:
        if value is None:
            return -1
        declared = self.section.declared(column)
        if declared is None:
            return self._code(self.section.source, column, str(value))
        return declared.index("true" if value is True else "false" if value is False else str(value))


def of_columns(columns: Columns, section: Section, code: Code) -> Iterator[tuple[int, Rows]]:
    """(key, rows) of every key of a source, from the arrays of a lake."""
    whole = _all_rows(columns, section, code)
    bounds = zip(columns.starts[:-1].tolist(), columns.starts[1:].tolist(), strict=True)
    for key, (start, end) in zip(columns.keys.tolist(), bounds, strict=True):
        yield key, whole.take(slice(start, end))


def _all_rows(columns: Columns, section: Section, code: Code) -> Rows:
    n = len(columns)
    bits = np.full(n, 0, np.uint64) if not section.filters else columns.bits(section.filters).astype(np.uint64)
    until = np.full(n, FOREVER, np.int64)
    until[columns.revised] = columns.until
    numbers = np.array([columns.numbers(name) for name in section.numbers], np.float64).reshape(len(section.numbers), n)
    codes = np.array([_recoded(columns, section, name, code) for name in section.codes], np.int32).reshape(
        len(section.codes), n
    )
    case = np.full(n, NO_CASE, np.int64)
    if section.case:
        names = columns.stored(np.arange(n), [section.case])[section.case]
        told = np.asarray(names.is_valid())
        case[told] = rank_of(names.drop_null().to_pylist()) & np.int64(2**63 - 1)
    return Rows(columns.at, columns.known, columns.rank, bits, until, numbers, codes, case)


def _recoded(columns: Columns, section: Section, name: str, code: Code) -> np.ndarray:
    found = columns.codes(name).astype(np.int32)
    if section.declared(name) is not None:
        return found
    table = np.array([code(section.source, name, word) for word in columns.vocabulary(name)] + [-1], np.int32)
    return table[found]


def case_of(name: object) -> int:
    """The hash cases are told apart by, never negative; -1 for no case."""
    if name is None:
        return NO_CASE
    return int(rank_of([str(name)])[0]) & (2**63 - 1)


def rank_of(ids: Iterable[str]) -> np.ndarray:
    """(n,) int64: the hash of ids that ranks rows of one instant, as the lake has it."""
    return pd.util.hash_array(np.array(list(ids), dtype=object), categorize=False).view(np.int64)


def _number(value: object) -> float:
    return np.nan if value is None else float(value)  # type: ignore[arg-type]
