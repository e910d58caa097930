"""A model on disk: a folder of text, JSON and hashes, in which nothing is ever unpickled.

``model.json`` says everything but the trees, ``booster_<label>.txt``, or one of them per period, holds a label's trees
as LightGBM text and
``MLmodel`` tells MLflow how to use it (`models.flavor`) and
``hashes.json`` the SHA-256 of each of those files. The SHA-256 of ``hashes.json`` is the model's id, so one short text
stands for every byte. Loading refuses a folder in which anything is missing, changed, unknown or not a plain file.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import lightgbm as lgb
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from models.calibrate import Calibration
from models.encode import Encoder
from models.flavor import FLAVOR, flavor
from models.hazard import DAY, Fitted, Hazard

FORMAT: Literal[3] = 3
MANIFEST, HASHES = "model.json", "hashes.json"


_NOTE = "registered_model_meta"
"""MLflow leaves it in the folder of a model it has looked up by name; nobody reads it here."""


class BundleError(RuntimeError):
    """A folder that is not a whole, unchanged model; the message names the file and what is wrong with it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Format(BaseModel):
    """The one field every format has."""

    format: int


class FeatureSpec(_Strict):
    """One feature a model reads.

    ``typical``: what it is for most of the rows it was trained on, the median or most common value; ``None``: not
    known, or never. ``fill``: what a missing value is read as, ``None`` where the trees have learned what that means.
    """

    name: str
    kind: Literal["number", "category"]
    group: str
    typical: float | str | None
    fill: float | str | None


class Bands(_Strict):
    """Probabilities at the last horizon from which a risk is called medium, and high."""

    medium: float
    high: float


class LabelSpec(_Strict):
    """One label: files of its trees (one a period, or one for all), how they are recalibrated, and what fitting saw.

    ``edges``: periods of its own, where they are not the model's. ``known_share``: the share of its events that ever
    come to be known; what the trees tell is the chance of a known one, and is divided by it. ``base``: the mean curve
    over the training rows, for those of whom nothing is known (empty: not kept).
    """

    boosters: tuple[str, ...] = Field(min_length=1)
    classes: int = Field(ge=2, le=3)
    calibration: Calibration
    bands: Bands
    fitted: Fitted
    edges: tuple[int, ...] | None = None
    known_share: float = Field(default=1.0, gt=0, le=1)
    base: tuple[float, ...] = ()


class Manifest(_Strict):
    """What `Model` is, apart from the trees. Durations and instants are in microseconds (UTC)."""

    format: Literal[3] = FORMAT
    task: str
    entity: str
    features: tuple[FeatureSpec, ...]
    vocabularies: dict[str, tuple[str, ...]]
    edges: tuple[int, ...]
    open_ended: bool
    gap: int
    label_delay: int
    labels: dict[str, LabelSpec]
    rows: int
    cutoffs: tuple[int, int]
    labels_known_by: int
    fingerprint: str

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Whether the parts belong together; pydantic turns the error into one that names the file."""
        _check_edges(self.edges)
        if not self.labels:
            raise ValueError("a model has at least one label")
        for name, label in self.labels.items():
            _check_edges(self.edges_of(name))
            periods = len(self.edges_of(name)) + self.open_ended
            _check_calibration(name, label, periods)
            if len(label.boosters) not in (1, periods):
                raise ValueError(f"label '{name}': there must be one booster, or {periods}, one per period")
            if label.base and len(label.base) != periods:
                raise ValueError(f"label '{name}': the base rates must be {periods}, one per period")
        return self

    def edges_of(self, label: str) -> tuple[int, ...]:
        """Upper edges of a label's periods."""
        return self.labels[label].edges or self.edges

    def answers_of(self, label: str) -> list[str]:
        """The names of a label's probabilities: ``leaves.30d``, ..., and ``leaves.end`` of an open-ended task."""
        ends = [f"{edge / DAY:g}d" for edge in self.edges_of(label)]
        return [f"{label}.{end}" for end in (*ends, *(("end",) if self.open_ended else ()))]


