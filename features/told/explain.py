"""`tieline.explain`: one value with the very facts behind it, or why there is none.

Which facts count is not said again here: the kernel is asked (`lookups.rows_of`), by the same predicates it folds with.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.dataset import instant
from features.declare import Feature
from features.engine import lookups
from features.engine.bound import Bound, Part
from features.engine.columns import EVER_AGO, FOREVER
from features.engine.decode import hashes
from features.engine.frame import known, present_parent
from features.engine.outputs import covered
from features.engine.plan import compile_features, emission, read_by
from features.facts import source
from features.history import History
from features.objection import WORDS, never_used
from features.told import words
from features.told.asked import AskedError, check_held, chosen, default_type, held, micros

_COMMON = ("id", "key_id", "at", "known_at", "until")
BOUNDS = ("at_from", "at_to", "known_from", "known_to")


@dataclass(frozen=True)
class Explanation:
    """What one feature says of one entity at ``cutoff``, as known to ``seen`` (UTC microseconds), and by which facts.

    ``value``: a number, a category's word, or ``None`` where it is missing, and then ``why``. ``parent``: of a feature
    ``of`` a parent, whose history was read; ``None`` where there is none. ``note``: what else to know of the entity.

    ``reach``: the keys that were read, a row each: ``key_id``, ``key_type``, and the four bounds of the rectangle (in
    ``[at_from, at_to)`` its facts are the entity's, as known in ``(known_from, known_to]``; NaT: no bound). A feature
    ``via`` a parent reads keys of parents.

    ``facts``: those that count in time, a row each, in the order of ``at`` (of ties, the last is the one `last` means):
    ``id``, ``key_id``, ``key_type``, ``at``, ``known_at``, ``until``, the columns the feature tests or aggregates, as
    they are stored; ``met``, whether it meets ``where``; of a share ``among``, whether it meets that; of a rate change
    ``before``, whether it lies in the earlier window; and the bounds of the rectangle it is read through. Of
    ``open_age`` also the earlier facts of cases that have any fact in the window. A fact without the column that is
    aggregated says nothing, even where it is ``met``.
    """

    feature: Feature
    entity_type: str
    entity: int
    cutoff: int
    seen: int
    value: float | str | None
    why: str
    note: str
    parent: int | None
    reach: pd.DataFrame = field(repr=False)
    facts: pd.DataFrame = field(repr=False)

    @property
    def words(self) -> str:
        """The value, or why it is missing, in a sentence."""
        of = f"{self.feature.name} of {self.entity_type} {self.entity} at {instant(self.cutoff)}"
        if self.value is None:
            return f"{of} is missing: {self.why}"
        if isinstance(self.value, str):
            return f"{of} is {self.value}"
        return f"{of} is {self.value:.7g}{f' ({self.feature.unit})' if self.feature.unit else ''}"


def explain(
    history: History,
    name: str | Feature,
    entity: int,
    cutoff: Any,
    seen: Any = None,
    *,
    entity_type: str | None = None,
) -> Explanation:
    """What a feature says of an entity (a key id) at a cutoff, as known to ``seen`` (by default then), and why.

    ``cutoff`` and ``seen`` as `asked.micros` reads them; ``entity_type`` as in `frame.frame`. Raises `AskedError` for
    an unknown feature or type of entity, and for an entity that objects to profiling.
    """
    entity_type = entity_type or default_type(history.catalog)
    (feature,) = chosen(history.catalog, name, entity_type)
    check_held(history, (feature,))
    c = micros(cutoff)
    v = c if seen is None else micros(seen)
    who, cutoffs, seens = (np.array([x], np.int64) for x in (entity, c, v))
    if never_used(history, entity_type, who, cutoffs)[0]:
        raise AskedError(f"nothing is told of this {entity_type}: {WORDS}")
    (step,) = compile_features((feature,))
    part = history.block.part(entity_type, step)
    parent = None
    if feature.of:
        found, here = present_parent(history.parents(entity_type, feature.of), who, cutoffs, seens)
        parent = int(found[0]) if here[0] else None
    read = parent if feature.of else int(entity)
    bound = Bound([part])
    rows, through = _counting(bound, part.reach.span(read), c, v, _from(feature))
    reach, facts = _reach(history, part, read, v), _facts(history, part, feature, rows, through, c)
    value: Any = history.frame(entity_type, who, cutoffs, (feature,), seens).iloc[0, 0]
    missing = bool(pd.isna(value))
    told = None if missing else value if isinstance(value, str) else float(value)
    why = _why(history, feature, entity_type, c, bound, parent, reach, facts) if missing else ""
    return Explanation(
        feature,
        entity_type,
        int(entity),
        c,
        v,
        told,
        why,
        _note(history, entity_type, who, seens),
        parent,
        reach,
        facts,
    )


def _from(feature: Feature) -> int:
    """How long before the cutoff facts are looked at: cases may have been opened before any window."""
    return EVER_AGO if feature.aggregate == "open_age" else emission(feature).low


def _counting(bound: Bound, span: tuple[int, int], c: int, v: int, low: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, rectangle), both (n,), of the facts that count in ``[c + low, c)``."""
    found = np.empty((0, 2), np.int64)
    n = lookups.rows_of(bound.steps[0], *span, c, v, low, 0, found)
    found = np.empty((n, 2), np.int64)
    lookups.rows_of(bound.steps[0], *span, c, v, low, 0, found)
    return found[:, 0], found[:, 1]


def _reach(history: History, part: Part, read: int | None, seen: int) -> pd.DataFrame:
    nobody = np.empty(0, np.int64)
    who = nobody if read is None else np.array([read], np.int64)
    _, rows = known(part.reach, who, np.full(len(who), seen, np.int64))
    keys = part.reach.key[rows]
    return pd.DataFrame({"key_id": keys, "key_type": _types(history, keys), **_bounds(part, rows)})


def _facts(
    history: History, part: Part, feature: Feature, rows: np.ndarray, through: np.ndarray, c: int
) -> pd.DataFrame:
    columns = part.columns
    names = [n.name for n in source(feature.source).columns if n.name in read_by((feature,))[feature.source]]
    stored = columns.stored(rows, [*_COMMON, *names])
    met = {
        name: (columns.bits(part.plan.filters)[rows] >> part.plan.filters.index(filter_)) & 1 > 0
        for name, filter_ in zip(("met", "among"), feature.filters, strict=False)
    }
    facts = stored.to_pandas()
    facts.insert(2, "key_type", _types(history, facts["key_id"].to_numpy()))
    facts = facts.assign(**met)
    at = columns.at[rows]
    if feature.aggregate == "rate_change":
        facts["before"] = at < c - feature.window_micros
    facts = facts.assign(**_bounds(part, through))
    kept = np.ones(len(rows), bool)
    if feature.aggregate == "open_age":
        case = next(column.name for column in source(feature.source).columns if column.kind == "case")
        kept = facts[case].isin(facts[case][at >= c - feature.window_micros]).to_numpy()
    order = np.lexsort((hashes(stored["id"]), columns.known[rows], at))
    return facts.iloc[order[kept[order]]].reset_index(drop=True)


def _types(history: History, keys: np.ndarray) -> pd.Series:
    types = {key: history.naming.type_of(int(key)) for key in pd.unique(keys)}
    return pd.Series([types[key] for key in keys], dtype="str")


def _bounds(part: Part, rectangles: np.ndarray) -> dict[str, pd.Series]:
    return {name: _instants(getattr(part.reach, name)[rectangles]) for name in BOUNDS}


def _instants(micros: np.ndarray) -> pd.Series:
    """UTC instants; NaT for ever and never."""
    bounded = (micros != EVER_AGO) & (micros != FOREVER)
    times = np.where(bounded, micros, np.iinfo(np.int64).min).view("datetime64[us]")
    return pd.Series(pd.DatetimeIndex(times).tz_localize("UTC"))


def _why(
    history: History,
    feature: Feature,
    entity_type: str,
    c: int,
    bound: Bound,
    parent: int | None,
    reach: pd.DataFrame,
    facts: pd.DataFrame,
) -> str:
    """Why a value is missing, in the order in which the kernel asks."""
    name, low = feature.source, emission(feature).low
    if feature.of and parent is None:
        return f"no {feature.of} of this {entity_type} is known at the cutoff"
    if feature.via and not len(reach):
        return f"no {feature.via} of this {entity_type} was known by then"
    if name not in held(history):
        return f"the lake holds nothing of '{name}'"
    if feature.window and not covered(bound.coverage, 0, len(bound.coverage), c + low, c):
        return (
            f"'{name}' is not covered all the time from {instant(c + low)} to {instant(c)}{_covers(bound, c + low, c)}"
        )
    when = f"in the {feature.window} before the cutoff" if feature.window else "before the cutoff"
    column, conditions = (
        ("among", feature.among_conditions) if feature.aggregate == "share" else ("met", feature.conditions)
    )
    meets = f" that meets: {words.conditions(conditions)}" if conditions else ""
    if not len(facts):
        return f"no fact of '{name}' counts {when}"
    if not facts[column].any():
        return f"of {len(facts):,} facts of '{name}' {when} there is none{meets}"
    return f"no fact of '{name}'{meets} {when} says its {feature.column}"


def _covers(bound: Bound, low: int, high: int) -> str:
    inside = bound.coverage[(bound.coverage[:, 0] < high) & (bound.coverage[:, 1] > low)]
    if not len(inside):
        return ", at no time of it"
    return ", only " + ", ".join(f"{instant(max(a, low))} to {instant(min(b, high))}" for a, b in inside.tolist())


def _note(history: History, entity_type: str, who: np.ndarray, seen: np.ndarray) -> str:
    if not np.isin(who, history.entities_of[entity_type])[0]:
        return f"the lake has not heard of this {entity_type}: there is no history"
    if not history.standing(entity_type, who, seen)[0]:
        head = history.heads(entity_type, who, int(seen[0]))[0]
        return f"{entity_type} {head} stands for this one, and has its history"
    return ""
