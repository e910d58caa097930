"""From a dataset to a model: every label of a task, fitted with the one estimator."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd

from features.dataset import Dataset
from features.declare import Feature, duration
from models import hazard
from models.bundle import Bands, FeatureSpec, LabelSpec, Manifest, Model
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
    sample = encoded[np.random.default_rng(settings.seed).permutation(len(encoded))[:_BAND_ROWS]]
    hazards, specs = {}, {}
    for i, outcome in enumerate(data.outcomes, start=1):
        settings.progress(f"fitting '{outcome.name}' ({i} of {len(data.outcomes)}) on {len(encoded):,} rows")
        fitted = _label(data, encoded, i - 1, settings)
        hazards[outcome.name] = fitted
        specs[outcome.name] = LabelSpec(
            booster=f"booster_{outcome.name}.txt",
            classes=fitted.classes,
            calibration=fitted.calibration,
            bands=_bands(fitted.curve(sample)[:, -1], settings.bands),
            fitted=fitted.fitted,
        )
    return Model(_manifest(data, encoder, specs), hazards)


def instant(micros: int) -> str:
    """ISO 8601 text of UTC microseconds."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))).isoformat()


def _label(data: Dataset, encoded: np.ndarray, index: int, settings: Settings) -> Hazard:
    outcome = data.outcomes[index]
    try:
        return hazard.fit(
            encoded,
            outcome.ending,
            outcome.after,
            data.followed(),
            data.edges(),
            label=outcome.name,
            groups=data.entity,
            seed=settings.seed,
            open_ended=data.task.open_ended,
            params=settings.params,
        )
    except LabelError as error:
        raise LabelError(f"task '{data.task.name}', labels known by {instant(data.seen)}: {error}") from None


def _bands(probability: np.ndarray, shares: tuple[float, float]) -> Bands:
    medium, high = np.quantile(probability, shares)
    return Bands(medium=float(medium), high=float(high))


def _manifest(data: Dataset, encoder: Encoder, specs: dict[str, LabelSpec]) -> Manifest:
    task = data.task
    return Manifest(
        task=task.name,
        entity=task.entity,
        features=tuple(_feature(f, data.X[f.name]) for f in data.features),
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


def _feature(feature: Feature, column: pd.Series) -> FeatureSpec:
    kind: Kind = "category" if isinstance(column.dtype, pd.CategoricalDtype) else "number"
    return FeatureSpec(
        name=feature.name, kind=kind, group=feature.group or feature.source, typical=_typical(column, kind)
    )


def _typical(column: pd.Series, kind: Kind) -> float | str | None:
    """The most common value, or the median; ``None`` where every value is missing."""
    present = column.dropna()
    if present.empty:
        return None
    if kind == "category":
        counts = present.value_counts()
        return min(str(v) for v in counts.index[counts == counts.max()])
    return float(present.median())
