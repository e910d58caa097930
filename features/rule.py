"""The rule of time, for one row and one rectangle of reach.

It stands here and nowhere else. For the cutoff ``c``, the visibility cut ``v`` (equal to ``c`` except for labels and
live calls) and a window ``[low, high)`` around ``c``, a row counts iff

    c + low <= at < c + high        it happened in the window
    known < v <= until              it was known and not yet revised
    at_from <= at < at_to           the entity reached its key then
    known_from < v <= known_to      and that was known
"""

import numba as nb
from numba import boolean, int64, uint64

from features.machine import i64, u8, u16, u32, u64

AT, KNOWN, REVISED, REVISED_ROWS, UNTIL, RANK, BITS, CASE, STATE = range(9)
"""Places in a step of the addresses of its columns (0: there is none) ..."""
RUN_START, RUN_END, AT_FROM, AT_TO, KNOWN_FROM, KNOWN_TO = range(9, 15)
"""... and of the rectangles it is reached through, with the rows of their keys."""
FIRST_CELL, LAST_CELL, FIRST_EDGE, BANDS, FIRST_OUTPUT, LAST_OUTPUT, FIRST_COVER, LAST_COVER = range(15, 23)
N_REVISED, WORD_SIZE, NEEDS_REACH, PAIRS, AGES = range(23, 28)
"""How many rows were revised, how many bytes the filters' bits take, whether values are missing where no rectangle is
known, whether cases are paired, and whether it matters since when they are open."""
STEP_WIDTH = 28


@nb.njit(int64(int64, int64, int64, int64), cache=True, nogil=True, _nrt=False)
def first_at_or_after(at, start, end, instant):  # type: ignore[no-untyped-def]
    """The first of rising instants, from ``start`` on, at ``instant`` or later; ``end`` where there is none."""
    while start < end:
        middle = (start + end) >> 1
        if i64(at, middle) < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True, _nrt=False)
def visible(step, row, v):  # type: ignore[no-untyped-def]
    """Whether a row was known at the cut ``v`` and not yet revised."""
    if i64(step[KNOWN], row) >= v:
        return False
    if step[REVISED] == 0 or not (u64(step[REVISED], row >> 6) >> uint64(row & 63)) & uint64(1):
        return True
    return v <= i64(step[UNTIL], first_at_or_after(step[REVISED_ROWS], 0, step[N_REVISED], row))


@nb.njit(uint64(int64, int64, int64), cache=True, nogil=True, _nrt=False)
def word_of(bits, size, row):  # type: ignore[no-untyped-def]
    """The bits of the filters a row meets."""
    if size == 1:
        return uint64(u8(bits, row))
    if size == 2:
        return uint64(u16(bits, row))
    return uint64(u32(bits, row)) if size == 4 else u64(bits, row)


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True, _nrt=False)
def known_reach(step, r, v):  # type: ignore[no-untyped-def]
    """Whether a rectangle of reach was known at the cut ``v``."""
    return i64(step[KNOWN_FROM], r) < v <= i64(step[KNOWN_TO], r)


@nb.njit(int64(int64[::1], int64, int64), cache=True, nogil=True, _nrt=False)
def first_row(step, r, low):  # type: ignore[no-untyped-def]
    """The first row of a rectangle's key that happened at ``low`` or later, while it was reached."""
    start, end = i64(step[RUN_START], r), i64(step[RUN_END], r)
    return first_at_or_after(step[AT], start, end, max(i64(step[AT_FROM], r), low))
