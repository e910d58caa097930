"""Pairs from a file: a key id, or a key by its name, and a cutoff a row. No message repeats a name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.history import History
from features.identity.keys import KeyRing
from features.told.asked import AskedError, instants, micros
from features.told.pairs import NOBODY, Pairs, holders

SUFFIXES = (".csv", ".parquet")
_TEXTS = ("entity", "key", "key_type", "cutoff")


@dataclass(frozen=True)
class PairsFile:
    """n rows as they came, of ``path``: either ``entity`` (n,) int64 or ``key_type`` and ``key`` (n,) text; ``cutoff``
    (n,) int64 UTC microseconds.
    """

    path: Path
    cutoff: np.ndarray
    entity: np.ndarray | None = None
    key_type: pa.Array | None = None
    key: pa.Array | None = None

    def pairs(self, history: History, entity_type: str, ring: Callable[[], KeyRing]) -> Pairs:
        """Who is meant, with ``row`` from 1. A key is whoever alone holds it just before the cutoff, as known then.

        Who is known by no key has the id `NOBODY`, unless it is a key of the entities' own type. Raises `AskedError`
        naming the first row whose key is malformed or of an unknown type.
        """
        row = np.arange(1, len(self.cutoff) + 1)
        if self.entity is not None:
            return Pairs(entity_type, self.entity, self.cutoff, row).judged(history)
        assert self.key is not None
        types = self.key_type.to_pylist() if self.key_type else []
        for number, key_type in zip(row, types, strict=True):
            if key_type not in history.catalog.key_types:
                known = ", ".join(history.catalog.key_types)
                raise AskedError(f"{self.path}, row {number}: that is not a type of key (there are: {known})")
        hashed = ring().hash_rows(self.key_type, self.key)
        wrong = pc.index(hashed.problem.is_valid(), True).as_py()
        if wrong >= 0:
            raise AskedError(f"{self.path}, row {wrong + 1}: {hashed.problem[wrong].as_py()}")
        keys = hashed.key_id.to_numpy(zero_copy_only=False).astype(np.int64)
        holder = holders(history, entity_type, keys, self.cutoff)
        own = np.array([key_type == entity_type for key_type in types], bool)
        entity = np.where((holder == NOBODY) & own, keys, holder)
        found = Pairs(entity_type, entity, self.cutoff, row).judged(history)
        nameless = entity == NOBODY
        return found.with_nameless(len(pd.unique(keys[nameless])))


def read_pairs(path: Path) -> PairsFile:
    """The file's pairs: a column ``cutoff`` (an instant with its zone, or a date) and ``entity`` (key ids) or ``key``
    (``TYPE:VALUE``, or a value beside ``key_type``); other columns are not read.

    Raises `AskedError` naming the file and the row (from 1) of the first that cannot be read.
    """
    table = _read(path)
    if "cutoff" not in table.column_names or not {"entity", "key"} & set(table.column_names):
        raise AskedError(
            f"{path}: pairs need a column named cutoff, and one named entity (key ids) or key (TYPE:VALUE)"
        )
    for name in _TEXTS:
        if name in table.column_names and table[name].null_count:
            row = pc.index(table[name].is_null(), True).as_py() + 1
            raise AskedError(f"{path}, row {row}: no {name}")
    cutoff = _cutoffs(path, table["cutoff"])
    if "entity" in table.column_names:
        return PairsFile(path, cutoff, entity=_ids(path, table["entity"]))
    keys = _text(table["key"])
    if "key_type" in table.column_names:
        return PairsFile(path, cutoff, key_type=_text(table["key_type"]), key=keys)
    split = [text.partition(":") for text in keys.to_pylist()]
    for number, (kind, _, value) in enumerate(split, start=1):
        if not (kind and value):
            raise AskedError(f"{path}, row {number}: a key is written TYPE:VALUE, such as customer:C000001")
    kinds, values = ([part[place] for part in split] for place in (0, 2))
    return PairsFile(path, cutoff, key_type=pa.array(kinds, pa.string()), key=pa.array(values, pa.string()))


def _read(path: Path) -> pa.Table:
    if path.suffix not in SUFFIXES:
        raise AskedError(f"{path}: the name must end in {' or '.join(SUFFIXES)}")
    try:
        if path.suffix == ".csv":
            with pacsv.open_csv(path) as reader:
                names = [name for name in reader.schema.names if name in _TEXTS]
            options = pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names or None,
                strings_can_be_null=True,
                null_values=[""],
            )
            return pacsv.read_csv(path, convert_options=options)
        with pq.ParquetFile(path) as parquet:
            return parquet.read([name for name in parquet.schema_arrow.names if name in _TEXTS])
    except pa.ArrowException as error:
        what = ":".join(str(error).splitlines()[0].split(":")[:2])  # what follows may be a row
        raise AskedError(f"{path} cannot be read: {what}") from None


def _text(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays([*column.cast(pa.string()).chunks, pa.array([], pa.string())])


def _ids(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    try:
        return column.cast(pa.int64()).to_numpy().astype(np.int64)
    except pa.ArrowException:
        row = _first(column.to_pylist(), lambda value: int(str(value)))
        raise AskedError(f"{path}, row {row}: entity is no key id; names go into a column key") from None


def _cutoffs(path: Path, column: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            raise AskedError(f"{path}, row 1: the cutoffs have no time zone")
        return column.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()).to_numpy().astype(np.int64)
    values = column.to_pylist()
    try:
        return instants(values)
    except AskedError:
        row = _first(values, micros)
        try:
            micros(values[row - 1])
        except AskedError as error:
            raise AskedError(f"{path}, row {row}: {error}") from None
        raise


def _first(values: Sequence[object], read: Callable[[object], object]) -> int:
    """The row, from 1, of the first value that cannot be read; 1 where all can."""
    for number, value in enumerate(values, start=1):
        try:
            read(value)
        except ValueError:
            return number
    return 1
