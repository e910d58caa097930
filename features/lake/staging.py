"""An append under way: rows are set aside batch by batch, then judged against the lake and published in one commit."""

import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.durable import make_directory
from features.facts import Source
from features.identity.keys import KEYS
from features.lake import rejects, revisions, store
from features.lake.commits import Entry, LakeError, Log, StoredFile
from features.lake.forgetting import veils
from features.lake.forgetting.suppression import part_suppressed
from features.lake.intervals import Interval, less, merged
from features.lake.presence import at_work
from features.lake.snapshot import Snapshot, snapshot

_PARTS = ("rows", "keys", "rejected", "tags")


@dataclass(frozen=True)
class Receipt:
    """What became of the rows of one append: ``read`` = kept + already_known + revised + quarantined + suppressed.

    ``kept``: rows of new facts. ``revised``: rows that give a known fact another content. ``already_known``: rows
    that say what the lake says already. ``suppressed``: rows of somebody who was forgotten, from before that; they are
    nowhere. ``version``: of the lake that holds the others.
    """

    source: str
    version: int
    read: int
    kept: int
    already_known: int
    revised: int
    quarantined: int
    suppressed: int = 0


@dataclass(frozen=True)
class _Prepared:
    """Files made for one state of the lake, and how many rows got which verdict."""

    base: Snapshot
    data: tuple[StoredFile, ...]
    keys: tuple[StoredFile, ...]
    quarantine: tuple[StoredFile, ...]
    counts: dict[str, int]

    def holds(self, source: str, newer: Snapshot) -> bool:
        """Whether the files are right for the newer state too: nothing they were compared with has changed."""
        old = self.base
        same_rows = old.files.get(source) == newer.files.get(source)
        if old.hindsight.upheavals != newer.hindsight.upheavals:
            return False
        return same_rows and (old.key_files, old.quarantine_files) == (newer.key_files, newer.quarantine_files)


