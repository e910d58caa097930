"""The lake: facts in Parquet, append-only, with a numbered commit log that any number of writers share.

::

    root/log/000001.json, ...             one commit each: its files and what it says of coverage (see `commits`)
    root/data/<source>/<unique>.parquet   facts
    root/keys/<unique>.parquet            which keyed hash stands behind a key_id
    root/quarantine/<unique>.parquet      rejected rows
    root/staging/<unique>/                appends under way

A file counts from the commit that names it; what a killed writer left behind is named by none and seen by nobody.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.facts import source as declared
from features.identity.keys import KEYS
from features.lake import compaction, revisions, store
from features.lake.commits import Log
from features.lake.intervals import Interval
from features.lake.rejects import QUARANTINE
from features.lake.snapshot import Snapshot, snapshot
from features.lake.staging import Receipt, Staging


@dataclass(frozen=True)
class Lake:
    """The lake in one folder. Holds no state, so that any number of threads and processes may use the same one.

    Unknown source names raise `KeyError`, damaged files `LakeError` with the file's name.
    """

    root: Path

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The lake as of a version (default: the latest); an empty lake is version 0."""
        return snapshot(Log(self.root / "log"), version)

    def stage(self, source: str) -> Staging:
        """Any number of batches in one commit: ``with lake.stage("usage") as s: s.add(...); s.commit()``."""
        return Staging(self.root, declared(source))

    def append(
        self,
        source: str,
        rows: pa.Table,
        *,
        keys: pa.Table | None = None,
        covered: Sequence[Interval] = (),
        gaps: Sequence[Interval] = (),
        quarantined: pa.Table | None = None,
        known_at_from: str = "column",
    ) -> Receipt:
        """Adds rows (exactly the source's schema) in one commit; see `Staging.commit` for what becomes of them.

        ``covered`` and ``gaps``: half-open intervals of UTC microseconds for which the source has, or lacks, its data.
        ``known_at_from``: ``"column"``, or ``"assumed:<delay>"`` where ``known_at`` was computed from ``at``.
        """
        with self.stage(source) as staging:
            staging.add(rows, keys, quarantined)
            return staging.commit(covered, gaps, known_at_from)

    def read(self, source: str, snapshot: Snapshot | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """The facts of a source, sorted by (key_id, at, known_at, id), with ``until`` added.

        ``until``: the ``known_at`` of the next revision of the same id, null while there is none. Void rows only end
        their predecessors and are not returned. ``columns``: only these, in this order (default: all).
        """
        taken = snapshot or self.snapshot()
        schema = declared(source).schema.append(revisions.UNTIL)
        schema = pa.schema([schema.field(name) for name in columns or schema.names])
        ready = source in taken.ready
        files = [taken.stored[p] for p in (taken.ready if ready else taken.files).get(source, ())]
        if ready:
            with store.blaming(self.root, files):
                parts = [pq.read_table(self.root / f.path, columns=schema.names) for f in files]
            return pa.concat_tables([schema.empty_table(), *parts]).select(schema.names)
        with store.opened(self.root, files) as con:
            store.view(con, "stored", revisions.stored_schema(declared(source)), [self.root / f.path for f in files])
            revisions.trace(con, declared(source))
            select = revisions.visible(declared(source), schema.names)
            return pa.concat_tables([schema.empty_table(), *store.batches(con, select, schema)])

    def keys(self, snapshot: Snapshot | None = None) -> pa.Table:
        """Every key: key_id (int64), key_type (string), hash (32 bytes), sorted by key_id."""
        taken = snapshot or self.snapshot()
        return self._distinct(taken, taken.key_files, KEYS, "key_id")

    def quarantine(self, snapshot: Snapshot | None = None) -> pa.Table:
        """The rejected rows of all sources (`rejects.QUARANTINE`), sorted by source and position."""
        taken = snapshot or self.snapshot()
        return self._distinct(taken, taken.quarantine_files, QUARANTINE, "source, position, reason")

    def _distinct(self, taken: Snapshot, paths: Sequence[str], schema: pa.Schema, order: str) -> pa.Table:
        """Two writers that came at once may both have stored a row of these tables: each is returned once."""
        with store.opened(self.root, [taken.stored[p] for p in paths]) as con:
            store.view(con, "stored", schema, [self.root / p for p in paths])
            select = f"SELECT DISTINCT * FROM stored ORDER BY {order}"
            return pa.concat_tables([schema.empty_table(), *store.batches(con, select, schema)])

    def compact(self, sources: Sequence[str] | None = None) -> Snapshot:
        """The snapshot after rewriting the sources (default: all there are, and the keys) for fast reading.

        Changes no fact and no fingerprint; safe beside appends and other compactions. Earlier versions stay readable.
        """
        for name in self.snapshot().files if sources is None else sources:
            compaction.compact_source(self.root, declared(name))
        if sources is None:
            compaction.compact_keys(self.root)
        return self.snapshot()

    def verify(self, snapshot: Snapshot | None = None) -> None:
        """Reads every byte of every file; raises `LakeError` naming the first that is not as it was written."""
        store.check_content(self.root, (snapshot or self.snapshot()).stored.values())

    def vacuum(self, grace: float = 86_400.0) -> tuple[Path, ...]:
        """What killed writers left behind, removed where it is older than ``grace`` seconds.

        The grace must be longer than the longest append: files of one under way look the same.
        """
        named = {self.root / path for path in self.snapshot().stored}
        oldest = time.time() - grace
        leftovers = [p for p in self._candidates() if p not in named and p.stat().st_mtime < oldest]
        for path in leftovers:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return tuple(leftovers)

    def _candidates(self) -> Iterator[Path]:
        for pattern in ("data/*/*.parquet", "keys/*.parquet", "quarantine/*.parquet", "staging/*", "log/.*.tmp"):
            yield from self.root.glob(pattern)
