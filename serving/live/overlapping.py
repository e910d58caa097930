"""Readings and writings of a PostgreSQL database, whose transactions overlap, and how they agree on a cut.

A writing takes a lock on every key it writes about, then its stamp from the database's clock, and gives the locks back
with its commit. A reading takes its cut first; then, key by key, it asks for a lock and gives it back at once. When it
is granted, whoever wrote about the key with a stamp before the cut has committed, and whoever comes later gets a later
stamp. So readings keep nobody waiting, and wait with nothing in hand. Locks are advisory ones, by the id of the key.
"""

from collections.abc import Iterable, Sequence
from functools import cache

import psycopg
from sqlalchemy import Connection

from serving.live.statements import POSTGRES
from serving.live.store import EVERYTHING, Reading, StoreError, Writing

MACHINE = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
OFFSET = "coalesce((SELECT value::bigint FROM meta WHERE name = 'offset'), 0)"
_BEGIN = f"SELECT c.now, greatest(c.now, s.last_value + 1) FROM (SELECT {MACHINE} + {OFFSET} AS now) c, stamps s"
"""Now, and a cut after all stamps given."""
_STAMP = f"""
    WITH c AS MATERIALIZED (SELECT {MACHINE} + {OFFSET} AS now, nextval('stamps') AS next)
    SELECT CASE WHEN now > next THEN setval('stamps', now) ELSE next END FROM c"""
"""The clock; the last stamp and one where the clock stands still or was set back."""
_PASS = """
    SELECT CASE WHEN pg_advisory_lock_shared(k) IS NOT NULL THEN pg_advisory_unlock_shared(k) END
    FROM unnest(%s::bigint[]) k"""
_HOLD = """
    SELECT pg_advisory_xact_lock_shared(0) UNION ALL
    SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) k"""
_HOLD_EVERYTHING = "SELECT pg_advisory_xact_lock(0)"
_MOST_LOCKS = 1_000
"""A writing about more keys holds all there are: a server has room for some thousands of locks, namely
``max_locks_per_transaction`` times ``max_connections``."""

_said = cache(POSTGRES.said)


class OverlappingReading(Reading):
    """Statements one by one, each of which sees what is committed."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._driver = driver
        self.now, self._seen = driver.execute(_BEGIN).fetchone() or (0, 0)

    @property
    def core(self) -> Connection:  # type: ignore[override]
        """There is none: nothing but statements is read."""
        raise StoreError("this reading is for the driver's statements alone: use `Store.engine`")

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """What a statement finds; bytes as bytes."""
        return self._driver.execute(_said(statement), values, binary=True).fetchall()

    def hold(self, keys: Iterable[int]) -> None:
        """Wait for whoever writes about them now."""
        self._driver.execute(_PASS, ([EVERYTHING, *set(keys)],))

    @property
    def seen(self) -> int:
        """The database's clock at the begin, and later than all stamps given by then."""
        return self._seen


class OverlappingWriting(Writing):
    """A transaction, which keeps its locks until it ends."""

    def __init__(self, driver: psycopg.Connection, core: Connection) -> None:
        self._driver, self.core = driver, core
        self.now = _one(driver, _BEGIN)
        self._held: set[int] = set()
        self._alone = False
        self._stamp: int | None = None
        self._seen: int | None = None

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """What a statement finds; bytes as bytes."""
        return self._driver.execute(_said(statement), values, binary=True).fetchall()

    def run(self, statement: str, *values: object) -> int:
        """How many rows a statement changed."""
        return self._driver.execute(_said(statement), values).rowcount

    def run_many(self, statement: str, rows: Sequence[tuple]) -> None:
        """In as few round trips as the driver can."""
        with self._driver.cursor() as cursor:
            cursor.executemany(_said(statement), rows)

    def hold(self, keys: Iterable[int]) -> None:
        """In order, so that two writings that each hold once never wait for each other; beside all keys, shared."""
        wanted = set(keys) - self._held
        if self._alone or not wanted:
            return
        if self._stamp is not None:
            raise RuntimeError("what is written about is held before the stamp is asked for")
        self._held |= wanted
        self._alone = EVERYTHING in wanted or len(self._held) > _MOST_LOCKS
        if self._alone:
            self._driver.execute(_HOLD_EVERYTHING)
        else:
            self._driver.execute(_HOLD, (sorted(wanted),))
        self._seen = None

    @property
    def stamp(self) -> int:
        """The database's clock, and later than any stamp given before."""
        if self._stamp is None:
            self._stamp = self._seen = _one(self._driver, _STAMP)
        return self._stamp

    @property
    def seen(self) -> int:
        """The stamp; before there is one, after all that is held so far."""
        if self._seen is None:
            _, self._seen = self._driver.execute(_BEGIN).fetchone() or (0, 0)
        return self._seen


def _one(driver: psycopg.Connection, statement: str) -> int:
    row = driver.execute(statement).fetchone()
    assert row is not None
    return int(row[0])
