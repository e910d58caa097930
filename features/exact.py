"""Sums that do not depend on the order of what is added, nor on how it is grouped.

An amount is taken as a whole number of 2^-60ths, cut towards zero, and integers are added: whole units and 2^-60ths in
one int64 each. Any float64 of at least 2^-8 in size is such a number exactly. The sum is rounded once, when it is read.
"""

import numba as nb
from numba import float64, int64
from numba.types import UniTuple

SHIFT = 60
UNIT = 1 << SHIFT


@nb.njit(UniTuple(int64, 2)(float64), cache=True, nogil=True, _nrt=False)
def split(amount):  # type: ignore[no-untyped-def]
    """Whole units and 2^-60ths (0 to 2^60 - 1) of an amount of at most 2^62 in size: their sum, cut towards zero."""
    size = abs(amount)
    whole = int64(size)
    part = int64((size - float64(whole)) * float64(UNIT))
    if amount >= 0:
        return whole, part
    return (-whole, part) if part == 0 else (-whole - 1, UNIT - part)


@nb.njit(float64(int64[:, ::1], int64[:, :, ::1], int64, int64, int64), cache=True, nogil=True, _nrt=False)
def added(filled, total, cell, low, high):  # type: ignore[no-untyped-def]
    """The sum over the bands ``low`` to ``high - 1`` of a cell, where they are filled; ``total`` (cells, bands, 2)."""
    whole, part = 0, 0
    for band in range(low, high):
        if filled[cell, band] > 0:
            part += total[cell, band, 1]
            whole += total[cell, band, 0] + (part >> SHIFT)
            part &= UNIT - 1
    if whole >= 0:
        return float64(whole) + float64(part) / float64(UNIT)
    if part:  # the sizes of both must have one sign, or small sums would be rounded as if they were large
        whole, part = whole + 1, UNIT - part
    return -(float64(-whole) + float64(part) / float64(UNIT))
