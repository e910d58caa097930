"""The one kernel: folds the rows an entity reaches into the cells of its plans, at a cutoff.

The rule of time stands here and nowhere else. For the cutoff ``c``, the visibility cut ``v`` (equal to ``c`` except
for labels and live calls) and a window ``[low, high)`` around ``c``, a row counts iff

    c + low <= at < c + high        it happened in the window
    known < v <= until              it was known and not yet revised
    at_from <= at < at_to           the entity reached its key then
    known_from < v <= known_to      and that was known

Nothing depends on the order of rows: amounts are added exactly (`exact`), and of rows of one instant the last is
decided by the rank of their ids. So the bits of a value do not depend on the other features it is computed with, on how
keys are numbered, or on who asks.

Serial, without the GIL, compiled once for the signatures below and cached on disk.
"""

import numba as nb
import numpy as np
from numba import boolean, int64, uint64, void

from features.columns import FOREVER
from features.exact import SHIFT, UNIT, split
from features.machine import f64, i8, i32, i64, lowest, u8, u16, u32, u64
from features.outputs import AGGREGATE, CELL, COVERED, DAY, HIGH, LOW, covered, emit
from features.plan import CASES, COUNT, EARLIEST, LATEST, LEAST, MOST, NEWEST, SET, TALLY, TOTAL

AT, KNOWN, REVISED, REVISED_ROWS, UNTIL, RANK, BITS, CASE, STATE = range(9)
"""Places in a step of the addresses of its columns (0: there is none) ..."""
RUN_START, RUN_END, AT_FROM, AT_TO, KNOWN_FROM, KNOWN_TO = range(9, 15)
"""... and of the rectangles it is reached through, with the rows of their keys."""
FIRST_CELL, LAST_CELL, FIRST_EDGE, BANDS, FIRST_OUTPUT, LAST_OUTPUT, FIRST_COVER, LAST_COVER = range(15, 23)
N_REVISED, WORD_SIZE, NEEDS_REACH, PAIRS, AGES = range(23, 28)
"""How many rows were revised, how many bytes the filters' bits take, whether values are missing where no rectangle is
known, whether cases are paired, and whether it matters since when they are open."""
STEP_WIDTH = 28
FILTER, KIND, ADDRESS, CODE_SIZE = range(4)
"""Places in a cell: its filter, its kind, where its column lies (0: it has none), bytes of a code (0: numbers)."""

_OPENED = 0


@nb.njit(int64(int64, int64, int64, int64), cache=True, nogil=True)
def _first_at_or_after(at, start, end, instant):  # type: ignore[no-untyped-def]
    while start < end:
        middle = (start + end) >> 1
        if i64(at, middle) < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True)
def _visible(step, row, v):  # type: ignore[no-untyped-def]
    if i64(step[KNOWN], row) >= v:
        return False
    if step[REVISED] == 0 or not (u64(step[REVISED], row >> 6) >> uint64(row & 63)) & uint64(1):
        return True
    return v <= i64(step[UNTIL], _first_at_or_after(step[REVISED_ROWS], 0, step[N_REVISED], row))


@nb.njit(uint64(int64, int64, int64), cache=True, nogil=True)
def _word(bits, size, row):  # type: ignore[no-untyped-def]
    if size == 1:
        return uint64(u8(bits, row))
    if size == 2:
        return uint64(u16(bits, row))
    return uint64(u32(bits, row)) if size == 4 else u64(bits, row)


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True)
def _reached(step, r, v):  # type: ignore[no-untyped-def]
    return i64(step[KNOWN_FROM], r) < v <= i64(step[KNOWN_TO], r)


@nb.njit(int64(int64[::1], int64, int64), cache=True, nogil=True)
def _first(step, r, low):  # type: ignore[no-untyped-def]
    """The first row of a rectangle's key that happened at ``low`` or later, while it was reached."""
    start, end = i64(step[RUN_START], r), i64(step[RUN_END], r)
    return _first_at_or_after(step[AT], start, end, max(i64(step[AT_FROM], r), low))


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True)
def _later(step, row, than):  # type: ignore[no-untyped-def]
    if i64(step[AT], row) != i64(step[AT], than):
        return i64(step[AT], row) > i64(step[AT], than)
    if i64(step[KNOWN], row) != i64(step[KNOWN], than):
        return i64(step[KNOWN], row) > i64(step[KNOWN], than)
    return i64(step[RANK], row) > i64(step[RANK], than)


