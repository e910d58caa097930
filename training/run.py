"""One training run: fit, and test on later cutoffs. `training.track` keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from features.dataset import Dataset
from features.visitors import VisitorData
from models.bundle import Model
from models.hazard import LabelError
from training import evaluate
from training.evaluate import Scored
from training.fit import Settings, fit, instant
from training.prepare import Prepared
from training.visitors import VisitorRecord, train_visitors


class TrainError(ValueError):
    """Datasets that cannot be trained on or tested with; the message says why."""


@dataclass(frozen=True)
class TrainRecord:
    """What a training run found. ``run_id``, ``version`` and ``champion`` are set once it was tracked."""

    model: Model
    train: Dataset = field(repr=False)
    test: Dataset = field(repr=False)
    settings: Settings
    scored: tuple[Scored, ...] = field(repr=False)
    detail: pd.DataFrame = field(repr=False)
    headline: Mapping[str, object]
    retrospective: bool
    run_id: str | None = None
    version: int | None = None
    champion: bool | None = None
    visitors: VisitorRecord | None = None

    def summary(self) -> dict[str, object]:
        """The figures as JSON can say them: the headline, then one entry per label and horizon; NaN becomes null."""
        return {
            "task": self.model.manifest.task,
            **self.headline,
            "train_rows": len(self.train.X),
            "objected": self.train.objected + self.test.objected,
            "labels_known_by": instant(self.train.seen),
            "retrospective": self.retrospective,
            "model_id": self.model.id or None,
            "run_id": self.run_id,
            "model_version": self.version,
            "champion": self.champion,
            "detail": evaluate.records(self.detail),
            "visitors": self.visitors.summary() if self.visitors else None,
        }


def train(
    train_data: Dataset,
    test_data: Dataset,
    *,
    settings: Settings | None = None,
    train_to: int | None = None,
    visitors: tuple[VisitorData, VisitorData] | None = None,
) -> TrainRecord:
    """The record of a model fitted on one dataset and tested on another of later cutoffs.

    ``train_to`` (UTC microseconds) is the training instant T; labels seen later than that make the run retrospective.
    By default it is the instant the training labels were seen. With ``visitors`` (to train on, to test on) the model of
    those without a name is fitted too, beside it; where they are too few for that, a note says so. Raises `TrainError`
    for an empty dataset, for test cutoffs that are not later, and `models.hazard.LabelError` for a label that cannot
    be learned.
    """
    settings = settings or Settings()
    _check(train_data, test_data)
    model = fit(train_data, settings)
    settings.progress(f"testing on {len(test_data.X):,} later rows")
    scored = evaluate.score(model, test_data)
    detail = evaluate.table(scored)
    retrospective = train_to is not None and train_data.seen > train_to
    record = TrainRecord(
        model, train_data, test_data, settings, tuple(scored), detail, evaluate.headline(detail), retrospective
    )
    return record if visitors is None else _with_visitors(record, *visitors)


def train_on(prepared: Prepared, settings: Settings | None = None) -> TrainRecord:
    """As `train`, of rows made by `training.prepare.prepare`: the model reads its own columns of them."""
    train_data, test_data = (data.select(prepared.own) for data in (prepared.train, prepared.test))
    return train(train_data, test_data, settings=settings, train_to=prepared.train_to, visitors=prepared.visitors)


def _with_visitors(record: TrainRecord, train_data: VisitorData, test_data: VisitorData) -> TrainRecord:
    try:
        return replace(record, visitors=train_visitors(train_data, test_data, record.settings))
    except LabelError as error:
        return noted(record, f"no model of visitors: {error}")


def noted(record: TrainRecord, note: str) -> TrainRecord:
    """The record with one more note in its headline."""
    notes = record.headline.get("notes")
    return replace(record, headline={**record.headline, "notes": [*(notes if isinstance(notes, list) else []), note]})


def _check(train_data: Dataset, test_data: Dataset) -> None:
    for name, data in (("train", train_data), ("test", test_data)):
        if data.X.empty:
            raise TrainError(f"task '{data.task.name}': no {name} cutoffs in the window: widen it, or ingest more")
    first, last = test_data.cutoff.min(), train_data.cutoff.max()
    if first <= last:
        raise TrainError(
            f"test cutoffs begin at {instant(first)}, not after the last train cutoff ({instant(last)}): "
            "a model is tested on what came later"
        )
