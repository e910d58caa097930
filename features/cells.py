"""What is kept of rows: one cell per (filter, kind, column), over bands of time.

A cell holds in each band how many rows it has seen (``filled``) and, as its kind asks for, their exact sum (``total``:
whole units and 2^-60ths), an amount (``value``), a row or an instant (``best``) or a set of codes (``mask``). What a
band holds counts only where it is filled, so that nothing else need be cleared. Every kind gives the same whatever the
order in which rows are counted.
"""

import numba as nb
import numpy as np
from numba import boolean, int64, uint64

from features.exact import SHIFT, UNIT, split
from features.machine import f64, i8, i32, i64, lowest
from features.plan import EARLIEST, LATEST, LEAST, MOST, NEWEST, SET, TALLY, TOTAL

FILTER, KIND, ADDRESS, CODE_SIZE = range(4)
"""Places in a cell: its filter, its kind, where its column lies (0: it has none), bytes of a code (0: numbers)."""
CELLS = (int64[:, ::1], int64[:, :, ::1], nb.float64[:, ::1], int64[:, ::1], uint64[:, ::1])
"""``filled``, ``total``, ``value``, ``best``, ``mask`` of g cells in b bands."""


@nb.njit(boolean(int64, int64, int64, int64, int64), cache=True, nogil=True, _nrt=False)
def later(at, known, rank, row, than):  # type: ignore[no-untyped-def]
    """Whether a row is the later of two: by ``at``, then by when it was known, then by the rank of its id.

    The first three are the addresses of those columns.
    """
    if i64(at, row) != i64(at, than):
        return i64(at, row) > i64(at, than)
    if i64(known, row) != i64(known, than):
        return i64(known, row) > i64(known, than)
    return i64(rank, row) > i64(rank, than)


@nb.njit(inline="always", _nrt=False)
def count(  # type: ignore[no-untyped-def]
    at, known, rank, row, instant, band, word, starts, cells, cell0, filled, total, value, best, mask
):
    """Count a row of an ``instant`` into one band of every cell whose filter is set in ``word``."""
    while word:
        f = lowest(word)
        word &= word - uint64(1)
        for g in range(starts[f], starts[f + 1]):
            kind, column = cells[cell0 + g, KIND], cells[cell0 + g, ADDRESS]
            if kind == TALLY:
                filled[g, band] += 1
                continue
            amount = 0.0
            if cells[cell0 + g, CODE_SIZE]:
                amount = float(i8(column, row)) if cells[cell0 + g, CODE_SIZE] == 1 else float(i32(column, row))
                if amount < 0.0:
                    continue
            elif column:
                amount = f64(column, row)
                if np.isnan(amount):
                    continue
            new = filled[g, band] == 0
            if kind == TOTAL:
                whole, part = split(amount)
                if not new:
                    part += total[g, band, 1]
                    whole += total[g, band, 0] + (part >> SHIFT)
                total[g, band, 0], total[g, band, 1] = whole, part & (UNIT - 1)
            elif kind == SET:
                code = uint64(1) << uint64(amount)
                mask[g, band] = code if new else mask[g, band] | code
            elif kind == LEAST:
                value[g, band] = amount if new else min(amount, value[g, band])
            elif kind == MOST:
                value[g, band] = amount if new else max(amount, value[g, band])
            elif kind == EARLIEST:
                best[g, band] = instant if new else min(instant, best[g, band])
            elif kind == LATEST:
                best[g, band] = instant if new else max(instant, best[g, band])
            elif kind == NEWEST:
                if new or later(at, known, rank, row, best[g, band]):
                    best[g, band], value[g, band] = row, amount
            else:
                continue  # CASES are settled when all rows have been seen
            filled[g, band] += 1
