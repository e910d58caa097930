"""The 24 features in DuckDB's SQL, written twice: as one would, and as fast as we know how to.

Both join the facts with the links once, keep what the cutoffs may see in a temporary table, and then ask for one cutoff
after the other; for a single cutoff there is no table. One inequality join of facts and cutoffs, a query per cutoff
straight from Parquet, and one query of all cutoffs over a common table expression were all slower.
"""

from collections.abc import Callable, Sequence

import duckdb
import numpy as np
import pyarrow as pa

from features.facts import CHANNELS, PHASES
from tests.benchmarks.feature_asked import NAMES, WINDOWS
from tests.benchmarks.feature_facts import DAY, Size

_FIELD = 21
"""Bits of a packed counter: six of them fit into 128."""


def plain(size: Size, cutoffs: np.ndarray) -> pa.Table:
    """The answer by one filtered aggregate per feature."""
    return _answer(size, cutoffs, _plain)


def tuned(size: Size, cutoffs: np.ndarray) -> pa.Table:
    """The answer by bands: rows are folded by (customer, band) with all counters in one sum, and bands then rolled up.

    A band is what lies between two windows' edges, so that each row is counted once and not once per window.
    """
    return _answer(size, cutoffs, _tuned)


def _answer(size: Size, cutoffs: np.ndarray, query: Callable[[int, str], str]) -> pa.Table:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    con.execute(f"""
        CREATE TEMP TABLE person AS
        SELECT customer, (row_number() OVER ())::INT AS number FROM (SELECT DISTINCT customer FROM '{size.links}')""")
    con.execute(f"CREATE TEMP TABLE links AS FROM '{size.links}' JOIN person USING (customer)")
    rows = _rows(size, cutoffs)
    if len(cutoffs) > 1:
        con.execute(f"CREATE TEMP TABLE rows AS {rows}")
        rows = "rows"
    parts = [con.sql(query(int(cutoff), rows)).to_arrow_table() for cutoff in cutoffs]
    return pa.concat_tables(parts)


def _rows(size: Size, cutoffs: np.ndarray) -> str:
    """What some cutoff may see, with the customers' numbers, and since and until when it was seen."""
    files = ", ".join(f"'{path}'" for path in size.journey())
    return f"""
        SELECT number, "at", greatest(known_at, known_from) AS seen_from,
            least(coalesce(until, known_to), known_to) AS seen_to,
            {_code("phase", PHASES, range(len(PHASES)))}::TINYINT AS phase,
            {_code("channel", CHANNELS, [1 << i for i in range(len(CHANNELS))])}::SMALLINT AS channel, value
        FROM read_parquet([{files}]) JOIN links ON key_id = key AND "at" >= at_from AND "at" < at_to
        WHERE "at" >= {_instant(int(cutoffs[0]) - WINDOWS[-1] * DAY)} AND "at" < {_instant(int(cutoffs[-1]))}
            AND known_at < {_instant(int(cutoffs[-1]))}"""


def _plain(cutoff: int, rows: str) -> str:
    columns = []
    for days in WINDOWS:
        inside = f'"at" >= {_instant(cutoff - days * DAY)}'
        columns += [f"count(*) FILTER (phase = {phase} AND {inside})" for phase in range(len(PHASES))]
        columns.append(f"coalesce(sum(value) FILTER ({inside}), 0)")
        columns.append(f"coalesce(bit_count(bit_or(channel) FILTER ({inside})), 0)")
    return f"""
        SELECT customer, {_instant(cutoff)} AS cutoff, {_named(columns)}
        FROM ({rows}) JOIN person USING (number) WHERE {_visible(cutoff)} GROUP BY customer"""


def _tuned(cutoff: int, rows: str) -> str:
    one = _code("phase", range(len(PHASES)), [f"{1 << (_FIELD * i)}::HUGEINT" for i in range(len(PHASES))])
    later = " + ".join(f'("at" < {_instant(cutoff - days * DAY)})::INT' for days in WINDOWS[:-1])
    bands = f"""
        SELECT place // {len(WINDOWS)} AS number, place % {len(WINDOWS)} AS band,
            sum(one) AS counts, coalesce(sum(value), 0) AS spent, bit_or(channel) AS channels
        FROM (SELECT number * {len(WINDOWS)} + {later} AS place, {one} AS one, value, channel
              FROM ({rows}) WHERE {_visible(cutoff)}) GROUP BY place"""
    rolled, columns = [], []
    for band in range(len(WINDOWS)):
        inside = f"FILTER (band <= {band})"
        rolled += [f"sum(counts) {inside} AS counts{band}", f"sum(spent) {inside} AS spent{band}"]
        rolled += [f"bit_or(channels) {inside} AS channels{band}"]
        columns += [f"coalesce((counts{band} >> {_FIELD * i}) & {(1 << _FIELD) - 1}, 0)" for i in range(len(PHASES))]
        columns += [f"coalesce(spent{band}, 0)", f"coalesce(bit_count(channels{band}), 0)"]
    return f"""
        SELECT customer, {_instant(cutoff)} AS cutoff, {_named(columns)}
        FROM (SELECT number, {", ".join(rolled)} FROM ({bands}) GROUP BY number) JOIN person USING (number)"""


def _visible(cutoff: int) -> str:
    now = _instant(cutoff)
    oldest = _instant(cutoff - WINDOWS[-1] * DAY)
    return f'"at" >= {oldest} AND "at" < {now} AND seen_from < {now} AND seen_to >= {now}'


def _named(columns: Sequence[str]) -> str:
    return ", ".join(f"({sql})::FLOAT AS {name}" for sql, name in zip(columns, NAMES, strict=True))


def _code(column: str, words: Sequence[object], codes: Sequence[object]) -> str:
    cases = " ".join(f"WHEN {word!r} THEN {code}" for word, code in zip(words, codes, strict=True))
    return f"CASE {column} {cases} END"


def _instant(micros: int) -> str:
    return f"make_timestamptz({micros})"
