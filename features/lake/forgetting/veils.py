"""Rows that are hidden from the moment somebody is forgotten until the files that hold them have been rewritten."""

from collections.abc import Iterable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.identity.keys import KEYS
from features.lake import store
from features.lake.forgetting.hindsight import Veil
from features.lake.forgetting.marks import MARKS, Marks, reject_digest
from features.lake.rejects import QUARANTINE
from features.lake.snapshot import Snapshot

VEIL = pa.schema([*(field.with_nullable(True) for field in MARKS), pa.field("reject", pa.string())])
"""Either a mark, or the digest of a row of the quarantine."""


def table(marks: pa.Table, rejects: Iterable[str]) -> pa.Table:
    """The content of a veil: rows of `MARKS`, and digests of quarantined rows."""
    digests = pa.table({"reject": pa.array(list(rejects), pa.string())})
    return pa.concat_tables([VEIL.empty_table(), marks, digests], promote_options="default").cast(VEIL)


def marks(root: Path, veils: Iterable[Veil]) -> Marks:
    """The facts that the veils hide."""
    tables = [_read(root, veil) for veil in veils]
    rows = [t.filter(t["key_id"].is_valid()).select(MARKS.names).cast(MARKS) for t in tables]
    return Marks(pa.concat_tables([MARKS.empty_table(), *rows]))


def digests(root: Path, veils: Iterable[Veil]) -> frozenset[str]:
    """The quarantined rows that the veils hide."""
    return frozenset(text for veil in veils for text in _read(root, veil)["reject"].drop_null().to_pylist())


def paths(base: Snapshot, schema: pa.Schema) -> tuple[str, ...]:
    """The files of the keys (`KEYS`) or the quarantine (`QUARANTINE`)."""
    return base.key_files if schema is KEYS else base.quarantine_files


def view(con: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, root: Path, base: Snapshot) -> None:
    """Makes a view of all rows of the keys (`KEYS`) or the quarantine (`QUARANTINE`) that nothing hides."""
    found = paths(base, schema)
    if not base.hindsight.veils:
        store.view(con, name, schema, [root / p for p in found])
        return
    rows = [sift(pq.read_table(root / p, schema=schema), root, older(base, p)) for p in found]
    con.register(name, pa.concat_tables([schema.empty_table(), *rows]))


def older(base: Snapshot, path: str) -> tuple[Veil, ...]:
    """The veils over a file: those younger than it. What came later is of a new life and is not hidden."""
    return tuple(veil for veil in base.hindsight.veils if base.born[path] < veil.version)


def sift(rows: pa.Table, root: Path, veils: Iterable[Veil]) -> pa.Table:
    """The rows of keys or quarantine that the veils do not hide."""
    if rows.schema.names == QUARANTINE.names:
        hidden = digests(root, veils)
        kept = [reject_digest(row) not in hidden for row in rows.to_pylist()]
    else:
        gone = marks(root, veils).whole
        kept = (~np.isin(rows["key_id"].to_numpy(), list(gone))).tolist() if gone else [True] * rows.num_rows
    return rows.filter(pa.array(kept, pa.bool_()))


def _read(root: Path, veil: Veil) -> pa.Table:
    with store.blaming(root, [veil.file]):
        return pq.read_table(root / veil.file.path)
