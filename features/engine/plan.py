"""Declared features -> plain arrays the kernel walks: one plan per (source, reach).

Cells are deduplicated over the catalogue: a *cell* is one (filter, kind, column), where the kind says what is kept of
the rows. Windows are unions of disjoint *bands* between the sorted edges of all windows, as offsets from the cutoff, so
a row updates one band per cell and any number of windows costs the same pass. An *output* is an aggregate of one or two
cells over some bands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from features.conditions import MAX_FILTERS, Condition, DeclarationError, Event, together
from features.declare import Feature
from features.engine.columns import EVER_AGO, FOREVER
from features.facts import source

COUNT, SUM, MEAN, MIN, MAX, LAST, LAST_TIME, SINCE, DISTINCT, REPEATS, SHARE, CHANGE, OPEN, OPEN_AGE, FIRST = range(15)
"""Aggregates of an output."""
TALLY, TOTAL, LEAST, MOST, NEWEST, LATEST, EARLIEST, SET, CASES = range(9)
"""Kinds of a cell: the number of rows, their sum, their least, their greatest, what the last says, when the last and
the first were, the set of codes of a category, the open cases."""

_AGGREGATES = {
    "count": COUNT,
    "sum": SUM,
    "mean": MEAN,
    "min": MIN,
    "max": MAX,
    "last": LAST,
    "since_last": SINCE,
    "distinct": DISTINCT,
    "repeats": REPEATS,
    "share": SHARE,
    "rate_change": CHANGE,
    "open": OPEN,
    "open_age": OPEN_AGE,
}
_KINDS = {
    COUNT: TALLY,
    SUM: TOTAL,
    MEAN: TOTAL,
    MIN: LEAST,
    MAX: MOST,
    LAST: NEWEST,
    LAST_TIME: NEWEST,
    SINCE: LATEST,
    DISTINCT: SET,
    REPEATS: SET,
    SHARE: TALLY,
    OPEN: CASES,
    OPEN_AGE: CASES,
    FIRST: EARLIEST,
}


@dataclass(frozen=True)
class Emission:
    """One output column: an aggregate over ``[low, high)``, offsets from the cutoff in microseconds.

    ``among``: of a share, the rows it is a share of. ``middle``: of a change, where the later interval begins.
    ``covered``: the value is missing where the source does not cover the interval.
    """

    conditions: tuple[Condition, ...]
    aggregate: int
    column: str | None
    low: int
    high: int
    among: tuple[Condition, ...] = ()
    middle: int | None = None
    covered: bool = False

    @property
    def filters(self) -> tuple[tuple[Condition, ...], ...]:
        """The filter of each cell it reads."""
        if self.aggregate == SHARE:
            return together(self.conditions, self.among), self.among
        return (self.conditions,)

    @property
    def kind(self) -> int:
        """The kind of the cells it reads."""
        if self.aggregate == CHANGE:
            return TALLY if self.column is None else TOTAL
        return _KINDS[self.aggregate]

    @property
    def edges(self) -> tuple[int, int, int]:
        """Low, middle and high; without a middle, low stands for it."""
        return self.low, self.low if self.middle is None else self.middle, self.high


@dataclass(frozen=True, eq=False)
class Plan:
    """What one pass over one source computes.

    ``filters`` has at most 64 and may hold more than the plan asks for. ``cells`` (g, 3), ordered by filter: filter,
    kind, place in ``columns`` (-1: none). ``starts`` (65,): the cells of filter f are ``starts[f]:starts[f + 1]``.
    ``edges`` (b + 1,) offsets. ``outputs`` (o, 7): aggregate, cell, second cell, low, middle and high edge, 1 where
    coverage is asked for.
    """

    source: str
    columns: tuple[str, ...]
    filters: tuple[tuple[Condition, ...], ...]
    cells: np.ndarray
    starts: np.ndarray
    edges: np.ndarray
    outputs: np.ndarray

    @property
    def pairs_cases(self) -> bool:
        """Whether openings and clearings are paired."""
        return bool((self.cells[:, 1] == CASES).any())

    @property
    def asks_age(self) -> bool:
        """Whether it matters since when cases are open."""
        return bool((self.outputs[:, 0] == OPEN_AGE).any())

    @property
    def breaks_ties(self) -> bool:
        """Whether it matters which of several rows of one instant is the last."""
        return self.pairs_cases or bool((self.cells[:, 1] == NEWEST).any())


@dataclass(frozen=True, eq=False)
class Step:
    """A plan with the reach it is folded through and the features (by position) its outputs belong to."""

    plan: Plan
    of: str | None
    via: str | None
    features: np.ndarray


def compile_plan(
    source_name: str, emissions: Sequence[Emission], filters: tuple[tuple[Condition, ...], ...] = ()
) -> Plan:
    """The plan of one source; ``filters``: those of other plans over the same rows, which then share their bits.

    Raises `DeclarationError` when more than 64 distinct filters are asked for.
    """
    filters = filters or filters_of(source_name, emissions)
    columns = tuple(sorted({e.column for e in emissions if e.column}))
    edges = sorted({edge for e in emissions for edge in e.edges} | _ever(emissions))
    asked = [
        [(filters.index(f), e.kind, columns.index(e.column) if e.column else -1) for f in e.filters] for e in emissions
    ]
    cells = sorted({cell for of_one in asked for cell in of_one})
    outputs = [
        (e.aggregate, cells.index(of_one[0]), cells.index(of_one[-1]), *(edges.index(x) for x in e.edges), e.covered)
        for e, of_one in zip(emissions, asked, strict=True)
    ]
    first = np.searchsorted([cell[0] for cell in cells], np.arange(MAX_FILTERS + 1))
    return Plan(
        source=source_name,
        columns=columns,
        filters=filters,
        cells=np.array(cells, np.int64).reshape(-1, 3),
        starts=first.astype(np.int64),
        edges=np.array(edges, np.int64),
        outputs=np.array(outputs, np.int64).reshape(-1, 7),
    )


def _ever(emissions: Sequence[Emission]) -> set[int]:
    """How long a case is open is counted from openings before any window."""
    return {EVER_AGO} if any(e.aggregate == OPEN_AGE for e in emissions) else set()


def filters_of(source_name: str, emissions: Sequence[Emission]) -> tuple[tuple[Condition, ...], ...]:
    """The distinct filters of some emissions; raises `DeclarationError` when there are more than 64."""
    filters = tuple(sorted({f for e in emissions for f in e.filters}, key=repr))
    if len(filters) > MAX_FILTERS:
        raise DeclarationError(f"source '{source_name}': {len(filters)} distinct filters, at most {MAX_FILTERS} fit")
    return filters


@lru_cache(maxsize=64)
def compile_features(features: tuple[Feature, ...]) -> tuple[Step, ...]:
    """One step per (source, of, via), in order of first appearance; steps of one source share its filters."""
    grouped: dict[tuple[str, str | None, str | None], list[int]] = {}
    for i, feature in enumerate(features):
        grouped.setdefault((feature.source, feature.of, feature.via), []).append(i)
    emissions = [emission(feature) for feature in features]
    filters = {
        name: filters_of(name, [e for e, f in zip(emissions, features, strict=True) if f.source == name])
        for name in {f.source for f in features}
    }
    return tuple(
        Step(compile_plan(name, [emissions[i] for i in places], filters[name]), of, via, np.array(places))
        for (name, of, via), places in grouped.items()
    )


def read_by(features: Sequence[Feature]) -> dict[str, tuple[str, ...]]:
    """Per source the columns some features test, aggregate or pair cases by."""
    read: dict[str, set[str]] = {}
    for feature in features:
        names = read.setdefault(feature.source, set())
        names |= {c.column for conditions in feature.filters for c in conditions}
        names |= {feature.column} if feature.column else set()
        if emission(feature).kind == CASES:
            names |= {c.name for c in source(feature.source).columns if c.kind == "case" or c.name == "state"}
    return {name: tuple(sorted(names)) for name, names in read.items()}


def looked_at(features: Sequence[Feature], first: int, last: int) -> dict[str, tuple[int, int]]:
    """Per source ``(low, high)``: at cutoffs from ``first`` to ``last`` nobody sees rows but ``low <= at < high``."""
    found: dict[str, int] = {}
    for step in compile_features(tuple(features)):
        found[step.plan.source] = min(int(step.plan.edges[0]), found.get(step.plan.source, 0))
    return {name: (max(first + offset, EVER_AGO), last) for name, offset in found.items()}


def emission(feature: Feature) -> Emission:
    """What a feature asks of the kernel."""
    aggregate, ever = _AGGREGATES[feature.aggregate], feature.window is None
    if aggregate == LAST and feature.column and source(feature.source).column(feature.column).kind == "time":
        aggregate = LAST_TIME
    window = 0 if ever else feature.window_micros
    return Emission(
        conditions=feature.conditions,
        aggregate=aggregate,
        column=feature.column,
        low=EVER_AGO if ever else -2 * window if aggregate == CHANGE else -window,
        high=0,
        among=feature.among_conditions,
        middle=-window if aggregate == CHANGE else None,
        covered=not ever,
    )


def compile_event(event: Event, gap: int) -> Plan:
    """The plan of a label: the first matching row at or after ``cutoff + gap``."""
    return compile_plan(event.source, [Emission(event.conditions, FIRST, None, gap, FOREVER)])