@nb.njit(boolean(int64[::1], int64, int64), cache=True, nogil=True)
def _after(step, row, than):  # type: ignore[no-untyped-def]
    at, other = i64(step[AT], row), i64(step[AT], than)
    return at > other or (at == other and i64(step[KNOWN], row) > i64(step[KNOWN], than))


@nb.njit(int64(int64[::1], int64), cache=True, nogil=True)
def _slot(case_in, case):  # type: ignore[no-untyped-def]
    slot = case & (case_in.shape[0] - 1)
    while case_in[slot] != -1 and case_in[slot] != case:
        slot = (slot + 1) & (case_in.shape[0] - 1)
    return slot


@nb.njit(int64(int64[:, ::1], int64[:, :, ::1]), cache=True, nogil=True)
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

    for i in range(cutoff.shape[0]):
        c, v = cutoff[i], seen[i]
        for s in range(steps.shape[0]):
            step = steps[s]
            a_at, a_bits, word_size = step[AT], step[BITS], step[WORD_SIZE]
            a_case, a_state, pairs = step[CASE], step[STATE], step[PAIRS]
            cell0, edge0, bands = step[FIRST_CELL], step[FIRST_EDGE], step[BANDS]
            for g in range(step[LAST_CELL] - cell0):
                for band in range(bands):
                    filled[g, band] = 0  # whatever else a cell holds counts only where this does
            reached, n_touched = False, 0
            for r in range(max(spans[i, s, 0], 0), spans[i, s, 1]):
                if not _reached(step, r, v):
                    continue
                reached = True
                newest = min(i64(step[AT_TO], r), c + edges[edge0 + bands])
                band, band_end = 0, c + edges[edge0 + 1]
                for row in range(_first(step, r, c + edges[edge0]), i64(step[RUN_END], r)):
                    at = i64(a_at, row)
                    if at >= newest:
                        break
                    if not _visible(step, row, v):
                        continue
                    while band_end <= at:
                        band += 1
                        band_end = c + edges[edge0 + band + 1]
                    if pairs and i8(a_state, row) >= 0 and i32(a_case, row) >= 0:
                        slot = _slot(case_in, i32(a_case, row))
                        if case_in[slot] == -1:
                            case_in[slot], case_clear[slot], case_open[slot] = i32(a_case, row), -1, -1
                            case_since[slot] = FOREVER
                            touched[n_touched] = slot
                            n_touched += 1
                        if i8(a_state, row) == _OPENED:
                            if case_open[slot] < 0 or _later(step, row, case_open[slot]):
                                case_open[slot], case_to[slot] = row, i64(step[AT_TO], r)
                        elif case_clear[slot] < 0 or _later(step, row, case_clear[slot]):
                            case_clear[slot] = row
                    word = _word(a_bits, word_size, row)
                    while word:
                        f = lowest(word)
                        word &= word - uint64(1)
                        for g in range(starts[s, f], starts[s, f + 1]):
                            kind, a_column = cells[cell0 + g, KIND], cells[cell0 + g, ADDRESS]
                            if kind == TALLY:
                                filled[g, band] += 1
                                continue
                            amount = 0.0
                            if cells[cell0 + g, CODE_SIZE]:
                                small = cells[cell0 + g, CODE_SIZE] == 1
                                amount = float(i8(a_column, row)) if small else float(i32(a_column, row))
                                if amount < 0.0:
                                    continue
                            elif a_column:
                                amount = f64(a_column, row)
                                if np.isnan(amount):
                                    continue
                            new = filled[g, band] == 0
                            if kind == TOTAL:
                                whole, part = split(amount)
                                if new:
                                    total[g, band, 0], total[g, band, 1] = whole, part
                                else:
                                    part += total[g, band, 1]
                                    total[g, band, 0] += whole + (part >> SHIFT)
                                    total[g, band, 1] = part & (UNIT - 1)
                            elif kind == SET:
                                code = uint64(1) << uint64(amount)
                                mask[g, band] = code if new else mask[g, band] | code
                            elif kind == LEAST:
                                value[g, band] = amount if new else min(amount, value[g, band])
                            elif kind == MOST:
                                value[g, band] = amount if new else max(amount, value[g, band])
                            elif kind == EARLIEST:
                                best[g, band] = at if new else min(at, best[g, band])
                            elif kind == LATEST:
                                best[g, band] = at if new else max(at, best[g, band])
                            elif kind == NEWEST:
                                if new or _later(step, row, best[g, band]):
                                    best[g, band], value[g, band] = row, amount
                            else:
                                continue  # CASES are settled when all rows have been seen
                            filled[g, band] += 1

            if step[AGES] and n_touched:
                for r in range(max(spans[i, s, 0], 0), spans[i, s, 1]):
                    if _reached(step, r, v):
                        newest = min(i64(step[AT_TO], r), c + edges[edge0 + bands])
                        for row in range(_first(step, r, c + edges[edge0]), i64(step[RUN_END], r)):
                            if i64(a_at, row) >= newest:
                                break
                            case = i32(a_case, row)
                            if i8(a_state, row) == _OPENED and case >= 0 and _visible(step, row, v):
                                slot = _slot(case_in, case)
                                if case_clear[slot] < 0 or _after(step, row, case_clear[slot]):
                                    case_since[slot] = min(case_since[slot], i64(a_at, row))

            # A case is open if it was opened after it was last cleared (at the same instant, cleared wins) and the key
            # it stands on is still reached: nobody waits for the repair of a line that is not theirs any more.
            for t in range(n_touched):
                slot = touched[t]
                row, last = case_open[slot], case_clear[slot]
                if row >= 0 and case_to[slot] >= c and (last < 0 or _after(step, row, last)):
                    band = 0
                    while edges[edge0 + band + 1] <= i64(a_at, row) - c:
                        band += 1
                    age = (c - case_since[slot]) / DAY
                    for g in range(step[LAST_CELL] - cell0):
                        met = (_word(a_bits, word_size, row) >> uint64(cells[cell0 + g, FILTER])) & uint64(1)
                        if met and cells[cell0 + g, KIND] == CASES:
                            value[g, band] = age if filled[g, band] == 0 else max(value[g, band], age)
                            filled[g, band] += 1
                case_in[slot] = -1

            nobody = spans[i, s, 0] < 0 or (step[NEEDS_REACH] and not reached)
            low, high, told = -1, -1, False
            for o in range(step[FIRST_OUTPUT], step[LAST_OUTPUT]):
                if outputs[o, LOW] != low or outputs[o, HIGH] != high:
                    low, high = outputs[o, LOW], outputs[o, HIGH]
                    since, to = c + edges[edge0 + low], c + edges[edge0 + high]
                    told = covered(coverage, step[FIRST_COVER], step[LAST_COVER], since, to)
                if nobody or (outputs[o, COVERED] and not told):
                    out[i, o] = np.nan
                elif outputs[o, AGGREGATE] == COUNT:
                    rows = 0
                    for band in range(low, high):
                        rows += filled[outputs[o, CELL], band]
                    out[i, o] = rows
                else:
                    sums = cells[cell0 + outputs[o, CELL], KIND] == TOTAL
                    out[i, o] = emit(outputs[o], c, filled, total, value, best, mask, sums)


