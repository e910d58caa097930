"""The one kernel: folds the rows an entity reaches at a cutoff, by the rule of time (`rule`), into values.

Cutoffs of one entity are folded together: a row is looked at once, and counted in the stretch of time it lies in
(`stretches`) where all cutoffs that look there agree that they see it, else in the bands of each that does. Nothing
depends on the order of rows: amounts are added exactly (`exact`), and of rows of one instant the last is decided by the
rank of their ids. So the bits of a value do not depend on the other features or cutoffs it is computed with, on how
keys are numbered, or on who asks.

Serial, without the GIL, compiled once for the signatures below and cached on disk.
"""

import numba as nb
import numpy as np
from numba import boolean, int32, int64, void

from features.engine.cases import CASES, pair_cases, slots_of
from features.engine.cells import ADDRESS, CELLS, CODE_SIZE, VISITS, clear, count, cumulate
from features.engine.machine import PLAIN, fetch, i64, put_f32, put_f64
from features.engine.outputs import AGGREGATE, CELL, HIGH, LOW, MIDDLE, emit
from features.engine.plan import COUNT
from features.engine.rule import (
    AT,
    AT_FROM,
    AT_TO,
    BANDS,
    BITS,
    FIRST_CELL,
    FIRST_OUTPUT,
    KNOWN,
    KNOWN_FROM,
    KNOWN_TO,
    LAST_CELL,
    LAST_OUTPUT,
    NEEDS_REACH,
    PAIRS,
    REVISED,
    RUN_END,
    RUN_START,
    WORD_SIZE,
    first_at_or_after,
    held_until,
    known_reach,
    seen_at,
)
from features.engine.stretches import TOGETHER, lay_out, tell_coverage

AHEAD = 64
"""So many rows of a key are fetched ahead."""
_FRAME = (int64[::1], int64[:, ::1], int64[::1], int64[::1], boolean[:, ::1])
"""``bounds``, ``place``, ``first``, ``last`` and ``untold`` of `stretches`."""
_VISITS = (int64[::1], int64[::1], int32[:, ::1], int64[::1])
"""Rows that wait to be counted, their slots, and room for `cells.count`."""


@nb.njit(
    int64(
        int64[::1], int64[::1], int64[:, ::1], int64, int64, int64, int64[::1], boolean[::1],
        int64[::1], int64[:, ::1], int64[::1], int64[::1], int64, *_VISITS, *CELLS,
    ),
    **PLAIN)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]
    step, starts, cells, r, waiting, stretches, seen, own,
    bounds, place, first, last, row_end, row_waits, slot_waits, met, many, filled, total, value, best, mask,
):  # fmt: skip
    """Visit the rows of one rectangle as the cuts ``seen`` (k,) see them; how many wait to be counted then."""
    bands, at_column, known = step[BANDS], step[AT], step[KNOWN]
    known_from, known_to = i64(step[KNOWN_FROM], r), i64(step[KNOWN_TO], r)
    oldest = max(i64(step[AT_FROM], r), bounds[0])
    newest = min(i64(step[AT_TO], r), bounds[stretches])
    s = 0
    for row in range(first_at_or_after(at_column, i64(step[RUN_START], r), row_end, oldest), row_end):
        at = i64(at_column, row)
        if at >= newest:
            break
        while bounds[s + 1] <= at:
            s += 1
        a, z = first[s], last[s]
        if z < a:
            continue
        since, until = max(i64(known, row), known_from), min(held_until(step, row), known_to)
        if seen_at(since, until, seen[a]) and seen_at(since, until, seen[z]):
            row_waits[waiting], slot_waits[waiting] = row, s + 1
            waiting += 1
        else:
            for i in range(a, z + 1):
                if seen_at(since, until, seen[i]):
                    start = stretches + 1 + i * bands
                    if not own[i]:
                        own[i] = True
                        clear(step, cells, start, start + bands, filled, total, value, best, mask)
                    band = 0
                    while place[i, band + 1] <= s:
                        band += 1
                    row_waits[waiting], slot_waits[waiting] = row, start + band
                    waiting += 1
        if waiting > VISITS - TOGETHER:
            count(step, starts, cells, waiting, row_waits, slot_waits, met, many, filled, total, value, best, mask)
            waiting = 0
    return waiting


@nb.njit(
    void(
        int64[::1], int64[:, ::1], int64[:, ::1], int64, int64[::1], boolean[::1], boolean[::1], int64[:, ::1],
        boolean[:, ::1], int64[::1], int64, int64, boolean, *CELLS,
    ),
    **PLAIN)  # fmt: skip
