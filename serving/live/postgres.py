"""The live store in a PostgreSQL database: for any number of processes, which all use the same role.

How transactions that overlap agree on a cut. A writing takes a lock on every key it writes about, then its stamp from
the database's clock, and gives the locks back with its commit. A reading takes its cut first; then, key by key, it asks
for a lock and gives it back at once. When that is granted, whoever wrote about the key with a stamp before the cut has
committed, and whoever comes later gets a later stamp. So readings keep nobody waiting, and wait with nothing in hand.
"""

import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneFree

from serving.live.statements import POSTGRES
from serving.live.store import EVERYTHING, Reading, Store, StoreAway, StoreError, Work, Writing, make_tables, meta, note

T = TypeVar("T")
_MACHINE = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_OFFSET = "coalesce((SELECT value::bigint FROM meta WHERE name = 'offset'), 0)"
_BEGIN = f"SELECT c.now, greatest(c.now, s.last_value + 1) FROM (SELECT {_MACHINE} + {_OFFSET} AS now) c, stamps s"
"""Now, and a cut after all stamps given."""
_STAMP = f"""
    WITH c AS MATERIALIZED (SELECT {_MACHINE} + {_OFFSET} AS now, nextval('stamps') AS next)
    SELECT CASE WHEN now > next THEN setval('stamps', now) ELSE next END FROM c"""
"""The clock; the last stamp and one where the clock stands still or was set back."""
_PASS = """
    SELECT CASE WHEN pg_advisory_lock_shared(k) IS NOT NULL THEN pg_advisory_unlock_shared(k) END
    FROM unnest(%s::bigint[]) k"""
_HOLD = """
    SELECT pg_advisory_xact_lock_shared(0) UNION ALL
    SELECT pg_advisory_xact_lock(k) FROM unnest(%s::bigint[]) k"""
_HOLD_EVERYTHING = "SELECT pg_advisory_xact_lock(0)"
_TABLES = "SELECT pg_advisory_xact_lock(-2)"
_SETTLED = f"""
    WITH c AS MATERIALIZED (SELECT {_MACHINE} AS now)
    SELECT least(c.now, min((extract(epoch FROM a.xact_start) * 1000000)::bigint)) + {_OFFSET},
           coalesce(bool_or(a.query = '<insufficient privilege>'), false)
    FROM c LEFT JOIN pg_stat_activity a ON a.datname = current_database() AND a.pid <> pg_backend_pid()
    GROUP BY c.now"""
_MOST_LOCKS = 1_000
"""A writing about more keys holds all there are: a server has room for some thousands of locks, namely
``max_locks_per_transaction`` times ``max_connections``."""
_TRIES = 8
"""So often a writing is begun that others got in the way of."""
_CLASH = ("40001", "40P01")

_said = cache(POSTGRES.said)


