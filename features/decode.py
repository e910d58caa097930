"""Arrow columns -> the plain arrays of `features.columns`, piece by piece."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import TIME, Column

FLAG_VALUES = ("false", "true")
NO_ROWS = np.empty(0, np.int64)


def int64(column: pa.ChunkedArray) -> np.ndarray:
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


def ends(column: pa.ChunkedArray, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows of one piece that were revised, and when."""
    if column.null_count == len(column):
        return NO_ROWS, NO_ROWS
    rows = np.flatnonzero(column.is_valid().to_numpy())
    return rows + offset, np.array(int64(column.drop_null()), np.int64)


def few_values(column: Column) -> pa.Array | None:
    """The few values a column may have, ``None`` where they are many or anything."""
    values = FLAG_VALUES if column.kind == "flag" else column.values
    return None if values is None or len(values) > np.iinfo(np.int8).max else pa.array(values, pa.string())


def places(words: pa.Array, heard: pa.Array) -> np.ndarray:
    """(n,) int32: where each word stands among those heard of, -1 where it does not."""
    return pc.fill_null(pc.index_in(words, value_set=heard), -1).to_numpy().astype(np.int32)


def coded(column: pa.ChunkedArray, heard: pa.Array | None) -> tuple[np.ndarray, pa.Array]:
    """(n,) codes, -1 for missing, and the words they mean: those ``heard`` of, or the column's own."""
    if pa.types.is_boolean(column.type):
        return pc.fill_null(column.cast(pa.int8()), -1).to_numpy(), heard
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no row at all
        return np.empty(0, np.int8), pa.array([], pa.string())
    codes = (pc.fill_null(whole.indices, -1) if whole.null_count else whole.indices).to_numpy(zero_copy_only=False)
    words = whole.dictionary.cast(pa.string())
    if heard is None:
        return codes, words
    return np.append(places(words, heard), -1).astype(np.int8)[codes], heard


def hashes(ids: pa.ChunkedArray) -> np.ndarray:
    """(n,) int64: the hash of each id that ranks rows of the same instant."""
    return pd.util.hash_array(ids.to_pandas().to_numpy(dtype=object), categorize=False).view(np.int64)
