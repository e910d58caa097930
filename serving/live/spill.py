"""Decisions on this machine's disk, on their way to the store: durable here, and delivered many at once.

A SQLite file takes a decision of its own for several times what the disk needs for the bytes; so there every decision
goes this way. Where the store is a server, those go it that were not taken in time. Delivering twice changes nothing,
for a decision is written down once by its id; a file whose writer was killed is delivered by the next one.
"""

import fcntl
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from features.durable import make_directory
from serving.live import journal
from serving.live.segment import ROOM, SUFFIX, Record, Segment, first, unpacked
from serving.live.store import Store

_SPARE = 2
"""So many files with nothing in them are kept for what comes."""
_TOGETHER = 1_000
"""So many are delivered at once: whoever commits them is busy for some milliseconds."""
_LOOKED_EVERY = 0.05


class Spill:
    """The folder of what is not delivered yet. Any thread may keep and deliver."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._current: Segment | None = None
        self._full: list[Segment] = []
        self._spare: list[Segment] = []

    @property
    def waiting(self) -> int:
        """How many decisions wait to be delivered, whoever wrote them."""
        return self.mine + sum(len(list(unpacked(data))) for data in map(_bytes, self._others()))

    @property
    def mine(self) -> int:
        """How many of those that were kept here wait."""
        with self._lock:
            return sum(len(segment.kept) for segment in (*self._full, self._current) if segment is not None)

    def prepare(self) -> None:
        """Set room aside, so that the first decisions need not wait for it. Raises `OSError` where there is none."""
        with self._lock:
            while len(self._spare) < _SPARE:
                self._spare.append(Segment(make_directory(self.folder)))

    def keep(self, records: Sequence[Record]) -> None:
        """They are on the disk when this returns. Raises `OSError` where they cannot be."""
        data = b"".join([record.packed() for record in records])
        with self._lock:
            if self._current is None or not self._current.has_room(data):
                another = self._empty(len(data))
                if self._current is not None:
                    self._full.append(self._current)
                self._current = another
            self._current.append(records, data)

    def deliver(self, store: Store, seconds: float | None = None) -> int:
        """How many decisions the store has taken now. What it does not take stays, as what it does not take within so
        many seconds: `TimeoutError`. Raises `StoreAway` and `OSError`.
        """
        if not self._turn.acquire(timeout=-1 if seconds is None else seconds):
            raise TimeoutError("somebody else is delivering")
        try:
            left = sum(_deliver_left(path, store, seconds) for path in self._others())
            return left + self._deliver_mine(store, seconds)
        finally:
            self._turn.release()

    def heads(self) -> dict[Path, bytes]:
        """Of each file others write to, or left, and that has decisions: what changes when it is emptied."""
        return {path: head for path in self._others() if any(head := _first(path))}

    def settle(self, store: Store, seconds: float) -> bool:
        """Deliver, and wait until others who write here have delivered what they have now; whether they did in time."""
        self.deliver(store)
        heads, until = self.heads(), time.monotonic() + seconds
        while heads:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOKED_EVERY)
            self.deliver(store)  # who wrote them may have been killed
            heads = dict(heads.items() & self.heads().items())
        return True

    def release(self) -> None:
        """Leave what waits to whoever comes next."""
        with self._turn, self._lock:
            for segment in (*self._full, *self._spare, *([self._current] if self._current else [])):
                if segment.kept:
                    segment.release()
                else:
                    segment.remove()
            self._current, self._full, self._spare = None, [], []

    def _empty(self, size: int) -> Segment:
        if self._spare and size <= ROOM:
            return self._spare.pop()
        return Segment(make_directory(self.folder), max(ROOM, size))

    def _deliver_mine(self, store: Store, seconds: float | None) -> int:
        count = 0
        with self._lock:
            if self._current is not None and self._current.kept:
                self._full.append(self._current)  # what is decided meanwhile goes to another file
                self._current = None
        while self._full:
            segment = self._full[0]
            count += _delivered(segment.kept, store, seconds)
            reusable = segment.clear()
            with self._lock:
                self._full.pop(0)
                if reusable and len(self._spare) < _SPARE:
                    self._spare.append(segment)
                else:
                    segment.remove()
        return count

    def _others(self) -> list[Path]:
        with self._lock:
            mine = {segment.path for segment in (*self._full, *self._spare, self._current) if segment is not None}
            found = sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []
        return [path for path in found if path not in mine]


def _deliver_left(path: Path, store: Store, seconds: float | None) -> int:
    with _taken(path) as data:
        if data is None:
            return 0
        count = _delivered(list(unpacked(data)), store, seconds)
        path.unlink()
        return count


@contextmanager
def _taken(path: Path) -> Iterator[bytes | None]:
    """What is in a file nobody writes to, while nobody else may have it; ``None`` where somebody has it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None  # somebody else was faster
        return
    with os.fdopen(handle, "rb") as file:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield file.read() if os.fstat(handle).st_nlink else None


def _delivered(records: Sequence[Record], store: Store, seconds: float | None) -> int:
    for begin in range(0, len(records), _TOGETHER):
        store.write(journal.delivers(records[begin : begin + _TOGETHER])).result(seconds)
    return len(records)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _first(path: Path) -> bytes:
    try:
        return first(path)
    except FileNotFoundError:
        return b""
