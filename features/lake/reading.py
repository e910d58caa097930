"""What a reader sees of a snapshot: the facts with ``until``, the keys and the quarantine, less what is hidden."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.facts import Source
from features.lake import revisions, store
from features.lake.commits import LakeError, StoredFile
from features.lake.forgetting import veils
from features.lake.presence import at_work
from features.lake.snapshot import Snapshot

_STRUCK_BY = ("key_id", "at", "other_id")


def facts(root: Path, taken: Snapshot, source: Source, schema: pa.Schema) -> pa.Table:
    """The visible rows of a source in reading order, with the columns of ``schema``."""
    if not taken.hindsight.veils:
        return _facts(root, taken, source, schema)
    marks = veils.marks(root, taken.hindsight.veils)
    needed = [source.schema.field(n) for n in _STRUCK_BY if n in source.schema.names and n not in schema.names]
    rows = _facts(root, taken, source, pa.schema([*schema, *needed]))
    return rows.filter(pa.array(~marks.strike(rows))).select(schema.names)


def _facts(root: Path, taken: Snapshot, source: Source, schema: pa.Schema) -> pa.Table:
    ready = source.name in taken.ready
    files = [taken.stored[p] for p in (taken.ready if ready else taken.files).get(source.name, ())]
    if ready:
        with store.blaming(root, files):
            return store.read(root, files, schema)
    with store.opened(root, files) as con:
        store.view(con, "stored", revisions.stored_schema(source), [root / f.path for f in files])
        revisions.trace(con, source)
        select = revisions.visible(source, schema.names)
        return pa.concat_tables([schema.empty_table(), *store.batches(con, select, schema)])


@dataclass(frozen=True)
class Pieces:
    """The visible rows of a source in reading order, in pieces that may be read at the same time (`Columns`).

    Of files in reading order each row group is a piece; rows that have to be merged first are one.
    """

    root: Path
    taken: Snapshot
    source: Source
    groups: tuple[tuple[StoredFile, int], ...]
    counts: tuple[int, ...]
    names: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether the column is stored, in every piece."""
        return name in self.names

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        """Columns of one piece, texts as dictionaries. Raises `LakeError` naming a file that is damaged or gone."""
        with self._opened(piece) as (path, group):
            return store.read_group(path, group, names, _schema(self.source))

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same, some rows at a time."""
        with self._opened(piece) as (path, group):
            yield from store.group_batches(path, group, names, _schema(self.source))

    @contextmanager
    def _opened(self, piece: int) -> Iterator[tuple[Path, int]]:
        file, group = self.groups[piece]
        with at_work(self.root), store.blaming(self.root, [file]):
            if not (self.root / file.path).exists():
                raise LakeError(f"{self.root / file.path} is gone: somebody was forgotten since; read the lake anew")
            yield self.root / file.path, group


@dataclass(frozen=True)
class Merged:
    """The visible rows of a source that is not compacted, or of which some are hidden: one piece, merged once."""

    table: pa.Table

    @property
    def counts(self) -> tuple[int]:
        """How many rows it has."""
        return (self.table.num_rows,)

    def has(self, name: str) -> bool:
        """Whether the column is there."""
        return name in self.table.schema.names

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        """Some of its columns."""
        return self.table.select(list(names))

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same, some rows at a time."""
        yield from self.read(piece, names).to_batches(store.DECODED)


def pieces(root: Path, taken: Snapshot, source: Source) -> Pieces | Merged:
    """The visible rows of a source for decoding on all cores."""
    if not taken.in_pieces(source.name):
        return Merged(facts(root, taken, source, _schema(source)))
    files = [taken.stored[p] for p in taken.ready[source.name]]
    groups, counts, names = [], [], {*_schema(source).names, revisions.RANK.name}
    with store.blaming(root, files):
        for file in files:
            metadata = pq.read_metadata(root / file.path)
            groups += [(file, group) for group in range(metadata.num_row_groups)]
            counts += [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            names &= {*metadata.schema.names, *source.schema.names}
    return Pieces(root, taken, source, tuple(groups), tuple(counts), frozenset(names))


def _schema(source: Source) -> pa.Schema:
    return source.schema.append(revisions.UNTIL)


def distinct(root: Path, taken: Snapshot, schema: pa.Schema, order: str) -> pa.Table:
    """All keys (`KEYS`) or rejects (`QUARANTINE`); what two writers that came at once both stored is there once."""
    paths = veils.paths(taken, schema)
    with store.opened(root, [taken.stored[p] for p in paths]) as con:
        veils.view(con, "stored", schema, root, taken)
        select = f"SELECT DISTINCT * FROM stored ORDER BY {order}"
        return pa.concat_tables([schema.empty_table(), *store.batches(con, select, schema)])
