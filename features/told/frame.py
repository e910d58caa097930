"""`tieline.frame`: the features of many (entity, cutoff) pairs as one pandas frame."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.declare import Catalog, Feature
from features.engine.plan import looked_at
from features.history import History
from features.lake import Lake
from features.told.asked import (
    AskedError,
    Features,
    FeatureWarning,
    beyond,
    catalog_of,
    check_held,
    chosen,
    default_type,
    held,
    instants,
    lacking,
    lacks,
    narrowed,
)
from features.told.pairs import Pairs, all_pairs, given, product
from features.workspace import Workspace


def frame(
    source: Lake | History,
    cutoffs: Any = None,
    entities: Any = None,
    entity_type: str | None = None,
    features: Features = None,
    *,
    pairs: Any = None,
    workspace: Workspace | Catalog | Path | str | None = None,
) -> pd.DataFrame:
    """What was known at the cutoffs: a row per pair, indexed by ``entity`` (int64) and ``cutoff`` (UTC), a column per
    feature: float32 (missing: NaN) or pandas ``category``.

    ``cutoffs``: one or several instants (`asked.micros`: ``"2025-06-01"``, a ``datetime`` with its zone). ``entities``:
    key ids, each asked at each cutoff; by default everybody known by then, in order. ``entity_type``: what they are; by
    default customers (where a workspace has none, what its first task is about). Or ``pairs``: a frame (or its
    index) with ``entity`` and ``cutoff``, answered row by row, also those that come twice. ``features``: names or
    declarations; by default all of the catalogue that the entities can be asked. ``workspace``: whose catalogue, with
    a lake; by default the built-in one. From a `History` only the sources it was loaded with can be read.

    Pairs of who objects to profiling are left out. An entity nobody has heard of has no history: its counts are 0
    where the source is covered. A source the lake does not hold is missing. Each of these is a `FeatureWarning`, as
    are cutoffs beyond the lake's end; an objection is none where nobody was asked for in particular. Raises
    `AskedError` for what cannot be meant, `LakeError` naming a file that is damaged.
    """
    if (cutoffs is None) == (pairs is None) or (pairs is not None and entities is not None):
        raise AskedError("give cutoffs (and entities, or everybody is meant), or pairs")
    at = None if cutoffs is None else instants(cutoffs)
    catalog = _catalog(source, workspace)
    entity_type = entity_type or default_type(catalog)
    asked = chosen(catalog, features, entity_type)
    history = _read(source, catalog, asked, at, everybody=pairs is None and entities is None)
    if pairs is not None:
        found = given(history, entity_type, pairs)
    elif entities is None:
        found = all_pairs(history, entity_type, at)  # type: ignore[arg-type]
    else:
        found = product(history, entity_type, entities, at)  # type: ignore[arg-type]
    found = found.without_objections(history)
    for words in remarks(history, found, asked):
        warnings.warn(words, FeatureWarning, stacklevel=2)
    values = history.frame(entity_type, found.entity, found.cutoff, asked)
    return values.set_axis(index_of(found), axis=0)


def _catalog(source: Lake | History, workspace: Workspace | Catalog | Path | str | None) -> Catalog:
    if isinstance(source, History):
        if workspace is not None:
            raise AskedError("a history has its catalogue already; give the workspace with a lake")
        return source.catalog
    if not isinstance(source, Lake):
        raise AskedError(f"features are asked of a Lake or a History, not of a {type(source).__name__}")
    return catalog_of(workspace)


def _read(
    source: Lake | History,
    catalog: Catalog,
    features: Sequence[Feature],
    cutoffs: np.ndarray | None,
    *,
    everybody: bool,
) -> History:
    """What the features need, and where all are asked at certain cutoffs, no more than those see."""
    if isinstance(source, Lake):
        needed = narrowed(catalog, features, everybody=everybody)
        if cutoffs is None or not len(cutoffs):
            return History.load(source, needed)
        within = looked_at(narrowed(catalog, features).features, int(cutoffs.min()), int(cutoffs.max()))
        return History.load(source, needed, within=within)
    check_held(source, features)
    return source


def index_of(pairs: Pairs) -> pd.MultiIndex:
    """``entity`` (int64) and ``cutoff`` (UTC instants)."""
    times = pd.to_datetime(pairs.cutoff, unit="us", utc=True).as_unit("us")
    return pd.MultiIndex.from_arrays([np.asarray(pairs.entity, np.int64), times], names=["entity", "cutoff"])


def remarks(history: History, pairs: Pairs, features: Sequence[Feature]) -> list[str]:
    """What is missing or left out of what was asked for, a sentence each."""
    said = [lacks(name, count) for name, count in lacking(held(history), features).items()]
    late = beyond(history, pairs.cutoff)
    return [*said, *pairs.remarks(), *([late] if late else [])]
