"""What is compiled to find what one row's scores would be were groups of its features typical.

The words of a row (`models.forest`) are kept apart by feature. What all but some features rule out is what those before
and those after them rule out, so one pass up and one pass down give the words of every change at once; and only where
the lowest bit of a word differs may another leaf be reached. Each change is added up anew over all trees, in LightGBM's
order: a difference added to the sum would have other last bits.
"""

from math import isnan

import numba as nb
import numpy as np
from numba import float32, float64, int32, int64, uint32, uint64, void

from models.fold import ANSWERS, COMPILED, CUTS, ONES, TREES, cut, lowest, reached, tell

AT_ONCE = 64
"""So many changes of a row are told apart by the bits of one word."""
LANES = 8
"""Sums are added up so many at a time."""


@nb.njit(
    int64(float32[::1], float32[::1], int32[::1], int32[::1], int32[::1], int32[::1], int32[:, ::1]),
    **COMPILED,
)
def _changes(
    x: np.ndarray,
    typical: np.ndarray,
    order: np.ndarray,
    group: np.ndarray,
    row: np.ndarray,
    feature: np.ndarray,
    changes: np.ndarray,
) -> int:
    """How many changes there are of what is not typical: of each group, and of each of its features if several.

    ``order`` (f,) has the features group by group, ``group`` (f,) the group of each. Features that are typical get
    ``row`` 0, the others 1, 2, ... in that order, ``feature`` being its inverse. A change (group, or -1 of one of its
    features; the first feature; first row, last row) makes all features of its rows typical.
    """
    rows, found = 0, 0
    for j in range(row.shape[0]):
        row[j] = 0
    j = 0
    while j < order.shape[0]:
        g, begin = group[order[j]], rows + 1
        while j < order.shape[0] and group[order[j]] == g:
            f = order[j]
            if not (x[f] == typical[f] or (isnan(x[f]) and isnan(typical[f]))):
                rows += 1
                row[f] = rows
                feature[rows] = f
            j += 1
        if rows >= begin:
            changes[found, 0], changes[found, 1] = g, feature[begin]
            changes[found, 2], changes[found, 3] = begin, rows
            found += 1
        if rows > begin:
            for r in range(begin, rows + 1):
                changes[found, 0], changes[found, 1] = -1, feature[r]
                changes[found, 2], changes[found, 3] = r, r
                found += 1
    return found


@nb.njit(void(int32[:, ::1], int64, int64, int64, int32[::1], *[uint32[:, ::1]] * 5, uint64[::1]), **COMPILED)
def _alter(
    changes: np.ndarray,
    begin: int,
    end: int,
    rows: int,
    feature: np.ndarray,
    usual: np.ndarray,
    left: np.ndarray,
    below: np.ndarray,
    above: np.ndarray,
    other: np.ndarray,
    changed: np.ndarray,
) -> None:
    """``other`` (64, w): the words after each of the changes ``[begin, end)``; ``changed`` (w,): a bit for each that
    may reach another leaf.

    ``usual`` (f, w) are the words of each feature if typical, ``below[r]`` those of rows up to r, ``above[r]`` from r.
    """
    base = below[rows]
    for w in range(base.shape[0]):
        changed[w] = 0
    for c in range(begin, end):
        first, last = changes[c, 2], changes[c, 3]
        before, after, into = below[first - 1], above[last + 1], other[c - begin]
        for w in range(base.shape[0]):
            into[w] = before[w] & after[w]
        for r in range(first, last + 1):
            typical = usual[feature[r]]
            for w in range(base.shape[0]):
                into[w] &= typical[w]
        bit = uint64(1) << uint64(c - begin)
        for w in range(base.shape[0]):
            word = base[w]
            upto = word ^ uint32(word - uint32(1))  # the lowest bit and all below it
            if into[w] & upto != word & upto:
                changed[w] |= bit


