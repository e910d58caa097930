"""The lake: facts in Parquet, append-only, with a numbered commit log that any number of writers share.

::

    root/log/000001.json, ...             one commit each: its files and what it says of coverage (see `commits`)
    root/data/<source>/<unique>.parquet   facts
    root/keys/<unique>.parquet            which keyed hash stands behind a key_id
    root/quarantine/<unique>.parquet      rejected rows
    root/veils/<unique>.parquet           which rows are hidden until their files have been rewritten (`forgetting`)
    root/suppressed/<unique>.parquet      what of forgotten people may not come again (`suppression`)
    root/staging/<unique>/                appends under way

A file counts from the commit that names it; what a killed writer left behind is named by none and seen by nobody.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from features.engine.columns import Columns, Pieces
from features.facts import source as declared
from features.identity.keys import KEYS
from features.lake import compaction, reading, revisions, store
from features.lake.commits import Log
from features.lake.forgetting import forgetting, sweeping
from features.lake.intervals import Interval
from features.lake.presence import at_work
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

    def stage(self, source: str, generation: int | None = None) -> Staging:
        """Any number of batches in one commit: ``with lake.stage("usage") as s: s.add(...); s.commit()``.

        ``generation``: of the secret that made the key ids (`KeyRing.generation`; default: as the lake's).
        """
        return Staging(self.root, declared(source), generation)

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
        schema = declared(source).schema.append(revisions.UNTIL)
        schema = pa.schema([schema.field(name) for name in columns or schema.names])
        with at_work(self.root):
            return reading.facts(self.root, self._now(snapshot), declared(source), schema)

    def pieces(self, source: str, snapshot: Snapshot | None = None) -> Pieces:
        """The same facts as `read`, to be decoded column by column on all cores (`features.engine.columns.Columns`)."""
        with at_work(self.root):
            return reading.pieces(self.root, self._now(snapshot), declared(source))

    def columns(
        self,
        source: str,
        names: Sequence[str] = (),
        snapshot: Snapshot | None = None,
        within: tuple[int, int] | None = None,
    ) -> Columns:
        """The same facts as the arrays the kernel reads; ``names`` are decoded at once, others when asked for.

        ``within``: no others than those of ``low <= at < high`` will be asked for.
        """
        with at_work(self.root):
            return Columns(source, self.pieces(source, snapshot), names, within)

    def keys(self, snapshot: Snapshot | None = None) -> pa.Table:
        """Every key: key_id (int64), key_type (string), hash (32 bytes), sorted by key_id."""
        with at_work(self.root):
            return reading.distinct(self.root, self._now(snapshot), KEYS, "key_id")

    def quarantine(self, snapshot: Snapshot | None = None) -> pa.Table:
        """The rejected rows of all sources (`rejects.QUARANTINE`), sorted by source and position."""
        with at_work(self.root):
            return reading.distinct(self.root, self._now(snapshot), QUARANTINE, "source, position, reason")

    def _now(self, taken: Snapshot | None) -> Snapshot:
        """The snapshot, taken anew where somebody was forgotten since: what no version holds nobody may read."""
        if taken is None:
            return self.snapshot()
        if Log(self.root / "log").versions() == taken.hindsight.versions:
            return taken
        newer = self.snapshot(taken.version)
        return taken if newer.hindsight.upheavals == taken.hindsight.upheavals else newer

    def compact(self, sources: Sequence[str] | None = None) -> Snapshot:
        """The snapshot after rewriting the sources (default: all there are, and the keys) for fast reading.

        Changes no fact and no fingerprint; safe beside appends and other compactions. Earlier versions stay readable.
        What a forgetting that was cut off left is finished too (`finish`).
        """
        with at_work(self.root):
            for name in self.snapshot().files if sources is None else sources:
                compaction.compact_source(self.root, declared(name))
            if sources is None:
                compaction.compact_keys(self.root)
        self.finish()
        return self.snapshot()

    def finish(self) -> bool:
        """True when nobody who was forgotten is in any file any more, also where that forgetting had been cut off.

        False when somebody is at work in the lake, so that files no version is made of had to stay for now.
        """
        forgetting.purged(self.root)
        return sweeping.swept(self.root, 0)

    def verify(self, snapshot: Snapshot | None = None) -> None:
        """Reads every byte of every file; raises `LakeError` naming the first that is not as it was written."""
        store.check_content(self.root, (snapshot or self.snapshot()).stored.values())

    def vacuum(self, grace: float = 86_400.0) -> tuple[Path, ...]:
        """What killed writers left behind, removed where it is older than ``grace`` seconds.

        The grace must be longer than the longest append: files of one under way look the same.
        """
        oldest = time.time() - grace
        found = [path for path in sweeping.leftovers(self.root) if path.stat().st_mtime < oldest]
        for path in found:
            sweeping.remove(path)
        return tuple(found)
