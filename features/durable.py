"""Files that survive a kill: written whole, synced, and published under a name nobody else can have taken."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


def sync(path: Path) -> None:
    """The file's (or directory's) content is on the disk when this returns."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(path: Path) -> Path:
    """The directory itself, made (with its parents) and synced into its parent where it was missing."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
    return path


def publish(content: bytes, target: Path, *, mode: int = 0o644) -> bool:
    """True when ``target`` now holds ``content``; False when another writer took the name first.

    A hard link is exclusive (it fails if the name is there) *and* complete (the linked file was synced before): a
    rename would silently replace another writer's file, an exclusive open could leave half a file after a kill.
    """
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, target)
        sync(target.parent)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink()


def digest(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(content: bytes, target: Path, *, mode: int = 0o644) -> None:
    """``target`` holds ``content`` in place of what it held: the old or the new, never a part, after a kill."""
    temporary = target.with_name(f".{uuid4().hex}.tmp")
    if publish(content, temporary, mode=mode):
        temporary.replace(target)
        sync(target.parent)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, which gets its place when all is written and synced; else nothing is there."""
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
