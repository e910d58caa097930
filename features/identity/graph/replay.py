"""What was believed of each child at every instant something about it became known, compiled.

A group is the evidence of one child (or of one child and parent) in the order of ``at``. At each instant the rows that
are believed then give intervals ``(parent, from, to)``; a rectangle is an interval with since when and until when it
was believed. Recomputing the intervals at every instant costs the square of a group's rows, about a nanosecond each;
guards (see `identity.graph.guards`) keep keys that everybody shares out of it.
"""

import numba as nb
import numpy as np
from numba import boolean, int64, types

from features.engine.columns import EVER_AGO, FOREVER

_OUT = 6
"""group, parent, at_from, at_to, known_from, known_to"""


@nb.njit(int64[:, ::1](int64[:, ::1], int64), cache=True, nogil=True)
def _grown(rows, needed):  # type: ignore[no-untyped-def]
    if needed <= rows.shape[0]:
        return rows
    wider = np.empty((max(2 * rows.shape[0], needed), rows.shape[1]), np.int64)
    wider[: rows.shape[0]] = rows
    return wider


@nb.njit(
    int64(int64, int64, int64[::1], boolean[::1], int64[::1], boolean[::1], int64, int64[:, ::1]),
    cache=True,
    nogil=True,
)
def _intervals(start, end, parent, linked, at, visible, back, out):  # type: ignore[no-untyped-def]
    """How many intervals (parent, from, to) were written: a link holds until evidence of another parent, or none."""
    n = 0
    free = EVER_AGO
    holder = 0
    since = 0
    held = False
    for row in range(start, end):
        if not visible[row - start]:
            continue
        if not held and not linked[row]:
            free = at[row]
        elif held and (parent[row] == holder) != linked[row]:
            if since < at[row]:
                out[n, 0], out[n, 1], out[n, 2] = holder, since, at[row]
                n += 1
            free = at[row]
            held = False
        if linked[row] and not held:
            holder = parent[row]
            since = free if back < 0 else max(at[row] - back, free)
            held = True
    if held and since < FOREVER:
        out[n, 0], out[n, 1], out[n, 2] = holder, since, FOREVER
        n += 1
    return n


@nb.njit(boolean(int64, int64[::1]), cache=True, nogil=True)
def _within(instant, guard):  # type: ignore[no-untyped-def]
    for g in range(0, guard.shape[0], 2):
        if guard[g] <= instant < guard[g + 1]:
            return True
    return False


@nb.njit(
    types.void(
        int64, int64, int64, int64[::1], boolean[::1], int64[::1], int64[::1], boolean, int64[::1], boolean[::1]
    ),
    cache=True,
    nogil=True,
)
def _believed(instant, start, end, code, linked, known, until, undone, last, visible):  # type: ignore[no-untyped-def]
    """Marks the rows that count at an instant: believed then, and not taken back."""
    for row in range(start, end):
        visible[row - start] = known[row] <= instant < until[row]
    if not undone:
        return
    for row in range(start, end):
        last[code[row]] = -1
    for row in range(start, end):
        if visible[row - start] and not linked[row]:
            last[code[row]] = row
            visible[row - start] = False
    for row in range(start, end):
        visible[row - start] &= row > last[code[row]]


@nb.njit(types.Tuple((int64[:, ::1], int64))(
    int64[:, ::1], int64, int64, int64[:, ::1], int64, int64[::1], int64[:, ::1], int64, int64[::1], int64
), cache=True, nogil=True)  # fmt: skip
def _turned(found, n, group, before, held, was, now, count, since, instant):  # type: ignore[no-untyped-def]
    """The rectangles found, with those that end at an instant, and how many; ``since`` tells of each interval that
    holds now from when it did. Both lists of intervals are disjoint and rise in time: one walk compares them.
    """
    i = j = 0
    while i < held or j < count:
        same_start = i < held and j < count and before[i, 1] == now[j, 1]
        if same_start and before[i, 0] == now[j, 0] and before[i, 2] == now[j, 2]:
            since[j] = was[i]
            i += 1
            j += 1
        elif j >= count or same_start or (i < held and before[i, 1] < now[j, 1]):
            found = _grown(found, n + 1)
            found[n, 0], found[n, 1], found[n, 2], found[n, 3] = group, before[i, 0], before[i, 1], before[i, 2]
            found[n, 4], found[n, 5] = was[i], instant
            n += 1
            i += 1
        else:
            since[j] = instant
            j += 1
    return found, n


@nb.njit(
    int64[:, ::1](
        int64[::1], int64[::1], int64[::1], boolean[::1], int64[::1], int64[::1], int64[::1],
        int64[::1], int64[::1], int64, boolean,
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def replay(starts, parent, code, linked, at, known, until, guards, guard_starts, back, undone):  # type: ignore[no-untyped-def]
    """(r, 6) int64 rectangles (group, parent, at_from, at_to, known_from, known_to), group by group.

    ``starts`` (g + 1,): the rows of group i are ``starts[i]:starts[i + 1]``, ordered by (at, known, linked, parent);
    ``code`` numbers the parents within a group from 0. ``guards``: pairs (from, to) of instants at which a group's
    child is guarded, those of group i in ``guards[guard_starts[i]:guard_starts[i + 1]]``. ``back`` below 0: since ever.
    ``undone``: evidence that two keys are apart takes what was said before back, rather than ending it.
    """
    found = np.empty((max(16, starts.shape[0]), _OUT), np.int64)
    n = 0
    for group in range(starts.shape[0] - 1):
        start, end = starts[group], starts[group + 1]
        guard = guards[guard_starts[group] : guard_starts[group + 1]]
        visible, last = np.empty(end - start, np.bool_), np.empty(end - start, np.int64)
        now, before = np.empty((end - start, 3), np.int64), np.empty((end - start, 3), np.int64)
        since, was = np.empty(end - start, np.int64), np.empty(end - start, np.int64)
        held = 0
        for instant in np.unique(np.concatenate((known[start:end], until[start:end], guard))):
            if instant >= FOREVER:
                break
            count = 0
            if not _within(instant, guard):
                _believed(instant, start, end, code, linked, known, until, undone, last, visible)
                count = _intervals(start, end, parent, linked, at, visible, back, now)
            found, n = _turned(found, n, group, before, held, was, now, count, since, instant)
            now, before, since, was, held = before, now, was, since, count
        found, n = _turned(found, n, group, before, held, was, now, 0, since, FOREVER)
    return found[:n].copy()