@dataclass
class Staging:
    """Rows set aside for one append: ``add`` any number of batches, then ``commit`` once.

    Made by `Lake.stage`; a context manager, because what is not committed leaves no trace. ``generation``: of the
    secret its key ids come from (default: the lake's own at the beginning).
    """

    root: Path
    source: Source
    generation: int | None = None
    folder: Path = field(init=False)
    _rows: int = field(init=False, default=0)
    _parts: dict[str, list[Path]] = field(init=False, default_factory=lambda: {name: [] for name in _PARTS})
    _presence: AbstractContextManager[None] = field(init=False, default_factory=nullcontext)

    def __enter__(self) -> "Staging":
        make_directory(self.root / "log")
        self._presence = at_work(self.root)
        self._presence.__enter__()
        self.folder = make_directory(self.root / "staging" / uuid4().hex)
        if self.generation is None:
            self.generation = snapshot(Log(self.root / "log")).hindsight.generation
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self._presence.__exit__(kind, error, tb)

    def add(
        self,
        rows: pa.Table,
        keys: pa.Table | None = None,
        quarantined: pa.Table | None = None,
        positions: pa.Array | None = None,
        tags: pa.Table | None = None,
    ) -> None:
        """Sets a batch aside: rows of exactly the source's schema, their keys (`KEYS`), rejects (`rejects.QUARANTINE`).

        ``positions``: int64, rising, the rows' places in the input (default: counted, 1 first); of two rows that
        contradict each other the earlier is kept. ``tags`` (`TAGS`): of every key of the rows and the rejects, what it
        is recognised by when it was forgotten; needed once anybody was. Raises `ValueError` naming the column that is
        missing, too many, of another type, or null where it must not be.
        """
        _check(rows, self.source.schema, self.source.name)
        if positions is None:
            positions = pa.array(np.arange(self._rows + 1, self._rows + 1 + rows.num_rows))
        self._put("rows", rows.append_column(revisions.POSITION, positions))
        self._rows += rows.num_rows
        if keys is not None:
            _check(keys, KEYS, "keys")
            self._put("keys", keys)
        if tags is not None:
            self._put("tags", tags)
        if quarantined is not None:
            _check(quarantined, rejects.QUARANTINE, "quarantined")
            self._put("rejected", quarantined)

    def _put(self, part: str, table: pa.Table) -> None:
        if table.num_rows:
            path = self.folder / f"{part}-{len(self._parts[part])}.parquet"
            pq.write_table(table, path, compression="lz4")
            self._parts[part].append(path)

    def commit(
        self, covered: Sequence[Interval] = (), gaps: Sequence[Interval] = (), known_at_from: str = "column"
    ) -> Receipt:
        """The receipt, once the rows are in the lake for good.

        Where another writer was first, the rows are judged again against what it added, so that nothing is lost and
        nothing is there twice. An append that says nothing new makes no commit. Raises `LakeError` when the lake is
        damaged or its keys' secret was rotated meanwhile, `ValueError` for an interval that ends before it begins.
        """
        log = Log(self.root / "log")
        said = {"covered": merged(covered), "gaps": merged(gaps), "known_at_from": known_at_from}
        base = snapshot(log)
        self._check_generation(base)
        prepared = self._prepare(base)
        while True:
            files = {"data": prepared.data, "keys": prepared.keys, "quarantine": prepared.quarantine}
            entry = Entry("append", self.source.name, **files, **said)  # type: ignore[arg-type]
            if not _says_something(entry, base):
                return self._receipt(base.version, prepared.counts)
            if log.append(base.version + 1, entry):
                return self._receipt(base.version + 1, prepared.counts)
            base = snapshot(log)
            if not prepared.holds(self.source.name, base):
                self._discard(prepared)
                self._check_generation(base)
                prepared = self._prepare(base)

    def _check_generation(self, base: Snapshot) -> None:
        if self.generation != base.hindsight.generation:
            raise LakeError(
                f"{self.root}: its key ids are of generation {base.hindsight.generation} of the secret, these rows' of "
                f"{self.generation}: the secret was rotated meanwhile; nothing was stored, begin again"
            )

    def _receipt(self, version: int, counts: dict[str, int]) -> Receipt:
        return Receipt(
            source=self.source.name,
            version=version,
            read=sum(counts.values()),
            kept=counts.get("kept", 0),
            already_known=counts.get("known", 0) + counts.get("repeat", 0),
            revised=counts.get("revised", 0),
            quarantined=counts.get("conflict", 0) + counts.get("collision", 0) + counts.get("rejected", 0),
            suppressed=counts.get("suppressed", 0),
        )

    def _discard(self, prepared: _Prepared) -> None:
        for file in (*prepared.data, *prepared.keys, *prepared.quarantine):
            (self.root / file.path).unlink(missing_ok=True)

    def _prepare(self, base: Snapshot) -> _Prepared:
        paths = (*base.files.get(self.source.name, ()), *base.key_files, *base.quarantine_files)
        with store.opened(self.root, [base.stored[p] for p in paths]) as con:
            self._open(con, base)
            suppressed = part_suppressed(con, self.root, base, self._parts)
            rejects.part_collisions(con, self.source)
            revisions.judge(con, self.source)
            schema = revisions.stored_schema(self.source)
            return _Prepared(
                base,
                self._write(con, f"data/{self.source.name}", revisions.news(self.source), schema),
                self._write(con, "keys", rejects.NEW_KEYS, KEYS),
                self._write(con, "quarantine", rejects.new_rejects(self.source), rejects.QUARANTINE),
                _counts(con) | {"suppressed": suppressed},
            )

    def _open(self, con: duckdb.DuckDBPyConnection, base: Snapshot) -> None:
        """Makes the views that the judging reads: what is staged, and what the lake has."""
        staged, stored = self.source.schema.append(revisions.POSITION), revisions.stored_schema(self.source)
        store.view(con, "all_staged", staged, self._parts["rows"])
        store.view(con, "all_keys", KEYS, self._parts["keys"])
        store.view(con, "all_rejected", rejects.QUARANTINE, self._parts["rejected"])
        store.view(con, "stored", stored, [self.root / p for p in base.files.get(self.source.name, ())])
        veils.view(con, "stored_keys", KEYS, self.root, base)
        veils.view(con, "quarantine", rejects.QUARANTINE, self.root, base)

    def _write(
        self, con: duckdb.DuckDBPyConnection, folder: str, select: str, schema: pa.Schema
    ) -> tuple[StoredFile, ...]:
        file = store.write(self.root, folder, store.batches(con, select, schema))
        return (file,) if file else ()


def _counts(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(
        con.execute("""
        SELECT verdict, sum(n)::BIGINT FROM (
            SELECT 'kept' AS verdict, count(*) AS n FROM fresh ANTI JOIN again USING (id)
            UNION ALL SELECT verdict, count(*) FROM judged GROUP BY verdict
            UNION ALL SELECT 'collision', count(*) FROM colliding
            UNION ALL SELECT 'rejected', count(*) FROM rejected) GROUP BY verdict""").fetchall()
    )


def _says_something(entry: Entry, base: Snapshot) -> bool:
    """Whether the entry adds a file, changes the coverage, or tells a new way in which ``known_at`` came about."""
    known = base.coverage.get(entry.source, ())
    covers = less(merged([*known, *entry.covered]), entry.gaps) != known
    return bool(entry.data or entry.keys or entry.quarantine or covers) or (
        entry.known_at_from not in base.known_at_from.get(entry.source, ())
    )


def _check(table: pa.Table, schema: pa.Schema, what: str) -> None:
    """Raises `ValueError` unless the table has the schema's columns, types and not-null promises, in order."""
    if table.schema.names != schema.names:
        raise ValueError(f"{what}: the columns must be {', '.join(schema.names)}; got {', '.join(table.schema.names)}")
    for declared, column in zip(schema, table.columns, strict=True):
        if column.type != declared.type:
            raise ValueError(f"{what}.{declared.name}: the type must be {declared.type}, not {column.type}")
        if not declared.nullable and column.null_count:
            raise ValueError(f"{what}.{declared.name}: {column.null_count} values are missing; every row needs one")
