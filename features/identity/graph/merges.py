"""Keys of one type that are the same one: which id stands for all of them, as known when.

The oldest id stands (first named by any evidence; of two first named by the merge itself, the parent; then the
smaller), the others are its aliases. Statements are taken in the order in which they became known, whatever time they
speak of: once the last one about two keys is that they are apart, both are restored as if nothing had been said. A
merge holds for all time (``at``), only the knowledge of it begins and ends. A statement that would join two keys that
are said to be apart, or more keys than may share one, joins nothing and is told as a problem.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.engine.columns import EVER_AGO, FOREVER
from features.identity.graph.guards import guards
from features.identity.graph.links import RECTANGLE, no_rectangles

PROBLEMS = ["problem", "child", "parent", "known"]
CONTRADICTION, NEVER_MERGED = "contradictory merge", "unmerge of what was never merged"
TOO_MANY = "merge of too many"


@dataclass(frozen=True)
class Merges:
    """``members`` (`RECTANGLE`): every key ever merged -> the key that stands for it, itself included, at all times.

    ``guarded``: child, known_from, known_to of keys said to be the same as too many. ``problems`` (`PROBLEMS`): what
    was said and could not be done, since when that is known.
    """

    members: pd.DataFrame
    guarded: pd.DataFrame
    problems: pd.DataFrame


def merges(rows: pd.DataFrame, shared: int | None, named: Mapping[int, int]) -> Merges:
    """The merges of one key type from what was said (`graph.evidence.COLUMNS`), in any order.

    ``named``: when each key was first named by any evidence, UTC microseconds.
    """
    rows = rows[(rows["linked"] >= 0) & (rows["child"] != rows["parent"])]
    if not len(rows):
        return Merges(no_rectangles(), guards(rows, None), pd.DataFrame(columns=PROBLEMS))
    rows = rows.assign(low=rows[["child", "parent"]].min(axis=1), high=rows[["child", "parent"]].max(axis=1))
    rows = rows.sort_values(["low", "high", "at", "known", "linked", "rank"], kind="stable", ignore_index=True)
    both = pd.concat([rows, rows.assign(child=rows["parent"], parent=rows["child"])])
    guarded = guards(both, shared)
    members: list[tuple[int, ...]] = []
    problems: list[tuple[str, int, int, int]] = []
    for part in _components(_lives(rows, guarded)):
        found, wrong = _replay(part, named, shared)
        members += found
        problems += wrong
    return Merges(
        pd.DataFrame(members, columns=RECTANGLE).astype(np.int64).sort_values(RECTANGLE, ignore_index=True),
        guarded,
        pd.DataFrame([*problems, *_never_merged(rows)], columns=PROBLEMS).sort_values(PROBLEMS, ignore_index=True),
    )


def _lives(rows: pd.DataFrame, guarded: pd.DataFrame) -> pd.DataFrame:
    """The rows with the stretches ``[begin, end)`` in which they are believed and neither of their keys is guarded."""
    lives = rows.assign(begin=rows["known"], end=rows["until"])
    for side in ("low", "high"):
        touched = lives[side].isin(guarded["child"])
        lives = pd.concat([lives[~touched], _outside(lives[touched], side, guarded)])
    return lives[lives["begin"] < lives["end"]]


def _outside(lives: pd.DataFrame, side: str, guarded: pd.DataFrame) -> pd.DataFrame:
    spans = {key: group[["known_from", "known_to"]].to_numpy() for key, group in guarded.groupby("child")}
    parts = []
    for key, group in lives.groupby(side):
        free = EVER_AGO
        for low, high in [*spans[key], (FOREVER, FOREVER)]:
            parts.append(group.assign(begin=group["begin"].clip(lower=free), end=group["end"].clip(upper=low)))
            free = high
    return pd.concat(parts) if parts else lives


def _components(lives: pd.DataFrame) -> Iterable[pd.DataFrame]:
    """The rows of each set of keys that statements connect, whatever they say."""
    if not len(lives):
        return
    keys, ends = np.unique(lives[["low", "high"]].to_numpy(), return_inverse=True)
    low, high = ends.reshape(-1, 2).T
    graph = coo_array((np.ones(len(lives), np.int8), (low, high)), shape=(len(keys), len(keys)))
    component = connected_components(graph, directed=False)[1][low]
    yield from (group for _, group in lives.groupby(component, sort=True))


def _replay(
    part: pd.DataFrame, named: Mapping[int, int], shared: int | None
) -> tuple[list[tuple[int, ...]], list[tuple[str, int, int, int]]]:
    """(rectangles, problems) of one component, from what was believed at each instant something changed."""
    keys = np.unique(part[["low", "high"]].to_numpy()).tolist()
    since = {(key, key): EVER_AGO for key in keys}
    found: list[tuple[int, ...]] = []
    problems: dict[tuple[str, int, int], int] = {}
    part = part.sort_values(["known", "at", "linked", "rank"], kind="stable")
    rows = [_Said(*row) for row in part[list(_Said._fields)].to_numpy(np.int64).tolist()]
    instants = np.unique(part[["begin", "end"]].to_numpy())
    for instant in instants[instants < FOREVER].tolist():
        believed = [row for row in rows if row.begin <= instant < row.end]
        heads, refused = _joined(believed, named, shared)
        for what in refused:
            problems.setdefault(what, instant)
        now = {(key, heads.get(key, key)) for key in keys}
        found += [(*gone, EVER_AGO, FOREVER, since.pop(gone), instant) for gone in sorted(set(since) - now)]
        since |= dict.fromkeys(now - set(since), instant)
    found += [(*held, EVER_AGO, FOREVER, begun, FOREVER) for held, begun in sorted(since.items())]
    return found, [(*what, instant) for what, instant in problems.items()]


class _Said(NamedTuple):
    """A statement about two keys, and the stretch in which it is believed."""

    low: int
    high: int
    parent: int
    linked: int
    begin: int
    end: int


def _joined(
    rows: list[_Said], named: Mapping[int, int], shared: int | None
) -> tuple[dict[int, int], list[tuple[str, int, int]]]:
    """Key -> the key that stands for it, and what was said and not done. ``rows`` in the order they became known."""
    last: dict[tuple[int, int], _Said] = {}
    for row in rows:
        last.pop((row.low, row.high), None)
        last[row.low, row.high] = row
    apart = {pair for pair, row in last.items() if not row.linked}
    groups: dict[int, set[int]] = {}
    refused = []
    for (low, high), row in last.items():
        one, other = groups.get(low, {low}), groups.get(high, {high})
        if not row.linked or one is other:
            continue
        if shared is not None and len(one) + len(other) > shared + 1:
            refused.append((TOO_MANY, low, high))
        elif any((min(a, b), max(a, b)) in apart for a in one for b in other):
            refused.append((CONTRADICTION, low, high))
        else:
            groups |= dict.fromkeys(one | other, one | other)
    kept = {row.parent for row in rows if row.linked}

    def age(key: int) -> tuple[int, bool, int]:
        return named.get(key, FOREVER), key not in kept, key

    return {key: min(group, key=age) for key, group in groups.items()}, refused


def _never_merged(rows: pd.DataFrame) -> list[tuple[str, int, int, int]]:
    """Statements that two keys are apart though nobody ever said that they were the same."""
    pairs = rows.groupby(["low", "high"], sort=True).agg(ever=("linked", "max"), known=("known", "min")).reset_index()
    never = pairs.loc[pairs["ever"] == 0, ["low", "high", "known"]].to_numpy(np.int64).tolist()
    return [(NEVER_MERGED, low, high, known) for low, high, known in never]
