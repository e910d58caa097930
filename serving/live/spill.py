"""Decisions the store did not take in time: kept beside it on this machine's disk, and delivered once it is back.

Lines of JSON, appended and synced. Whoever appends to a file holds a lock on it; whoever delivers takes that lock, so
that nobody removes a file somebody still writes to, and a file whose writer was killed is delivered by the next one.
Delivering twice changes nothing, for a decision is written down once by its id.
"""

import base64
import fcntl
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import orjson
import structlog

from features.durable import make_directory, sync
from serving.live import journal
from serving.live.store import Store

logger = structlog.get_logger("serving")


class Spill:
    """The folder of what is not delivered yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._handle: int | None = None

    @property
    def waiting(self) -> int:
        """How many files wait to be delivered."""
        return len(list(self.folder.glob("*.jsonl"))) if self.folder.is_dir() else 0

    def keep(self, decision: str, at: int, entity: int | None, body: bytes, texts: Mapping[str, bytes]) -> None:
        """One decision is on the disk when this returns, with ``texts`` it refers to. Raises `OSError` where it cannot
        be.
        """
        said = [decision, at, entity, _coded(body), {name: _coded(text) for name, text in texts.items()}]
        # A writer that was killed may have left half a line: a new one begins with an end.
        line = b"\n" + orjson.dumps(said) + b"\n"
        with self._lock:
            handle = self._opened()
            before = os.fstat(handle).st_size
            try:
                if os.write(handle, line) != len(line):
                    raise OSError(28, "the disk is full")
                os.fdatasync(handle)
            except OSError:
                os.ftruncate(handle, before)
                raise

    def deliver(self, store: Store) -> int:
        """How many decisions the store has taken now. What it does not take stays."""
        if not self.waiting:
            return 0
        self.release()
        return sum(self._delivered(path, store) for path in sorted(self.folder.glob("*.jsonl")))

    def release(self) -> None:
        """Whoever delivers may take the file that was written to last; the next decision goes to a new one."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _opened(self) -> int:
        if self._handle is None:
            folder = make_directory(self.folder)
            handle = os.open(folder / f"{uuid4().hex}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                sync(folder)
            except OSError:
                os.close(handle)
                raise
            self._handle = handle
        return self._handle

    def _delivered(self, path: Path, store: Store) -> int:
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return 0  # somebody else was faster
        with os.fdopen(handle, "rb") as file:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            if not os.fstat(handle).st_nlink:
                return 0
            found = [said for line in file.read().splitlines() if (said := _read(line)) is not None]
            for decision, at, entity, body, texts in found:
                known = {name: base64.b64decode(text) for name, text in texts.items()}
                store.write(journal.delivers(decision, at, entity, base64.b64decode(body), known)).result()
            path.unlink()
            return len(found)


def _coded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _read(line: bytes) -> list | None:
    """What a line says; nothing for what a writer that was killed left half written, and nobody was told was kept."""
    if not line:
        return None
    try:
        said: list = orjson.loads(line)
    except orjson.JSONDecodeError:
        logger.warning("half a decision was left by a process that was killed; its answer never left")
        return None
    return said
