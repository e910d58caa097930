"""Who was forgotten, told by tags that mean nothing without a secret of their own; what comes of theirs is dropped.

A tag is an HMAC of a key's hash under the suppression secret, which is not in the lake: who has the lake alone, or with
it the secret of the keys, cannot test whether a number was forgotten.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.identity.keys import TAGS, surrogate
from features.lake import store
from features.lake.commits import LakeError
from features.lake.forgetting.marks import MARKS, Marks, raw_digest
from features.lake.rejects import QUARANTINE
from features.lake.snapshot import Snapshot

SUPPRESSED = pa.schema(
    [
        pa.field("tag", pa.binary(32), nullable=False),
        pa.field("at_from", pa.int64(), nullable=False),
        pa.field("at_to", pa.int64(), nullable=False),
        pa.field("whole", pa.bool_(), nullable=False),
    ]
)
"""A forgotten key's tag, and the interval (UTC microseconds) whose rows are dropped; ``whole`` as in `marks.MARKS`. Or
the tag of a quarantined row whose key could not be hashed (`marks.raw_digest`), with an empty interval."""


def part_suppressed(con: duckdb.DuckDBPyConnection, root: Path, base: Snapshot, parts: dict[str, list[Path]]) -> int:
    """Makes the views ``staged``, ``staged_keys`` and ``rejected`` of what is not suppressed; how many rows are.

    Reads the views ``all_staged``, ``all_keys`` and ``all_rejected``. Raises `LakeError` where rows came without the
    tags by which forgotten keys are recognised.
    """
    marks = _marks(con, root, base, parts["tags"])
    if not marks:
        for name, whole in (("staged", "all_staged"), ("staged_keys", "all_keys"), ("rejected", "all_rejected")):
            con.execute(f"CREATE VIEW {name} AS FROM {whole}")
        return 0
    positions = np.concatenate([_struck_positions(path, marks) for path in parts["rows"]] or [np.empty(0, np.int64)])
    con.register("struck", pa.table({"position": pa.array(positions, pa.int64())}))
    con.execute("CREATE VIEW staged AS FROM all_staged ANTI JOIN struck USING (position)")
    _part_keys(con, marks)
    return len(positions) + _part_rejects(con, parts["rejected"], marks)


def _marks(con: duckdb.DuckDBPyConnection, root: Path, base: Snapshot, tags: Sequence[Path]) -> Marks:
    if not base.hindsight.suppressed:
        return Marks(MARKS.empty_table())
    store.view(con, "tags", TAGS, tags)
    store.view(con, "suppressed", SUPPRESSED, [root / f.path for f in base.hindsight.suppressed])
    [[untagged]] = con.execute("SELECT count(*) FROM all_staged ANTI JOIN tags USING (key_id)").fetchall()
    if untagged:
        raise LakeError(
            f"{root} knows that people were forgotten, and {untagged} rows came without the tags that would tell "
            "whether they are theirs: add them by `features.ingest`, with a key ring that has the suppression secret"
        )
    select = "SELECT DISTINCT key_id, at_from, at_to, whole FROM tags JOIN suppressed USING (tag)"
    return Marks(pa.concat_tables([MARKS.empty_table(), *store.batches(con, select, MARKS)]))


def _struck_positions(path: Path, marks: Marks) -> np.ndarray:
    rows = pq.read_table(path)
    return rows["position"].to_numpy()[marks.strike(rows)]


def _part_rejects(con: duckdb.DuckDBPyConnection, parts: Sequence[Path], marks: Marks) -> int:
    """Makes the view ``rejected``; how many rejects are suppressed."""
    table = pa.concat_tables([QUARANTINE.empty_table(), *(pq.read_table(path) for path in parts)])
    rows = zip(table["source"].to_pylist(), table["row"].to_pylist(), strict=True)
    struck = np.array([marks.strike_reject(text) or _is_listed(source, text, marks) for source, text in rows], bool)
    con.register("other_rejects", table.filter(pa.array(~struck)))
    con.execute("CREATE VIEW rejected AS FROM other_rejects")
    return int(struck.sum())


def _is_listed(source: str, text: str, marks: Marks) -> bool:
    """Whether the very row went with somebody: its key could not be hashed, so that the row itself is on the list."""
    digest = raw_digest(source, text)
    return digest is not None and surrogate(digest) in marks.known


def _part_keys(con: duckdb.DuckDBPyConnection, marks: Marks) -> None:
    """Makes the view ``staged_keys``: a forgotten key is stored anew only with a row of its own."""
    con.register("marked", pa.table({"key_id": pc.unique(marks.table["key_id"])}))
    columns = con.execute("SELECT column_name FROM (DESCRIBE staged)").fetchall()
    named = [f'SELECT "{name}" AS key_id FROM staged' for name in ("key_id", "other_id") if (name,) in columns]
    con.execute(f"CREATE VIEW named AS {' UNION '.join(named)}")
    con.execute("""
        CREATE VIEW staged_keys AS
        FROM all_keys WHERE key_id NOT IN (FROM marked) OR key_id IN (FROM named)""")


def tags_listed(root: Path, base: Snapshot) -> frozenset[bytes]:
    """Every tag on the list."""
    files = base.hindsight.suppressed
    with store.blaming(root, files):
        return frozenset(tag for f in files for tag in pq.read_table(root / f.path)["tag"].to_pylist())
