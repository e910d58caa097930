"""The one kernel: folds the rows an entity reaches into the cells of a plan, at a cutoff.

The rule of time stands here and nowhere else. For the cutoff ``c``, the visibility cut ``v`` (equal to ``c`` except
for labels and live calls) and a window ``[low, high)`` around ``c``, a row counts iff

    c + low <= at < c + high        it happened in the window
    known < v <= until              it was known and not yet revised
    at_from <= at < at_to           the entity reached its key then

(that the reach itself was known, ``known_from < v <= known_to``, is settled before the call). Rows are folded in the
order of the runs given and, inside a run, in stored order, always in float64: every caller gets the same bits.

Serial, without the GIL, compiled once for the signature below and cached on disk.
"""

import numba as nb
import numpy as np
from numba import boolean, float64, int8, int64, uint64, void

from features.columns import FOREVER, OPENED
from features.plan import COUNT, DISTINCT, FIRST, LAST, LAST_TIME, MEAN, OPEN, OPEN_AGE, SINCE, SUM

_DAY = 86_400_000_000.0


@nb.njit(
    int64(int64[::1], int64, int64, int64),
    cache=True,
    nogil=True,
)
def _first_at_or_after(at, start, end, instant):  # type: ignore[no-untyped-def]
    while start < end:
        middle = (start + end) >> 1
        if at[middle] < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit(boolean(int64, int64, int64, int64, int64, int64), cache=True, nogil=True)
def _later(at, known, rank, than_at, than_known, than_rank):  # type: ignore[no-untyped-def]
    if at != than_at:
        return at > than_at
    if known != than_known:
        return known > than_known
    return rank > than_rank


@nb.njit(boolean(int64, int64, int64, int64), cache=True, nogil=True)
def _after(at, known, than_at, than_known):  # type: ignore[no-untyped-def]
    return at > than_at or (at == than_at and known > than_known)


@nb.njit(int64(int64[::1], int64), cache=True, nogil=True)
def _slot(case_in, case):  # type: ignore[no-untyped-def]
    slot = case & (case_in.shape[0] - 1)
    while case_in[slot] != -1 and case_in[slot] != case:
        slot = (slot + 1) & (case_in.shape[0] - 1)
    return slot


@nb.njit(int64(uint64), cache=True, nogil=True)
def _ones(mask):  # type: ignore[no-untyped-def]
    n = 0
    while mask:
        mask &= mask - uint64(1)
        n += 1
    return n


_SIGNATURE = void(
    int64[::1],  # at            (n,) rows
    int64[::1],  # known
    int64[::1],  # until
    int64[::1],  # rank
    uint64[::1],  # bits
    float64[:, ::1],  # values    (columns, n)
    int64[::1],  # case
    int8[::1],  # state
    int64[::1],  # cutoff        (p,) pairs
    int64[::1],  # seen
    int64[::1],  # pointer       (p + 1,) into the runs
    int64[::1],  # run_start     (r,) runs
    int64[::1],  # run_end
    int64[::1],  # at_from
    int64[::1],  # at_to
    int64[:, ::1],  # cells      (g, 3)
    int64[::1],  # edges         (b + 1,)
    int64[:, ::1],  # outputs    (o, 4)
    float64[:, ::1],  # out      (p, o)
)


