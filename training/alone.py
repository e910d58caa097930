"""One retraining at a time: a lock that goes when its process does, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class BusyError(RuntimeError):
    """Somebody else holds the lock; the message says which, and who."""


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock at ``path``; raises `BusyError` at once where another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BusyError(f"{path.stem} runs already, as process {file.read().strip() or 'unknown'}") from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
