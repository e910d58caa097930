"""What one durable write costs on the disk the live store lies on, by itself."""

import os
import time
from pathlib import Path

import numpy as np

_FRAME = os.urandom(4 * 4120)
"""Four pages as the write-ahead log of a decision has them, about as many as one commit writes."""
_FRAMES = 500


def fdatasync_seconds(folder: Path, times: int = 300) -> np.ndarray:
    """(times,) seconds of fdatasync after four pages were written over others: a log that is used again."""
    path = folder / "fdatasync.probe"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(file, _FRAME * _FRAMES)
        os.fsync(file)
        took = np.empty(times)
        for i in range(times):
            os.pwrite(file, _FRAME, i % _FRAMES * len(_FRAME))
            begun = time.perf_counter()
            os.fdatasync(file)
            took[i] = time.perf_counter() - begun
        return took
    finally:
        os.close(file)
        path.unlink()