def _tell(  # type: ignore[no-untyped-def]
    step, cells, outputs, stretches, cutoff, own, nobody, place, untold, places, out, stride, wide,
    filled, total, value, best, mask,
):  # fmt: skip
    """Write what a step's cells say at the cutoffs (k,) to the ``places`` (k,) of each output."""
    bands, out0, k = step[BANDS], step[FIRST_OUTPUT], cutoff.shape[0]
    plain = True
    for i in range(k):
        plain &= not (own[i] or nobody[i] or wide)
    for o in range(out0, step[LAST_OUTPUT]):
        output = outputs[o]
        g, low, middle, high = output[CELL], output[LOW], output[MIDDLE], output[HIGH]
        counts = output[AGGREGATE] == COUNT
        if counts and plain and not untold[o - out0, :k].any():
            for i in range(k):
                put_f32(out, o * stride + places[i], filled[g, place[i, high]] - filled[g, place[i, low]])
            continue
        for i in range(k):
            start = stretches + 1 + i * bands
            if nobody[i] or untold[o - out0, i]:
                number = np.nan
            elif counts and not own[i]:
                number = nb.float64(filled[g, place[i, high]] - filled[g, place[i, low]])
            else:
                end = start + high if own[i] else start + low
                number = emit(
                    step, output, cells, cutoff[i], place[i, low], place[i, middle], place[i, high],
                    start + low, start + middle if own[i] else start + low, end, filled, total, value, best, mask,
                )  # fmt: skip
            if wide:
                put_f64(out, o * stride + places[i], number)
            else:
                put_f32(out, o * stride + places[i], number)


@nb.njit(int64(int64, int64[::1], int64[::1], int64[:, :, ::1]), **PLAIN)
def _group_end(i, cutoff, seen, spans):  # type: ignore[no-untyped-def]
    """One past the last pair that can be folded together with the pair ``i``."""
    end = i + 1
    while (
        end < cutoff.shape[0] and end < i + TOGETHER and cutoff[end] >= cutoff[end - 1] and seen[end] >= seen[end - 1]
    ):
        for s in range(spans.shape[1]):
            if spans[end, s, 0] != spans[i, s, 0] or spans[end, s, 1] != spans[i, s, 1]:
                return end
        end += 1
    return end


@nb.njit(void(int64[:, ::1], int64[:, ::1], int64[:, :, ::1], int64), **PLAIN)
def _fetch(steps, cells, spans, i):  # type: ignore[no-untyped-def]
    """Have the rows of the pair ``i`` at hand when it is its turn: they lie anywhere in large columns."""
    for n in range(steps.shape[0]):
        step = steps[n]
        for r in range(max(spans[i, n, 0], 0), spans[i, n, 1]):
            start = i64(step[RUN_START], r)
            ahead = min(i64(step[RUN_END], r) - start, AHEAD)
            for row in range(start, start + ahead + 8, 8):
                fetch(step[AT], row << 3)
                fetch(step[KNOWN], row << 3)
            fetch(step[BITS], start * step[WORD_SIZE])
            if step[REVISED]:
                fetch(step[REVISED], start >> 3)
            for g in range(step[FIRST_CELL], step[LAST_CELL]):
                if cells[g, ADDRESS]:
                    size = cells[g, CODE_SIZE] if cells[g, CODE_SIZE] else 8
                    for byte in range(0, ahead * size + 64, 64):
                        fetch(cells[g, ADDRESS], start * size + byte)


@nb.njit(boolean(int64[::1], int64, int64, int64, int64), **PLAIN)
def _alike(cuts, i, end, other, other_end):  # type: ignore[no-untyped-def]
    if end - i != other_end - other:
        return False
    for j in range(end - i):
        if cuts[i + j] != cuts[other + j]:
            return False
    return True


@nb.njit(
    void(
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[::1],
        int64[:, :, ::1], int64[::1], int64, int64, boolean, boolean[::1], boolean[::1],
        *_FRAME, *_VISITS, *CELLS, *CASES,
    ),
    **PLAIN)  # fmt: skip
