"""The one kernel: folds the rows an entity reaches at a cutoff, by the rule of time (`rule`), into values.

Nothing depends on the order of rows: amounts are added exactly (`exact`), and of rows of one instant the last is
decided by the rank of their ids. So the bits of a value do not depend on the other features or cutoffs it is computed
with, on how keys are numbered, or on who asks.

Serial, without the GIL, compiled once for the signatures below and cached on disk.
"""

import numba as nb
import numpy as np
from numba import boolean, int64, uint64, void

from features.cells import CELLS, FILTER, KIND, count, later
from features.columns import FOREVER
from features.machine import i8, i32, i64
from features.outputs import AGGREGATE, CELL, COVERED, DAY, HIGH, LOW, covered, emit
from features.plan import CASES, COUNT, TOTAL
from features.rule import (
    AGES,
    AT,
    AT_TO,
    BANDS,
    BITS,
    CASE,
    FIRST_CELL,
    FIRST_COVER,
    FIRST_EDGE,
    FIRST_OUTPUT,
    KNOWN,
    LAST_CELL,
    LAST_COVER,
    LAST_OUTPUT,
    NEEDS_REACH,
    PAIRS,
    RANK,
    RUN_END,
    RUN_START,
    STATE,
    WORD_SIZE,
    first_row,
    known_reach,
    visible,
    word_of,
)  # fmt: skip

_OPENED = 0
_CASES = (int64[::1],) * 6


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True, _nrt=False)
def _after(step, row, than):  # type: ignore[no-untyped-def]
    at, other = i64(step[AT], row), i64(step[AT], than)
    return at > other or (at == other and i64(step[KNOWN], row) > i64(step[KNOWN], than))


@nb.njit(int64(int64[::1], int64), cache=True, nogil=True, _nrt=False)
def _slot(case_in, case):  # type: ignore[no-untyped-def]
    slot = case & (case_in.shape[0] - 1)
    while case_in[slot] != -1 and case_in[slot] != case:
        slot = (slot + 1) & (case_in.shape[0] - 1)
    return slot


@nb.njit(int64(int64[:, ::1], int64[:, :, ::1]), cache=True, nogil=True, _nrt=False)
def _slots(steps, spans):  # type: ignore[no-untyped-def]
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


