"""What is asked for, in a data scientist's words: instants, features by name, a workspace; checked before any work."""

import difflib
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.conditions import once
from features.dataset import instant
from features.declare import Catalog, Feature
from features.history import History, columns_read
from features.purposes import check_use
from features.workspace import Workspace, load_workspace

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999
"""The years 1 to 9999, in UTC microseconds."""


class AskedError(ValueError):
    """What was asked for cannot be answered; the message names the part and says what would be right."""


class FeatureWarning(UserWarning):
    """Something of what was asked for is missing or left out; the message says how much and why."""


def micros(said: Any) -> int:
    """UTC microseconds of one instant: an ISO text or a ``datetime`` with its zone, a date (its UTC midnight), or
    such microseconds as an integer. Raises `AskedError`.
    """
    if said is None or said is pd.NaT or said != said:
        raise AskedError("no instant is given")
    if isinstance(said, bool):
        raise AskedError(f"{said} is not an instant")
    if isinstance(said, int | np.integer):
        return _in_range(int(said))
    parsed = _parsed(said) if isinstance(said, str) else said
    if not isinstance(parsed, date):
        raise AskedError(f"{said!r} is not an instant: write a date, a datetime with its zone, or UTC microseconds")
    if not isinstance(parsed, datetime):
        parsed = datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC)
    if parsed.tzinfo is None:
        raise AskedError(f"{said} has no time zone: write for example {said}+00:00")
    since = parsed - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _parsed(text: str) -> date:
    try:
        return date.fromisoformat(text) if len(text) == len("2016-04-15") else datetime.fromisoformat(text)
    except ValueError:
        raise AskedError(f"{text!r} is not a date (2016-04-15) or an instant (2016-04-15T09:00+02:00)") from None


def _in_range(micros: int) -> int:
    if not _FIRST <= micros <= _LAST:
        raise AskedError(f"{micros} is beyond the year 9999: an instant as an integer is in UTC microseconds")
    return micros


def instants(said: Any) -> np.ndarray:
    """(k,) int64 UTC microseconds of one instant or of several, as `micros` reads each.

    Raises `AskedError` for the first that is none, naming its place (from 0).
    """
    if isinstance(said, str | date | int | np.integer):
        return np.array([micros(said)], np.int64)
    values = pd.Series(said)
    if pd.api.types.is_integer_dtype(values.dtype) and not values.hasnans:
        found = values.to_numpy(np.int64)
        for extreme in (found.min(), found.max()) if len(found) else ():
            _in_range(int(extreme))
        return found
    if isinstance(values.dtype, pd.DatetimeTZDtype) and not values.hasnans:
        return values.dt.tz_convert("UTC").dt.as_unit("us").astype(np.int64).to_numpy()
    if pd.api.types.is_datetime64_dtype(values.dtype):
        raise AskedError("the cutoffs have no time zone: give for example pd.to_datetime(..., utc=True)")
    return _each(values)


def _each(values: pd.Series) -> np.ndarray:
    code, distinct = pd.factorize(values, use_na_sentinel=False)
    try:
        known = [micros(value) for value in distinct]
    except AskedError:
        for place, value in enumerate(values):
            try:
                micros(value)
            except AskedError as error:
                raise AskedError(f"cutoff {place}: {error}") from None
        raise
    return np.array(known, np.int64)[code] if len(values) else np.empty(0, np.int64)


def catalog_of(workspace: Workspace | Catalog | Path | str | None) -> Catalog:
    """The catalogue meant: itself, a workspace's, that of a folder, or the built-in one."""
    if isinstance(workspace, Catalog):
        return workspace
    if isinstance(workspace, Workspace):
        return workspace.catalog
    return load_workspace(None if workspace is None else Path(workspace)).catalog


Features = str | Feature | Iterable[str | Feature] | None
"""Names of a catalogue's features, or declarations; ``None``: all there are."""


def declared(catalog: Catalog, features: Features) -> tuple[Feature, ...]:
    """The features meant, in their order. Raises `AskedError` for an unknown name, saying the nearest."""
    if features is None:
        return catalog.features
    named = {f.name: f for f in catalog.features}
    asked = [features] if isinstance(features, str | Feature) else features
    found = tuple(f if isinstance(f, Feature) else _named(named, f) for f in asked)
    once("feature", [f.name for f in found])
    return found


