"""Who is at work in a lake: so that nothing is swept away under somebody's hands, and nothing dead is left lying.

Writers and readers share a lock on the lake's folder, which the system releases when they are killed. Whoever gets it
alone knows that all files no commit names were left behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PAUSE = 0.05


@contextmanager
def at_work(root: Path) -> Iterator[None]:
    """Nothing is swept from the lake meanwhile. Any number may be at work, also several times in one thread."""
    if not root.is_dir():
        yield
        return
    handle = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def alone(root: Path, patience: float) -> Iterator[bool]:
    """True when nobody is at work and nobody can begin meanwhile; False when somebody was for ``patience`` seconds."""
    handle = os.open(root, os.O_RDONLY)
    try:
        yield _taken(handle, time.monotonic() + patience)
    finally:
        os.close(handle)


def _taken(handle: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE)
        else:
            return True
