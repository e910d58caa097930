"""The life of a fact, as DuckDB SQL: which of its rows are news, which repeat, which end one another.

Every row says: from ``known_at`` on, the fact ``id`` reads like this. In ``known_at`` order, a row that reads like its
predecessor says nothing new, any other ends its predecessor, and a void one only does that. A row that repeats is
stored all the same, hidden: should a different row turn up later whose ``known_at`` lies between the two, then the
repetition is the return to the old content. That makes the end state independent of the order of arrival.

``again`` marks the stored rows whose id was in the lake, or elsewhere in the batch, before. The others, nearly all of a
log, are alone with their id and need no window function.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from features.facts import TIME, Source

AGAIN = pa.field("again", pa.bool_(), nullable=False)
UNTIL = pa.field("until", TIME)
RANK = pa.field("rank", pa.int64())
"""Only in compacted files: the hash of the id by which rows of one instant are ranked, so that readers need no ids."""
POSITION = pa.field("position", pa.int64(), nullable=False)
ORDER = 'ORDER BY key_id, "at", known_at, id'


def stored_schema(source: Source) -> pa.Schema:
    """The Arrow schema of the source's files: its facts and `AGAIN`."""
    return source.schema.append(AGAIN)


def columns(source: Source) -> str:
    """The source's columns as an SQL list."""
    return ", ".join(f'"{name}"' for name in source.schema.names)


def content(source: Source) -> str:
    """What two rows must have in common to say the same: one SQL value of all columns but ``id``, ``known_at``."""
    return as_struct([n for n in source.schema.names if n not in ("id", "known_at")])


def as_struct(names: Sequence[str]) -> str:
    """One SQL value of several columns."""
    fields = (f'"{n}" := "{n}"' for n in names)
    return f"struct_pack({', '.join(fields)})"


def judge(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Makes the tables ``again`` (ids in need of comparison) and ``judged`` (their new rows, each with a verdict).

    Reads ``fresh`` (rows with a ``position`` of arrival, 1 first) and ``stored``. Verdicts: ``known`` (nothing to
    store), ``conflict`` (same id and ``known_at``, other content), ``repeat``, ``revised``, ``kept`` (to store).
    """
    con.execute("CREATE OR REPLACE TEMP TABLE old AS SELECT DISTINCT id FROM stored SEMI JOIN fresh USING (id)")
    con.execute("""
        CREATE OR REPLACE TEMP TABLE again AS
        SELECT id FROM old UNION SELECT id FROM fresh GROUP BY id HAVING count(*) > 1""")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE judged AS
        WITH rows AS (
            SELECT {columns(source)}, 0 AS position FROM stored SEMI JOIN again USING (id)
            UNION ALL SELECT {columns(source)}, position FROM fresh SEMI JOIN again USING (id)),
        valued AS (SELECT *, {content(source)} AS content FROM rows),
        placed AS (
            SELECT *, row_number() OVER instant AS place, first_value(content) OVER instant AS first_content
            FROM valued WINDOW instant AS (PARTITION BY id, known_at ORDER BY position)),
        ordered AS (
            SELECT *, lag(content) OVER life AS before, row_number() OVER life AS step
            FROM placed WHERE place = 1 WINDOW life AS (PARTITION BY id ORDER BY known_at))
        SELECT {columns(source)}, position, CASE
            WHEN step > 1 AND content IS NOT DISTINCT FROM before THEN 'repeat'
            WHEN step > 1 OR id IN (FROM old) THEN 'revised'
            ELSE 'kept' END AS verdict
        FROM ordered WHERE position > 0
        UNION ALL
        SELECT {columns(source)}, position,
            CASE WHEN content IS NOT DISTINCT FROM first_content THEN 'known' ELSE 'conflict' END
        FROM placed WHERE place > 1""")


def news(source: Source) -> str:
    """SELECT of the rows to store (`stored_schema`, in reading order), after `judge`."""
    return f"""
        SELECT {columns(source)}, false AS again FROM fresh ANTI JOIN again USING (id)
        UNION ALL
        SELECT {columns(source)}, true FROM judged WHERE verdict IN ('repeat', 'revised', 'kept')
        {ORDER}"""


def trace(con: duckdb.DuckDBPyConnection, source: Source) -> None:
    """Makes the table ``turns``: the rows of ids stored more than once, ``until`` where they end, or ``repeats``."""
    con.execute("CREATE OR REPLACE TEMP TABLE again AS SELECT DISTINCT id FROM stored WHERE again")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE turns AS
        WITH valued AS (SELECT *, {content(source)} AS content FROM stored SEMI JOIN again USING (id)),
        stepped AS (
            SELECT *, row_number() OVER life > 1 AND content IS NOT DISTINCT FROM lag(content) OVER life AS repeats
            FROM valued WINDOW life AS (PARTITION BY id ORDER BY known_at))
        SELECT {columns(source)}, repeats, lead(known_at) OVER (PARTITION BY id, repeats ORDER BY known_at) AS until
        FROM stepped""")


def visible(source: Source, names: Sequence[str]) -> str:
    """SELECT of what a reader sees, in reading order, after `trace`: source columns, ``until`` and ``again``."""
    wanted = ", ".join(f'"{name}"' for name in names)
    return f"""
        SELECT {wanted} FROM (
            SELECT {columns(source)}, false AS again, NULL::TIMESTAMPTZ AS until
            FROM stored ANTI JOIN again USING (id) WHERE NOT void
            UNION ALL
            SELECT {columns(source)}, true, until FROM turns WHERE NOT void AND NOT repeats)
        {ORDER}"""


def hidden(source: Source) -> str:
    """SELECT of the stored rows no reader sees (void ones and repetitions), in reading order, after `trace`."""
    return f"""
        SELECT {columns(source)}, false AS again FROM stored ANTI JOIN again USING (id) WHERE void
        UNION ALL
        SELECT {columns(source)}, true FROM turns WHERE void OR repeats
        {ORDER}"""
