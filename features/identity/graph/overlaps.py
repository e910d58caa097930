"""Rectangles of one (parent, child) that overlap, made disjoint: a fact reached over two paths counts once."""

import numba as nb
import numpy as np
import pandas as pd
from numba import boolean, int64

from features.engine.columns import FOREVER
from features.identity.graph.links import BOUNDS, RECTANGLE


def disjoint(frame: pd.DataFrame) -> pd.DataFrame:
    """The same reach with no two rectangles of one (parent, child) overlapping.

    A key may be reached over several paths: a card that names a customer, and an address that names them too.
    """
    several = frame.duplicated(["parent", "child"], keep=False)
    if not several.any():
        return frame.astype(np.int64)
    rows = frame[several].sort_values(["parent", "child"], kind="stable", ignore_index=True)
    starts = np.append(np.flatnonzero(~rows.duplicated(["parent", "child"])), len(rows)).astype(np.int64)
    crossed = overlapping(starts, *(np.array(rows[name], np.int64) for name in BOUNDS))
    crossing = np.repeat(crossed, np.diff(starts))
    merged = [
        (child, parent, *rectangle)
        for (parent, child), group in rows[crossing].groupby(["parent", "child"], sort=False)
        for rectangle in _merged(group)
    ]
    return pd.concat(
        [frame[~several], rows[~crossing], pd.DataFrame(merged, columns=RECTANGLE)], ignore_index=True
    ).astype(np.int64)


@nb.njit(boolean[::1](int64[::1], int64[::1], int64[::1], int64[::1], int64[::1]), cache=True, nogil=True)
def overlapping(starts, low, high, known, until):  # type: ignore[no-untyped-def]
    """(g,) bool: whether any two rectangles of a group overlap or touch in ``at`` while both are known."""
    found = np.zeros(starts.shape[0] - 1, np.bool_)
    for group in range(starts.shape[0] - 1):
        for a in range(starts[group], starts[group + 1]):
            for b in range(starts[group], a):
                if low[a] <= high[b] and low[b] <= high[a] and known[a] < until[b] and known[b] < until[a]:
                    found[group] = True
    return found


def _merged(group: pd.DataFrame) -> list[tuple[int, ...]]:
    """(at_from, at_to, known_from, known_to) that cover what the rectangles of one (parent, child) cover, once."""
    low, high, known, until = (group[name].to_numpy() for name in BOUNDS)
    since: dict[tuple[int, int], int] = {}
    found: list[tuple[int, ...]] = []
    instants = np.unique(np.concatenate([known, until]))
    for instant in instants[instants < FOREVER].tolist():
        held = (known <= instant) & (instant < until)
        now = set(_union(sorted(zip(low[held].tolist(), high[held].tolist(), strict=True))))
        found += [(*gone, since.pop(gone), instant) for gone in sorted(set(since) - now)]
        since |= dict.fromkeys(now - set(since), instant)
    return found + [(*interval, begun, FOREVER) for interval, begun in sorted(since.items())]


def _union(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    union: list[tuple[int, int]] = []
    for begin, end in intervals:
        if union and begin <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((begin, end))
    return union