def chosen(catalog: Catalog, features: Features, entity_type: str) -> tuple[Feature, ...]:
    """The features meant (`declared`), to be asked of entities of a type; of all there are, those links lead to.

    Raises `AskedError` for one that no link leads to from there, `DeclarationError` for one over a source that may
    not be used for profiling.
    """
    check_type(catalog, entity_type)
    above = catalog.above(entity_type)
    if features is None:
        return tuple(f for f in catalog.features if (f.of or f.via) in (None, *above))
    found = declared(catalog, features)
    for feature in found:
        check_use(f"feature {feature.name}", "profiling", feature.source, catalog.purposes)
        reached = feature.of or feature.via
        if reached and reached not in above:
            raise AskedError(f"{feature.name}: no link leads from '{entity_type}' to '{reached}'")
    return found


def _named(named: dict[str, Feature], name: str) -> Feature:
    if name not in named:
        near = difflib.get_close_matches(str(name), named, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else "`tieline describe` lists them"
        raise AskedError(f"no feature '{name}': {hint}")
    return named[name]


def default_type(catalog: Catalog) -> str:
    """Customers; where a workspace has none, what its first task is about."""
    if "customer" in catalog.key_types:
        return "customer"
    return catalog.tasks[0].entity if catalog.tasks else catalog.key_types[0]


def check_type(catalog: Catalog, entity_type: str) -> None:
    """Raise `AskedError` where the catalogue declares no such type of key."""
    if entity_type not in catalog.key_types:
        raise AskedError(f"'{entity_type}' is not a type of key (there are: {', '.join(catalog.key_types)})")


def narrowed(catalog: Catalog, features: Sequence[Feature], *, everybody: bool = False) -> Catalog:
    """The catalogue with these features alone, and the one by which objections are known: what has to be read.

    With ``everybody`` every source it reads stays, if only to say who was ever heard of: whom the lake knows does not
    depend on what is asked of them. Raises `DeclarationError` for features it cannot hold.
    """
    kept = {f.name: f for f in features}
    if catalog.objection:
        kept |= {f.name: f for f in catalog.features if f.name == catalog.objection.feature}
    for source in columns_read(catalog) if everybody else ():
        heard = Feature(source, "since_last")
        kept.setdefault(heard.name, heard)
    return Catalog(
        catalog.key_types,
        catalog.links,
        tuple(kept.values()),
        (),
        purposes=catalog.purposes,
        objection=catalog.objection,
        longest=catalog.longest,
    )


def check_held(history: History, features: Sequence[Feature]) -> None:
    """Raise `AskedError` where a history was loaded without a source the features read."""
    for feature in features:
        if feature.source not in history.columns:
            raise AskedError(
                f"{feature.name}: this history was loaded without '{feature.source}': ask the lake, or load it with a "
                "catalogue that reads it"
            )


def held(history: History) -> set[str]:
    """The sources a history has rows of, or is at least covered by."""
    return {name for name, columns in history.columns.items() if len(columns) or history.coverage.get(name)}


def lacking(held: Collection[str], features: Sequence[Feature]) -> dict[str, int]:
    """Source -> how many of the features read it, of the sources that are not held."""
    sources = [f.source for f in features if f.source not in held]
    return {name: sources.count(name) for name in dict.fromkeys(sources)}


def beyond(history: History, cutoffs: np.ndarray) -> str | None:
    """What to say of cutoffs after the last instant any feed is covered to."""
    late = int((cutoffs > history.end).sum())
    if not late or not history.end:
        return None
    return f"{counted(late, 'pair')} after {instant(history.end)}, where the lake ends: windows there are missing"


def lacks(name: str, features: int) -> str:
    """What to say of a source that is not held, which so many of the features read."""
    return f"the lake holds nothing of '{name}': {counted(features, 'feature')} without a value"


def counted(n: int, noun: str) -> str:
    """``"1 pair"``, ``"2,000 pairs"``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