def _check_edges(edges: tuple[int, ...]) -> None:
    if not edges or (np.diff(np.array((0, *edges))) <= 0).any():
        raise ValueError(f"edges must rise from above 0, not {edges}")


def _check_calibration(name: str, label: LabelSpec, periods: int) -> None:
    found, causes = label.calibration, label.classes - 1
    shape = (len(found.slope), *sorted({len(row) for row in found.intercept}))
    if shape != (causes, periods) or len(found.intercept) != causes:
        raise ValueError(f"label '{name}': the calibration must hold {causes} causes of {periods} periods")
    if not np.isfinite([*found.slope, *sum(found.intercept, ())]).all():
        raise ValueError(f"label '{name}': the calibration holds a number that is none")


@dataclass(frozen=True)
class Model:
    """A trained task: for each label a curve of cumulative probabilities. ``id`` is the bundle's digest."""

    manifest: Manifest
    hazards: Mapping[str, Hazard] = field(repr=False)
    id: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns `predict` needs."""
        return tuple(f.name for f in self.manifest.features)

    @property
    def groups(self) -> dict[str, str]:
        """Feature -> the group whose effect it is explained with."""
        return {f.name: f.group for f in self.manifest.features}

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the labels."""
        return tuple(self.manifest.labels)

    @property
    def edges(self) -> tuple[int, ...]:
        """Upper edges of the periods, in microseconds after cutoff and gap."""
        return self.manifest.edges

    @cached_property
    def encoder(self) -> Encoder:
        """How a frame becomes the numbers the trees read."""
        fills = {f.name: f.fill for f in self.manifest.features if f.fill is not None}
        return Encoder(self.features, self.manifest.vocabularies, fills)

    @cached_property
    def typical(self) -> np.ndarray:
        """(f,) float32 the typical row, encoded; made once, as every answer compares itself with it."""
        values = {
            f.name: pd.Series([f.typical], dtype="category" if f.kind == "category" else "float32")
            for f in self.manifest.features
        }
        return self.encoder.transform(pd.DataFrame(values))[0]

    def predict(self, X: pd.DataFrame) -> dict[str, np.ndarray]:
        """Label -> (n, k) probability that it has come by each edge (and by the end, when open-ended).

        The columns of ``X`` may stand in any order; `models.encode.FeatureError` names one that is missing or unknown.
        """
        encoded = self.encoder.transform(X)
        return {label: self.curve(label, encoded) for label in self.hazards}

    def curve(self, label: str, encoded: np.ndarray) -> np.ndarray:
        """(n, k) a label's probabilities for encoded rows."""
        share = self.manifest.labels[label].known_share
        return np.minimum(self.hazards[label].curve(encoded) / share, 1.0)

    def band(self, label: str, probability: float) -> Literal["low", "medium", "high"]:
        """Where a probability at the last horizon stands among the rows the model was trained on."""
        bands = self.manifest.labels[label].bands
        if probability >= bands.high:
            return "high"
        return "medium" if probability >= bands.medium else "low"


def booster_files(label: str, count: int) -> tuple[str, ...]:
    """What the files of a label's boosters are called."""
    return (f"booster_{label}.txt",) if count == 1 else tuple(f"booster_{label}_{k}.txt" for k in range(count))


