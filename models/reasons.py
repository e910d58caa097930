"""Why a score is what it is: the effect of each group of features on the probability.

The effect of a group is the probability as it is, less the probability had the group been typical (the median or most
common values of the training rows). That is one-at-a-time ablation: it says what the model would have said, its parts
need not add up, and it claims no cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.bundle import Model

_SHOWN = 2
_POINTS = 100.0


@dataclass(frozen=True)
class Reason:
    """A group of features and what it moved.

    ``effect`` in percentage points of the probability at the last horizon, above 0 where it raised it; ``features`` are
    the one or two of the group that moved it most, as (name, value, typical value), ``None`` meaning missing.
    """

    group: str
    effect: float
    features: tuple[tuple[str, float | str | None, float | str | None], ...]


def reasons(model: Model, row: pd.DataFrame, label: str, groups: Mapping[str, str] | None = None) -> list[Reason]:
    """The reasons for one row (a frame of length 1), strongest effect first; groups that moved nothing are left out.

    ``groups`` maps feature -> group; by default the model's own. Raises `ValueError` for another number of rows.
    """
    if len(row) != 1:
        raise ValueError(f"reasons are given for one row at a time, not {len(row)}")
    members = _members(groups or model.groups)
    x = model.encoder.transform(row)[0]
    position = {name: j for j, name in enumerate(model.features)}
    sets = [*members.values(), *((name,) for name in model.features)]
    batch = np.tile(x, (1 + len(sets), 1))
    for i, names in enumerate(sets, start=1):
        columns = [position[n] for n in names]
        batch[i, columns] = model.typical[columns]
    probability = model.hazards[label].curve(batch)[:, -1]
    effects = _POINTS * (probability[0] - probability[1:])
    single = dict(zip(model.features, np.abs(effects[len(members) :]), strict=True))
    found = [
        Reason(group, float(effect), _facts(model, row, sorted(names, key=lambda n: -single[n])[:_SHOWN], single))
        for (group, names), effect in zip(members.items(), effects, strict=False)
        if effect != 0
    ]
    return sorted(found, key=lambda r: -abs(r.effect))


def effects(model: Model, X: pd.DataFrame, label: str, horizon: int = -1) -> np.ndarray:
    """(n, g): what each group of `group_names` moved each row's probability at a horizon, as `reasons` has it.

    As probabilities, not points; 0 for a group that is as it is for most.
    """
    groups, encoded = _members(model.groups), model.encoder.transform(X)
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
    return tuple(_members(model.groups))


def _members(groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for feature, group in groups.items():
        names.setdefault(group, []).append(feature)
    return {group: tuple(features) for group, features in names.items()}


def _facts(
    model: Model, row: pd.DataFrame, names: list[str], moved: Mapping[str, float]
) -> tuple[tuple[str, float | str | None, float | str | None], ...]:
    """The named features that moved anything by themselves; the first in any case, as a group moves by its members."""
    typical = {spec.name: spec.typical for spec in model.manifest.features}
    shown = [n for i, n in enumerate(names) if i == 0 or moved[n] > 0]
    return tuple((n, _plain(row[n].iloc[0]), typical[n]) for n in shown)


def _plain(value: object) -> float | str | None:
    if pd.isna(value):  # type: ignore[call-overload]
        return None
    return value if isinstance(value, str) else float(value)  # type: ignore[arg-type]
