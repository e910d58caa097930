"""What happens to rows that cannot be kept: they go to quarantine, each with its reason, and none is lost."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import Source
from features.lake.revisions import as_struct

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("row", pa.string(), nullable=False),
    ]
)
"""Rejected rows: why, the place in the input (1 first) and the row as JSON. Keys stand in it as keyed hashes or
surrogates; only a key that could not be hashed stands as it came, because nothing else could bring it back."""

CONFLICT = "another row has the same id and known_at, but other content; the first to arrive was kept"
COLLISION = "two keys share the surrogate of this row; change the secret, or key the row differently"

NEW_KEYS = """
    SELECT DISTINCT key_id, key_type, hash FROM staged_keys
    ANTI JOIN stored_keys USING (key_id) ANTI JOIN collided USING (key_id) ORDER BY key_id"""
"""SELECT of the keys the lake does not have yet, after `part_collisions`."""


def part_collisions(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Parts ``staged`` into ``fresh`` and ``colliding``: rows of a surrogate that stands for more than one key.

    Improbable (63 bits: 1 in 2,000 for the whole of a lake of 10^8 keys), but it would mix two people's histories.
    """
    con.execute("""
        CREATE TEMP TABLE collided AS
        SELECT key_id FROM (FROM staged_keys UNION SELECT s.* FROM stored_keys s SEMI JOIN staged_keys USING (key_id))
        GROUP BY key_id HAVING count(DISTINCT hash) > 1""")
    names = ["key_id", *(c.name for c in source.columns if c.kind == "key")]
    touched = " OR ".join(f'coalesce("{n}" IN (FROM collided), false)' for n in names)
    con.execute(f"CREATE VIEW colliding AS SELECT * FROM staged WHERE {touched}")
    con.execute(f"CREATE VIEW fresh AS SELECT * FROM staged WHERE NOT ({touched})")


def new_rejects(source: Source) -> str:
    """SELECT of the rejects (`QUARANTINE`) that are not yet in quarantine, after `part_collisions` and the judging."""
    row = f"to_json({as_struct(source.schema.names)})::VARCHAR"
    return f"""
        SELECT * FROM (
            SELECT source, reason, position, "row" FROM rejected
            UNION ALL SELECT '{source.name}', '{COLLISION}', position, {row} FROM colliding
            UNION ALL SELECT '{source.name}', '{CONFLICT}', position, {row} FROM judged WHERE verdict = 'conflict')
        ANTI JOIN quarantine USING (source, reason, position, "row")
        ORDER BY position, reason"""


def rejected(
    source: str, batch: pa.RecordBatch, hexes: Mapping[str, pa.Array], reasons: pa.Array, positions: pa.Array
) -> pa.Table:
    """The rows that have a reason, in the form of `QUARANTINE`; ``hexes``: column of keys -> keyed hashes, or null."""
    bad = pc.is_valid(reasons)
    columns = {name: _plain(batch[name].filter(bad)) for name in batch.schema.names}
    for name, keyed in hexes.items():
        pairs = zip(columns[name], keyed.filter(bad).to_pylist(), strict=True)
        columns[name] = [f"hmac:{known}" if known else raw for raw, known in pairs]
    rows = [json.dumps(dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]
    texts = [reasons.filter(bad), positions.filter(bad), pa.array(rows, pa.string())]
    return pa.table([pa.array([source] * len(rows), pa.string()), *texts], schema=QUARANTINE)


def _plain(column: pa.Array) -> list[object]:
    """Values that JSON knows; instants in ISO 8601, or as microseconds where the calendar has no such year."""
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()
    return [_iso(micros) for micros in column.cast(pa.int64()).to_pylist()]


def _iso(micros: int | None) -> str | int | None:
    if micros is None:
        return None
    try:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)).isoformat()
    except OverflowError:
        return micros