@nb.njit(_SIGNATURE, cache=True, nogil=True)
def fold(  # type: ignore[no-untyped-def]
    at,
    known,
    until,
    rank,
    bits,
    values,
    case,
    state,
    cutoff,
    seen,
    pointer,
    run_start,
    run_end,
    at_from,
    at_to,
    cells,
    edges,
    outputs,
    out,
):
    """Fill ``out`` (p, o) float64. Missing is NaN; times come out as days, `FIRST` as microseconds after ``c``."""
    n_cells, n_bands = cells.shape[0], edges.shape[0] - 1
    number = np.empty((n_cells, n_bands))
    best_at = np.empty((n_cells, n_bands), np.int64)
    best_known = np.empty((n_cells, n_bands), np.int64)
    best_rank = np.empty((n_cells, n_bands), np.int64)
    mask = np.empty((n_cells, n_bands), np.uint64)
    filled = np.empty((n_cells, n_bands), np.int64)

    # Cases are paired in an open-addressing table, as long as the pair with most rows may need.
    pairing, aging = False, False
    for g in range(n_cells):
        aging = aging or cells[g, 1] == OPEN_AGE
        pairing = pairing or aging or cells[g, 1] == OPEN
    slots = 1
    if pairing:
        most = 0
        for i in range(cutoff.shape[0]):
            total = 0
            for r in range(pointer[i], pointer[i + 1]):
                total += run_end[r] - run_start[r]
            most = max(most, total)
        while slots < 2 * most + 2:
            slots *= 2
    case_in = np.full(slots, -1, np.int64)
    case_clear = np.empty(slots, np.int64)  # the row that cleared the case last, -1 while none has
    case_open = np.empty(slots, np.int64)  # the row that opened it last
    case_to = np.empty(slots, np.int64)  # until when that row's key is reached
    case_since = np.empty(slots, np.int64)  # the first opening after the last clearing
    touched = np.empty(slots, np.int64)

    for i in range(cutoff.shape[0]):
        c, v = cutoff[i], seen[i]
        filled[:, :] = 0
        number[:, :] = 0.0
        mask[:, :] = uint64(0)
        n_touched = 0
        for r in range(pointer[i], pointer[i + 1]):
            oldest = max(at_from[r], c + edges[0])
            newest = min(at_to[r], c + edges[n_bands])
            for row in range(_first_at_or_after(at, run_start[r], run_end[r], oldest), run_end[r]):
                if at[row] >= newest:
                    break
                if not (known[row] < v <= until[row]):
                    continue
                offset = at[row] - c
                band = 0
                while edges[band + 1] <= offset:
                    band += 1
                if pairing and state[row] >= 0 and case[row] >= 0:
                    slot = _slot(case_in, case[row])
                    if case_in[slot] == -1:
                        case_in[slot], case_clear[slot], case_open[slot] = case[row], -1, -1
                        case_since[slot] = FOREVER
                        touched[n_touched] = slot
                        n_touched += 1
                    last = case_open[slot] if state[row] == OPENED else case_clear[slot]
                    if last < 0 or _later(at[row], known[row], rank[row], at[last], known[last], rank[last]):
                        if state[row] == OPENED:
                            case_open[slot], case_to[slot] = row, at_to[r]
                        else:
                            case_clear[slot] = row
                for g in range(n_cells):
                    if not (bits[row] >> uint64(cells[g, 0])) & uint64(1):
                        continue
                    aggregate, column = cells[g, 1], cells[g, 2]
                    if column >= 0 and np.isnan(values[column, row]):
                        continue
                    if aggregate == OPEN or aggregate == OPEN_AGE:
                        continue
                    if aggregate == COUNT:
                        number[g, band] += 1.0
                    elif aggregate == SUM or aggregate == MEAN:
                        number[g, band] += values[column, row]
                    elif aggregate == DISTINCT:
                        mask[g, band] |= uint64(1) << uint64(values[column, row])
                    elif aggregate == FIRST:
                        if filled[g, band] == 0 or at[row] < best_at[g, band]:
                            best_at[g, band] = at[row]
                    elif filled[g, band] == 0 or _later(
                        at[row], known[row], rank[row], best_at[g, band], best_known[g, band], best_rank[g, band]
                    ):  # LAST, LAST_TIME, SINCE
                        best_at[g, band], best_known[g, band] = at[row], known[row]
                        best_rank[g, band] = rank[row]
                        if column >= 0:
                            number[g, band] = values[column, row]
                    filled[g, band] += 1

        if aging and n_touched:
            for r in range(pointer[i], pointer[i + 1]):
                oldest = max(at_from[r], c + edges[0])
                newest = min(at_to[r], c + edges[n_bands])
                for row in range(_first_at_or_after(at, run_start[r], run_end[r], oldest), run_end[r]):
                    if at[row] >= newest:
                        break
                    if state[row] == OPENED and case[row] >= 0 and known[row] < v <= until[row]:
                        slot = _slot(case_in, case[row])
                        last = case_clear[slot]
                        if last < 0 or _after(at[row], known[row], at[last], known[last]):
                            case_since[slot] = min(case_since[slot], at[row])

        # A case is open if it was opened after it was last cleared (at the same instant, cleared wins) and the key it
        # stands on is still reached: nobody waits for the repair of a line that is not theirs any more.
        for t in range(n_touched):
            slot = touched[t]
            row, last = case_open[slot], case_clear[slot]
            if row >= 0 and case_to[slot] >= c and (last < 0 or _after(at[row], known[row], at[last], known[last])):
                band = 0
                while edges[band + 1] <= at[row] - c:
                    band += 1
                for g in range(n_cells):
                    if not (bits[row] >> uint64(cells[g, 0])) & uint64(1):
                        continue
                    if cells[g, 1] == OPEN:
                        number[g, band] += 1.0
                    elif cells[g, 1] == OPEN_AGE:
                        number[g, band] = max(number[g, band], (c - case_since[slot]) / _DAY)
            case_in[slot] = -1

        for o in range(outputs.shape[0]):
            g, low, high, aggregate = outputs[o, 0], outputs[o, 1], outputs[o, 2], outputs[o, 3]
            result = 0.0
            if aggregate == COUNT or aggregate == SUM or aggregate == OPEN:
                for band in range(low, high):
                    result += number[g, band]
            elif aggregate == MEAN:
                n = 0
                for band in range(low, high):
                    result += number[g, band]
                    n += filled[g, band]
                result = result / n if n else np.nan
            elif aggregate == OPEN_AGE:
                for band in range(low, high):
                    result = max(result, number[g, band])
            elif aggregate == DISTINCT:
                every = uint64(0)
                for band in range(low, high):
                    every |= mask[g, band]
                result = float(_ones(every))
            else:
                result = np.nan
                for step in range(high - low):
                    band = low + step if aggregate == FIRST else high - 1 - step
                    if filled[g, band] > 0:
                        if aggregate == LAST:
                            result = number[g, band]
                        elif aggregate == LAST_TIME:
                            result = (number[g, band] - c) / _DAY
                        elif aggregate == SINCE:
                            result = (c - best_at[g, band]) / _DAY
                        else:
                            result = float(best_at[g, band] - c)
                        break
            out[i, o] = result