def _fold(  # type: ignore[no-untyped-def]
    steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, places, out, stride, wide, own, nobody,
    bounds, place, first, last, untold, row_waits, slot_waits, met, many, filled, total, value, best, mask,
    case_in, case_clear, case_open, case_to, case_since, touched,
):  # fmt: skip
    """`fold` with the room it works in: what counts references of arrays has no place in a loop over pairs."""
    i, before, before_end, stretches = 0, 0, 0, 0
    while i < cutoff.shape[0]:
        end = _group_end(i, cutoff, seen, spans)
        c, v, k = cutoff[i:end], seen[i:end], end - i
        if end < cutoff.shape[0]:
            ahead = min(i + 2 * k, cutoff.shape[0] - 1)
            _fetch(steps, cells, spans, ahead)
        for n in range(steps.shape[0]):
            step = steps[n]
            if steps.shape[0] > 1 or not _alike(cutoff, i, end, before, before_end):
                stretches = lay_out(step, edges, c, bounds, place, first, last)
                tell_coverage(step, edges, outputs, coverage, c, untold)
            own[:k] = False
            nobody[:k] = spans[i, n, 0] < 0 or step[NEEDS_REACH] != 0
            clear(step, cells, 0, stretches + 1, filled, total, value, best, mask)
            waiting = 0
            for r in range(max(spans[i, n, 0], 0), spans[i, n, 1]):
                if step[NEEDS_REACH]:
                    for j in range(k):
                        nobody[j] &= not known_reach(step, r, v[j])
                waiting = _walk(
                    step, starts[n], cells, r, waiting, stretches, v, own, bounds, place, first, last,
                    i64(step[RUN_END], r), row_waits, slot_waits, met, many, filled, total, value, best, mask,
                )  # fmt: skip
            count(step, starts[n], cells, waiting, row_waits, slot_waits, met, many, filled, total, value, best, mask)
            if step[PAIRS]:
                for j in range(k):
                    start = stretches + 1 + j * step[BANDS]
                    if not own[j]:
                        own[j] = True
                        clear(step, cells, start, start + step[BANDS], filled, total, value, best, mask)
                    pair_cases(
                        step, cells, edges, c[j], v[j], start, max(spans[i, n, 0], 0), spans[i, n, 1],
                        filled, total, value, best, mask,
                        case_in, case_clear, case_open, case_to, case_since, touched,
                    )  # fmt: skip
            cumulate(step, cells, stretches, filled, total, value, best, mask)
            _tell(
                step, cells, outputs, stretches, c, own, nobody, place, untold, places[i:end], out, stride, wide,
                filled, total, value, best, mask,
            )  # fmt: skip
        before, before_end, i = i, end, end


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
        int64[::1],  # places        (p,)
        int64,  # out                the address of (o, stride) float32, or float64 where ``wide``
        int64,  # stride
        boolean,  # wide
    ),
    cache=True,
    nogil=True,
)
def fold(steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, places, out, stride, wide):  # type: ignore[no-untyped-def]
    """Write ``out[o, places[i]]``. Missing is NaN; times come out as days, `FIRST` as microseconds after ``c``.

    Pairs of one entity that follow each other, cutoffs and cuts rising, cost less than each for itself.
    """
    n_cells, n_bands, n_outputs, most, i = 1, 1, 1, 1, 0
    for s in range(steps.shape[0]):
        n_cells = max(n_cells, steps[s, LAST_CELL] - steps[s, FIRST_CELL])
        n_bands = max(n_bands, steps[s, BANDS])
        n_outputs = max(n_outputs, steps[s, LAST_OUTPUT] - steps[s, FIRST_OUTPUT])
    while i < cutoff.shape[0]:
        end = _group_end(i, cutoff, seen, spans)
        most, i = max(most, end - i), end
    n_bounds = most * (n_bands + 1)
    n_slots = n_bounds + most * n_bands
    slots = slots_of(steps, spans)
    _fold(
        steps, starts, cells, edges, outputs, coverage, cutoff, seen, spans, places, out, stride, wide,
        np.empty(most, np.bool_), np.empty(most, np.bool_),
        np.empty(n_bounds, np.int64), np.empty((most, n_bands + 1), np.int64), np.empty(n_bounds, np.int64),
        np.empty(n_bounds, np.int64), np.empty((n_outputs, most), np.bool_),
        np.empty(VISITS, np.int64), np.empty(VISITS, np.int64), np.empty((64, VISITS), np.int32),
        np.empty(64, np.int64),
        np.empty((n_cells, n_slots), np.int64), np.empty((n_cells, n_slots, 2), np.int64),
        np.empty((n_cells, n_slots)), np.empty((n_cells, n_slots), np.int64), np.empty((n_cells, n_slots), np.uint64),
        np.full(slots, -1, np.int64), np.empty(slots, np.int64), np.empty(slots, np.int64),
        np.empty(slots, np.int64), np.empty(slots, np.int64), np.empty(slots, np.int64),
    )  # fmt: skip
