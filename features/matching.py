"""Which rows meet which filters: one word per row with a bit for each, made in one pass over each column tested."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
from numba import float64, int8, int32, uint8, uint16, uint32, uint64, void

_ROWS = 1_000_000
_WORDS = (uint8, uint16, uint32, uint64)


def word(filters: int) -> np.dtype:
    """The shortest unsigned type with a bit for each of so many filters (at most 64)."""
    return np.dtype(next(f"uint{bits}" for bits in (8, 16, 32, 64) if filters <= bits))


@nb.njit([void(w[::1], c[::1], w[::1]) for w in _WORDS for c in (int8, int32)], cache=True, nogil=True)
def _by_code(bits, codes, table):  # type: ignore[no-untyped-def]
    missing = table.shape[0] - 1
    for i in range(bits.shape[0]):
        code = codes[i]
        bits[i] &= table[code if code >= 0 else missing]


@nb.njit([void(w[::1], float64[::1], float64[::1], w[::1]) for w in _WORDS], cache=True, nogil=True)
def _by_interval(bits, numbers, bounds, table):  # type: ignore[no-untyped-def]
    for i in range(bits.shape[0]):
        number = numbers[i]
        if np.isnan(number):
            bits[i] &= table[table.shape[0] - 1]
            continue
        place = 0
        while place < bounds.shape[0] and number >= bounds[place]:
            place += 1
        bits[i] &= table[place]


def mark(bits: np.ndarray, values: np.ndarray, table: np.ndarray, bounds: np.ndarray | None = None) -> None:
    """Clears in ``bits`` (n,), of a type of `word`, what the values of one column rule out, on all cores.

    ``values`` int8 or int32 codes (-1: missing) with a table (v + 1,), or float64 numbers with rising ``bounds`` (b,)
    and a table (b + 2,) for the intervals between them; the last entry of a table is for missing values.
    """
    table = table.astype(bits.dtype)

    def part(low: int) -> None:
        rows = slice(low, low + _ROWS)
        if bounds is None:
            _by_code(bits[rows], values[rows], table)
        else:
            _by_interval(bits[rows], values[rows], bounds, table)

    lows = range(0, len(bits), _ROWS)
    if len(lows) <= 1:
        for low in lows:
            part(low)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(part, lows))
