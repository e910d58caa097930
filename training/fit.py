"""From a dataset to a model: every label of a task, fitted with the one estimator, several side by side."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from features.conditions import duration
from features.dataset import Dataset
from features.declare import Feature
from models import hazard
from models.bundle import Bands, FeatureSpec, LabelSpec, Manifest, Model, booster_files
from models.encode import Encoder
from models.hazard import Hazard, LabelError, Params

Progress = Callable[[str], None]
_BAND_ROWS = 20_000
Kind = Literal["number", "category"]


def silent(message: str) -> None:
    """The progress callback that says nothing."""


@dataclass(frozen=True)
class Settings:
    """What a training run may be told. ``bands``: shares of the training rows below medium, and below high risk."""

    seed: int = 0
    params: Params = field(default_factory=Params)
    bands: tuple[float, float] = (0.7, 0.9)
    progress: Progress = silent


def fit(data: Dataset, settings: Settings) -> Model:
    """The model of a dataset's task; `models.hazard.LabelError` where a label cannot be learned from it."""
    encoder = Encoder.fit(data.X)
    encoded = encoder.transform(data.X)
    hazards = _side_by_side(data, encoded, settings)
    whole = {encoder.names[j] for found in hazards.values() for j in found.fitted.whole}
    features = tuple(_feature(f, data.X[f.name], f.name in whole) for f in data.features)
    encoder = replace(encoder, fills={f.name: f.fill for f in features if f.fill is not None})
    encoded = encoder.transform(data.X.iloc[some(len(encoded), settings.seed)])
    specs = {name: describe(name, found, encoded, settings.bands) for name, found in hazards.items()}
    return Model(_manifest(data, encoder, features, specs), hazards)


def _side_by_side(data: Dataset, encoded: np.ndarray, settings: Settings) -> dict[str, Hazard]:
    """The hazard of every label, by threads that share the rows: LightGBM works outside the interpreter's lock.

    Cores are divided among the labels fitted at once; how many threads grow a booster changes nothing in it.
    """
    cores, labels = os.cpu_count() or 1, [outcome.name for outcome in data.outcomes]
    workers = min(cores, len(labels))
    threads = settings.params.num_threads or (cores // workers if workers > 1 else 0)
    shared = replace(settings, params=replace(settings.params, num_threads=threads))

    def one(i: int) -> Hazard:
        settings.progress(f"fitting '{labels[i]}' ({i + 1} of {len(labels)}) on {len(encoded):,} rows")
        return fit_label(data, encoded, i, shared)

    found = Parallel(n_jobs=workers, prefer="threads")(delayed(one)(i) for i in range(len(labels)))
    return dict(zip(labels, found, strict=True))


def some(rows: int, seed: int) -> np.ndarray:
    """Indices of at most `_BAND_ROWS` of that many rows, drawn."""
    return np.random.default_rng(seed).permutation(rows)[:_BAND_ROWS]


def instant(micros: int) -> str:
    """ISO 8601 text of UTC microseconds."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))).isoformat()


def fit_label(data: Dataset, encoded: np.ndarray, index: int, settings: Settings) -> Hazard:
    """The hazard of one of a dataset's outcomes, over its encoded rows."""
    outcome = data.outcomes[index]
    try:
        return hazard.fit(
            encoded,
            outcome.ending,
            outcome.after,
            data.followed(),
            data.edges(),
            label=outcome.name,
            groups=data.groups,
            seed=settings.seed,
            passed=_passed(data),
            open_ended=data.task.open_ended,
            params=settings.params,
        )
    except LabelError as error:
        raise LabelError(f"task '{data.task.name}', labels known by {instant(data.seen)}: {error}") from None


def _passed(data: Dataset) -> np.ndarray:
    """(n,) int64 microseconds from ``cutoff + gap`` to the instant labels were read, whatever feeds had gaps."""
    return np.asarray(data.seen - duration(data.task.label_delay) - duration(data.task.gap) - data.cutoff)


def describe(name: str, found: Hazard, sample: np.ndarray, shares: tuple[float, float]) -> LabelSpec:
    """What a bundle says of a fitted label; ``sample``: encoded training rows."""
    medium, high = np.quantile(found.curve(sample)[:, -1], shares)
    return LabelSpec(
        boosters=booster_files(name, len(found.boosters)),
        classes=found.classes,
        calibration=found.calibration,
        bands=Bands(medium=float(medium), high=float(high)),
        fitted=found.fitted,
    )


def _manifest(
    data: Dataset, encoder: Encoder, features: tuple[FeatureSpec, ...], specs: dict[str, LabelSpec]
) -> Manifest:
    task = data.task
    return Manifest(
        task=task.name,
        entity=task.entity,
        features=features,
        vocabularies=dict(encoder.vocabularies),
        edges=tuple(data.edges().tolist()),
        open_ended=task.open_ended,
        gap=duration(task.gap),
        label_delay=duration(task.label_delay),
        labels=specs,
        rows=len(data.X),
        cutoffs=(int(data.cutoff.min()), int(data.cutoff.max())),
        labels_known_by=int(data.seen),
        fingerprint=data.fingerprint,
    )


def _feature(feature: Feature, column: pd.Series, whole: bool) -> FeatureSpec:
    """``whole``: it was never missing where a label was learned, so a missing value is read as the usual one."""
    kind: Kind = "category" if isinstance(column.dtype, pd.CategoricalDtype) else "number"
    return FeatureSpec(
        name=feature.name,
        kind=kind,
        group=feature.group or feature.source,
        typical=_typical(column, kind),
        fill=_typical(column.dropna(), kind) if whole else None,
    )


def _typical(column: pd.Series, kind: Kind) -> float | str | None:
    """What it is for most: the most common value, where a missing one competes, or the median; ``None`` for missing.

    The median of a number that is missing for more than half is ``None``: so it is for the one in the middle.
    """
    present = column.dropna()
    missing = len(column) - len(present)
    if kind == "category":
        counts = present.value_counts()
        most = counts.max() if len(counts) else 0
        return min(str(v) for v in counts.index[counts == most]) if most and most >= missing else None
    return float(present.median()) if len(present) and len(present) >= missing else None
