"""Decisions in a file of this machine's disk, whose room is set aside beforehand: one more costs one
synchronous write, and nothing of what a file system does where a file grows.

A record is a head (bytes of what is said, bytes of all after the head, CRC-32 of these), what is said as JSON, the
body and the texts. Where no whole record stands, the file ends. What was delivered is overwritten with zeros, so that
nobody's data stays.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4
from zlib import crc32

import orjson

from features.durable import sync

ROOM = 4 << 20
"""Bytes of a file: about two thousand decisions."""
SUFFIX = ".journal"
_HEAD = struct.Struct("<III")


class Record(NamedTuple):
    """A decision as `journal.pack` has it. ``texts``: digest -> what it refers to and the store may not have yet."""

    id: str
    at: int
    entity: int | None
    body: bytes
    texts: Mapping[str, bytes]

    def packed(self) -> bytes:
        """As bytes."""
        sizes = {name: len(text) for name, text in self.texts.items()}
        said = orjson.dumps([self.id, self.at, self.entity, len(self.body), sizes])
        rest = b"".join([said, self.body, *self.texts.values()])
        return _HEAD.pack(len(said), len(rest), crc32(rest)) + rest


def unpacked(data: bytes) -> Iterator[Record]:
    """The whole records data begin with."""
    place = 0
    while place + _HEAD.size <= len(data):
        size, length, check = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        rest = data[place : place + length]
        if not length or len(rest) < length or crc32(rest) != check:
            return
        place += length
        id_, at, entity, n, sizes = orjson.loads(rest[:size])
        begin = size + n
        body, texts = rest[size:begin], {}
        for name, n in sizes.items():
            texts[name] = rest[begin : begin + n]
            begin += n
        yield Record(id_, at, entity, body, texts)


class Segment:
    """A file one process writes to, which holds a lock on it. ``kept``: what is in it."""

    def __init__(self, folder: Path, room: int = ROOM) -> None:
        """Made, empty, in a folder that is there. Raises `OSError` where there is no room."""
        self.path = folder / f"{uuid4().hex}{SUFFIX}"
        self.room = room
        self.kept: list[Record] = []
        self._end = 0
        made = self.path.with_suffix(".tmp")  # nobody takes it for a file somebody left before it is locked
        self._handle = os.open(made, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX)
            _write(self._handle, bytes(room), 0)
            os.fsync(self._handle)
            made.rename(self.path)
            sync(folder)
            self._synced = os.open(self.path, os.O_WRONLY | os.O_DSYNC)
        except OSError:
            made.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            raise

    def has_room(self, data: bytes) -> bool:
        """Whether so much still goes in."""
        return self._end + len(data) <= self.room

    def append(self, records: Sequence[Record], data: bytes) -> None:
        """Records, and the same as bytes, are on the disk when this returns. Raises `OSError` where they may not be;
        what comes next is written in their place.
        """
        _write(self._synced, data, self._end)
        self._end += len(data)
        self.kept.extend(records)

    def clear(self) -> bool:
        """Overwrite everything; whether the file can be used again.

        Not synced: who syncs a decision meanwhile would wait for it. Records that came back with a power cut are
        delivered again, which changes nothing.
        """
        try:
            _write(self._handle, bytes(self._end), 0)
        except OSError:
            return False
        self._end, self.kept = 0, []
        return self.room == ROOM

    def release(self) -> None:
        """Let others have it."""
        os.close(self._synced)
        os.close(self._handle)

    def remove(self) -> None:
        """It is gone."""
        self.path.unlink(missing_ok=True)
        self.release()


def _write(handle: int, data: bytes, place: int) -> None:
    if os.pwrite(handle, data, place) != len(data):
        raise OSError(errno.ENOSPC, "the disk is full")


def first(path: Path) -> bytes:
    """What tells whether the file's owner has emptied it since: the head of the first record."""
    with path.open("rb") as file:
        return file.read(_HEAD.size)
