"""Which rows meet which filters: one word of 64 bits per row, made in one pass over each column that is tested."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
from numba import float64, int32, uint64, void

_ROWS = 1_000_000


@nb.njit(void(uint64[::1], int32[::1], uint64[::1]), cache=True, nogil=True)
def _by_code(bits, codes, table):  # type: ignore[no-untyped-def]
    missing = table.shape[0] - 1
    for i in range(bits.shape[0]):
        code = codes[i]
        bits[i] &= table[code if code >= 0 else missing]


@nb.njit(void(uint64[::1], float64[::1], float64[::1], uint64[::1]), cache=True, nogil=True)
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


def mark(bits: np.ndarray, values: np.ndarray, *tables: np.ndarray) -> None:
    """Clears in ``bits`` (n,) uint64 what the values of one column rule out, on all cores.

    ``values`` int32 codes (-1: missing) with a table (v + 1,) uint64, or float64 numbers with rising bounds (b,) and
    a table (b + 2,) uint64; the last entry of a table is for missing values.
    """

    def part(low: int) -> None:
        rows = slice(low, low + _ROWS)
        work = _by_code if values.dtype == np.int32 else _by_interval
        work(bits[rows], values[rows], *tables)

    lows = range(0, len(bits), _ROWS)
    if len(lows) <= 1:
        for low in lows:
            part(low)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(part, lows))
