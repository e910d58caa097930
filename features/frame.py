"""Batch: features of many (entity, cutoff) pairs, block by block on all cores, by the one kernel."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features import kernel
from features.columns import EVER_AGO, FOREVER, Columns
from features.identity.reach import Reach
from features.plan import Plan

BLOCK_PAIRS, BLOCK_RUNS = 16_384, 2_000_000


@dataclass(frozen=True)
class Asked:
    """What is folded for each of p pairs: the keys ``reach`` gives ``entity``, up to the cut ``seen``."""

    reach: Reach
    entity: np.ndarray
    cutoff: np.ndarray
    seen: np.ndarray

    def blocks(self) -> list[slice]:
        """Consecutive pairs, few enough that a block's runs stay small in memory."""
        ends, runs = [0], np.cumsum(self.reach.counts(self.entity))
        while ends[-1] < len(self.entity):
            before = runs[ends[-1] - 1] if ends[-1] else 0
            fit = int(np.searchsorted(runs, before + BLOCK_RUNS, "right"))
            ends.append(min(max(fit, ends[-1] + 1), ends[-1] + BLOCK_PAIRS, len(self.entity)))
        return [slice(low, high) for low, high in pairwise(ends)]


def fold(plan: Plan, columns: Columns, asked: Asked) -> np.ndarray:
    """(p, o) float64: the plan's outputs for each pair, block by block on all cores; missing is NaN."""
    values, bits = columns.matrix(plan.columns), columns.bits(plan.filters)
    out = np.empty((len(asked.entity), len(plan.outputs)))

    def block(pairs: slice) -> None:
        cutoff, seen = asked.cutoff[pairs], asked.seen[pairs]
        pair, row = known(asked.reach, asked.entity[pairs], seen)
        pointer = np.zeros(len(cutoff) + 1, np.int64)
        np.cumsum(np.bincount(pair, minlength=len(cutoff)), out=pointer[1:])
        start, end = columns.runs(asked.reach.key[row])
        kernel.fold(
            columns.at, columns.known, columns.until, columns.rank, bits, values, columns.case, columns.state,
            cutoff, seen, pointer, start, end, asked.reach.at_from[row], asked.reach.at_to[row],
            plan.cells, plan.edges, plan.outputs, out[pairs],
        )  # fmt: skip

    blocks = asked.blocks()
    if len(blocks) <= 1:
        for only in blocks:
            block(only)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(block, blocks))
    return out


def fold_of_parent(plan: Plan, columns: Columns, parents: Reach, own: Reach, pairs: Asked) -> np.ndarray:
    """(p, o) float64: the plan over everything the present parent reaches, whenever it happened.

    Many entities share a parent at a cutoff: each (parent, cutoff, seen) is folded once and handed to all of them.
    NaN where there is no present parent. ``own`` is the parents' own reach.
    """
    parent, present = present_parent(parents, pairs.entity, pairs.cutoff, pairs.seen)
    asked = np.stack([parent, pairs.cutoff, pairs.seen], axis=1)[present]
    once, of_pair = np.unique(asked, axis=0, return_inverse=True)
    parent, cutoff, seen = (np.ascontiguousarray(column) for column in once.T)
    out = np.full((len(pairs.entity), len(plan.outputs)), np.nan)
    out[present] = fold(plan, columns, Asked(own, parent, cutoff, seen))[of_pair.reshape(-1)]
    return out


def fold_via_parents(plan: Plan, columns: Columns, parents: Reach, pairs: Asked) -> np.ndarray:
    """(p, o) float64: the plan over every parent's own key while the entity was there; NaN where none is known."""
    out = fold(plan, columns, Asked(parents, pairs.entity, pairs.cutoff, pairs.seen))
    pair, _ = known(parents, pairs.entity, pairs.seen)
    out[np.bincount(pair, minlength=len(out)) == 0] = np.nan
    return out


def present_parent(
    parents: Reach, entities: np.ndarray, cutoff: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(p,) the parent held just before the cutoff (the latest begun, then the smallest id) and (p,) bool: any."""
    pair, row = known(parents, entities, seen)
    current = (parents.at_from[row] < cutoff[pair]) & (cutoff[pair] <= parents.at_to[row])
    pair, row = pair[current], row[current]
    order = np.lexsort((parents.key[row], -parents.at_from[row], pair))
    first = np.unique(pair[order], return_index=True)
    parent = np.zeros(len(entities), np.int64)
    parent[first[0]] = parents.key[row[order][first[1]]]
    present = np.zeros(len(entities), bool)
    present[first[0]] = True
    return parent, present


def known(reach: Reach, entities: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pair, row) of every rectangle known at each pair's visibility cut, ordered by (pair, key, at_from)."""
    pair, row = reach.rows(entities)
    kept = (reach.known_from[row] < seen[pair]) & (seen[pair] <= reach.known_to[row])
    return pair[kept], row[kept]


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
