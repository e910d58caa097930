"""Where each of many ids stands in a rising list: fast for ids that come in the order of the list, and for hashes."""

import numba as nb
from numba import float64, int64, void


@nb.njit(int64(int64[::1], int64), cache=True, nogil=True)
def _place(known, wanted):  # type: ignore[no-untyped-def]
    """The first place of one at least as great: ids are hashes, so the first guess is proportional, then by halves."""
    low, high = 0, known.shape[0]
    if high == 0 or wanted <= known[0]:
        return 0
    if wanted > known[high - 1]:
        return high
    share = (float64(wanted) - float64(known[0])) / (float64(known[high - 1]) - float64(known[0]))
    guess = min(max(int64(share * (high - 1)), 0), high - 1)
    step = 8
    if known[guess] < wanted:
        low = guess + 1
        while low + step < high and known[low + step] < wanted:
            low += step
            step *= 2
        high = min(high, low + step + 1)
    else:
        high = guess
        while high - step > low and known[high - step] >= wanted:
            high -= step
            step *= 2
        low = max(low, high - step)
    while low < high:
        middle = (low + high) >> 1
        if known[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@nb.njit(void(int64[::1], int64[::1], int64[::1], int64[:, ::1]), cache=True, nogil=True)
def locate(known, starts, wanted, spans):  # type: ignore[no-untyped-def]
    """Fill ``spans`` (p, 2) with ``starts[i], starts[i + 1]`` where ``known[i]`` is ``wanted``; (0, 0) where none is.

    ``known`` (m,) rises without repeats, ``starts`` is (m + 1,).
    """
    place, n = 0, known.shape[0]
    for i in range(wanted.shape[0]):
        if place + 1 < n and known[place + 1] == wanted[i]:
            place += 1
        elif place >= n or known[place] != wanted[i]:
            place = _place(known, wanted[i])
        if place < n and known[place] == wanted[i]:
            spans[i, 0], spans[i, 1] = starts[place], starts[place + 1]
        else:
            spans[i, 0], spans[i, 1] = 0, 0
