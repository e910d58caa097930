"""Keys that too many people share, and since when that is known: a shop's tablet, a switchboard, a test account."""

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd

from features.engine.columns import FOREVER

_COLUMNS = ["child", "known_from", "known_to"]


def guards(rows: pd.DataFrame, shared: int | None) -> pd.DataFrame:
    """When each child was known to be seen with more than ``shared`` parents: child, known_from, known_to.

    ``rows`` (`graph.evidence.COLUMNS`) of one link. Every parent it was ever said to belong to counts, also one it
    left since, for as long as the statement stands: who reads through such a key reads strangers.
    """
    if shared is None or not len(rows):
        return _frame([])
    linked = rows[rows["linked"] == 1]
    pairs = linked[["child", "parent"]].drop_duplicates()
    counts = pairs["child"].value_counts()
    busy = linked[linked["child"].isin(counts.index[counts > shared])]
    return _frame(
        (child, *interval) for child, group in busy.groupby("child", sort=True) for interval in _crowded(group, shared)
    )


def _frame(rows: Iterable[tuple[Hashable, ...]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=_COLUMNS).astype(np.int64)


def _crowded(group: pd.DataFrame, shared: int) -> list[tuple[int, int]]:
    """The instants ``[from, to)`` at which rows of one child name more than ``shared`` parents."""
    stood = group.groupby(["parent", "known"], sort=True)["until"].max().reset_index()
    # The statements of one parent overlap; each instant counts a parent once.
    reached = stood.groupby("parent")["until"].cummax().groupby(stood["parent"]).shift()
    end = stood["until"].to_numpy(np.int64)
    begin = np.maximum(stood["known"].to_numpy(np.int64), reached.fillna(stood["known"]).to_numpy(np.int64))
    begin, end = begin[begin < end], end[begin < end]
    instants = np.unique(np.concatenate([begin, end]))
    change = np.bincount(np.searchsorted(instants, begin), minlength=len(instants))
    change = change - np.bincount(np.searchsorted(instants, end), minlength=len(instants))
    crowded = np.concatenate([[False], np.cumsum(change) > shared, [False]])
    starts = np.flatnonzero(~crowded[:-1] & crowded[1:])
    ends = np.flatnonzero(crowded[:-1] & ~crowded[1:])
    bounds = np.append(instants, FOREVER)
    return [(int(bounds[a]), int(bounds[b])) for a, b in zip(starts, ends, strict=True)]
