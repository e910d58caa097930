"""Readings and writings of a SQLite file, which come one after another: each sees one state of the whole file."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache

import orjson
from sqlalchemy import Connection

from serving.live import statements
from serving.live.statements import SQLITE
from serving.live.store import StoreError, Writing

said = cache(SQLITE.said)
"""A statement as SQLite wants it."""


def _value(value: object) -> object:
    return orjson.dumps(value).decode() if isinstance(value, list) else value


class Session(Writing):
    """A transaction on one connection, begun at ``now`` by the store's clock."""

    def __init__(self, now: int, driver: sqlite3.Connection, core: Connection | None = None) -> None:
        self.now, self._driver, self._core = now, driver, core
        self._stamp = 0
        self._seen = 0
        self._clock: tuple | None = None

    @property
    def core(self) -> Connection:  # type: ignore[override]
        """An SQLAlchemy connection in this transaction, where it was begun by one."""
        if self._core is None:
            raise StoreError("this reading is for the driver's statements alone: use `Store.engine`")
        return self._core

    def rows(self, statement: str, *values: object) -> list[tuple]:
        """What a statement finds."""
        if statement is statements.CLOCK and self._clock is not None:
            return [self._clock]  # read when the reading began
        return self._driver.execute(said(statement), tuple(map(_value, values))).fetchall()

    def hold(self, keys: Iterable[int]) -> None:
        """Nothing to do: a transaction sees one state of the whole file."""

    @property
    def evidence(self) -> int | None:
        """The stamp of the last evidence, as of the beginning of this reading."""
        return self._clock[1] if self._clock else None

    @property
    def seen(self) -> int:
        """One more than the last stamp given, or the stamp of this writing."""
        return self._seen

    @property
    def stamp(self) -> int:
        """Given when the writing began."""
        return self._stamp

    def run(self, statement: str, *values: object) -> int:
        """How many rows it changed."""
        return self._driver.execute(said(statement), tuple(map(_value, values))).rowcount

    def run_many(self, statement: str, rows: Sequence[tuple]) -> None:
        """Once for each row."""
        self._driver.executemany(said(statement), rows)

    def begin_reading(self) -> "Session":
        """Fixes what is seen."""
        self._driver.execute("BEGIN")
        self._clock = self._driver.execute(statements.CLOCK).fetchone()
        self._seen = self._clock[0] + 1
        return self

    def next_stamp(self, last: int) -> int:
        """A stamp later than the last one, and not before now."""
        self._stamp = max(self.now, last + 1)
        self._seen = self._stamp
        return self._stamp
