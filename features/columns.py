"""Rows of one source as the plain arrays the kernel reads: grouped by key, ordered (key, at, known_at, id).

The same construction serves the lake (`Lake.read`) and, later, the live store. Times are int64 UTC microseconds;
`FOREVER` stands for "not yet".
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.conditions import Condition
from features.facts import TIME, Column, source

FOREVER = 2**62
EVER_AGO = -(2**62)
FLAG_VALUES = ("false", "true")
OPENED, CLEARED, NO_STATE = 1, 0, -1


@dataclass(frozen=True)
class Columns:
    """n rows of m keys.

    ``keys`` (m,) int64, rising; rows of ``keys[i]`` are ``starts[i]:starts[i + 1]``. ``at``, ``known``, ``until``
    (n,) int64; ``rank`` (n,) int64 is a hash of the id, which breaks ties of (at, known) the same way everywhere.
    ``values`` per column (n,) float64: numbers, times in microseconds, or codes into ``vocabularies`` (NaN: missing).
    """

    source: str
    keys: np.ndarray
    starts: np.ndarray
    at: np.ndarray
    known: np.ndarray
    until: np.ndarray
    rank: np.ndarray
    values: dict[str, np.ndarray]
    vocabularies: dict[str, tuple[str, ...]]
    case: np.ndarray
    state: np.ndarray
    _bits: dict[tuple[tuple[Condition, ...], ...], np.ndarray] = field(default_factory=dict, compare=False)
    _matrices: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, compare=False)

    def runs(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row ranges ``(start, end)`` of each key, both 0 where the key has no rows."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        index = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        here = self.keys[index] == keys
        return np.where(here, self.starts[index], 0), np.where(here, self.starts[index + 1], 0)

    def bits(self, filters: tuple[tuple[Condition, ...], ...]) -> np.ndarray:
        """(n,) uint64 with bit i set where the row meets every condition of ``filters[i]`` (at most 64)."""
        if filters not in self._bits:
            bits = np.zeros(len(self.at), np.uint64)
            for i, conditions in enumerate(filters):
                bits |= self.matching(conditions).astype(np.uint64) << np.uint64(i)
            self._bits[filters] = bits
        return self._bits[filters]

    def matrix(self, names: tuple[str, ...]) -> np.ndarray:
        """(len(names), n) float64, C-ordered: the values of several columns, as the kernel takes them."""
        if names not in self._matrices:
            empty = np.empty((0, len(self.at)))
            self._matrices[names] = np.stack([self.values[name] for name in names]) if names else empty
        return self._matrices[names]

    def matching(self, conditions: tuple[Condition, ...]) -> np.ndarray:
        """(n,) bool: the rows that meet every condition. A missing value meets none."""
        kept = np.ones(len(self.at), bool)
        for condition in conditions:
            kept &= self._meets(condition)
        return kept

    def _meets(self, condition: Condition) -> np.ndarray:
        values = self.values[condition.column]
        if condition.values is not None:
            vocabulary = self.vocabularies[condition.column]
            table = np.array([v in condition.values for v in vocabulary] + [False])
            return table[np.where(np.isnan(values), len(vocabulary), values).astype(np.int64)]
        low = -np.inf if condition.low is None else condition.low
        high = np.inf if condition.high is None else condition.high
        return (values >= low) & (values < high)


def from_table(source_name: str, table: pa.Table) -> Columns:
    """`Columns` of a table of facts: the source's schema plus ``until`` (null: not revised), in any order.

    Void rows do not belong here: they only end their predecessor's ``until``.
    """
    at, known, until = (_micros(table[name]) for name in ("at", "known_at", "until"))
    key = table["key_id"].to_numpy()
    rank = pd.util.hash_array(table["id"].to_pandas().to_numpy(dtype=object), categorize=False).view(np.int64)
    order = np.lexsort((rank, known, at, key))
    keys, first = np.unique(key[order], return_index=True)
    values: dict[str, np.ndarray] = {}
    vocabularies: dict[str, tuple[str, ...]] = {}
    for column in source(source_name).columns:
        if column.kind not in ("case", "key"):
            values[column.name], vocabulary = _values(column, table[column.name])
            values[column.name] = values[column.name][order]
            if vocabulary is not None:
                vocabularies[column.name] = vocabulary
    case, state = _cases(source_name, table)
    return Columns(
        source=source_name,
        keys=keys.astype(np.int64),
        starts=np.append(first, len(key)).astype(np.int64),
        at=at[order],
        known=known[order],
        until=until[order],
        rank=rank[order],
        values=values,
        vocabularies=vocabularies,
        case=case[order],
        state=state[order],
    )


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    numbers = pc.fill_null(column.cast(TIME).cast(pa.int64()), FOREVER)
    return numbers.to_numpy().astype(np.int64)


def _values(column: Column, cells: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Float64 values, and for categories and flags the vocabulary their codes point into."""
    if column.kind == "number":
        return pc.fill_null(cells, float("nan")).to_numpy().astype(np.float64), None
    if column.kind == "time":
        micros = cells.cast(TIME).cast(pa.int64()).cast(pa.float64(), safe=False)
        return pc.fill_null(micros, float("nan")).to_numpy().astype(np.float64), None
    if column.kind == "flag":
        return pc.fill_null(cells.cast(pa.float64()), float("nan")).to_numpy().astype(np.float64), FLAG_VALUES
    vocabulary = column.values or tuple(sorted(v for v in pc.unique(cells).to_pylist() if v is not None))
    codes = pc.index_in(cells, value_set=pa.array(vocabulary, pa.string()))
    return pc.fill_null(codes.cast(pa.float64()), float("nan")).to_numpy().astype(np.float64), vocabulary


def _cases(source_name: str, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64 code of the case (-1: none) and (n,) int8 `OPENED`, `CLEARED` or `NO_STATE`."""
    n = table.num_rows
    case_columns = [c.name for c in source(source_name).columns if c.kind == "case"]
    if not case_columns:
        return np.full(n, -1, np.int64), np.full(n, NO_STATE, np.int8)
    codes = table[case_columns[0]].combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    case = pc.fill_null(codes.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    state = np.full(n, NO_STATE, np.int8)
    if "state" in table.column_names:
        text = table["state"].to_pandas().to_numpy(dtype=object)
        state[text == "opened"] = OPENED
        state[text == "cleared"] = CLEARED
    return case, state


def empty(source_name: str) -> Columns:
    """`Columns` of a source the lake does not hold."""
    schema = source(source_name).schema.append(pa.field("until", TIME))
    return from_table(source_name, schema.empty_table())
