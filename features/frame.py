"""Batch: features of many (entity, cutoff) pairs, block by block on all cores, by the one kernel."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from features import kernel
from features.columns import EVER_AGO, FOREVER, Columns
from features.identity.reach import Reach
from features.plan import Plan

BLOCK = 16_384


@dataclass(frozen=True)
class Runs:
    """For p pairs, the runs of rows to fold: pair i owns ``pointer[i]:pointer[i + 1]`` of the r runs."""

    pointer: np.ndarray
    key: np.ndarray
    at_from: np.ndarray
    at_to: np.ndarray

    @classmethod
    def of(cls, pairs: int, pair: np.ndarray, key: np.ndarray, at_from: np.ndarray, at_to: np.ndarray) -> "Runs":
        """From runs with the pair each belongs to; put in the order (pair, key, at_from) they are folded in."""
        order = np.lexsort((at_from, key, pair))
        pointer = np.zeros(pairs + 1, np.int64)
        np.cumsum(np.bincount(pair, minlength=pairs), out=pointer[1:])
        return cls(pointer, key[order], at_from[order], at_to[order])


def own_runs(reach: Reach, entities: np.ndarray, seen: np.ndarray) -> Runs:
    """The runs of each entity's own keys, as far as the reach was known at the visibility cut."""
    pair, row = _known(reach, entities, seen)
    return Runs.of(len(entities), pair, reach.key[row], reach.at_from[row], reach.at_to[row])


def via_runs(parents: Reach, entities: np.ndarray, seen: np.ndarray) -> tuple[Runs, np.ndarray]:
    """Runs over every parent's own key while the entity was there, and (p,) bool: a parent is known at all."""
    runs = own_runs(parents, entities, seen)
    return runs, np.diff(runs.pointer) > 0


def of_runs(
    parents: Reach, reach: Reach, entities: np.ndarray, cutoff: np.ndarray, seen: np.ndarray
) -> tuple[Runs, np.ndarray]:
    """Runs over all keys of the present parent, whenever; and (p,) bool: there is a present parent."""
    parent, present = present_parent(parents, entities, cutoff, seen)
    which = np.flatnonzero(present)
    pair, row = _known(reach, parent[which], seen[which])
    return Runs.of(len(entities), which[pair], reach.key[row], reach.at_from[row], reach.at_to[row]), present


def present_parent(
    parents: Reach, entities: np.ndarray, cutoff: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(p,) the parent held just before the cutoff (the latest begun, then the smallest id) and (p,) bool: any."""
    pair, row = _known(parents, entities, seen)
    current = (parents.at_from[row] < cutoff[pair]) & (cutoff[pair] <= parents.at_to[row])
    pair, row = pair[current], row[current]
    order = np.lexsort((parents.key[row], -parents.at_from[row], pair))
    first = np.unique(pair[order], return_index=True)
    parent = np.zeros(len(entities), np.int64)
    parent[first[0]] = parents.key[row[order][first[1]]]
    present = np.zeros(len(entities), bool)
    present[first[0]] = True
    return parent, present


def _known(reach: Reach, entities: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pair, row = reach.rows(entities)
    known = (reach.known_from[row] < seen[pair]) & (seen[pair] <= reach.known_to[row])
    return pair[known], row[known]


def fold(plan: Plan, columns: Columns, runs: Runs, cutoff: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(p, o) float64: the plan's outputs for each pair, in blocks on all cores; missing is NaN."""
    start, end = columns.runs(runs.key)
    values = np.empty((len(plan.columns), len(columns.at)))
    for i, name in enumerate(plan.columns):
        values[i] = columns.values[name]
    bits = columns.bits(plan.filters)
    out = np.empty((len(cutoff), len(plan.outputs)))

    def block(low: int) -> None:
        high = min(low + BLOCK, len(cutoff))
        first, last = runs.pointer[low], runs.pointer[high]
        kernel.fold(
            columns.at, columns.known, columns.until, columns.rank, bits, values, columns.case, columns.state,
            cutoff[low:high], seen[low:high], runs.pointer[low : high + 1] - first,
            start[first:last], end[first:last], runs.at_from[first:last], runs.at_to[first:last],
            plan.cells, plan.edges, plan.outputs, out[low:high],
        )  # fmt: skip

    blocks = range(0, len(cutoff), BLOCK)
    if len(blocks) <= 1:
        for low in blocks:
            block(low)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(block, blocks))
    return out


def covered(coverage: Sequence[tuple[int, int]], low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(p,) bool: ``[low, high)`` lies inside one of the merged coverage intervals."""
    bounds = np.array([*coverage, (FOREVER, FOREVER)], np.int64).reshape(-1, 2)
    index = np.searchsorted(bounds[:, 0], low, "right") - 1
    inside = (index >= 0) & (high <= bounds[np.maximum(index, 0), 1])
    return inside | (high <= low)


def observed_to(coverage: Sequence[tuple[int, int]], start: np.ndarray) -> np.ndarray:
    """(p,) end of the coverage interval that holds ``start`` (``EVER_AGO`` where none does)."""
    bounds = np.array([*coverage, (FOREVER, FOREVER)], np.int64).reshape(-1, 2)
    index = np.searchsorted(bounds[:, 0], start, "right") - 1
    end = bounds[np.maximum(index, 0), 1]
    return np.where((index >= 0) & (start < end), end, EVER_AGO)