@nb.njit(void(int64, *[uint32[:, ::1]] * 3), **COMPILED)
def _gather(rows: int, left: np.ndarray, below: np.ndarray, above: np.ndarray) -> None:
    """Fill ``below[r]`` with what is left of the words by rows 0 to r, and ``above[r]`` by rows r to the last."""
    for w in range(left.shape[1]):
        below[0, w] = left[0, w]
        above[rows + 1, w] = ONES
    for r in range(1, rows + 1):
        into, others, own = below[r], below[r - 1], left[r]
        for w in range(own.shape[0]):
            into[w] = others[w] & own[w]
    for r in range(rows, 0, -1):
        into, others, own = above[r], above[r + 1], left[r]
        for w in range(own.shape[0]):
            into[w] = others[w] & own[w]


@nb.njit(
    void(int64, *TREES, uint32[:, ::1], int64, uint32[:, ::1], uint64[::1], float64[::1], float64[:, ::1]), **COMPILED
)
def _add(
    width: int,
    words: np.ndarray,
    leaf_at: np.ndarray,
    leaf: np.ndarray,
    sums: np.ndarray,
    below: np.ndarray,
    rows: int,
    other: np.ndarray,
    changed: np.ndarray,
    value: np.ndarray,
    total: np.ndarray,
) -> None:
    """Fill ``width`` columns of ``total``: the sums of the row as it is, then after each change of `_alter`.

    ``value`` (>= width,) is scratch.
    """
    for s in range(total.shape[0]):
        for c in range(width):
            total[s, c] = 0.0
    for t in range(sums.shape[0]):
        begin, end = words[t], words[t + 1]
        usual = reached(below[rows], begin, end, leaf_at, leaf)
        moved = uint64(0)
        for w in range(begin, end):
            moved |= changed[w]
        for c in range(width):
            value[c] = usual
        while moved:
            c = lowest(moved)
            value[c + 1] = reached(other[c], begin, end, leaf_at, leaf)
            moved &= moved - uint64(1)
        for s in range(sums[t, 0], sums[t, 1]):
            into = total[s]
            for c in range(width):
                into[c] += value[c]


@nb.njit(
    int64(
        float32[::1],
        *CUTS,
        *TREES,
        *ANSWERS,
        float32[::1],
        uint32[:, ::1],
        int32[::1],
        int32[::1],
        int32[::1],
        int32[::1],
        int32[:, ::1],
        *[uint32[:, ::1]] * 4,
        uint64[::1],
        float64[::1],
        float64[:, ::1],
        float64[:, ::1],
    ),
    **COMPILED,
)
def ablated(
    x: np.ndarray,
    cuts: np.ndarray,
    threshold: np.ndarray,
    cut_word: np.ndarray,
    cut_mask: np.ndarray,
    words: np.ndarray,
    leaf_at: np.ndarray,
    leaf: np.ndarray,
    sums: np.ndarray,
    answers: np.ndarray,
    sigmoid: np.ndarray,
    typical: np.ndarray,
    usual: np.ndarray,
    order: np.ndarray,
    group: np.ndarray,
    row: np.ndarray,
    feature: np.ndarray,
    changes: np.ndarray,
    left: np.ndarray,
    below: np.ndarray,
    above: np.ndarray,
    other: np.ndarray,
    changed: np.ndarray,
    value: np.ndarray,
    total: np.ndarray,
    told: np.ndarray,
) -> int:
    """The number of `_changes` of row ``x`` (f,), after filling ``told`` ((1 + changes) * a, 3) with the boosters'
    probabilities as it is and after each; all between ``group`` and ``told`` is scratch.
    """
    found = _changes(x, typical, order, group, row, feature, changes)
    rows = 0
    for j in range(row.shape[0]):
        rows = max(rows, row[j])
    for r in range(rows + 1):
        for w in range(left.shape[1]):
            left[r, w] = ONES
    cut(x, cuts, threshold, cut_word, cut_mask, row, left)
    _gather(rows, left, below, above)
    for begin in range(0, max(found, 1), AT_ONCE):
        end = min(begin + AT_ONCE, found)
        width = (end - begin + LANES) // LANES * LANES
        _alter(changes, begin, end, rows, feature, usual, left, below, above, other, changed)
        _add(width, words, leaf_at, leaf, sums, below, rows, other, changed, value, total)
        tell(answers, sigmoid, total, min(begin, 1), end - begin + 1, begin, told)
    return found
