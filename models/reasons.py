"""Why a score is what it is: the effect of each group of features on the probability.

The effect of a group is the probability as it is, less the probability had the group been typical (the median or most
common values of the training rows). That is one-at-a-time ablation: it says what the model would have said, its parts
need not add up, and it claims no cause.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from models.bundle import Model

POINTS = 100.0
_SHOWN = 2

Value = float | str | None
"""What a feature is: a number, a category's word, or missing."""


class Reason(NamedTuple):
    """A group of features and what it moved.

    ``effect`` in percentage points of the probability at the last horizon, above 0 where it raised it; ``features`` are
    the one or two of the group that moved it most, as (name, value, typical value), ``None`` meaning missing.
    """

    group: str
    effect: float
    features: tuple[tuple[str, Value, Value], ...]


def reasons(model: Model, row: pd.DataFrame, label: str, groups: Mapping[str, str] | None = None) -> list[Reason]:
    """The reasons for one row (a frame of length 1), strongest effect first; groups that moved nothing are left out.

    ``groups`` maps feature -> group; by default the model's own. Raises `ValueError` for another number of rows.
    """
    if len(row) != 1:
        raise ValueError(f"reasons are given for one row at a time, not {len(row)}")
    grouped = members(groups or model.groups)
    x = model.encoder.transform(row)[0]
    position = {name: j for j, name in enumerate(model.features)}
    sets = [*grouped.values(), *((name,) for name in model.features)]
    batch = np.tile(x, (1 + len(sets), 1))
    for i, names in enumerate(sets, start=1):
        columns = [position[n] for n in names]
        batch[i, columns] = model.typical[columns]
    probability = model.hazards[label].curve(batch)[:, -1]
    moved = POINTS * (probability[0] - probability[1:])
    by_group = dict(zip(grouped, moved.tolist(), strict=False))
    alone = dict(zip(model.features, moved[len(grouped) :].tolist(), strict=True))
    typical = {spec.name: spec.typical for spec in model.manifest.features}
    return compose(by_group, alone, grouped, lambda n: _plain(row[n].iloc[0]), typical)


def compose(
    by_group: Mapping[str, float],
    alone: Mapping[str, float],
    grouped: Mapping[str, Sequence[str]],
    value: Callable[[str], Value],
    typical: Mapping[str, Value],
    *,
    most: int | None = None,
    least: float = 0.0,
) -> list[Reason]:
    """The reasons that follow from the effects of groups, and of features ``alone``; both in points, 0 if not there.

    Strongest first; at most ``most``, and only those that moved something, ``least`` points or more.
    """
    told = [group for group, effect in by_group.items() if effect != 0 and abs(effect) >= least]
    told.sort(key=lambda group: -abs(by_group[group]))
    return [Reason(group, by_group[group], _facts(grouped[group], alone, value, typical)) for group in told[:most]]


def effects(model: Model, X: pd.DataFrame, label: str, horizon: int = -1) -> np.ndarray:
    """(n, g): what each group of `group_names` moved each row's probability at a horizon, as `reasons` has it.

    As probabilities, not points; 0 for a group that is as it is for most.
    """
    groups, encoded = members(model.groups), model.encoder.transform(X)
    position = {name: j for j, name in enumerate(model.features)}
    before = model.hazards[label].curve(encoded)[:, horizon]
    result = np.empty((len(X), len(groups)))
    for g, names in enumerate(groups.values()):
        columns = [position[n] for n in names]
        typical = encoded.copy()
        typical[:, columns] = model.typical[columns]
        result[:, g] = before - model.hazards[label].curve(typical)[:, horizon]
    return result


def group_names(model: Model) -> tuple[str, ...]:
    """The groups of the features a model reads, in order."""
    return tuple(members(model.groups))


def members(groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Group -> its features, both in order, from feature -> group."""
    names: dict[str, list[str]] = {}
    for feature, group in groups.items():
        names.setdefault(group, []).append(feature)
    return {group: tuple(features) for group, features in names.items()}


def _facts(
    names: Sequence[str], alone: Mapping[str, float], value: Callable[[str], Value], typical: Mapping[str, Value]
) -> tuple[tuple[str, Value, Value], ...]:
    """The features that moved most by themselves; the first in any case, as a group moves by its members."""
    moved = [n for n in names if alone.get(n)]
    moved.sort(key=lambda n: -abs(alone[n]))
    return tuple([(n, value(n), typical[n]) for n in moved[:_SHOWN] or names[:1]])


def _plain(value: object) -> Value:
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]
