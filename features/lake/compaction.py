"""Rewriting a source into few files in reading order, with ``until`` computed: the same facts, read much faster.

A compaction is a commit that replaces files. Appends that come in between are no obstacle: their files stand beside
the compacted ones until the next compaction. Replaced files stay, because earlier versions are made of them.
"""

from pathlib import Path

import duckdb
import pyarrow as pa

from features.engine.decode import hashes
from features.facts import Source
from features.identity.keys import KEYS
from features.lake import revisions, store
from features.lake.commits import Entry, Log, StoredFile
from features.lake.forgetting.forgetting import purged
from features.lake.snapshot import Snapshot, snapshot

ROWS_PER_FILE = 5_000_000


def compact_source(root: Path, source: Source) -> Snapshot:
    """The snapshot after the source was rewritten; nothing is written where that was done already."""
    while True:
        base = purged(root)
        paths = base.files.get(source.name, ())
        if not paths or source.name in base.ready:
            return base
        with store.opened(root, [base.stored[p] for p in paths]) as con:
            store.view(con, "stored", revisions.stored_schema(source), [root / p for p in paths])
            entry = Entry("compact", source.name, *_rewrite(root, con, source), replaces=paths)
        if done := _published(root, entry, base):
            return done


def compact_keys(root: Path) -> Snapshot:
    """The snapshot after the key files were merged into one."""
    while True:
        base = purged(root)
        if len(base.key_files) < 2:
            return base
        with store.opened(root, [base.stored[p] for p in base.key_files]) as con:
            store.view(con, "keys", KEYS, [root / p for p in base.key_files])
            tables = store.batches(con, "SELECT DISTINCT * FROM keys ORDER BY key_id", KEYS)
            file = store.write(root, "keys", tables)
        entry = Entry("compact", "", keys=(file,) if file else (), replaces=base.key_files)
        if done := _published(root, entry, base):
            return done


def _rewrite(
    root: Path, con: duckdb.DuckDBPyConnection, source: Source
) -> tuple[tuple[StoredFile, ...], tuple[StoredFile, ...]]:
    """The new files: what readers see, in reading order, and what they do not see."""
    revisions.trace(con, source)
    folder, schema = f"data/{source.name}", revisions.stored_schema(source)
    ready = schema.append(revisions.UNTIL)
    seen = store.batches(con, revisions.visible(source, ready.names), ready)
    ranked = (rows.append_column(revisions.RANK, pa.array(hashes(rows["id"]))) for rows in seen)
    data = [store.write(root, folder, run) for run in store.split(ranked, ROWS_PER_FILE)]
    hidden = [store.write(root, folder, store.batches(con, revisions.hidden(source), schema))]
    return tuple(f for f in data if f), tuple(f for f in hidden if f)


def _published(root: Path, entry: Entry, base: Snapshot) -> Snapshot | None:
    """The snapshot once the entry is in the log; None when what it replaces was replaced or rewritten meanwhile."""
    log, upheavals = Log(root / "log"), base.hindsight.upheavals
    while not log.append(base.version + 1, entry):
        base = snapshot(log)
        there = {*base.files.get(entry.source, ()), *base.key_files}.issuperset(entry.replaces)
        if not there or base.hindsight.upheavals != upheavals:
            for file in (*entry.data, *entry.hidden, *entry.keys):
                (root / file.path).unlink(missing_ok=True)
            return None
    return snapshot(log, base.version + 1)