def save(model: Model, folder: Path) -> str:
    """The id of the model after writing it to ``folder``, which must be new or empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BundleError(f"{folder} is not empty; a model is written to a folder of its own")
    for label, spec in model.manifest.labels.items():
        for name, booster in zip(spec.boosters, model.hazards[label].boosters, strict=True):
            (folder / name).write_bytes(booster.model_to_string().encode())
    (folder / MANIFEST).write_text(model.manifest.model_dump_json(indent=1))
    answers = [name for label in model.manifest.labels for name in model.manifest.answers_of(label)]
    (folder / FLAVOR).write_text(flavor([(f.name, f.kind) for f in model.manifest.features], answers))
    hashes = {path.name: _sha256(path) for path in sorted(folder.iterdir())}
    (folder / HASHES).write_text(json.dumps(hashes, indent=1))
    return digest(folder)


def digest(folder: Path) -> str:
    """The id of the model in a folder: the SHA-256 of its ``hashes.json``."""
    path = folder / HASHES
    if not path.is_file() or path.is_symlink():
        raise BundleError(f"{folder} holds no model: there is no {HASHES}")
    return _sha256(path)


def load(folder: Path, *, expected: str | None = None) -> Model:
    """The model in a folder; `BundleError` unless every file is there, unchanged and expected.

    With ``expected`` the model must have that id, so that a folder changed together with its hashes is refused too.
    """
    found = verify(folder, expected=expected)
    manifest = _manifest(folder / MANIFEST)
    return Model(manifest, {label: _hazard(folder, manifest, label) for label in manifest.labels}, found)


def verify(folder: Path, *, expected: str | None = None) -> str:
    """The id of the model in a folder, once every byte is found as it was; otherwise `BundleError` as `load` has it."""
    found = digest(folder)
    if expected is not None and found != expected:
        raise BundleError(f"{folder} holds model {found[:12]}, not {expected[:12]} as registered")
    _verify(folder)
    return found


def _manifest(path: Path) -> Manifest:
    """The format is read first: another one may have other fields."""
    text = path.read_bytes()
    try:
        found = _Format.model_validate_json(text).format
        if found != FORMAT:
            raise BundleError(f"{path} has format {found}; this version reads format {FORMAT}: train the model again")
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise BundleError(f"{path} does not describe a model: {error}") from None


def _hazard(folder: Path, manifest: Manifest, label: str) -> Hazard:
    spec = manifest.labels[label]
    boosters = tuple(_booster(folder, name, len(manifest.features) + 1, spec.classes) for name in spec.boosters)
    return Hazard(boosters, spec.calibration, manifest.edges_of(label), manifest.open_ended, spec.classes, spec.fitted)


def _booster(folder: Path, name: str, wanted: int, classes: int) -> lgb.Booster:
    path = folder / name
    if path.parent != folder or name not in _listed(folder):
        raise BundleError(f"{folder / MANIFEST} names '{name}', which is not a file of this model")
    try:
        booster = lgb.Booster(model_str=path.read_text())
    except lgb.basic.LightGBMError as error:
        raise BundleError(f"{path} holds no LightGBM model: {error}") from None
    if booster.num_feature() != wanted:
        raise BundleError(f"{path} reads {booster.num_feature()} columns; {MANIFEST} gives it {wanted}")
    found = max(booster.num_model_per_iteration(), 2)
    if found != classes:
        raise BundleError(f"{path} tells {found} classes apart; {MANIFEST} says {classes}")
    return booster


def _verify(folder: Path) -> None:
    listed = _listed(folder)
    if MANIFEST not in listed:
        raise BundleError(f"{folder / HASHES} does not list {MANIFEST}")
    present = {path.name for path in folder.iterdir()} - {HASHES, _NOTE}
    if extra := sorted(present - listed.keys()):
        raise BundleError(f"{folder} holds '{extra[0]}', which {HASHES} does not list")
    for name, wanted in listed.items():
        path = folder / name
        if path.parent != folder or path.is_symlink():
            raise BundleError(f"{folder / HASHES} lists '{name}', which is not a plain file of this folder")
        if not path.is_file():
            raise BundleError(f"{folder} lacks '{name}', which {HASHES} lists")
        if _sha256(path) != wanted:
            raise BundleError(f"{path} was changed: its SHA-256 is not the one in {HASHES}")


def _listed(folder: Path) -> dict[str, str]:
    try:
        return TypeAdapter(dict[str, str]).validate_json((folder / HASHES).read_bytes())
    except ValidationError:
        raise BundleError(f"{folder / HASHES} is not a list of files and their SHA-256") from None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
