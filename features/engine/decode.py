"""Arrow columns -> the plain arrays of `features.engine.columns`, piece by piece."""

import numba as nb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numba import float64, int8, int32, int64, uint8, void

from features.facts import TIME, Column

FLAG_VALUES = ("false", "true")
NO_ROWS = np.empty(0, np.int64)


def micros(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """(n,) int64, of instants in UTC microseconds; no value may be missing."""
    return column.cast(TIME).cast(pa.int64()).to_numpy() if pa.types.is_timestamp(column.type) else column.to_numpy()


def runs_of_keys(key: np.ndarray, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys of one piece in order and the rows they begin at."""
    if not len(key):
        return NO_ROWS, NO_ROWS
    first = np.append(0, np.flatnonzero(key[1:] != key[:-1]) + 1)
    return key[first], first + offset


def joined_runs(runs: list[tuple[np.ndarray, np.ndarray]], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Keys and starts of all pieces; a key that goes on in the next piece is one."""
    keys = np.concatenate([NO_ROWS, *(k for k, _ in runs)])
    starts = np.concatenate([NO_ROWS, *(s for _, s in runs)])
    new = np.append(True, keys[1:] != keys[:-1]) if len(keys) else np.empty(0, bool)
    return np.ascontiguousarray(keys[new]), np.append(starts[new], n)


def ends(column: pa.Array, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of some that were revised, and when."""
    found = len(column) - column.null_count
    if not found:
        return NO_ROWS, NO_ROWS
    valid, instants = column.buffers()
    rows = np.arange(len(column))
    if column.null_count:
        rows = np.empty(found, np.int64)
        _filled(np.frombuffer(valid, np.uint8), column.offset, len(column), rows)
    return rows + offset, np.frombuffer(instants, np.int64)[column.offset + rows]


def amounts(column: pa.Array, out: np.ndarray) -> float:
    """Fill ``out`` (n,) float64 with numbers, NaN for missing; the greatest of their sizes (infinite where one is)."""
    valid, numbers = column.buffers()
    if not len(column):
        return 0.0
    bits = np.frombuffer(valid, np.uint8) if valid and column.null_count else np.empty(0, np.uint8)
    return float(_amounts(bits, np.frombuffer(numbers, np.float64), column.offset, out))


def few_values(column: Column) -> pa.Array | None:
    """The few values a column may have, ``None`` where they are many or anything."""
    values = FLAG_VALUES if column.kind == "flag" else column.values
    return None if values is None or len(values) > np.iinfo(np.int8).max else pa.array(values, pa.string())


def places(words: pa.Array, heard: pa.Array) -> np.ndarray:
    """(n,) int32: where each word stands among those heard of, -1 where it does not."""
    return pc.fill_null(pc.index_in(words, value_set=heard), -1).to_numpy().astype(np.int32)


def coded(column: pa.Array, heard: pa.Array | None, kept: np.ndarray | None, out: np.ndarray) -> pa.Array:
    """Fill ``out`` (n,) with codes, -1 for missing; the words they mean: those ``heard`` of, or the column's own.

    ``out`` is int8 where there are words heard of, else int32. ``kept``: the rows that are wanted, ``None`` for all.
    """
    if pa.types.is_boolean(column.type):
        codes = pc.fill_null(column.cast(pa.int8()), -1).to_numpy()
        out[:] = codes if kept is None else codes[kept]
        return heard
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    codes = (pc.fill_null(column.indices, -1) if column.null_count else column.indices).to_numpy()
    codes = codes if kept is None else codes[kept]
    words = column.dictionary.cast(pa.string())
    if heard is None:
        out[:] = codes
        return words
    recode(codes, np.append(places(words, heard), -1).astype(np.int8), out)
    return heard


def hashes(ids: pa.ChunkedArray) -> np.ndarray:
    """(n,) int64: the hash of each id that ranks rows of the same instant."""
    return pd.util.hash_array(ids.to_pandas().to_numpy(dtype=object), categorize=False).view(np.int64)


_BYTES = nb.types.Array(uint8, 1, "C", readonly=True)


@nb.njit(
    [
        void(nb.types.Array(int32, 1, "C", readonly=True), int8[::1], int8[::1]),
        void(int32[::1], int8[::1], int8[::1]),
    ],
    cache=True,
    nogil=True,
)
def recode(codes, table, out):  # type: ignore[no-untyped-def]
    """``out[i] = table[codes[i]]``; the last of ``table`` is for missing values (code -1)."""
    missing = table.shape[0] - 1
    for i in range(codes.shape[0]):
        out[i] = table[codes[i]] if codes[i] >= 0 else table[missing]


@nb.njit(
    [
        float64(_BYTES, nb.types.Array(float64, 1, "C", readonly=True), int64, float64[::1]),
        float64(uint8[::1], nb.types.Array(float64, 1, "C", readonly=True), int64, float64[::1]),
    ],
    cache=True,
    nogil=True,
)
def _amounts(valid, numbers, offset, out):  # type: ignore[no-untyped-def]
    most = 0.0
    for i in range(out.shape[0]):
        place = offset + i
        if valid.shape[0] > 0 and not (valid[place >> 3] >> uint8(place & 7)) & 1:
            out[i] = np.nan
            continue
        out[i] = numbers[place]
        if abs(numbers[place]) > most:
            most = abs(numbers[place])
    return most


@nb.njit(void(_BYTES, int64, int64, int64[::1]), cache=True, nogil=True)
def _filled(valid, offset, n, rows):  # type: ignore[no-untyped-def]
    """Fill ``rows`` with the places of set bits, where few are."""
    found, place = 0, 0
    while place < n:
        at = offset + place
        if at & 7 == 0 and valid[at >> 3] == 0:
            place += 8
            continue
        if (valid[at >> 3] >> uint8(at & 7)) & 1:
            rows[found] = place
            found += 1
        place += 1
