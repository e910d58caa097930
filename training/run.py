"""One training run: fit, test on later cutoffs, and (apart) track and register it in MLflow."""

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from features.dataset import Dataset
from features.visitors import VisitorData
from models import bundle
from models.bundle import Model
from models.hazard import LabelError
from models.registry import CHAMPION, Registry, speaking, visitors_name
from training import evaluate, plots, targeting
from training.card import card
from training.evaluate import Scored
from training.fit import Settings, fit, instant
from training.store import Store, open_store
from training.visitors import VisitorRecord, train_visitors

BUNDLE, VISITORS = "bundle", "visitors"
_BATCH = 500


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


def _with_visitors(record: TrainRecord, train_data: VisitorData, test_data: VisitorData) -> TrainRecord:
    try:
        return replace(record, visitors=train_visitors(train_data, test_data, record.settings))
    except LabelError as error:
        return noted(record, f"no model of visitors: {error}")


def noted(record: TrainRecord, note: str) -> TrainRecord:
    """The record with one more note in its headline."""
    notes = record.headline.get("notes")
    return replace(record, headline={**record.headline, "notes": [*(notes if isinstance(notes, list) else []), note]})


def track(
    record: TrainRecord, uri: str, artifacts: str, *, who: str | None = None, name: str | None = None
) -> TrainRecord:
    """The record with its MLflow run, registered version and whether that became the champion.

    ``uri`` is the tracking store, ``artifacts`` the root of the artifacts of a new experiment, ``name`` the registered
    model (by default the task's name). A run that breaks off, up to its registration, is marked as failed.
    """
    return keep(record, open_store(uri, artifacts, name or record.model.manifest.task, who=who))


def keep(record: TrainRecord, store: Store, tags: Mapping[str, str] | None = None) -> TrainRecord:
    """As `track`, in a store that was opened before the work began; `RegistryError` when it refuses.

    ``tags`` stand on the run from its first moment.
    """
    with speaking(store.uri):
        name = f"{store.name} {instant(record.train.seen)}"
        run = store.client.create_run(store.experiment, run_name=name, tags=dict(tags or {}))
        try:
            record = _register(record, store, run)
        except BaseException:
            with suppress(MlflowException):
                store.client.set_terminated(run.info.run_id, status="FAILED")
            raise
        store.client.set_terminated(run.info.run_id)
    record.settings.progress(
        f"registered '{store.name}' version {record.version}{f', {CHAMPION}' if record.champion else ''}"
    )
    return record


def _register(record: TrainRecord, store: Store, run: Run) -> TrainRecord:
    run_id = run.info.run_id
    store.client.log_batch(run_id, params=_params(record), tags=_tags(record, store.who))
    _log_metrics(store.client, run_id, record)
    record = _log_files(store.client, run_id, record)
    registry = Registry(store.uri)
    version = registry.register(
        store.name,
        run_id,
        f"{run.info.artifact_uri}/{BUNDLE}",
        model_id=record.model.id,
        description=card(record.model, record.train, record.test, dict(record.headline)),
        who=store.who,
    )
    champion = registry.champion(store.name).version == version
    record = replace(record, run_id=run_id, version=version, champion=champion)
    return record if record.visitors is None else _register_visitors(record, record.visitors, registry, store, run)


def _register_visitors(
    record: TrainRecord, visitors: VisitorRecord, registry: Registry, store: Store, run: Run
) -> TrainRecord:
    """Beside the model, as ``<name>.visitors``, with an alias of its own."""
    version = registry.register(
        visitors_name(store.name),
        run.info.run_id,
        f"{run.info.artifact_uri}/{VISITORS}",
        model_id=visitors.model.id,
        description=f"{visitors.card()}\n"
        f"{card(visitors.model, visitors.train.given, visitors.test.given, visitors.headline)}",
        who=store.who,
    )
    return replace(record, visitors=replace(visitors, version=version))


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


def _params(record: TrainRecord) -> list[Param]:
    data = record.train
    values = {
        **asdict(record.settings.params),
        "seed": record.settings.seed,
        "features": len(data.features),
        "periods": ", ".join(evaluate.horizons(data)),
        "gap": data.task.gap,
        "label_delay": data.task.label_delay,
        "train_from": instant(data.cutoff.min()),
        "train_to": instant(data.cutoff.max()),
        "test_from": instant(record.test.cutoff.min()),
        "test_to": instant(record.test.cutoff.max()),
        "train_rows": len(data.X),
        "test_rows": len(record.test.X),
    }
    return [Param(key, str(value)) for key, value in values.items()]


def _tags(record: TrainRecord, who: str) -> list[RunTag]:
    values = {
        "task": record.model.manifest.task,
        "labels_known_by": instant(record.train.seen),
        "retrospective": str(record.retrospective).lower(),
        "lake_fingerprint": record.train.fingerprint,
        "test_lake_fingerprint": record.test.fingerprint,
        "mlflow.user": who,
    }
    return [RunTag(key, value) for key, value in values.items()]


def _log_metrics(client: MlflowClient, run_id: str, record: TrainRecord) -> None:
    now = get_current_time_millis()
    values = {k: v for k, v in record.headline.items() if isinstance(v, int | float)}
    values |= evaluate.flat(record.detail)
    values |= record.visitors.metrics() if record.visitors else {}
    values |= targeting.of(record.scored, record.test, record.headline.get("horizon"))
    found = [Metric(key, float(value), now, 0) for key, value in values.items()]
    for i in range(0, len(found), _BATCH):
        client.log_batch(run_id, metrics=found[i : i + _BATCH])


def _log_files(client: MlflowClient, run_id: str, record: TrainRecord) -> TrainRecord:
    """The record, its models now with their ids, after bundles, plots and tables were logged."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record = replace(record, model=replace(record.model, id=bundle.save(record.model, folder / BUNDLE)))
        (folder / "plots").mkdir()
        for scored in record.scored:
            plots.draw(scored, record.model.manifest.task, folder / "plots")
        record.detail.to_csv(folder / "metrics.csv", index=False)
        if record.visitors:
            named = replace(record.visitors.model, id=bundle.save(record.visitors.model, folder / VISITORS))
            record.visitors.detail.to_csv(folder / "visitors.csv", index=False)
            record = replace(record, visitors=replace(record.visitors, model=named))
        client.log_artifacts(run_id, str(folder))
    return record
