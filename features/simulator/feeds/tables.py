"""Rows as arrays of codes while they are collected, and as tables when they are handed out."""

import numpy as np
import pyarrow as pa

from features.facts import SOURCES, Column
from features.simulator.feeds import names
from features.simulator.vocabulary import KEY_TYPES, code, words

Value = str | float | bool | np.ndarray
Chunk = dict[str, np.ndarray]


def own_columns(source: str) -> tuple[str, ...]:
    """A source's columns beside the common ones; in evidence the other key comes as type and name."""
    own = tuple(column.name for column in SOURCES[source].columns if column.kind != "key")
    return (*own, "other_type", "other") if source == "evidence" else own


def joined_chunks(source: str, chunks: list[Chunk]) -> Chunk:
    """All rows of a source's chunks, in order; no chunks give no rows."""
    if chunks:
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    common = ("id", "key_type", "key", "at", "known_at", "void", "owner")
    empty = {name: np.zeros(0, bool if name == "void" else np.int64) for name in common}
    return empty | {name: coded(source, name, None, 0) for name in own_columns(source)}


def coded(source: str, name: str, value: Value | None, n: int) -> np.ndarray:
    """(n,) a column as numbers: NaN is null for numbers, -1 for everything else."""
    if name == "other_type":
        return np.full(n, -1 if value is None else KEY_TYPES.index(str(value)), np.int8)
    kind = "time" if name == "other" else SOURCES[source].column(name).kind
    if kind == "number":
        return _filled(np.nan if value is None else value, n, np.float64)
    if isinstance(value, str):
        value = code(source, name, value)
    return _filled(-1 if value is None else value, n, np.int8 if kind in ("category", "flag") else np.int64)


def _filled(value: Value, n: int, dtype: type) -> np.ndarray:
    return np.broadcast_to(np.asarray(value), (n,)).astype(dtype)


def table(source: str, rows: Chunk) -> pa.Table:
    """The rows with every code spelled out, as a SELECT over raw files would give them."""
    columns = {
        "id": names.ids(source, rows["id"]),
        "key_type": _spelled(rows["key_type"], KEY_TYPES),
        "key": names.keys(rows["key_type"], rows["key"]),
        "at": names.instants(rows["at"]),
        "known_at": names.instants(rows["known_at"]),
        "void": pa.array(rows["void"]),
    }
    if source == "evidence":
        columns["other_type"] = _spelled(rows["other_type"], KEY_TYPES)
        columns["other"] = names.keys(rows["other_type"], rows["other"])
    columns |= {c.name: _rendered(source, c, rows[c.name]) for c in SOURCES[source].columns if c.kind != "key"}
    return pa.table(columns)


def _rendered(source: str, column: Column, values: np.ndarray) -> pa.Array:
    if column.kind == "number":
        return pa.array(values, mask=np.isnan(values))
    if column.kind == "category":
        return _spelled(values, words(source, column.name))
    if column.kind == "time":
        return names.instants(values)
    if column.kind == "case":
        return names.ids(column.name, values)
    return pa.array(values > 0, mask=values < 0)


def _spelled(codes: np.ndarray, vocabulary: tuple[str, ...]) -> pa.Array:
    return pa.array(vocabulary).take(pa.array(codes, mask=codes < 0))
