"""Stretches: what lies between all edges of all windows of several cutoffs that are folded together.

A row lies in one stretch, and a stretch lies in the same windows whatever the entity; so a row is counted once, and
every window is a run of stretches. For one cutoff the stretches are the bands of its plan.
"""

import numba as nb
from numba import int64, void

from features.engine.machine import PLAIN
from features.engine.outputs import COVERED, HIGH, LOW, covered
from features.engine.rule import BANDS, FIRST_COVER, FIRST_EDGE, FIRST_OUTPUT, LAST_COVER, LAST_OUTPUT, window_edge

TOGETHER = 16
"""So many cutoffs of one entity are folded together at most."""


@nb.njit(int64(int64[::1], int64, int64), **PLAIN)
def _added(bounds, n, instant):  # type: ignore[no-untyped-def]
    """Keep n rising bounds rising with one more among them; how many there are then."""
    at = n
    while at > 0 and bounds[at - 1] > instant:
        at -= 1
    if at > 0 and bounds[at - 1] == instant:
        return n
    for b in range(n, at, -1):
        bounds[b] = bounds[b - 1]
    bounds[at] = instant
    return n + 1


@nb.njit(int64(int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1]), **PLAIN)
def lay_out(step, edges, cutoff, bounds, place, first, last):  # type: ignore[no-untyped-def]
    """The stretches of a step's windows at the rising cutoffs (k,): how many there are.

    Stretch ``s`` is ``[bounds[s], bounds[s + 1])``. ``place[i, e]`` is the bound the edge ``e`` of cutoff ``i`` is at;
    the cutoffs ``first[s]`` to ``last[s]`` look at the stretch in some window (none where ``last[s] < first[s]``).
    """
    n, edge0, bands = 0, step[FIRST_EDGE], step[BANDS]
    for i in range(cutoff.shape[0]):
        for e in range(bands + 1):
            n = _added(bounds, n, window_edge(cutoff[i], edges[edge0 + e]))
    for i in range(cutoff.shape[0]):
        b = 0
        for e in range(bands + 1):
            while bounds[b] < window_edge(cutoff[i], edges[edge0 + e]):
                b += 1
            place[i, e] = b
    for s in range(n - 1):
        first[s], last[s] = 0, -1
        for i in range(cutoff.shape[0]):
            if place[i, 0] <= s < place[i, bands]:
                first[s] = i if last[s] < 0 else first[s]
                last[s] = i
    return n - 1


@nb.njit(void(int64[::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], nb.boolean[:, ::1]), **PLAIN)
def tell_coverage(step, edges, outputs, coverage, cutoff, untold):  # type: ignore[no-untyped-def]
    """Fill ``untold`` (outputs, k): the source does not cover what an output that asks for it looks at."""
    out0, edge0 = step[FIRST_OUTPUT], step[FIRST_EDGE]
    for o in range(out0, step[LAST_OUTPUT]):
        low, high = edges[edge0 + outputs[o, LOW]], edges[edge0 + outputs[o, HIGH]]
        for i in range(cutoff.shape[0]):
            told = True
            if outputs[o, COVERED]:
                same = o > out0 and outputs[o - 1, COVERED]
                if same and outputs[o - 1, LOW] == outputs[o, LOW] and outputs[o - 1, HIGH] == outputs[o, HIGH]:
                    told = not untold[o - out0 - 1, i]
                else:
                    told = covered(coverage, step[FIRST_COVER], step[LAST_COVER], cutoff[i] + low, cutoff[i] + high)
            untold[o - out0, i] = not told
