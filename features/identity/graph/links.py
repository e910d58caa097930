"""What was said of two keys -> from when to when the child belonged to the parent, as known when.

A rectangle says: the child belonged to the parent for instants in ``[at_from, at_to)``, as known to cuts in
``(known_from, known_to]``. Rectangles of one (child, parent) never overlap.
"""

import numpy as np
import pandas as pd

from features.conditions import duration
from features.declare import Link
from features.engine.columns import EVER_AGO, FOREVER
from features.identity.graph.guards import guards
from features.identity.graph.replay import replay

BOUNDS = ["at_from", "at_to", "known_from", "known_to"]
RECTANGLE = ["child", "parent", *BOUNDS]
ORDER = ["child", "parent", "at_from", "known_from"]


def rectangles(rows: pd.DataFrame, link: Link) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The link's rectangles (`RECTANGLE`), in order, and its guarded children (child, known_from, known_to).

    ``rows`` (`graph.evidence.COLUMNS`): all that was said of these children, in any order; candidates link nothing.
    Children with one parent ever go the short way; the others by replaying what was believed when.
    """
    rows = rows[rows["linked"] >= 0]
    guarded = guards(rows, link.shared)
    if not len(rows):
        return no_rectangles(), guarded
    by = ["child"] if link.one_parent else ["child", "parent"]
    rows = rows.sort_values([*by, "known", "at"], kind="stable", ignore_index=True)
    simple = _simple(rows, by, guarded)
    single = rows[simple & ~rows.duplicated(by)]
    back = -1 if link.back is None else duration(link.back)
    single = single.assign(
        at_from=EVER_AGO if back < 0 else np.maximum(single["at"] - back, EVER_AGO),
        at_to=FOREVER,
        known_from=single["known"],
        known_to=FOREVER,
    )
    held = pd.concat([single[RECTANGLE], _replayed(rows[~simple], by, guarded, back, link.undone)])
    return held.astype(np.int64).sort_values(ORDER, kind="stable", ignore_index=True), guarded


def no_rectangles() -> pd.DataFrame:
    """A frame of nothing (`RECTANGLE`)."""
    return pd.DataFrame(np.empty((0, len(RECTANGLE)), np.int64), columns=RECTANGLE)


def _simple(rows: pd.DataFrame, by: list[str], guarded: pd.DataFrame) -> np.ndarray:
    """(n,) bool: rows of children that were linked to one parent only, never unlinked, revised or guarded, and whose
    first known evidence is also the earliest: what was said later adds nothing. ``rows`` are ordered by (by, known,
    at).
    """
    begins = ~rows.duplicated(by).to_numpy()
    group = np.cumsum(begins) - 1
    parent, at = rows["parent"].to_numpy(), rows["at"].to_numpy()
    plain = (rows["linked"].to_numpy() == 1) & (rows["until"].to_numpy() == FOREVER)
    plain &= (parent == parent[begins][group]) & (at >= at[begins][group])
    plain &= ~rows["child"].isin(guarded["child"]).to_numpy()
    return (np.bincount(group, weights=~plain, minlength=begins.sum()) == 0)[group]


def _replayed(rows: pd.DataFrame, by: list[str], guarded: pd.DataFrame, back: int, undone: bool) -> pd.DataFrame:
    if not len(rows):
        return no_rectangles()
    # Of two things said about the same instant, "linked" holds: it stands last.
    rows = rows.sort_values([*by, "at", "known", "linked", "parent"], kind="stable", ignore_index=True)
    starts = np.flatnonzero(~rows.duplicated(by).to_numpy())
    child = rows["child"].to_numpy()[starts]
    starts = np.append(starts, len(rows)).astype(np.int64)
    found = replay(
        starts,
        np.array(rows["parent"], np.int64),
        _code(rows, starts),
        rows["linked"].to_numpy() == 1,
        *(np.array(rows[name], np.int64) for name in ("at", "known", "until")),
        *_of_groups(guarded, child),
        back,
        undone,
    )
    return pd.DataFrame(np.column_stack([child[found[:, 0]], found[:, 1:]]), columns=RECTANGLE)


def _code(rows: pd.DataFrame, starts: np.ndarray) -> np.ndarray:
    """(n,) int64: the parents of each group, numbered from where the group's rows start less that start."""
    group = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.lexsort((rows["parent"].to_numpy(), group))
    changes = (np.diff(rows["parent"].to_numpy()[order], prepend=0) != 0) | (np.diff(group[order], prepend=-1) != 0)
    number = np.cumsum(changes)
    code = np.empty(len(rows), np.int64)
    code[order] = number - number[starts[:-1]][group[order]]
    return code


def _of_groups(guarded: pd.DataFrame, child: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The guarded instants of each group's child as (from, to) pairs in one array, and where each group's begin."""
    guarded = guarded.sort_values(["child", "known_from"])
    low = np.searchsorted(guarded["child"], child, "left")
    count = np.searchsorted(guarded["child"], child, "right") - low
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    pairs = np.array(guarded[["known_from", "known_to"]], np.int64)[np.repeat(low, count) + within]
    return np.ascontiguousarray(pairs.reshape(-1)), np.concatenate([[0], 2 * np.cumsum(count)]).astype(np.int64)
