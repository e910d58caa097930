"""Sums that do not depend on the order of what is added, nor on how it is grouped.

An amount is taken as a whole number of 2^-60ths, cut towards zero, and integers are added: whole units and 2^-60ths in
one int64 each. Any float64 of at least 2^-8 in size is such a number exactly. The sum is rounded once, when it is read.
"""

import numba as nb
from numba import float64, int64
from numba.types import UniTuple

from features.engine.machine import INLINE

SHIFT = 60
UNIT = 1 << SHIFT


@nb.njit(UniTuple(int64, 2)(float64), **INLINE)
def split(amount):  # type: ignore[no-untyped-def]
    """Whole units and 2^-60ths of an amount of at most 2^62 in size, both cut towards zero and both of its sign."""
    whole = int64(amount)
    return whole, int64((amount - float64(whole)) * float64(UNIT))


@nb.njit(UniTuple(int64, 2)(int64, int64), **INLINE)
def carried(whole, part):  # type: ignore[no-untyped-def]
    """The same sum with 0 to 2^60 - 1 of 2^-60ths."""
    return whole + (part >> SHIFT), part & (UNIT - 1)


@nb.njit(float64(int64, int64), **INLINE)
def rounded(whole, part):  # type: ignore[no-untyped-def]
    """A carried sum as float64."""
    if whole >= 0:
        return float64(whole) + float64(part) / float64(UNIT)
    if part:  # the sizes of both must have one sign, or small sums would be rounded as if they were large
        whole, part = whole + 1, UNIT - part
    return -(float64(-whole) + float64(part) / float64(UNIT))
