"""The live store in a PostgreSQL database: for any number of processes, which all use the same role.

How their readings and writings agree on a cut says `overlapping`.
"""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoneFree
from sqlalchemy.pool import ConnectionPoolEntry

from serving.live.overlapping import MACHINE, OFFSET, OverlappingReading, OverlappingWriting
from serving.live.statements import POSTGRES
from serving.live.store import Reading, Store, StoreAway, StoreError, Work, make_tables, meta, note

T = TypeVar("T")
_TABLES = "SELECT pg_advisory_xact_lock(-2)"
_SETTLED = f"""
    WITH c AS MATERIALIZED (SELECT {MACHINE} AS now)
    SELECT least(c.now, min((extract(epoch FROM a.xact_start) * 1000000)::bigint)) + {OFFSET},
           coalesce(bool_or(a.query = '<insufficient privilege>'), false)
    FROM c LEFT JOIN pg_stat_activity a ON a.datname = current_database() AND a.pid <> pg_backend_pid()
    GROUP BY c.now"""
_MORE = 4
"""Connections beyond those kept, for a moment."""
_LONGER = 6
"""So many times as long as a reading's may a statement of a writing take: it may bring many rows at once."""
_TRIES = 8
"""So often a writing is begun that others got in the way of."""
_CLASH = ("40001", "40P01")


class PostgresStore(Store):
    """The live store at a ``postgresql://`` URL; its tables are made where there are none.

    ``writers``, ``readers``: how many at once, each with a connection. ``patience``: seconds to wait for a lock, for a
    free connection, and for what a reading asks; a statement of a writing may take longer, and one over `engine` as
    long as it wants. Past that, and where the server is away: `StoreAway`. Raises `StoreError` for a database that
    cannot be used.
    """

    speech = POSTGRES
    inline = False

    def __init__(self, url: str, *, writers: int = 8, readers: int = 8, patience: float = 10.0) -> None:
        self.patience = patience
        self._era = 0  # of connections: those of an earlier one are replaced when they are asked for
        address = _address(url, patience)
        self.engine = self._engine(address, 1, 0)
        self._writing = self._engine(address, writers, _LONGER * patience)
        self._reading = self._engine(address, readers, patience, isolation_level="AUTOCOMMIT")
        self._writers = ThreadPoolExecutor(writers, "live-store-writer")
        self._counting = threading.Lock()
        self._waiting = 0
        self._closing = False
        try:
            with self._answering(), self.engine.begin() as core:
                core.exec_driver_sql(_TABLES)
                make_tables(core)
        except BaseException as error:
            self.close()
            if not isinstance(error, DBAPIError):
                raise
            raise StoreError(f"{address.render_as_string()} cannot be used as a live store: {error.orig}") from error

    def clock(self) -> int:
        """The database's clock and the store's offset."""
        with self.reading() as reading:
            return reading.now

    def machine_clock(self) -> int:
        """The database's clock."""
        with self._answering(), self.engine.connect() as core:
            return int(core.exec_driver_sql(f"SELECT {MACHINE}").scalar_one())

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

    def committed_by(self, loop: asyncio.AbstractEventLoop) -> None:
        """Its threads do: they wait for the server, not for each other."""

    def write_soon(self, work: Work[T]) -> "Future[T]":
        """At once: the server commits together what comes together."""
        return self.write(work)

    def commit(self) -> None:
        """Nothing waits for it."""

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
        for engine in (self.engine, self._writing, self._reading):
            engine.dispose()

    def _engine(self, address: URL, size: int, limit: float, **options: Any) -> Engine:
        """Connections whose statements may take ``limit`` seconds, 0: as long as they want."""
        engine = create_engine(
            address, pool_size=size, max_overflow=_MORE, pool_timeout=self.patience, pool_use_lifo=True, **options
        )

        def connected(driver: psycopg.Connection, record: ConnectionPoolEntry) -> None:
            record.info["era"] = self._era
            before, driver.autocommit = driver.autocommit, True
            for name, seconds in (("statement_timeout", limit), ("lock_timeout", self.patience)):
                driver.execute(f"SET {name} = {int(seconds * 1000)}")
            driver.execute("SET default_transaction_isolation = 'read committed'")
            driver.autocommit = before

        event.listen(engine, "connect", connected)
        event.listen(engine, "checkout", self._checked)
        return engine

    def _checked(self, driver: psycopg.Connection, record: ConnectionPoolEntry, proxy: object) -> None:
        if record.info["era"] != self._era:
            raise DisconnectionError

    def _begun(self) -> tuple[Any, OverlappingReading]:
        raw = self._reading.raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, psycopg.Connection)
        try:
            return raw, OverlappingReading(driver)
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
        with self._writing.connect() as core:
            driver = core.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            transaction = core.begin()
            try:
                result = work(OverlappingWriting(driver, core))
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
        """After the server was away none of them is any good."""
        self._era += 1

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