@nb.njit(
    int64(int64[::1], int64, int64, int64, int64, int64, int64, int64[:, ::1]),
    cache=True,
    nogil=True,
)
def rows_of(step, first, last, c, v, low, high, out):  # type: ignore[no-untyped-def]
    """The rows of the rectangles ``first`` to ``last - 1`` that count in ``[c + low, c + high)``: how many there are.

    Fills ``out`` (n, 2) as far as it is long with the row and the rectangle it is reached through.
    """
    n = 0
    for r in range(first, last):
        if _reached(step, r, v):
            newest = min(i64(step[AT_TO], r), c + high)
            for row in range(_first(step, r, c + low), i64(step[RUN_END], r)):
                if i64(step[AT], row) >= newest:
                    break
                if _visible(step, row, v):
                    if n < out.shape[0]:
                        out[n, 0], out[n, 1] = row, r
                    n += 1
    return n


@nb.njit(
    void(int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[:, ::1], int64[::1], int64[::1], int64[::1]),
    cache=True,
    nogil=True,
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


@nb.njit(
    [
        void(nb.float64[:, ::1], int64[::1], nb.float32[:, :]),
        void(nb.float64[:, ::1], int64[::1], nb.float64[:, :]),
    ],
    cache=True,
    nogil=True,
)
def scatter(values, places, out):  # type: ignore[no-untyped-def]
    """``out[:, places[i]] = values[i]`` for values (p, o) and out (o, q)."""
    for o in range(values.shape[1]):
        for i in range(values.shape[0]):
            out[o, places[i]] = values[i, o]