@nb.njit(
    void(
        int64[::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64, boolean, *CELLS, nb.float64[::1]
    ),
    cache=True, _nrt=False,
    nogil=True,
)  # fmt: skip
def _tell(  # type: ignore[no-untyped-def]
    step, cells, edges, outputs, coverage, c, nobody, filled, total, value, best, mask, out
):
    """Fill a step's part of ``out`` (o,) with what its cells say at ``c``."""
    cell0, edge0 = step[FIRST_CELL], step[FIRST_EDGE]
    low, high, told = -1, -1, False
    for o in range(step[FIRST_OUTPUT], step[LAST_OUTPUT]):
        if outputs[o, LOW] != low or outputs[o, HIGH] != high:
            low, high = outputs[o, LOW], outputs[o, HIGH]
            since, to = c + edges[edge0 + low], c + edges[edge0 + high]
            told = covered(coverage, step[FIRST_COVER], step[LAST_COVER], since, to)
        if nobody or (outputs[o, COVERED] and not told):
            out[o] = np.nan
        elif outputs[o, AGGREGATE] == COUNT:
            rows = 0
            for band in range(low, high):
                rows += filled[outputs[o, CELL], band]
            out[o] = rows
        else:
            sums = cells[cell0 + outputs[o, CELL], KIND] == TOTAL
            out[o] = emit(outputs[o], c, filled, total, value, best, mask, sums)


@nb.njit(
    boolean(int64[::1], int64[::1], int64[:, ::1], int64[::1], int64, int64, int64, int64, *CELLS, *_CASES),
    cache=True,
    _nrt=False,
    nogil=True,
)
def _walk(  # type: ignore[no-untyped-def]
    step, starts, cells, edges, first, last, c, v,
    filled, total, value, best, mask, case_in, case_clear, case_open, case_to, case_since, touched,
):  # fmt: skip
    """Count the rows one pair reaches through the rectangles ``first`` to ``last - 1`` into its cells.

    True where any of them was known.
    """
    at_column, known, rank, bits, size = step[AT], step[KNOWN], step[RANK], step[BITS], step[WORD_SIZE]
    cell0, edge0, bands = step[FIRST_CELL], step[FIRST_EDGE], step[BANDS]
    reached, n_touched = False, 0
    for r in range(first, last):
        if not known_reach(step, r, v):
            continue
        reached = True
        newest = min(i64(step[AT_TO], r), c + edges[edge0 + bands])
        band, band_end = 0, c + edges[edge0 + 1]
        for row in range(first_row(step, r, c + edges[edge0]), i64(step[RUN_END], r)):
            at = i64(at_column, row)
            if at >= newest:
                break
            if not visible(step, row, v):
                continue
            while band_end <= at:
                band += 1
                band_end = c + edges[edge0 + band + 1]
            if step[PAIRS] and i8(step[STATE], row) >= 0 and i32(step[CASE], row) >= 0:
                slot = _slot(case_in, i32(step[CASE], row))
                if case_in[slot] == -1:
                    case_in[slot], case_clear[slot], case_open[slot] = i32(step[CASE], row), -1, -1
                    case_since[slot] = FOREVER
                    touched[n_touched] = slot
                    n_touched += 1
                if i8(step[STATE], row) == _OPENED:
                    if case_open[slot] < 0 or later(at_column, known, rank, row, case_open[slot]):
                        case_open[slot], case_to[slot] = row, i64(step[AT_TO], r)
                elif case_clear[slot] < 0 or later(at_column, known, rank, row, case_clear[slot]):
                    case_clear[slot] = row
            word = word_of(bits, size, row)
            if word:
                count(
                    at_column, known, rank, row, at, band, word, starts, cells, cell0, filled, total, value, best, mask
                )

    if step[AGES] and n_touched:
        for r in range(first, last):
            if not known_reach(step, r, v):
                continue
            newest = min(i64(step[AT_TO], r), c + edges[edge0 + bands])
            for row in range(first_row(step, r, c + edges[edge0]), i64(step[RUN_END], r)):
                if i64(at_column, row) >= newest:
                    break
                case = i32(step[CASE], row)
                if i8(step[STATE], row) == _OPENED and case >= 0 and visible(step, row, v):
                    slot = _slot(case_in, case)
                    if case_clear[slot] < 0 or _after(step, row, case_clear[slot]):
                        case_since[slot] = min(case_since[slot], i64(at_column, row))

    # A case is open if it was opened after it was last cleared (at the same instant, cleared wins) and the key it
    # stands on is still reached: nobody waits for the repair of a line that is not theirs any more.
    for t in range(n_touched):
        slot = touched[t]
        row, cleared = case_open[slot], case_clear[slot]
        if row >= 0 and case_to[slot] >= c and (cleared < 0 or _after(step, row, cleared)):
            band = 0
            while c + edges[edge0 + band + 1] <= i64(at_column, row):
                band += 1
            age = (c - case_since[slot]) / DAY
            for g in range(step[LAST_CELL] - cell0):
                met = (word_of(bits, size, row) >> uint64(cells[cell0 + g, FILTER])) & uint64(1)
                if met and cells[cell0 + g, KIND] == CASES:
                    value[g, band] = age if filled[g, band] == 0 else max(value[g, band], age)
                    filled[g, band] += 1
        case_in[slot] = -1
    return reached


@nb.njit(
    void(
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[::1],
        int64[:, :, ::1], nb.float64[:, ::1], *CELLS, *_CASES,
    ),
    cache=True,
    nogil=True,
    _nrt=False,
)  # fmt: skip
def _fold(  # type: ignore[no-untyped-def]
    steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, out,
    filled, total, value, best, mask, case_in, case_clear, case_open, case_to, case_since, touched,
):  # fmt: skip
    """`fold` with the room it works in: what counts references of arrays has no place in a loop over pairs."""
    for i in range(cutoff.shape[0]):
        c, v = cutoff[i], seen[i]
        for s in range(steps.shape[0]):
            step, first, last = steps[s], max(spans[i, s, 0], 0), spans[i, s, 1]
            for g in range(step[LAST_CELL] - step[FIRST_CELL]):
                for band in range(step[BANDS]):
                    filled[g, band] = 0
            reached = _walk(
                step, starts[s], cells, edges, first, last, c, v, filled, total, value, best, mask,
                case_in, case_clear, case_open, case_to, case_since, touched,
            )  # fmt: skip
            nobody = spans[i, s, 0] < 0 or (step[NEEDS_REACH] and not reached)
            _tell(step, cells, edges, outputs, coverage, c, nobody, filled, total, value, best, mask, out[i])


@nb.njit(
    void(
        int64[:, ::1],  # steps      (s, STEP_WIDTH)
        int64[:, ::1],  # starts     (s, 65): the cells of each filter
        int64[:, ::1],  # cells      (g, 4)
        int64[::1],  # edges         (e,)
        int64[:, ::1],  # outputs    (o, 7)
        int64[:, ::1],  # coverage   (k, 2)
        int64[::1],  # cutoff        (p,)
        int64[::1],  # seen          (p,)
        int64[:, :, ::1],  # spans   (p, s, 2): rectangles; -1: there is nobody to reach through
        nb.float64[:, ::1],  # out   (p, o)
    ),
    cache=True,
    nogil=True,
)
def fold(steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, out):  # type: ignore[no-untyped-def]
    """Fill ``out`` (p, o) float64. Missing is NaN; times come out as days, `FIRST` as microseconds after ``c``."""
    n_cells, n_bands = 1, 1
    for s in range(steps.shape[0]):
        n_cells = max(n_cells, steps[s, LAST_CELL] - steps[s, FIRST_CELL])
        n_bands = max(n_bands, steps[s, BANDS])
    filled = np.empty((n_cells, n_bands), np.int64)
    total = np.empty((n_cells, n_bands, 2), np.int64)
    value = np.empty((n_cells, n_bands))
    best = np.empty((n_cells, n_bands), np.int64)  # of NEWEST the row, of LATEST and EARLIEST the instant
    mask = np.empty((n_cells, n_bands), np.uint64)
    slots = _slots(steps, spans)  # cases are paired in an open-addressing table
    case_in = np.full(slots, -1, np.int64)
    case_clear = np.empty(slots, np.int64)  # the row that cleared the case last, -1 while none has
    case_open = np.empty(slots, np.int64)  # the row that opened it last
    case_to = np.empty(slots, np.int64)  # until when that row's key is reached
    case_since = np.empty(slots, np.int64)  # the first opening after the last clearing
    touched = np.empty(slots, np.int64)
    _fold(
        steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, out,
        filled, total, value, best, mask, case_in, case_clear, case_open, case_to, case_since, touched,
    )  # fmt: skip
