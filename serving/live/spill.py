"""Decisions the store did not take in time: kept beside it on this machine's disk, and delivered once it is back.

Lines of JSON, appended and synced; whoever delivers takes the file away first, so that a line is in one file at any
time. Delivering twice changes nothing, for a decision is written down once by its id.
"""

import base64
import os
import threading
from pathlib import Path
from uuid import uuid4

import orjson

from features.durable import make_directory, sync
from serving.live import journal
from serving.live.store import Store


class Spill:
    """The folder of what is not delivered yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many files wait to be delivered."""
        return len(list(self.folder.glob("*.jsonl"))) if self.folder.is_dir() else 0

    def keep(self, decision: str, at: int, entity: int | None, body: bytes) -> None:
        """One decision is on the disk when this returns. Raises `OSError` where it cannot be."""
        line = orjson.dumps([decision, at, entity, base64.b64encode(body).decode()]) + b"\n"
        with self._lock:
            path = make_directory(self.folder) / "waiting.jsonl"
            new = not path.exists()
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                before = os.fstat(handle).st_size
                try:
                    written = os.write(handle, line)
                    if written != len(line):
                        raise OSError(28, "the disk is full")
                    os.fdatasync(handle)
                except OSError:
                    os.ftruncate(handle, before)
                    raise
            finally:
                os.close(handle)
            if new:
                sync(path.parent)

    def deliver(self, store: Store) -> int:
        """How many decisions the store has taken now. What it does not take stays."""
        if not self.waiting:
            return 0
        with self._lock:
            path = self.folder / "waiting.jsonl"
            if path.exists():
                path.rename(self.folder / f"{uuid4().hex}.jsonl")
                sync(self.folder)
        done = 0
        for path in sorted(self.folder.glob("*.jsonl")):
            if path.name == "waiting.jsonl":
                continue
            for line in path.read_bytes().splitlines():
                decision, at, entity, body = orjson.loads(line)
                store.write(journal.writes(decision, at, entity, base64.b64decode(body))).result()
                done += 1
            path.unlink()
        return done
