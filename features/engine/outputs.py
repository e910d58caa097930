"""Cells -> values: what an aggregate says of what was kept of the rows.

A window is the stretches ``low`` to ``high - 1`` (slots one later) and, where its cutoff has rows of its own, the slots
``start`` to ``end - 1`` of its bands (`cells`).
"""

import numba as nb
import numpy as np
from numba import boolean, float64, int64, uint64

from features.engine.cells import CELLS, KIND, later
from features.engine.exact import carried, rounded
from features.engine.machine import INLINE, ones
from features.engine.plan import (
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
    TOTAL,
)
from features.engine.rule import FIRST_CELL

AGGREGATE, CELL, OTHER_CELL, LOW, MIDDLE, HIGH, COVERED = range(7)
"""Places in an output of a plan."""
DAY = 86_400_000_000.0


@nb.njit(boolean(int64[:, ::1], int64, int64, int64, int64), **INLINE)
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


@nb.njit(int64(int64[:, ::1], int64, int64, int64, int64, int64), **INLINE)
def rows(filled, g, low, high, start, end):  # type: ignore[no-untyped-def]
    """How many rows a window has."""
    n = filled[g, high] - filled[g, low]
    for s in range(start, end):
        n += filled[g, s]
    return n


@nb.njit(float64(int64[:, :, ::1], int64, int64, int64, int64, int64), **INLINE)
def _sum(total, g, low, high, start, end):  # type: ignore[no-untyped-def]
    whole, part = carried(total[g, high, 0] - total[g, low, 0], total[g, high, 1] - total[g, low, 1])
    for s in range(start, end):
        whole, part = carried(whole + total[g, s, 0], part + total[g, s, 1])
    return rounded(whole, part)


@nb.njit(int64(uint64[:, ::1], int64, int64, int64, int64, int64), **INLINE)
def _different(mask, g, low, high, start, end):  # type: ignore[no-untyped-def]
    every = uint64(0)
    for s in range(low + 1, high + 1):
        every |= mask[g, s]
    for s in range(start, end):
        every |= mask[g, s]
    return ones(every)


@nb.njit(int64(int64[:, ::1], int64, int64, int64, boolean), **INLINE)
def _end_slot(filled, g, low, high, last):  # type: ignore[no-untyped-def]
    """The last (or first) slot of a run of stretches that any row is in, 0 for none."""
    for distance in range(high - low):
        s = high - distance if last else low + 1 + distance
        if filled[g, s] > filled[g, s - 1]:
            return s
    return 0


@nb.njit(int64(int64[:, ::1], int64, int64, int64, boolean), **INLINE)
def _end_band(filled, g, start, end, last):  # type: ignore[no-untyped-def]
    """The last (or first) slot of some bands that any row is in, 0 for none."""
    for distance in range(end - start):
        s = end - 1 - distance if last else start + distance
        if filled[g, s] > 0:
            return s
    return 0


@nb.njit(float64(float64, float64), **INLINE)
def _ratio(part, whole):  # type: ignore[no-untyped-def]
    return part / whole if whole > 0.0 else np.nan


@nb.njit(float64(float64, float64), **INLINE)
def _change(before, lately):  # type: ignore[no-untyped-def]
    both = abs(before) + abs(lately)
    return (lately - before) / both if both > 0.0 else 0.0


@nb.njit(float64(int64[::1], boolean, int64, int64, int64, int64, int64, *CELLS), **INLINE)
def _extreme(step, least, g, low, high, start, end, filled, total, value, best, mask):  # type: ignore[no-untyped-def]
    result = np.nan
    for s in range(low + 1, high + 1):
        if filled[g, s] > filled[g, s - 1] and (np.isnan(result) or (value[g, s] < result) == least):
            result = value[g, s]
    for s in range(start, end):
        if filled[g, s] > 0 and (np.isnan(result) or (value[g, s] < result) == least):
            result = value[g, s]
    return result


@nb.njit(float64(int64[::1], int64, int64, int64, int64, int64, int64, int64, *CELLS), **INLINE)
def _one_row(  # type: ignore[no-untyped-def]
    step, aggregate, c, g, low, high, start, end, filled, total, value, best, mask
):
    """What the last row of a window says, or when it or the first was."""
    last = aggregate != FIRST
    s, other = _end_slot(filled, g, low, high, last), _end_band(filled, g, start, end, last)
    if s == 0:
        s = other
    elif other > 0:
        if aggregate == LAST or aggregate == LAST_TIME:
            s = other if later(step, best[g, other], best[g, s]) else s
        elif (best[g, s] < best[g, other]) == last:
            s = other
    if s == 0:
        return np.nan
    if aggregate == LAST:
        return value[g, s]
    if aggregate == LAST_TIME:
        return (value[g, s] - c) / DAY
    return (c - best[g, s]) / DAY if aggregate == SINCE else float64(best[g, s] - c)


@nb.njit(
    float64(
        int64[::1], int64[::1], int64[:, ::1], int64, int64, int64, int64, int64, int64, int64, *CELLS
    ),
    **INLINE)  # fmt: skip
def emit(  # type: ignore[no-untyped-def]
    step, output, cells, c, low, middle, high, start, between, end, filled, total, value, best, mask
):
    """The value of one output (7,) of a plan at the cutoff ``c``, as float64; missing is NaN.

    ``middle``, ``between``: where the later interval of a change begins.
    """
    aggregate, g, other = output[AGGREGATE], output[CELL], output[OTHER_CELL]
    if aggregate == COUNT or aggregate == OPEN:
        return rows(filled, g, low, high, start, end)
    if aggregate == SUM:
        return _sum(total, g, low, high, start, end)
    if aggregate == MEAN:
        return _ratio(_sum(total, g, low, high, start, end), rows(filled, g, low, high, start, end))
    if aggregate == SHARE:
        return _ratio(rows(filled, g, low, high, start, end), rows(filled, other, low, high, start, end))
    if aggregate == CHANGE:
        if cells[step[FIRST_CELL] + g, KIND] == TOTAL:
            return _change(_sum(total, g, low, middle, start, between), _sum(total, g, middle, high, between, end))
        return _change(rows(filled, g, low, middle, start, between), rows(filled, g, middle, high, between, end))
    if aggregate == DISTINCT:
        return _different(mask, g, low, high, start, end)
    if aggregate == REPEATS:
        return rows(filled, g, low, high, start, end) - _different(mask, g, low, high, start, end)
    if aggregate == MIN or aggregate == MAX or aggregate == OPEN_AGE:
        result = _extreme(step, aggregate == MIN, g, low, high, start, end, filled, total, value, best, mask)
        return 0.0 if aggregate == OPEN_AGE and np.isnan(result) else result
    return _one_row(step, aggregate, c, g, low, high, start, end, filled, total, value, best, mask)
