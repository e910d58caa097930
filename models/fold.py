"""What is compiled to score one row with a `models.forest.Forest`: serial, without the GIL, in LightGBM's order.

The sums are added up tree by tree in float64 as LightGBM does, for the row as it is and for each way to change it, so
that each has the very bits LightGBM would give. Logarithms and exponentials of the calibration are left to NumPy,
whose last bit may differ from the C library's; that is why the fold stops there and is resumed.
"""

from math import exp, isnan
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba import float32, float64, int32, int64, uint32, uint64, void
from numba.extending import intrinsic

from models.trees import ZERO

CLASSES = 3
"""Nothing, the event, a competing ending; a label without the last has probability 0 there."""
_SMALLEST = 1e-12
_TINY = float(np.finfo(float).tiny)
ONES = np.uint32(0xFFFFFFFF)
"""A word before anything is ruled out."""


@intrinsic
def lowest(typing_context: Any, word: Any) -> Any:
    """The position of the lowest set bit of a uint64."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return int64(uint64), emit


COMPILED = {"cache": True, "nogil": True, "_nrt": False}
CUTS = (int64[:, ::1], float64[::1], int32[::1], uint32[::1])
TREES = (int32[::1], int32[::1], float64[::1], int32[:, ::1])
ANSWERS = (int32[:, ::1], float64[::1])
"""The types of a `models.forest.Forest`'s arrays, in its order."""


@nb.njit(void(float32[::1], *CUTS, int32[::1], uint32[:, ::1]), **COMPILED)
def cut(
    x: np.ndarray,
    cuts: np.ndarray,
    threshold: np.ndarray,
    cut_word: np.ndarray,
    cut_mask: np.ndarray,
    row: np.ndarray,
    words: np.ndarray,
) -> None:
    """Clear the bits of all leaves that the values ``x`` (f,) rule out, feature j in ``words[row[j]]`` (r, w)."""
    for j in range(x.shape[0]):
        value = float64(x[j])
        begin, end = cuts[j, 0], cuts[j, 1]
        if isnan(value):
            begin, end = cuts[j, 1], cuts[j, 2]
        elif abs(value) <= ZERO:
            begin, end = cuts[j, 2], cuts[j, 3]
        else:
            low = begin
            while low < end:
                middle = (low + end) >> 1
                if threshold[middle] < value:
                    low = middle + 1
                else:
                    end = middle
        into = words[row[j]]
        for c in range(begin, end):
            into[cut_word[c]] &= cut_mask[c]


@nb.njit(float64(uint32[::1], int64, int64, int32[::1], float64[::1]), **COMPILED)
def reached(words: np.ndarray, begin: int, end: int, leaf_at: np.ndarray, leaf: np.ndarray) -> float:
    """The value of the leaf a tree's words ``[begin, end)`` leave: the lowest bit of the first that has one."""
    at = begin
    while words[at] == 0 and at + 1 < end:
        at += 1
    return leaf[leaf_at[at] + lowest(uint64(words[at]))]


@nb.njit(void(int32[:, ::1], float64[::1], float64[:, ::1], int64, int64, int64, float64[:, ::1]), **COMPILED)
def tell(
    answers: np.ndarray, sigmoid: np.ndarray, sums: np.ndarray, begin: int, end: int, place: int, told: np.ndarray
) -> None:
    """Columns ``[begin, end)`` of sums (s, n) as the classes' probabilities, as LightGBM's ``ConvertOutput``.

    Column c is written from row ``(place + c) * a`` of ``told`` (m, 3) on. None is below the smallest that the
    calibration tells from 0.
    """
    for c in range(begin, end):
        for a in range(answers.shape[0]):
            into = told[(place + c) * answers.shape[0] + a]
            first, step, classes = answers[a, 0], answers[a, 1], answers[a, 2]
            if classes == 1:
                p = 1.0 / (1.0 + exp(-sigmoid[a] * sums[first, c]))
                into[0], into[1], into[2] = 1.0 - p, p, 0.0
            else:
                most = sums[first, c]
                for k in range(1, classes):
                    most = max(most, sums[first + k * step, c])
                total = 0.0
                into[2] = 0.0
                for k in range(classes):
                    into[k] = exp(sums[first + k * step, c] - most)
                    total += into[k]
                for k in range(classes):
                    into[k] /= total
            for k in range(CLASSES):
                into[k] = max(into[k], _SMALLEST)


@nb.njit(
    void(float32[::1], *CUTS, *TREES, *ANSWERS, int32[::1], uint32[:, ::1], float64[:, ::1], float64[:, ::1]),
    **COMPILED,
)
def plain(
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
    row: np.ndarray,
    left: np.ndarray,
    total: np.ndarray,
    told: np.ndarray,
) -> None:
    """Fill ``told`` (a, 3) with the boosters' probabilities of row ``x`` (f,); the rest is scratch."""
    for j in range(row.shape[0]):
        row[j] = 0
    for w in range(left.shape[1]):
        left[0, w] = ONES
    for s in range(total.shape[0]):
        total[s, 0] = 0.0
    cut(x, cuts, threshold, cut_word, cut_mask, row, left)
    for t in range(sums.shape[0]):
        value = reached(left[0], words[t], words[t + 1], leaf_at, leaf)
        for s in range(sums[t, 0], sums[t, 1]):
            total[s, 0] += value
    tell(answers, sigmoid, total, 0, 1, 0, told)


@nb.njit(void(float64[:, ::1], float64[:, ::1], float64[:, ::1]), **COMPILED)
def shift(logs: np.ndarray, slope: np.ndarray, intercept: np.ndarray) -> None:
    """Logarithms of probabilities (m, 3) as calibrated log-odds less the greatest; answer by answer over and over.

    ``slope`` and ``intercept`` (a, 2); a cause a label does not have has minus infinity.
    """
    a = 0
    for i in range(logs.shape[0]):
        row = logs[i]
        event = intercept[a, 0] + slope[a, 0] * (row[1] - row[0])
        competing = intercept[a, 1] + slope[a, 1] * (row[2] - row[0])
        most = max(0.0, max(event, competing))
        row[0], row[1], row[2] = 0.0 - most, event - most, competing - most
        a = a + 1 if a + 1 < slope.shape[0] else 0


@nb.njit(void(float64[:, ::1], int64[::1], nb.boolean, float64[:, ::1]), **COMPILED)
def accumulate(exps: np.ndarray, labels: np.ndarray, open_ended: bool, curves: np.ndarray) -> None:
    """Exponentials (n * a, 3) of `shift` as curves (n, a); label l has the answers ``labels[l]:labels[l + 1]``.

    As `models.calibrate.Calibration.apply` and `models.periods.accumulate`.
    """
    for n in range(curves.shape[0]):
        for at in range(labels.shape[0] - 1):
            surviving, come = 1.0, 0.0
            for a in range(labels[at], labels[at + 1]):
                row = exps[n * curves.shape[1] + a]
                total = row[0] + row[1] + row[2]
                event, competing = row[1] / total, row[2] / total
                if open_ended and a + 1 == labels[at + 1]:
                    event = event / max(event + competing, _TINY)
                    competing = 1.0 - event
                come += surviving * event
                curves[n, a] = min(come, 1.0)
                surviving *= min(max(1.0 - event - competing, 0.0), 1.0)
