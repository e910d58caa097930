"""The live store in one SQLite file: for one process, whose event loop, or a thread, commits all that waits at once.

Write-ahead log, ``synchronous=FULL``: what is reported done survives a kill and a power cut. Other processes (`tieline
load`, `sync`, `forget`) may write too; SQLite lets one writer in at a time, so that stamps rise with commits.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import NullPool

from serving.live import statements
from serving.live.serial import Session, said
from serving.live.statements import SQLITE
from serving.live.store import Reading, Store, StoreAway, StoreError, Work, make_tables, meta, note

T = TypeVar("T")
_BUSY = 30.0
"""Seconds to wait for another process that writes."""
_BUSY_READER = 1.0
"""The same for a reading, which nobody keeps waiting but who recovers the file: an event loop waits for it."""
_PAGES = 4_000
"""Pages of the write-ahead log from which on they are copied into the database."""
_MAPPED = 2**31 - 2**16
"""Bytes of the file that are read where they lie, as many as SQLite allows: beyond them each page is a system call."""
_GROWN = 16_000
"""The same once it has grown by so many since the last time."""
_CHECKED_EVERY, _COPIED_EVERY = 0.5, 5.0
_PASSES = 3
_THREADS = 16
"""So many threads keep connections; those of any others are opened and closed."""
_SLOW = 0.01
"""Seconds a commit takes on a disk that no event loop should wait for."""


class SqliteStore(Store):
    """The live store in ``path``; made, empty, where there is none. ``offset``: of its clock, while it has none."""

    speech = SQLITE
    inline = True

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.beside = beside(path)
        self.engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": _BUSY})
        event.listen(self.engine, "connect", _configured)
        event.listen(self.engine, "begin", lambda core: core.exec_driver_sql("BEGIN IMMEDIATE"))
        try:
            with self.engine.begin() as core:
                make_tables(core)
        except Exception as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{path} cannot be used as a live store: {getattr(error, 'orig', error)}") from error
        self._offset = int(self.texts().get("offset", 0))
        self._free: dict[int, list[sqlite3.Connection]] = {}
        self._waiting: deque[tuple[Work[Any], Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._committing = threading.Lock()
        self._took = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = False
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_all, name="live-store-writer", daemon=True)
        self._writer.start()
        self._copier = threading.Thread(target=self._copy, name="live-store-checkpoint", daemon=True)
        self._copier.start()

    def clock(self) -> int:
        """The machine's clock and the store's offset."""
        return self.machine_clock() + self._offset

    def machine_clock(self) -> int:
        """The machine's clock."""
        return time.time_ns() // 1000

    def set_clock(self, offset: int) -> None:
        """Kept in the store, for all who open it later."""
        with self.engine.begin() as core:
            note(core, offset=offset)
        self._offset = offset

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """A reading on a connection nobody else uses meanwhile; one that failed is not used again."""
        try:
            driver = self._own()
        except sqlite3.Error as error:
            raise StoreAway(f"the live store cannot be read: {error}") from error
        try:
            yield Session(self.clock(), driver).begin_reading()
        except sqlite3.Error as error:
            driver.close()
            if _is_away(error):
                raise StoreAway(f"the live store cannot be read: {error}") from error
            raise
        except BaseException:
            self._give_back(driver)
            raise
        self._give_back(driver)

    def committed_by(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the connection it reads by: what another one commits takes the pages from it that it has at hand, which
        for two gigabytes that are mapped takes 18 ms.
        """
        self._loop = loop

    def write(self, work: Work[T]) -> "Future[T]":
        """Done with all that waits, in one transaction, by the event loop, or where there is none by the writer
        thread.
        """
        done = self.write_soon(work)
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self.commit)
                return done
        with self._wake:
            self._wake.notify()
        return done

    def write_soon(self, work: Work[T]) -> "Future[T]":
        """Done with all that waits, in one transaction, once `commit` is called or anything else is written."""
        done: Future[T] = Future()
        with self._wake:
            if self._closing:
                raise StoreAway("the live store is being closed")
            self._waiting.append((work, done))
        return done

    def commit(self) -> None:
        """Commit what waits here and now, where nothing is in the way; else the writer thread does.

        A thread that computes and one that commits take the interpreter from each other at every statement: with one
        core's worth of calls that costs several times what the commit does. So an event loop commits for itself, all
        that came while it was busy, unless the disk is slow or another process writes.
        """
        if self._took > _SLOW or not self._committing.acquire(blocking=False):
            self._hand_over([])
            return
        try:
            with self._wake:
                batch = list(self._waiting)
                self._waiting.clear()
            if batch:
                self._commit_here(batch)
        finally:
            self._committing.release()

    def _commit_here(self, batch: "list[tuple[Work[Any], Future[Any]]]") -> None:
        """On a connection that reads too: what another one commits empties the pages it has at hand."""
        begun, driver = batch, None
        try:
            driver = self._own()
            driver.execute("PRAGMA busy_timeout = 0")
            driver.execute("BEGIN IMMEDIATE")
            begun = [one for one in batch if _claimed(one[1])]
            results = self._together(driver, None, [work for work, _ in begun])
            began = time.perf_counter()
            driver.execute("COMMIT")
            self._took += 0.1 * (time.perf_counter() - began - self._took)
            driver.execute(f"PRAGMA busy_timeout = {int(1000 * _BUSY_READER)}")
            self._give_back(driver)
        except Exception:
            if driver is not None:
                driver.close()
            self._hand_over(begun)  # who finds out which of them it was, or waits until there is room
            return
        for (_, done), result in zip(begun, results, strict=True):
            done.set_result(result)

    def _hand_over(self, batch: "list[tuple[Work[Any], Future[Any]]]") -> None:
        """Leave works to the writer thread."""
        with self._wake:
            self._waiting.extendleft(reversed(batch))
            self._wake.notify()

    @property
    def waiting(self) -> int:
        """How many writings wait."""
        return len(self._waiting)

    def settled(self) -> int:
        """All that is committed: one writes at a time."""
        with self.reading() as reading:
            return reading.seen

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._closed.set()
        self._writer.join()
        self._copier.join()
        for drivers in self._free.values():
            for driver in drivers:
                driver.close()
        self._free.clear()
        self.engine.dispose()

    def _connect(self, timeout: float) -> sqlite3.Connection:
        """A connection to the file, which has to be there: a store that was moved away is not made anew, empty."""
        driver = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            _configured(driver, None)
        except sqlite3.Error:
            driver.close()
            raise
        return driver

    def _own(self) -> sqlite3.Connection:
        """A connection this thread has used before: another has statements to prepare and pages of the file to map."""
        mine = self._free.get(threading.get_ident())
        return mine.pop() if mine else self._connect(_BUSY_READER)

    def _give_back(self, driver: sqlite3.Connection) -> None:
        if driver.in_transaction:
            driver.execute("COMMIT")
        me = threading.get_ident()
        if self._closed.is_set() or (me not in self._free and len(self._free) >= _THREADS):
            driver.close()
        else:
            self._free.setdefault(me, []).append(driver)

    def _write_all(self) -> None:
        with self.engine.connect() as core:
            while True:
                with self._wake:
                    while not self._waiting and not self._closing:
                        self._wake.wait()
                    if not self._waiting:
                        return
                    batch = list(self._waiting)
                    self._waiting.clear()
                with self._committing:
                    began = time.perf_counter()
                    self._commit(core, batch)
                    self._took += 0.1 * (time.perf_counter() - began - self._took)

    def _commit(self, core: Connection, batch: "list[tuple[Work[Any], Future[Any]]]") -> None:
        """All in one transaction; where one fails, each in its own."""
        begun: list[tuple[Work[Any], Future[Any]]] = []
        try:
            with core.begin():
                # Only now, for another process may have kept it waiting: whoever waits no longer takes their work back.
                begun = [one for one in batch if _claimed(one[1])]
                driver = core.connection.driver_connection
                assert isinstance(driver, sqlite3.Connection)
                results = self._together(driver, core, [work for work, _ in begun])
        except Exception as error:
            if len(begun) > 1:
                for one in begun:
                    self._commit(core, [one])
                return
            for _, done in begun or batch:
                if _claimed(done):
                    done.set_exception(_away(error))
            return
        for (_, done), result in zip(begun, results, strict=True):
            done.set_result(result)

    def _together(self, driver: sqlite3.Connection, core: Connection | None, works: "list[Work[Any]]") -> list[Any]:
        last = driver.execute(statements.CLOCK).fetchone()[0]
        results = []
        for work in works:
            session = Session(self.clock(), driver, core)
            last = session.next_stamp(last)
            results.append(work(session))
        driver.execute(said(statements.TICK), (last,))
        return results

    def _copy(self) -> None:
        """Copies the write-ahead log into the database now and then, so that no commit has to; seldom, as whoever syncs
        a decision meanwhile waits for the same disk.
        """
        driver, log = self._connect(_BUSY), self.path.with_name(self.path.name + "-wal")
        copied, before = time.monotonic(), 0
        while not self._closed.wait(_CHECKED_EVERY):
            try:
                size = log.stat().st_size
                late = time.monotonic() - copied > _COPIED_EVERY
                if size > _PAGES * 4096 and (late or size > before + _GROWN * 4096):
                    _copied(driver, size > _GROWN * 4096)
                    copied, before = time.monotonic(), log.stat().st_size
            except (sqlite3.Error, OSError):
                pass  # the next round tries again; meanwhile the log grows
        driver.close()


def _copied(driver: sqlite3.Connection, must: bool) -> None:
    """Copy the log, and what came meanwhile: it begins anew only where nothing is left. ``must``: writers wait."""
    for _ in range(_PASSES):
        _, frames, done = driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if frames == done:
            break
    if must:
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def beside(path: Path) -> Path:
    """Where decisions wait for the store in a file."""
    return path.with_name(path.name + ".undelivered")


def _configured(driver: sqlite3.Connection, record: object) -> None:
    driver.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",
        "cache_size=-65536",
        f"mmap_size={_MAPPED}",
    ):
        driver.execute(f"PRAGMA {pragma}")


def _claimed(done: "Future[Any]") -> bool:
    """Whether somebody still waits, who cannot take it back from here on."""
    return done.running() or (not done.done() and done.set_running_or_notify_cancel())


def _is_away(error: BaseException) -> bool:
    """Whether the file cannot be had: locked, full, unreadable, or no database any more."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError


def _away(error: Exception) -> Exception:
    found = getattr(error, "orig", error)
    return StoreAway(f"the live store cannot be written: {found}") if _is_away(found) else error


__all__ = ["SqliteStore", "meta"]
