"""Large arrays that are cheap to fill for the first time.

NumPy asks for huge pages for large arrays. A virtual machine that gives free memory back to its host has to get each of
them anew, and filling one for the first time was seen to cost four times what small pages cost; columns are filled once
and read in runs, so that huge pages bring little else.
"""

import math
import mmap

import numpy as np

_LARGE = 4 << 20
"""Bytes from which NumPy asks for huge pages."""


def empty(shape: int | tuple[int, ...], dtype: np.dtype | type) -> np.ndarray:
    """An array without values, as ``numpy.empty``, in small pages."""
    shape = (shape,) if isinstance(shape, int) else shape
    wanted = math.prod(shape) * np.dtype(dtype).itemsize
    if wanted < _LARGE or not hasattr(mmap, "MAP_ANONYMOUS"):
        return np.empty(shape, dtype)
    pages = mmap.mmap(-1, wanted, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, dtype).reshape(shape)
