"""Keys of one type that are the same one: which id stands for all of them, as known when.

The oldest id stands (first named by any evidence, then the smaller), the others are its aliases; once the last
statement about two keys is that they are apart, both are restored as if nothing had been said. A merge holds for all
time (``at``), only the knowledge of it begins and ends. Statements are taken in the order in which they became known;
one that would join two keys that are said to be apart is contradictory and joins nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.columns import EVER_AGO, FOREVER
from features.identity.graph.guards import guards
from features.identity.graph.links import RECTANGLE, no_rectangles

PROBLEMS = ["problem", "child", "parent", "known"]
CONTRADICTION, NEVER_MERGED = "contradictory merge", "unmerge of what was never merged"


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
        found, wrong = _replay(part, named)
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
    part: pd.DataFrame, named: Mapping[int, int]
) -> tuple[list[tuple[int, ...]], list[tuple[str, int, int, int]]]:
    """(rectangles, problems) of one component, from what was believed at each instant something changed."""
    keys = np.unique(part[["low", "high"]].to_numpy()).tolist()
    since = {(key, key): EVER_AGO for key in keys}
    found: list[tuple[int, ...]] = []
    problems: dict[tuple[str, int, int], int] = {}
    instants = np.unique(part[["begin", "end"]].to_numpy())
    for instant in instants[instants < FOREVER].tolist():
        heads, refused = _joined(part[(part["begin"] <= instant) & (instant < part["end"])], keys, named)
        for pair in refused:
            problems.setdefault((CONTRADICTION, *pair), instant)
        now = {(key, heads[key]) for key in keys}
        found += [(*gone, EVER_AGO, FOREVER, since.pop(gone), instant) for gone in sorted(set(since) - now)]
        since |= dict.fromkeys(now - set(since), instant)
    found += [(*held, EVER_AGO, FOREVER, begun, FOREVER) for held, begun in sorted(since.items())]
    return found, [(*what, instant) for what, instant in problems.items()]


def _joined(
    rows: pd.DataFrame, keys: list[int], named: Mapping[int, int]
) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Key -> the key that stands for it, and the pairs that were not joined because of what is said to be apart."""
    last = rows.drop_duplicates(["low", "high"], keep="last")
    apart = {(low, high) for low, high in last.loc[last["linked"] == 0, ["low", "high"]].to_numpy().tolist()}
    together = last[last["linked"] == 1].sort_values(["known", "at", "low", "high"])
    groups = {key: {key} for key in keys}
    refused = []
    for low, high in together[["low", "high"]].to_numpy().tolist():
        one, other = groups[low], groups[high]
        if one is other:
            continue
        if any((min(a, b), max(a, b)) in apart for a in one for b in other):
            refused.append((low, high))
            continue
        one |= other
        groups |= dict.fromkeys(other, one)
    return {key: min(groups[key], key=lambda k: (named.get(k, FOREVER), k)) for key in keys}, refused


def _never_merged(rows: pd.DataFrame) -> list[tuple[str, int, int, int]]:
    """Statements that two keys are apart though nobody ever said that they were the same."""
    pairs = rows.groupby(["low", "high"], sort=True).agg(ever=("linked", "max"), known=("known", "min")).reset_index()
    never = pairs.loc[pairs["ever"] == 0, ["low", "high", "known"]].to_numpy(np.int64).tolist()
    return [(NEVER_MERGED, low, high, known) for low, high, known in never]
