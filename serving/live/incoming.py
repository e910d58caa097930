"""Rows of a lake in the form of the live store's tables, some at a time, in the order of their ids.

In that order all rows of an id come together, so that what a revision did to the one before is seen without looking
anything up, and an index over ids grows at its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from uuid import uuid4

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features.engine.decode import hashes
from features.facts import Source, source
from features.lake import Lake, Snapshot
from features.lake.presence import at_work
from features.lake.revisions import UNTIL
from features.lake.store import database

CHUNK = 50_000


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source by (id, known_at), all of each id; (n,) bool ``again``: the id has several rows."""

    source: Source
    table: pa.Table
    again: np.ndarray

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def ids(self) -> list[str]:
        """The id of every row."""
        found: list[str] = self.table["id"].to_pylist()
        return found

    def words(self) -> list[tuple[str, str]]:
        """(column, word) of the columns whose words are not declared, each once."""
        open_ones = [c.name for c in self.source.columns if c.kind == "category" and c.values is None]
        return [(name, word) for name in open_ones for word in self.table[name].unique().drop_null().to_pylist()]

    def rows(self) -> list[tuple]:
        """The rows for `schema.FACTS` or `schema.EVIDENCE`, with the stamp 0."""
        return self._evidence() if self.source.name == "evidence" else self._facts()

    def ends(self) -> list[tuple[tuple, tuple]]:
        """(row, what ends it) where no visible row of its key does: a void one, or one by which the fact went to
        another key. A store that has the row already needs these; for one that gets it now ``until`` is enough.
        """
        ids, keys = self.ids(), self.table["key_id"].to_pylist()
        until, known = _micros(self.table, "until"), _micros(self.table, "known_at")
        rows, evidence = self.rows(), self.source.name == "evidence"
        found = []
        for i, end in enumerate(until):
            if end is None:
                continue
            follows = i + 1 < len(ids) and ids[i + 1] == ids[i] and known[i + 1] == end
            if not follows or (keys[i + 1] != keys[i] and not evidence):
                found.append((rows[i], _ended(rows[i], end, not follows, evidence)))
        return found

    def _facts(self) -> list[tuple]:
        n, table = len(self), self.table
        columns = (
            *(repeat(self.source.name, n), self.ids(), _micros(table, "known_at"), table["key_id"].to_pylist()),
            *(_micros(table, "at"), repeat(0, n), _micros(table, "until"), repeat(False, n), repeat(False, n)),
            *(self.again.tolist(), repeat(True, n), hashes(table["id"]).tolist(), _bodies(table, self.source)),
        )
        return list(zip(*columns, strict=True))

    def _evidence(self) -> list[tuple]:
        n, table = len(self), self.table
        columns = (
            *(self.ids(), _micros(table, "known_at"), table["key_id"].to_pylist(), table["other_id"].to_pylist()),
            *(_micros(table, "at"), repeat(0, n), _micros(table, "until"), repeat(False, n), repeat(True, n)),
            *(table["state"].to_pylist(), table["confidence"].to_pylist()),
        )
        return list(zip(*columns, strict=True))


def _ended(row: tuple, at: int, void: bool, evidence: bool) -> tuple:
    """The row that ends another one at an instant: a void one, or one by which the fact went to another key."""
    if evidence:
        id_, _, key, other, when, stamp, _, _, loaded, state, confidence = row
        return id_, at, key, other, when, stamp, None, True, loaded, state, confidence
    name, id_, _, key, when, stamp, _, _, _, _, loaded, rank, body = row
    return name, id_, at, key, when, stamp, None, void, not void, True, loaded, rank, body


def chunks(lake: Lake, name: str, snapshot: Snapshot, size: int = CHUNK) -> Iterator[tuple[Chunk, int, int]]:
    """(chunk, rows done, rows in all) of a source; a compacted one is read piece by piece, and sorted on disk."""
    declared = source(name)
    schema = declared.schema.append(UNTIL)
    with at_work(lake.root), database(lake.root / "staging" / f"{uuid4().hex}.spill") as con:
        pieces = lake.pieces(name, snapshot)
        total = int(sum(pieces.counts))

        def read() -> Iterator[pa.RecordBatch]:
            for piece in range(len(pieces.counts)):
                for batch in pieces.batches(piece, schema.names):
                    yield from pa.Table.from_batches([batch]).cast(schema).combine_chunks().to_batches()

        con.register("unordered", pa.RecordBatchReader.from_batches(schema, read()))
        done, waiting = 0, schema.empty_table()
        for batch in con.sql("SELECT * FROM unordered ORDER BY id, known_at").to_arrow_reader(size):
            table = pa.concat_tables([waiting, pa.Table.from_batches([batch]).cast(schema)]).combine_chunks()
            whole = _last_run(table["id"])
            waiting = table.slice(whole)
            if whole:
                done += whole
                yield _chunk(declared, table.slice(0, whole)), done, total
        if waiting.num_rows:
            yield _chunk(declared, waiting), total, total


def _chunk(declared: Source, table: pa.Table) -> Chunk:
    same = np.append(_as_before(table["id"]), False)
    return Chunk(declared, table, same | np.append(False, same[:-1]))


def _as_before(ids: pa.ChunkedArray) -> np.ndarray:
    """(n - 1,) bool: whether each id but the first is that of the row before."""
    whole = ids.combine_chunks()
    same = pc.equal(whole.slice(1), whole.slice(0, max(len(whole) - 1, 0)))
    return np.asarray(same.to_numpy(zero_copy_only=False), bool)


def _last_run(ids: pa.ChunkedArray) -> int:
    """Where the rows of the last id begin."""
    different = np.flatnonzero(~_as_before(ids))
    return int(different[-1]) + 1 if len(different) else 0


def _micros(table: pa.Table, name: str) -> list[int | None]:
    found: list[int | None] = table[name].cast(pa.int64()).to_pylist()
    return found


def _bodies(table: pa.Table, declared: Source) -> list[bytes]:
    """Each row's own columns as JSON in the order of their names, without those that are missing."""
    names = sorted(c.name for c in declared.columns)
    columns: list[Sequence[object]] = [
        _micros(table, name) if declared.column(name).kind == "time" else table[name].to_pylist() for name in names
    ]
    dumps = orjson.dumps
    return [
        dumps({name: value for name, value in zip(names, row, strict=True) if value is not None})
        for row in zip(*columns, strict=True)
    ]
