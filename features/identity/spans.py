"""Where each of many ids stands in a rising list: nearly free for ids that come in the order of the list."""

import numba as nb
from numba import int64, void


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
            low, high = 0, n
            while low < high:
                middle = (low + high) >> 1
                if known[middle] < wanted[i]:
                    low = middle + 1
                else:
                    high = middle
            place = low
        if place < n and known[place] == wanted[i]:
            spans[i, 0], spans[i, 1] = starts[place], starts[place + 1]
        else:
            spans[i, 0], spans[i, 1] = 0, 0
