"""Many rows into a live store at once."""

from collections.abc import Sequence

from sqlalchemy import Index, Table

from serving.live import schema, statements
from serving.live.store import Store, Writing

_LATER: tuple[Index, ...] = tuple(sorted(schema.FACTS.indexes, key=lambda index: str(index.name)))
_CONFLICTS = {"facts": "(source, id, known_at, moved)", "evidence": "(id, known_at)", "known_keys": "(key_id)"}
_STATEMENTS = {
    "facts": f"{statements.FACT} ON CONFLICT {_CONFLICTS['facts']} DO NOTHING",
    "evidence": f"{statements.EVIDENCE} ON CONFLICT {_CONFLICTS['evidence']} DO NOTHING",
    "known_keys": statements.NEW_KEY,
}
FACT_COLUMNS = (
    *("source", "id", "known_at", "key_id", "at", "stamp", "until", "void", "moved", "again", "loaded", "rank", "body"),
)
EVIDENCE_COLUMNS = (
    *("id", "known_at", "key_id", "other_id", "at", "stamp", "until", "void", "loaded", "state", "confidence"),
)
KEY_COLUMNS = ("key_id", "key_type", "hash", "stamp")
_COLUMNS = {"facts": FACT_COLUMNS, "evidence": EVIDENCE_COLUMNS, "known_keys": KEY_COLUMNS}


def add(writing: Writing, table: Table, rows: Sequence[tuple]) -> None:
    """Rows, in the order of the columns above, into ``FACTS``, ``EVIDENCE`` or ``KEYS``; those it has stay."""
    if not rows:
        return
    if writing.core.engine.dialect.name == "sqlite":
        writing.run_many(_STATEMENTS[table.name], rows)
        return
    columns = ", ".join(_COLUMNS[table.name])
    incoming = f"incoming_{table.name}"
    writing.core.exec_driver_sql(f"CREATE TEMP TABLE {incoming} (LIKE {table.name}) ON COMMIT DROP")
    driver = writing.core.connection.driver_connection
    assert driver is not None
    with driver.cursor().copy(f"COPY {incoming} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    writing.core.exec_driver_sql(
        f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {incoming} "
        f"ON CONFLICT {_CONFLICTS[table.name]} DO NOTHING"
    )
    writing.core.exec_driver_sql(f"DROP TABLE {incoming}")


def without_indexes(store: Store) -> None:
    """Only the primary key of the facts is kept up from here on: an index is made faster than it is filled."""
    with store.engine.begin() as core:
        for index in _LATER:
            index.drop(core, checkfirst=True)


def with_indexes(store: Store) -> None:
    """All indexes are there."""
    with store.engine.begin() as core:
        for index in _LATER:
            index.create(core, checkfirst=True)


def settle(store: Store) -> None:
    """What was written is copied out of SQLite's write-ahead log, which would grow for as long as one writes; a server
    learns how much there is of what, so that it looks things up as it will have to from now on.
    """
    if store.engine.dialect.name != "sqlite":
        with store.engine.begin() as core:
            core.exec_driver_sql("ANALYZE")
        return
    connection = store.engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        connection.close()
