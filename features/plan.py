"""Declared features -> plain arrays the kernel walks: one plan per (source, reach).

Cells are deduplicated over the catalogue: a *cell* is one (filter, aggregate, column). Windows are unions of
disjoint *bands* between the sorted edges of all windows, as offsets from the cutoff, so a row updates one band per
cell and any number of windows costs the same pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.columns import EVER_AGO, FOREVER
from features.conditions import Condition, DeclarationError, Event, duration
from features.declare import Feature
from features.facts import source

COUNT, SUM, LAST, SINCE, DISTINCT, OPEN, OPEN_AGE, FIRST, LAST_TIME, MEAN = range(10)
_CODES = {
    "count": COUNT,
    "sum": SUM,
    "mean": MEAN,
    "last": LAST,
    "since_last": SINCE,
    "distinct": DISTINCT,
    "open": OPEN,
    "open_age": OPEN_AGE,
}
MAX_FILTERS = 64


@dataclass(frozen=True)
class Emission:
    """One output column: an aggregate of one cell over ``[low, high)``, offsets from the cutoff in microseconds."""

    conditions: tuple[Condition, ...]
    aggregate: int
    column: str | None
    low: int
    high: int


@dataclass(frozen=True)
class Plan:
    """What one pass over one source computes. ``cells`` (g, 3): filter bit, aggregate, row of the value matrix.

    ``edges`` (b + 1,) offsets; ``outputs`` (o, 4): cell, first band, one past the last band, aggregate.
    """

    source: str
    columns: tuple[str, ...]
    filters: tuple[tuple[Condition, ...], ...]
    cells: np.ndarray
    edges: np.ndarray
    outputs: np.ndarray


@dataclass(frozen=True)
class Step:
    """A plan with the reach it is folded through and the features (by position) its outputs belong to."""

    plan: Plan
    of: str | None
    via: str | None
    features: tuple[int, ...]


def compile_plan(source_name: str, emissions: Sequence[Emission]) -> Plan:
    """The plan of one source; raises `DeclarationError` when more than 64 distinct filters are asked for."""
    filters = tuple(sorted({e.conditions for e in emissions}, key=repr))
    if len(filters) > MAX_FILTERS:
        raise DeclarationError(f"source '{source_name}': {len(filters)} distinct filters, at most {MAX_FILTERS} fit")
    columns = tuple(sorted({e.column for e in emissions if e.column}))
    edges = sorted({edge for e in emissions for edge in (e.low, e.high)})
    cells: dict[tuple[int, int, int], int] = {}
    outputs = []
    for e in emissions:
        cell = (filters.index(e.conditions), e.aggregate, columns.index(e.column) if e.column else -1)
        slot = cells.setdefault(cell, len(cells))
        outputs.append((slot, edges.index(e.low), edges.index(e.high), e.aggregate))
    return Plan(
        source=source_name,
        columns=columns,
        filters=filters,
        cells=np.array(list(cells), np.int64).reshape(-1, 3),
        edges=np.array(edges, np.int64),
        outputs=np.array(outputs, np.int64).reshape(-1, 4),
    )


def compile_features(features: Sequence[Feature]) -> tuple[Step, ...]:
    """One step per (source, of, via), in order of first appearance."""
    grouped: dict[tuple[str, str | None, str | None], list[int]] = {}
    for i, feature in enumerate(features):
        grouped.setdefault((feature.source, feature.of, feature.via), []).append(i)
    steps = []
    for (source_name, of, via), positions in grouped.items():
        plan = compile_plan(source_name, [_emission(features[i]) for i in positions])
        steps.append(Step(plan, of, via, tuple(positions)))
    return tuple(steps)


def _emission(feature: Feature) -> Emission:
    aggregate = _CODES[feature.aggregate]
    if aggregate == LAST and feature.column and source(feature.source).column(feature.column).kind == "time":
        aggregate = LAST_TIME
    low = EVER_AGO if feature.window is None else -duration(feature.window)
    column = None if aggregate in (OPEN, OPEN_AGE) else feature.column
    return Emission(feature.conditions, aggregate, column, low, 0)


def compile_event(event: Event, gap: int) -> Plan:
    """The plan of a label: the first matching row at or after ``cutoff + gap``."""
    return compile_plan(event.source, [Emission(event.conditions, FIRST, None, gap, FOREVER)])
