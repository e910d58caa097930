"""Batch: features of many (entity, cutoff) pairs, block by block on all cores, by the one kernel."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.engine import lookups
from features.engine.bound import Bound, Part
from features.engine.columns import EVER_AGO, FOREVER
from features.identity.reach import Reach

BLOCK_PAIRS = 16_384


@dataclass(frozen=True)
class Asked:
    """What is folded for each of p pairs: the keys ``reach`` gives ``entity``, up to the cut ``seen``; all (p,)."""

    reach: Reach
    entity: np.ndarray
    cutoff: np.ndarray
    seen: np.ndarray


def fold(part: Part, asked: Asked, out: np.ndarray) -> None:
    """Fill ``out`` (o, p), float32 or float64, with the part's outputs for each pair; missing is NaN.

    Pairs of one entity are folded together, in whatever order they are given. Where the same entities come again for
    every cutoff that costs no sorting.
    """
    again = _again(asked.entity)
    times = len(asked.entity) // again if again else 1
    bound, spans = Bound([part]), asked.reach.spans(asked.entity[:again])
    first = spans[:, 0]
    rising = bool((first[1:] >= first[:-1]).all())
    order = np.arange(again) if rising else np.argsort(first, kind="stable")
    later = np.arange(times) * again
    size = max(1, BLOCK_PAIRS // times)

    def block(low: int) -> None:
        entities = order[low : low + size]
        places = (entities[:, None] + later).ravel()
        reached = np.repeat(spans[entities], times, axis=0)[:, None, :]
        bound.fold(asked.cutoff[places], asked.seen[places], reached, out, places)

    _each_block(block, len(order), size)


def _again(entities: np.ndarray) -> int:
    """After how many pairs the same entities come again, in the same order and to the end; where they do not, all."""
    n = len(entities)
    for again in np.flatnonzero(entities[1:] == entities[0])[:1] + 1 if n else ():
        if n % again == 0 and (entities.reshape(-1, again) == entities[:again]).all():
            return int(again)
    return n


def fold_of_parent(part: Part, parents: Reach, pairs: Asked, out: np.ndarray) -> None:
    """Fill ``out`` (o, p) with the part over everything the present parent reaches, whenever it happened.

    Many entities share a parent at a cutoff: each (parent, cutoff, seen) is folded once and handed to all of them.
    NaN where there is no present parent. The part's reach is the parents' own.
    """
    parent, here = present_parent(parents, pairs.entity, pairs.cutoff, pairs.seen)
    parent, cutoff, seen = parent[here], pairs.cutoff[here], pairs.seen[here]
    code, distinct = pd.factorize(parent)
    for cut in (cutoff, seen) if seen is not cutoff else (cutoff,):
        cut_code, cuts = pd.factorize(cut)
        code, distinct = pd.factorize(code * len(cuts) + cut_code)
    once = np.empty(len(distinct), np.int64)
    once[code] = np.arange(len(code))
    folded = np.empty((len(out), len(once)), out.dtype)
    fold(part, Asked(part.reach, parent[once], cutoff[once], seen[once]), folded)
    out[:] = np.nan
    out[:, here] = folded[:, code]


def present_parent(
    parents: Reach, entities: np.ndarray, cutoff: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(p,) the parent held just before the cutoff (the latest begun, then the smallest id) and (p,) bool: any."""
    found, spans = np.empty(len(entities), np.int64), parents.spans(entities)
    bounds = (parents.key, parents.at_from, parents.at_to, parents.known_from, parents.known_to)

    def block(low: int) -> None:
        pairs = slice(low, low + BLOCK_PAIRS)
        lookups.present(*bounds, spans[pairs].reshape(-1, 2), cutoff[pairs], seen[pairs], found[pairs])

    _each_block(block, len(entities), BLOCK_PAIRS)
    here = found >= 0
    return np.where(here, parents.key[found] if len(parents.key) else 0, 0), here


def known(reach: Reach, entities: np.ndarray, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pair, row) of every rectangle known at each pair's visibility cut, ordered by (pair, key, at_from)."""
    pair, row = reach.rows(entities)
    kept = (reach.known_from[row] < seen[pair]) & (seen[pair] <= reach.known_to[row])
    return pair[kept], row[kept]


def observed_to(coverage: Sequence[tuple[int, int]], start: np.ndarray) -> np.ndarray:
    """(p,) end of the coverage interval that holds ``start`` (``EVER_AGO`` where none does)."""
    bounds = np.array([*coverage, (FOREVER, FOREVER)], np.int64).reshape(-1, 2)
    index = np.searchsorted(bounds[:, 0], start, "right") - 1
    end = bounds[np.maximum(index, 0), 1]
    return np.where((index >= 0) & (start < end), end, EVER_AGO)


def _each_block(work: Callable[[int], None], n: int, size: int) -> None:
    """The first of every ``size``, on all cores."""
    lows = range(0, n, size)
    if len(lows) <= 1:
        for low in lows:
            work(low)
        return
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, lows))
