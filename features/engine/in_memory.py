"""Tables in memory as `Columns`: what serves histories without a lake, and sources a lake does not hold."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from features.engine import decode
from features.engine.columns import Columns
from features.facts import TIME, source


class _Table:
    """A table in memory, in reading order, as one piece."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.counts = (table.num_rows,)

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        return self._table.select(list(names))

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        yield from self._table.select(list(names)).to_batches()

    def has(self, name: str) -> bool:
        return name in self._table.schema.names


def from_table(source_name: str, table: pa.Table, ordered: bool = False) -> Columns:
    """`Columns` of a table of facts: the source's schema plus ``until`` (null: not revised), in any order.

    Void rows do not belong here: they only end their predecessor's ``until``. ``ordered``: it is in reading order.
    """
    if not ordered:
        table = table.append_column("rank", pa.array(decode.hashes(table["id"]), pa.int64()))
        order = np.lexsort([decode.micros(table[name]) for name in ("rank", "known_at", "at", "key_id")])
        table = table.take(order)
    return Columns(source_name, _Table(table))


def empty(source_name: str) -> Columns:
    """`Columns` of a source the lake does not hold."""
    schema = source(source_name).schema.append(pa.field("until", TIME))
    return from_table(source_name, schema.empty_table())