class _Reading(Reading):
    """Statements one by one, each of which sees what is committed."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._driver = driver
        self.now, self._seen = driver.execute(_BEGIN).fetchone() or (0, 0)

    @property
    def core(self) -> Connection:  # type: ignore[override]
        raise StoreError("this reading is for the driver's statements alone: use `Store.engine`")

    def rows(self, statement: str, *values: object) -> list[tuple]:
        return self._driver.execute(_said(statement), values, binary=True).fetchall()

    def hold(self, keys: Iterable[int]) -> None:
        """Wait for whoever writes about them now."""
        self._driver.execute(_PASS, ([EVERYTHING, *set(keys)],))

    @property
    def seen(self) -> int:
        return self._seen


class _Writing(Writing):
    """A transaction, which keeps its locks until it ends."""

    def __init__(self, driver: psycopg.Connection, core: Connection) -> None:
        self._driver, self.core = driver, core
        self.now = _one(driver, _BEGIN)
        self._held: set[int] = set()
        self._alone = False
        self._stamp: int | None = None
        self._seen: int | None = None

    def rows(self, statement: str, *values: object) -> list[tuple]:
        return self._driver.execute(_said(statement), values, binary=True).fetchall()

    def run(self, statement: str, *values: object) -> int:
        return self._driver.execute(_said(statement), values).rowcount

    def run_many(self, statement: str, rows: Sequence[tuple]) -> None:
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


class PostgresStore(Store):
    """The live store at a ``postgresql://`` URL; its tables are made where there are none.

    ``writers``, ``readers``: how many at once, each with a connection. ``patience``: seconds for which a statement, and
    a lock it waits for, may take; then, and where the server is away, `StoreAway`. Raises `StoreError` for a database
    that cannot be used.
    """

    speech = POSTGRES
    inline = False

    def __init__(self, url: str, *, writers: int = 8, readers: int = 8, patience: float = 10.0) -> None:
        self.patience = patience
        address = _address(url, patience)
        self.engine = create_engine(address, pool_size=writers, max_overflow=4, pool_timeout=patience)
        self._reading = create_engine(
            address, pool_size=readers, max_overflow=4, pool_timeout=patience, isolation_level="AUTOCOMMIT"
        )
        for engine in (self.engine, self._reading):
            event.listen(engine, "connect", self._connected)
        self._writers = ThreadPoolExecutor(writers, "live-store-writer")
        self._counting = threading.Lock()
        self._waiting = 0
        self._closing = False
        try:
            with self._answering(), self.engine.begin() as core:
                core.exec_driver_sql(_TABLES)
                make_tables(core)
        except DBAPIError as error:
            raise StoreError(f"{address.render_as_string()} cannot be used as a live store: {error.orig}") from error

    def clock(self) -> int:
        """The database's clock and the store's offset."""
        with self.reading() as reading:
            return reading.now

    def machine_clock(self) -> int:
        """The database's clock."""
        with self._answering(), self.engine.connect() as core:
            return int(core.exec_driver_sql(f"SELECT {_MACHINE}").scalar_one())

    def set_clock(self, offset: int) -> None:
        """Kept in the store, for all who use it."""
        with self._answering(), self.engine.begin() as core:
            note(core, offset=offset)

    def texts(self) -> dict[str, str]:
        """What `schema.META` says; raises `StoreAway`."""
        with self._answering(), self.engine.connect() as core:
            return meta(core)

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A reading on a connection of its own; a server that came back is met at once."""
        with self._answering():
            try:
                raw, reading = self._begun()
            except (psycopg.Error, DBAPIError) as error:
                if not _lost(error):
                    raise
                self._forget_connections()
                raw, reading = self._begun()
            try:
                yield reading
            except psycopg.Error:
                raw.invalidate()  # with the lock it may have been cut off at
                raise
            finally:
                raw.close()

    def write(self, work: Work[T]) -> "Future[T]":
        """Done in a transaction of its own, by one of some threads; begun anew where others got in the way."""
        with self._counting:
            if self._closing:
                raise StoreAway("the live store is being closed")
            self._waiting += 1
            done = self._writers.submit(self._written, work)
        done.add_done_callback(self._done)
        return done

    @property
    def waiting(self) -> int:
        """How many writings are not done yet."""
        return self._waiting

    def settled(self) -> int:
        """The start of the oldest transaction in the database that is under way, or now."""
        with self.reading() as reading:
            cut, hidden = reading.rows(_SETTLED)[0]
        if hidden:
            raise StoreError(
                "another role is at work in the live store's database, and what it does cannot be seen: use one role "
                "for all, or GRANT pg_read_all_stats to it"
            )
        return int(cut)

    def close(self) -> None:
        """Write what waits, then let go of all connections."""
        with self._counting:
            self._closing = True
        self._writers.shutdown()
        self._forget_connections()

    def _connected(self, driver: psycopg.Connection, record: object) -> None:
        before, driver.autocommit = driver.autocommit, True
        for name in ("statement_timeout", "lock_timeout"):
            driver.execute(f"SET {name} = {int(self.patience * 1000)}")
        driver.execute("SET default_transaction_isolation = 'read committed'")
        driver.autocommit = before

    def _begun(self) -> tuple[Any, _Reading]:
        raw = self._reading.raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            return raw, _Reading(driver)
        except BaseException:
            raw.invalidate()
            raise

    def _done(self, done: "Future[Any]") -> None:
        with self._counting:
            self._waiting -= 1

    def _written(self, work: Work[T]) -> T:
        lost = False
        with self._answering():
            for left in reversed(range(_TRIES)):
                try:
                    return self._transaction(work)
                except (psycopg.Error, DBAPIError) as error:
                    if not left or not (_clashed(error) or (_lost(error) and not lost)):
                        raise
                    if _lost(error):
                        lost = True
                        self._forget_connections()
                    else:
                        time.sleep(random.random() * 0.01 * (_TRIES - left))
        raise AssertionError("the last try returns or raises")

    def _transaction(self, work: Work[T]) -> T:
        with self.engine.connect() as core:
            driver = core.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            transaction = core.begin()
            try:
                result = work(_Writing(driver, core))
            except BaseException:
                if driver.closed:
                    core.invalidate()
                else:
                    transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if _lost(error):  # it may be there or not: whoever asked has to ask again
                    self._forget_connections()
                    raise StoreAway(f"the live store went away while it wrote: {error.orig}") from error
                raise
            return result

    def _forget_connections(self) -> None:
        """Those not in use: after the server was away none of them is any good."""
        self.engine.dispose()
        self._reading.dispose()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (psycopg.Error, DBAPIError, NoneFree) as error:
            if isinstance(error, NoneFree):
                raise StoreAway(f"no connection to the live store became free within {self.patience:g} s") from error
            found = getattr(error, "orig", error)
            if _lost(error) or _clashed(error) or isinstance(found, psycopg.OperationalError):
                raise StoreAway(f"the live store does not answer: {found}") from error
            raise


def _one(driver: psycopg.Connection, statement: str) -> int:
    row = driver.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def _address(url: str, patience: float) -> URL:
    found = make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg")
    if "connect_timeout" not in found.query:
        found = found.update_query_dict({"connect_timeout": str(max(2, int(patience)))})
    return found


def _clashed(error: Exception) -> bool:
    """Whether others got in the way, and the same can be done anew."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) in _CLASH


def _lost(error: Exception) -> bool:
    """Whether the connection is gone, or there was none to be had."""
    found = getattr(error, "orig", error)
    state = getattr(found, "sqlstate", None) or ""
    if isinstance(found, psycopg.InterfaceError):
        return True
    gone = not state or (state[:2] in ("08", "57") and state != "57014")
    return isinstance(found, psycopg.OperationalError) and gone


__all__ = ["PostgresStore"]
