"""What a reader sees of a snapshot: the facts with ``until``, the keys and the quarantine, less what is hidden."""

from pathlib import Path

import pyarrow as pa

from features.facts import Source
from features.lake import revisions, store
from features.lake.forgetting import veils
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


def distinct(root: Path, taken: Snapshot, schema: pa.Schema, order: str) -> pa.Table:
    """All keys (`KEYS`) or rejects (`QUARANTINE`); what two writers that came at once both stored is there once."""
    paths = veils.paths(taken, schema)
    with store.opened(root, [taken.stored[p] for p in paths]) as con:
        veils.view(con, "stored", schema, root, taken)
        select = f"SELECT DISTINCT * FROM stored ORDER BY {order}"
        return pa.concat_tables([schema.empty_table(), *store.batches(con, select, schema)])
