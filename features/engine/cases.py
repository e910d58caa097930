"""Cases: what was opened and is not cleared, as one cutoff sees it.

Rows of one case may stand on several keys and be revised at any time, so cases are paired anew for every cutoff, and
counted in the bands of that cutoff.
"""

import numba as nb
from numba import boolean, int64, uint64, void

from features.engine.cells import CELLS, FILTER, KIND, later
from features.engine.columns import FOREVER
from features.engine.machine import PLAIN, i8, i32, i64
from features.engine.plan import CASES as OF_CASES
from features.engine.rule import (
    AGES,
    AT,
    AT_TO,
    BANDS,
    BITS,
    CASE,
    FIRST_CELL,
    FIRST_EDGE,
    KNOWN,
    LAST_CELL,
    PAIRS,
    RUN_END,
    RUN_START,
    STATE,
    WORD_SIZE,
    first_row,
    known_reach,
    visible,
    window_edge,
    word_of,
)

DAY = 86_400_000_000.0
_OPENED = 0
CASES = (int64[::1],) * 6
"""Room for pairing: the case of each slot of an open-addressing table (-1: none), the rows that cleared and opened it
last (-1: none), until when the key of the latter is reached, the first opening after the last clearing, and the slots
that are taken."""


@nb.njit(boolean(int64[::1], int64, int64), **PLAIN)
def _after(step, row, than):  # type: ignore[no-untyped-def]
    at, other = i64(step[AT], row), i64(step[AT], than)
    return at > other or (at == other and i64(step[KNOWN], row) > i64(step[KNOWN], than))


@nb.njit(int64(int64[::1], int64), **PLAIN)
def _slot(case_in, case):  # type: ignore[no-untyped-def]
    slot = case & (case_in.shape[0] - 1)
    while case_in[slot] != -1 and case_in[slot] != case:
        slot = (slot + 1) & (case_in.shape[0] - 1)
    return slot


@nb.njit(int64(int64[:, ::1], int64[:, :, ::1]), **PLAIN)
def slots_of(steps, spans):  # type: ignore[no-untyped-def]
    """How many slots hold the cases of the pair that reaches most rows: a power of two."""
    slots = 1
    for s in range(steps.shape[0]):
        if steps[s, PAIRS]:
            for i in range(spans.shape[0]):
                rows = 0
                for r in range(max(spans[i, s, 0], 0), spans[i, s, 1]):
                    rows += i64(steps[s, RUN_END], r) - i64(steps[s, RUN_START], r)
                while slots < 2 * rows + 2:
                    slots *= 2
    return slots


@nb.njit(void(int64[::1], int64[:, ::1], int64[::1], int64, int64, int64, int64, int64, *CELLS, *CASES), **PLAIN)
def pair_cases(  # type: ignore[no-untyped-def]
    step, cells, edges, c, v, start, first, last,
    filled, total, value, best, mask, case_in, case_clear, case_open, case_to, case_since, touched,
):  # fmt: skip
    """Count the cases open at ``c``, as known to ``v``, into the bands that begin at the slot ``start``.

    Read are the rectangles ``first`` to ``last - 1``.
    """
    cell0, edge0, bands, n_touched = step[FIRST_CELL], step[FIRST_EDGE], step[BANDS], 0
    low, high = window_edge(c, edges[edge0]), window_edge(c, edges[edge0 + bands])
    for r in range(first, last):
        if not known_reach(step, r, v):
            continue
        newest = min(i64(step[AT_TO], r), high)
        for row in range(first_row(step, r, low), i64(step[RUN_END], r)):
            if i64(step[AT], row) >= newest:
                break
            case, state = i32(step[CASE], row), i8(step[STATE], row)
            if state < 0 or case < 0 or not visible(step, row, v):
                continue
            slot = _slot(case_in, case)
            if case_in[slot] == -1:
                case_in[slot], case_clear[slot], case_open[slot], case_since[slot] = case, -1, -1, FOREVER
                touched[n_touched] = slot
                n_touched += 1
            if state == _OPENED:
                if case_open[slot] < 0 or later(step, row, case_open[slot]):
                    case_open[slot], case_to[slot] = row, i64(step[AT_TO], r)
            elif case_clear[slot] < 0 or later(step, row, case_clear[slot]):
                case_clear[slot] = row

    if step[AGES] and n_touched:
        for r in range(first, last):
            if not known_reach(step, r, v):
                continue
            newest = min(i64(step[AT_TO], r), high)
            for row in range(first_row(step, r, low), i64(step[RUN_END], r)):
                if i64(step[AT], row) >= newest:
                    break
                case = i32(step[CASE], row)
                if i8(step[STATE], row) == _OPENED and case >= 0 and visible(step, row, v):
                    slot = _slot(case_in, case)
                    if case_clear[slot] < 0 or _after(step, row, case_clear[slot]):
                        case_since[slot] = min(case_since[slot], i64(step[AT], row))

    # A case is open if it was opened after it was last cleared (at the same instant, cleared wins) and the key it
    # stands on is still reached: nobody waits for the repair of a line that is not theirs any more.
    for t in range(n_touched):
        slot = touched[t]
        row, cleared = case_open[slot], case_clear[slot]
        if row >= 0 and case_to[slot] >= c and (cleared < 0 or _after(step, row, cleared)):
            band = 0
            while window_edge(c, edges[edge0 + band + 1]) <= i64(step[AT], row):
                band += 1
            s, age = start + band, (c - case_since[slot]) / DAY
            for g in range(step[LAST_CELL] - cell0):
                met = (word_of(step[BITS], step[WORD_SIZE], row) >> uint64(cells[cell0 + g, FILTER])) & uint64(1)
                if met and cells[cell0 + g, KIND] == OF_CASES:
                    value[g, s] = age if filled[g, s] == 0 else max(value[g, s], age)
                    filled[g, s] += 1
        case_in[slot] = -1
