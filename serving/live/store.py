"""What both live stores offer: reading at one cut, and writing that is durable when it is reported done.

A *reading* is of one cut: all rows of the keys it holds that have an earlier stamp are there. Later ones may be there
too, so whoever reads leaves out what has no earlier stamp. A *writing* gets a stamp of its own, later than that of
every writing about the same keys that was reported done before, and than the cut of every reading that did not see it.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, insert, select, text

from serving.live import schema
from serving.live.statements import Speech

T = TypeVar("T")
_NOTE = text(
    "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)


EVERYTHING = 0
"""The key that stands for all keys: whoever writes about it is alone, and touching it makes every cached one old."""
NUMBERS = -1
"""The key that is held by whoever gives new numbers to words."""


class StoreError(RuntimeError):
    """A live store that cannot be used as it is; the message says why and what helps."""


class StoreAway(RuntimeError):  # noqa: N818  it says what is so, not whose mistake it is
    """The live store does not answer now, or not in time; it may later."""


class Reading(ABC):
    """The store at one cut. ``core``: an SQLAlchemy connection in this transaction; ``now``: the store's clock."""

    core: Connection
    now: int

    @abstractmethod
    def rows(self, statement: str, *values: object) -> list[tuple]:
        """What a statement of `statements` finds; a list among the values is one of key ids."""

    @abstractmethod
    def hold(self, keys: Iterable[int]) -> None:
        """From here on all rows of these keys with a stamp before `seen` are there."""

    @property
    def evidence(self) -> int | None:
        """The stamp of the last evidence, where this reading sees one state of the whole store; else ``None``."""
        return None

    @property
    @abstractmethod
    def seen(self) -> int:
        """The cut, in UTC microseconds: later than the stamps of all that was done before the reading began."""


class Writing(Reading):
    """A reading that may also write, once it holds every key it writes about: nobody else writes about these then."""

    @property
    @abstractmethod
    def stamp(self) -> int:
        """The instant at which what is written here can be seen from; asked for once everything is held."""

    @abstractmethod
    def run(self, statement: str, *values: object) -> int:
        """How many rows a statement of `statements` changed."""

    @abstractmethod
    def run_many(self, statement: str, rows: Sequence[tuple]) -> None:
        """A statement once for each row of values."""


Work = Callable[[Writing], T]
"""What is written, and what it comes to; run anew where the transaction has to be, so it changes nothing else."""


class Store(ABC):
    """A live store."""

    engine: Engine
    speech: Speech
    inline: bool
    """Whether a reading is so short that an event loop may wait for it."""
    beside: Path | None = None
    """The folder where decisions wait for this store and no other; ``None``: wherever its callers keep them."""

    @abstractmethod
    def clock(self) -> int:
        """The store's now, in UTC microseconds; raises `StoreAway`."""

    @abstractmethod
    def machine_clock(self) -> int:
        """What the clock the store's is set by says, in UTC microseconds."""

    @abstractmethod
    def set_clock(self, offset: int) -> None:
        """From here on the store's now is the machine's and ``offset`` microseconds."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Reading]:
        """A reading; raises `StoreAway`."""

    @abstractmethod
    def write(self, work: Work[T]) -> "Future[T]":
        """The result of the work, once it is durable. Fails with what the work raised, or with `StoreAway`."""

    @abstractmethod
    def write_soon(self, work: Work[T]) -> "Future[T]":
        """The same, once `commit` is called, where that is better than at once."""

    @abstractmethod
    def commit(self) -> None:
        """Commit what was to be written soon."""

    @abstractmethod
    def committed_by(self, loop: asyncio.AbstractEventLoop) -> None:
        """From here on an event loop commits what is written, where that is better than a thread."""

    @abstractmethod
    def settled(self) -> int:
        """A cut below which no writing is under way: rows with an earlier stamp are all there."""

    @abstractmethod
    def close(self) -> None:
        """Finish what is under way and let go of everything."""

    @property
    @abstractmethod
    def waiting(self) -> int:
        """How many writings are not done yet."""

    def texts(self) -> dict[str, str]:
        """What `schema.META` says."""
        with self.engine.connect() as core:
            return meta(core)


def meta(core: Connection) -> dict[str, str]:
    """What `schema.META` says, as seen by a connection."""
    return dict(core.execute(select(schema.META.c.name, schema.META.c.value)).all())


def note(core: Connection, **values: object) -> None:
    """Put values into `schema.META`, in place of what it said."""
    for name, value in values.items():
        core.execute(_NOTE, {"name": name, "value": str(value)})


def make_tables(core: Connection) -> None:
    """Make what is missing, in a transaction that nobody else makes tables in.

    Raises `StoreError` for a store whose tables are of another version.
    """
    schema.METADATA.create_all(core)
    found = meta(core).get("version")
    if found is None:
        note(core, version=schema.VERSION)
        core.execute(insert(schema.CLOCK).values(one=1, stamp=0, evidence=0, feeds=0))
    elif found != schema.VERSION:
        raise StoreError(
            f"the live store has tables of version {found}, and this is version {schema.VERSION}: "
            "run `tieline sync`, then `tieline load --anew`"
        )
    if meta(core).get("caches") != schema.CACHED:
        for table in schema.CACHES:
            core.execute(table.delete())
        note(core, caches=schema.CACHED)
