"""Which rows meet which filters: one word per row with a bit for each, made in one pass over each column tested."""

import os
from concurrent.futures import ThreadPoolExecutor

import numba as nb
import numpy as np
from numba import float64, int8, int32, uint8, uint16, uint32, uint64, void

from features.conditions import Condition

_ROWS = 1_000_000
_WORDS = (uint8, uint16, uint32, uint64)


def word(filters: int) -> np.dtype:
    """The shortest unsigned type with a bit for each of so many filters (at most 64)."""
    return np.dtype(next(f"uint{bits}" for bits in (8, 16, 32, 64) if filters <= bits))


@nb.njit([void(w[::1], c[::1], w[::1]) for w in _WORDS for c in (int8, int32)], cache=True, nogil=True)
def _clear_by_code(bits, codes, table):  # type: ignore[no-untyped-def]
    missing = table.shape[0] - 1
    for i in range(bits.shape[0]):
        code = codes[i]
        bits[i] &= table[code if code >= 0 else missing]


@nb.njit([void(w[::1], float64[::1], float64[::1], w[::1]) for w in _WORDS], cache=True, nogil=True)
def _clear_by_interval(bits, numbers, bounds, table):  # type: ignore[no-untyped-def]
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
            _clear_by_code(bits[rows], values[rows], table)
        else:
            _clear_by_interval(bits[rows], values[rows], bounds, table)

    lows = range(0, len(bits), _ROWS)
    if len(lows) <= 1:
        for low in lows:
            part(low)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(part, lows))


def by_code(tests: list[list[Condition]], vocabulary: tuple[str, ...]) -> np.ndarray:
    """(v + 1,) uint64: which filters a code leaves standing; the last is for missing values (code -1)."""
    table = np.zeros(len(vocabulary) + 1, np.uint64)
    for i, conditions in enumerate(tests):
        met = [all(word in (c.values or ()) for c in conditions) for word in vocabulary]
        table |= np.array([*met, not conditions], np.uint64) << np.uint64(i)
    return table


def by_interval(tests: list[list[Condition]]) -> tuple[np.ndarray, np.ndarray]:
    """Rising bounds (b,) and (b + 2,) uint64: which filters a number between them leaves standing; the last: NaN."""
    bounds = sorted({x for conditions in tests for c in conditions for x in (c.low, c.high) if x is not None})
    lows = [-np.inf, *bounds]  # the interval i holds bounds[i - 1] <= number < bounds[i]
    table = np.zeros(len(bounds) + 2, np.uint64)
    for i, conditions in enumerate(tests):
        met = [
            all((c.low is None or low >= c.low) and (c.high is None or low < c.high) for c in conditions)
            for low in lows
        ]
        table |= np.array([*met, not conditions], np.uint64) << np.uint64(i)
    return np.array(bounds, np.float64), table
