"""Cells -> values: what an aggregate says of what was kept of the rows."""

import numba as nb
import numpy as np
from numba import boolean, float64, int64, uint64

from features.exact import added
from features.machine import ones
from features.plan import (
    CHANGE,
    COUNT,
    DISTINCT,
    FIRST,
    LAST,
    LAST_TIME,
    MAX,
    MEAN,
    MIN,
    OPEN,
    OPEN_AGE,
    REPEATS,
    SHARE,
    SINCE,
    SUM,
)

AGGREGATE, CELL, OTHER_CELL, LOW, MIDDLE, HIGH, COVERED = range(7)
"""Places in an output of a plan."""
DAY = 86_400_000_000.0


@nb.njit(boolean(int64[:, ::1], int64, int64, int64, int64), cache=True, nogil=True, _nrt=False)
def covered(coverage, first, last, low, high):  # type: ignore[no-untyped-def]
    """Whether ``[low, high)`` lies inside one of the rising intervals ``coverage[first:last]``."""
    if high <= low:
        return True
    begin = first
    while first < last:
        middle = (first + last) >> 1
        if coverage[middle, 0] <= low:
            first = middle + 1
        else:
            last = middle
    return first > begin and high <= coverage[first - 1, 1]


@nb.njit(float64(int64[:, ::1], int64, int64, int64), cache=True, nogil=True, _nrt=False)
def _rows(filled, cell, low, high):  # type: ignore[no-untyped-def]
    n = 0
    for band in range(low, high):
        n += filled[cell, band]
    return float64(n)


@nb.njit(float64(float64, float64), cache=True, nogil=True, _nrt=False)
def _ratio(part, whole):  # type: ignore[no-untyped-def]
    return part / whole if whole > 0.0 else np.nan


@nb.njit(float64(float64, float64), cache=True, nogil=True, _nrt=False)
def _change(before, lately):  # type: ignore[no-untyped-def]
    both = abs(before) + abs(lately)
    return (lately - before) / both if both > 0.0 else 0.0


@nb.njit(inline="always", _nrt=False)
def emit(output, c, filled, total, value, best, mask, sums):  # type: ignore[no-untyped-def]
    """The value of one output (7,) of a plan at the cutoff ``c``, as float64; missing is NaN.

    ``filled`` (g, b) rows per cell and band, ``total`` (g, b, 2) their exact sums, ``value`` the amount of the last,
    least or greatest, ``best`` an instant, ``mask`` the set of codes. ``sums``: a change is one of sums, not of counts.
    """
    aggregate, g, other = output[AGGREGATE], output[CELL], output[OTHER_CELL]
    low, middle, high = output[LOW], output[MIDDLE], output[HIGH]
    if aggregate == COUNT or aggregate == OPEN:
        return _rows(filled, g, low, high)
    if aggregate == SUM:
        return added(filled, total, g, low, high)
    if aggregate == MEAN:
        return _ratio(added(filled, total, g, low, high), _rows(filled, g, low, high))
    if aggregate == SHARE:
        return _ratio(_rows(filled, g, low, high), _rows(filled, other, low, high))
    if aggregate == CHANGE:
        if sums:
            return _change(added(filled, total, g, low, middle), added(filled, total, g, middle, high))
        return _change(_rows(filled, g, low, middle), _rows(filled, g, middle, high))
    if aggregate == DISTINCT or aggregate == REPEATS:
        every = uint64(0)
        for band in range(low, high):
            if filled[g, band] > 0:
                every |= mask[g, band]
        different = float64(ones(every))
        return _rows(filled, g, low, high) - different if aggregate == REPEATS else different
    if aggregate == MIN or aggregate == MAX or aggregate == OPEN_AGE:
        result = np.nan
        for band in range(low, high):
            if filled[g, band] > 0 and (np.isnan(result) or (value[g, band] < result) == (aggregate == MIN)):
                result = value[g, band]
        return 0.0 if aggregate == OPEN_AGE and np.isnan(result) else result
    for distance in range(high - low):
        band = low + distance if aggregate == FIRST else high - 1 - distance
        if filled[g, band] > 0:
            if aggregate == LAST:
                return value[g, band]
            if aggregate == LAST_TIME:
                return (value[g, band] - c) / DAY
            if aggregate == SINCE:
                return (c - best[g, band]) / DAY
            return float64(best[g, band] - c)
    return np.nan
