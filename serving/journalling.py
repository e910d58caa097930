"""What is decided is written down before it is answered: where, by what the store is and whether it can be had.

A SQLite file is given decisions many at once, from files beside it where they are durable first (`serving.live.spill`);
one by one they would cost it several times as much. A server is given each before its answer leaves, and those it does
not take in time, which are marked, wait beside it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from serving.live import journal, statements
from serving.live.segment import Record
from serving.live.spill import Spill
from serving.live.store import Store, StoreAway, Writing
from serving.taking import Taken
from serving.writings import Writings

logger = structlog.get_logger("serving")
Made = Sequence[tuple[str, tuple]]
"""Statements, with their values, that keep what was made of rows in the store's caches."""
_MADE = 1_000
"""So many of these wait at most: who finds a cache without them makes them again."""
_SLOW = 0.005
"""Seconds of a disk that no event loop should wait for."""


class Texts:
    """What decisions refer to by its digest; the first of them that is written down takes it along."""

    def __init__(self) -> None:
        self._all: dict[str, bytes] = {}
        self._written: set[str] = set()

    def name(self, body: bytes) -> str:
        """The digest of a text."""
        name = journal.digest(body)
        self._all.setdefault(name, body)
        return name

    def unwritten(self, entry: journal.Entry) -> dict[str, bytes]:
        """Those an entry refers to that may not be there yet."""
        named = {entry.rules, entry.covered, entry.features} - self._written
        return {name: self._all[name] for name in named}

    def wrote(self, texts: Mapping[str, bytes]) -> None:
        """They are there now."""
        self._written |= texts.keys()


class Journalling:
    """Writes decisions down, for one event loop."""

    def __init__(self, store: Store, spill: Spill, texts: Texts, writings: Writings, time_limit: float) -> None:
        self.store, self.spill, self.texts, self.writings = store, spill, texts, writings
        self._time_limit = time_limit
        self._waiting: list[tuple[Record, asyncio.Future[None]]] = []
        self._made: list[tuple[str, tuple]] = []
        self._took = 0.0
        self._disk = ThreadPoolExecutor(1, "journal")

    async def keep(self, taken: Taken, made: Made) -> Taken:
        """What may be answered, once it is written down. Raises `OSError` where that cannot be, nowhere."""
        if self.store.inline:
            if len(self._made) < _MADE:
                self._made += made
            try:
                await self._beside(taken)
            except (OSError, TimeoutError) as error:
                logger.warning("the disk does not take a decision", why=str(error) or "it takes too long")
                if not await self._in_store(taken, ()):
                    raise OSError("neither a file nor the store takes it") from error
            return taken
        if not taken.entry.degraded and await self._in_store(taken, made):
            return taken
        taken = taken.marked("journal")
        await asyncio.to_thread(self.spill.keep, [self._record(taken)])
        return taken

    async def _in_store(self, taken: Taken, made: Made) -> bool:
        """Whether the store took it in time."""
        entry, body = taken.entry, taken.body
        texts = self.texts.unwritten(entry)

        def work(writing: Writing) -> None:
            for name, text in texts.items():
                writing.run(statements.NEW_TEXT, name, text)
            journal.writes(entry.id, entry.now, entry.entity, body)(writing)
            _run(made, writing)

        try:
            await self.writings.durable(work)
        except (StoreAway, TimeoutError):
            return False
        self.texts.wrote(texts)
        return True

    async def _beside(self, taken: Taken) -> None:
        """It is on the disk when this returns, with all that came while the event loop was busy."""
        record = self._record(taken)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._sync)  # after all calls that are there now
        synced: asyncio.Future[None] = loop.create_future()
        self._waiting.append((record, synced))
        if self._took < _SLOW:
            await synced
        else:
            await asyncio.wait_for(synced, self._time_limit)
        self.texts.wrote(record.texts)

    def _sync(self) -> None:
        waiting, self._waiting = self._waiting, []
        records = [record for record, _ in waiting]
        if self._took < _SLOW:
            _settle(waiting, self._kept(records))
            return
        kept = asyncio.get_running_loop().run_in_executor(self._disk, self._kept, records)
        kept.add_done_callback(lambda done: _settle(waiting, done.result()))

    def _kept(self, records: Sequence[Record]) -> OSError | None:
        began = time.perf_counter()
        try:
            self.spill.keep(records)
        except OSError as error:
            return error
        finally:
            self._took += 0.1 * (time.perf_counter() - began - self._took)
        return None

    def _record(self, taken: Taken) -> Record:
        entry = taken.entry
        return Record(entry.id, entry.now, entry.entity, taken.body, self.texts.unwritten(entry))

    def deliver(self, seconds: float | None = None) -> int:
        """How many decisions of what waits beside the store it has taken now, with what was made of its rows. Raises as
        `Spill.deliver`.
        """
        made, self._made = self._made, []
        if made:
            self.store.write(lambda writing: _run(made, writing)).result(seconds)
        return self.spill.deliver(self.store, seconds)

    def catch_up(self) -> bool:
        """Whether all that was decided before can be found in the store now; not for an event loop."""
        try:
            if self.spill.mine or self.spill.heads():
                self.deliver(self._time_limit)
        except (StoreAway, TimeoutError, OSError):
            return False
        return not self.spill.heads()

    def close(self) -> None:
        """Deliver what waits, and leave the rest to the next start."""
        self._disk.shutdown()
        try:
            self.deliver()
        except Exception:
            logger.exception("decisions that wait were not delivered; the next start will")
        self.spill.release()


def _settle(waiting: "Sequence[tuple[Record, asyncio.Future[None]]]", error: OSError | None) -> None:
    for _, synced in waiting:
        if synced.done():
            continue  # whoever waited has given up
        if error is None:
            synced.set_result(None)
        else:
            synced.set_exception(error)


def _run(made: Made, writing: Writing) -> None:
    for statement, values in sorted(made, key=lambda one: one[1][0]):  # by key, as others do at once
        writing.run(statement, *values)
