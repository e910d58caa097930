"""Which rows of an entity count, which parent is the present one, and values to their places: small loops, compiled."""

import numba as nb
from numba import int64, void

from features.engine.machine import PLAIN, i64
from features.engine.rule import AT, AT_TO, RUN_END, first_row, known_reach, visible


@nb.njit(int64(int64[::1], int64, int64, int64, int64, int64, int64, int64[:, ::1]), **PLAIN)
def rows_of(step, first, last, c, v, low, high, out):  # type: ignore[no-untyped-def]
    """The rows of the rectangles ``first`` to ``last - 1`` that count in ``[c + low, c + high)``: how many there are.

    Fills ``out`` (n, 2) as far as it is long with the row and the rectangle it is reached through.
    """
    n = 0
    for r in range(first, last):
        if known_reach(step, r, v):
            newest = min(i64(step[AT_TO], r), c + high)
            for row in range(first_row(step, r, c + low), i64(step[RUN_END], r)):
                if i64(step[AT], row) >= newest:
                    break
                if visible(step, row, v):
                    if n < out.shape[0]:
                        out[n, 0], out[n, 1] = row, r
                    n += 1
    return n


@nb.njit(
    void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[::1]),
    **PLAIN,
)
def present(key, at_from, at_to, known_from, known_to, spans, cutoff, seen, found):  # type: ignore[no-untyped-def]
    """Fill ``found`` (p,) with the rectangle held just before the cutoff: the latest begun, then that of the smallest
    key; -1 for none. ``spans`` (p, 2): the rectangles of each pair's entity.
    """
    for i in range(cutoff.shape[0]):
        best = -1
        for r in range(spans[i, 0], spans[i, 1]):
            known = known_from[r] < seen[i] <= known_to[r]
            if known and at_from[r] < cutoff[i] <= at_to[r]:
                if best < 0 or at_from[r] > at_from[best] or (at_from[r] == at_from[best] and key[r] < key[best]):
                    best = r
        found[i] = best
