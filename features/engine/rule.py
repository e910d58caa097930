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

from features.engine.columns import EVER_AGO, FOREVER
from features.engine.machine import INLINE, i64, u8, u16, u32, u64

AT, KNOWN, REVISED, REVISED_ROWS, UNTIL, RANK, BITS, CASE, STATE = range(9)
"""Places in a step of the addresses of its columns (0: there is none) ..."""
RUN_START, RUN_END, AT_FROM, AT_TO, KNOWN_FROM, KNOWN_TO = range(9, 15)
"""... and of the rectangles it is reached through, with the rows of their keys."""
FIRST_CELL, LAST_CELL, FIRST_EDGE, BANDS, FIRST_OUTPUT, LAST_OUTPUT, FIRST_COVER, LAST_COVER = range(15, 23)
N_REVISED, WORD_SIZE, NEEDS_REACH, PAIRS, AGES, TALLIED, LISTED = range(23, 30)
"""How many rows were revised, how many bytes the filters' bits take, whether values are missing where no rectangle is
known, whether cases are paired, whether it matters since when they are open, and which filters' rows are counted and
which are looked at, a bit each."""
STEP_WIDTH = 30


@nb.njit(int64(int64, int64, int64, int64), **INLINE)
def first_at_or_after(at, start, end, instant):  # type: ignore[no-untyped-def]
    """The first of rising instants, from ``start`` on, at ``instant`` or later; ``end`` where there is none."""
    while start < end:
        middle = (start + end) >> 1
        if i64(at, middle) < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit(boolean(int64, int64, int64), **INLINE)
def seen_at(since, until, v):  # type: ignore[no-untyped-def]
    """Whether what was known since one instant until another was known at the cut ``v``."""
    return since < v <= until


@nb.njit(int64(int64[::1], int64), **INLINE)
def held_until(step, row):  # type: ignore[no-untyped-def]
    """When it was known that a row was revised: `FOREVER` for most."""
    if step[REVISED] == 0 or not (u64(step[REVISED], row >> 6) >> uint64(row & 63)) & uint64(1):
        return FOREVER
    return i64(step[UNTIL], first_at_or_after(step[REVISED_ROWS], 0, step[N_REVISED], row))


@nb.njit(boolean(int64[::1], int64, int64), **INLINE)
def visible(step, row, v):  # type: ignore[no-untyped-def]
    """Whether a row was known at the cut ``v`` and not yet revised."""
    return seen_at(i64(step[KNOWN], row), held_until(step, row), v)


@nb.njit(uint64(int64, int64, int64), **INLINE)
def word_of(bits, size, row):  # type: ignore[no-untyped-def]
    """The bits of the filters a row meets."""
    if size == 1:
        return uint64(u8(bits, row))
    if size == 2:
        return uint64(u16(bits, row))
    return uint64(u32(bits, row)) if size == 4 else u64(bits, row)


@nb.njit(boolean(int64[::1], int64, int64), **INLINE)
def known_reach(step, r, v):  # type: ignore[no-untyped-def]
    """Whether a rectangle of reach was known at the cut ``v``."""
    return seen_at(i64(step[KNOWN_FROM], r), i64(step[KNOWN_TO], r), v)


@nb.njit(int64(int64[::1], int64, int64), **INLINE)
def first_row(step, r, low):  # type: ignore[no-untyped-def]
    """The first row of a rectangle's key that happened at ``low`` or later, while it was reached."""
    start, end = i64(step[RUN_START], r), i64(step[RUN_END], r)
    return first_at_or_after(step[AT], start, end, max(i64(step[AT_FROM], r), low))


@nb.njit(int64(int64, int64), **INLINE)
def window_edge(c, offset):  # type: ignore[no-untyped-def]
    """The instant an edge of a window stands for at the cutoff ``c``; those that look for ever stand for one."""
    return c + offset if EVER_AGO < offset < FOREVER else offset
