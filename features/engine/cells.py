"""What is kept of rows: one cell per (filter, kind, column), over slots of time.

A cell holds in each slot how many rows it has seen (``filled``) and, as its kind asks for, their exact sum (``total``:
whole units and 2^-60ths), an amount (``value``), a row or an instant (``best``) or a set of codes (``mask``). Every
kind gives the same whatever the order in which rows are counted.

Slot ``s + 1`` is the stretch ``s`` (`stretches`); slot 0 stays empty, so that what is cumulated says of a run of
stretches by one subtraction. The slots after those are the bands of single cutoffs, for rows that some cutoffs see and
others do not.
"""

import numba as nb
import numpy as np
from numba import boolean, float64, int32, int64, uint64, void

from features.engine.exact import carried, split
from features.engine.machine import PLAIN, f64, i8, i32, i64, lowest
from features.engine.plan import CASES, EARLIEST, LATEST, LEAST, NEWEST, SET, TALLY, TOTAL
from features.engine.rule import AT, BITS, FIRST_CELL, KNOWN, LAST_CELL, LISTED, RANK, TALLIED, WORD_SIZE, word_of

FILTER, KIND, ADDRESS, CODE_SIZE = range(4)
"""Places in a cell: its filter, its kind, where its column lies (0: it has none), bytes of a code (0: numbers)."""
CELLS = (int64[:, ::1], int64[:, :, ::1], float64[:, ::1], int64[:, ::1], uint64[:, ::1])
"""``filled``, ``total``, ``value``, ``best``, ``mask`` of g cells in s slots."""
VISITS = 256
"""So many rows are counted at a time."""


@nb.njit(boolean(int64[::1], int64, int64), **PLAIN)
def later(step, row, than):  # type: ignore[no-untyped-def]
    """Whether a row is the later of two: by ``at``, then by when it was known, then by the rank of its id."""
    if i64(step[AT], row) != i64(step[AT], than):
        return i64(step[AT], row) > i64(step[AT], than)
    if i64(step[KNOWN], row) != i64(step[KNOWN], than):
        return i64(step[KNOWN], row) > i64(step[KNOWN], than)
    return i64(step[RANK], row) > i64(step[RANK], than)


@nb.njit(void(int64[::1], int64[:, ::1], int64, int64, *CELLS), **PLAIN)
def clear(step, cells, start, end, filled, total, value, best, mask):  # type: ignore[no-untyped-def]
    """Empty the slots ``start`` to ``end - 1`` of a step's cells."""
    cell0 = step[FIRST_CELL]
    for g in range(step[LAST_CELL] - cell0):
        filled[g, start:end] = 0
        if cells[cell0 + g, KIND] == TOTAL:
            total[g, start:end] = 0
        elif cells[cell0 + g, KIND] == SET:
            mask[g, start:end] = 0


@nb.njit(void(int64[::1], int64[:, ::1], int64, *CELLS), **PLAIN)
def cumulate(step, cells, n, filled, total, value, best, mask):  # type: ignore[no-untyped-def]
    """Let ``filled`` and ``total`` say of each of n stretches what lies before its end."""
    cell0 = step[FIRST_CELL]
    for g in range(step[LAST_CELL] - cell0):
        rows = 0
        for s in range(1, n + 1):
            rows += filled[g, s]
            filled[g, s] = rows
        if cells[cell0 + g, KIND] == TOTAL:
            whole, part = 0, 0
            for s in range(1, n + 1):
                whole, part = carried(whole + total[g, s, 0], part + total[g, s, 1])
                total[g, s, 0], total[g, s, 1] = whole, part


@nb.njit(inline="always", _nrt=False)
def _amount(column, size, row):  # type: ignore[no-untyped-def]
    """The number in a column, or its code; NaN where it is missing."""
    if size == 0:
        return f64(column, row)
    code = i8(column, row) if size == 1 else i32(column, row)
    return float64(code) if code >= 0 else np.nan


@nb.njit(
    void(
        int64[::1], int64[::1], int64[:, ::1], int64, int64[::1], int64[::1], int32[:, ::1], int64[::1], *CELLS
    ),
    **PLAIN)  # fmt: skip
def count(  # type: ignore[no-untyped-def]
    step, starts, cells, n, row, slot, met, many, filled, total, value, best, mask
):
    """Count n rows (n,), each into one slot (n,) of every cell whose filter it meets.

    ``met`` (64, `VISITS`) and ``many`` (64,) are room for the rows that meet each filter.
    """
    cell0, bits, size = step[FIRST_CELL], step[BITS], step[WORD_SIZE]
    tallied, listed = uint64(step[TALLIED]), uint64(step[LISTED])
    waiting = listed
    while waiting:
        many[lowest(waiting)] = 0
        waiting &= waiting - uint64(1)
    for j in range(n):
        every = word_of(bits, size, row[j])
        word, s = every & tallied, slot[j]
        while word:
            filled[starts[lowest(word)], s] += 1  # of a filter's cells its tally is the first
            word &= word - uint64(1)
        word = every & listed
        while word:
            f = lowest(word)
            word &= word - uint64(1)
            met[f, many[f]] = j
            many[f] += 1
    while listed:
        f = lowest(listed)
        listed &= listed - uint64(1)
        for g in range(starts[f], starts[f + 1]):
            kind, column, size = cells[cell0 + g, KIND], cells[cell0 + g, ADDRESS], cells[cell0 + g, CODE_SIZE]
            if kind == TOTAL:
                for m in range(many[f]):
                    j = met[f, m]
                    amount = _amount(column, size, row[j])
                    if not np.isnan(amount):
                        s = slot[j]
                        whole, part = split(amount)
                        whole, part = carried(whole + total[g, s, 0], part + total[g, s, 1])
                        total[g, s, 0], total[g, s, 1] = whole, part
                        filled[g, s] += 1
            elif kind == SET:
                for m in range(many[f]):
                    j = met[f, m]
                    code = i8(column, row[j]) if size == 1 else i32(column, row[j])
                    if code >= 0:
                        mask[g, slot[j]] |= uint64(1) << uint64(code)
                        filled[g, slot[j]] += 1
            elif kind == LATEST or kind == EARLIEST:
                for m in range(many[f]):
                    j = met[f, m]
                    s, instant = slot[j], i64(step[AT], row[j])
                    if filled[g, s] == 0 or (best[g, s] < instant) == (kind == LATEST):
                        best[g, s] = instant
                    filled[g, s] += 1
            elif kind != TALLY and kind != CASES:  # CASES are settled when all rows have been seen
                for m in range(many[f]):
                    j = met[f, m]
                    amount = _amount(column, size, row[j])
                    if np.isnan(amount):
                        continue
                    s = slot[j]
                    if filled[g, s] == 0:
                        best[g, s], value[g, s] = row[j], amount
                    elif kind == NEWEST:
                        if later(step, row[j], best[g, s]):
                            best[g, s], value[g, s] = row[j], amount
                    elif (amount < value[g, s]) == (kind == LEAST):
                        value[g, s] = amount
                    filled[g, s] += 1
