"""`tieline.describe`: what the features are, and what they say of a sample of entities at one cutoff."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.declare import Catalog, Feature
from features.history import History
from features.told import words
from features.told.asked import AskedError, Features, catalog_of, check_held, chosen, declared, default_type, micros
from features.told.pairs import Pairs, all_pairs, product
from features.workspace import Workspace

SAMPLE = 20_000
DECLARED = (
    "source",
    "aggregate",
    "column",
    "where",
    "among",
    "window",
    "reach",
    "group",
    "unit",
    "meaning",
    "kind",
)
TOLD = ("missing", "mean", "min", "max", "most_frequent")


def describe(
    of: History | Workspace | Catalog | Path | str | None = None,
    features: Features = None,
    *,
    cutoff: Any = None,
    entities: Any = None,
    entity_type: str | None = None,
    group: str | None = None,
    source: str | None = None,
) -> pd.DataFrame:
    """A row per feature, indexed by ``name``: `DECLARED`, and of a history also `TOLD`.

    ``of``: whose catalogue, by default the built-in one; of a `History` its own, with what the features say at
    ``cutoff`` (by default the last instant all their sources are covered to) of the ``entities`` (key ids; by default
    at most `SAMPLE` of everybody known then, evenly spaced), without who objects to profiling. ``missing``: the share
    without a value, in [0, 1]; ``mean``, ``min`` and ``max`` of numbers and flags; ``most_frequent`` of categories.
    ``attrs`` says for which ``cutoff`` (UTC microseconds) and how many ``entities``. ``group``, ``source``: only
    these. Raises `AskedError` for what the catalogue does not know.
    """
    catalog = of.catalog if isinstance(of, History) else catalog_of(of)
    if not isinstance(of, History) and (cutoff is not None or entities is not None):
        raise AskedError("a catalogue has no values: describe a History to see those at a cutoff")
    if not isinstance(of, History):
        every = declared(catalog, features) if entity_type is None else chosen(catalog, features, entity_type)
        return _declared(_only(every, group, source))
    whose = entity_type or default_type(catalog)
    found = _only(chosen(catalog, features, whose), group, source)
    check_held(of, found)
    at = of.covered_to(found) if cutoff is None else micros(cutoff)
    pairs = _sample(of, whose, entities, at)
    frame, values = _declared(found), of.frame(whose, pairs.entity, pairs.cutoff, found)
    told = pd.DataFrame([_told(values[f.name]) for f in found], columns=[*TOLD], index=frame.index)
    frame = pd.concat([frame, told], axis=1)
    frame.attrs = {"cutoff": at, "entities": len(values)}
    return frame


def _declared(features: Iterable[Feature]) -> pd.DataFrame:
    rows = [
        {
            "name": f.name,
            "source": f.source,
            "aggregate": f.aggregate,
            "column": f.column or "",
            "where": words.conditions(f.conditions),
            "among": words.conditions(f.among_conditions),
            "window": f.window or "ever",
            "reach": words.reach(f),
            "group": f.group,
            "unit": f.unit,
            "meaning": f.meaning,
            "kind": words.kind(f),
        }
        for f in features
    ]
    return pd.DataFrame(rows, columns=["name", *DECLARED]).set_index("name")


def _only(features: tuple[Feature, ...], group: str | None, source: str | None) -> tuple[Feature, ...]:
    for name, wanted, there in (
        ("group", group, {f.group for f in features}),
        ("source", source, {f.source for f in features}),
    ):
        if wanted is not None and wanted not in there:
            raise AskedError(f"no feature has the {name} '{wanted}' (there are: {', '.join(sorted(there))})")
    return tuple(f for f in features if group in (None, f.group) and source in (None, f.source))


def _sample(history: History, entity_type: str, entities: Any, at: int) -> Pairs:
    instant = np.array([at], np.int64)
    if entities is not None:
        return product(history, entity_type, entities, instant).without_objections(history)
    pairs = all_pairs(history, entity_type, instant)
    size = len(pairs.entity)
    spaced = pairs.entity if size <= SAMPLE else pairs.entity[np.linspace(0, size - 1, SAMPLE).astype(np.int64)]
    return product(history, entity_type, spaced, instant).without_objections(history)


def _told(values: pd.Series) -> tuple[float, float, float, float, str | None]:
    present = values.dropna()
    missing = 1 - len(present) / len(values) if len(values) else np.nan
    if isinstance(values.dtype, pd.CategoricalDtype):
        return missing, np.nan, np.nan, np.nan, str(present.mode().iloc[0]) if len(present) else None
    if not len(present):
        return missing, np.nan, np.nan, np.nan, None
    exact = present.to_numpy(np.float64)
    return missing, float(exact.mean()), float(exact.min()), float(exact.max()), None
