"""A training run in MLflow: everything a reviewer looks at, and the registered version it becomes."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis

from models import bundle
from models.registry import CHAMPION, Registry, speaking, visitors_name
from training import evaluate, inputs, plots, review_plots, slices, targeting
from training.card import card, visitors_card
from training.code import code_tags
from training.fit import instant
from training.review import Review
from training.run import TrainRecord
from training.store import Store, open_store
from training.visitors import VisitorRecord

BUNDLE, VISITORS = "bundle", "visitors"
_BATCH = 500
_LONGEST_TAG = 4_000


def track(
    record: TrainRecord,
    uri: str,
    artifacts: str,
    *,
    who: str | None = None,
    name: str | None = None,
    review: Review | None = None,
) -> TrainRecord:
    """The record with its MLflow run, registered version and whether that became the champion.

    ``uri`` is the tracking store, ``artifacts`` the root of the artifacts of a new experiment, ``name`` the registered
    model (by default the task's name). A run that breaks off, up to its registration, is marked as failed.
    """
    return keep(record, open_store(uri, artifacts, name or record.model.manifest.task, who=who), review)


def keep(
    record: TrainRecord, store: Store, review: Review | None = None, tags: Mapping[str, str] | None = None
) -> TrainRecord:
    """As `track`, in a store that was opened before the work began; `RegistryError` when it refuses.

    ``tags`` stand on the run from its first moment. With a ``review`` its tables, pictures and verdict are kept too.
    """
    record.settings.progress(f"{store.name}: tracking in MLflow")
    with speaking(store.uri):
        name = f"{store.name} {instant(record.train.seen)}"
        run = store.client.create_run(store.experiment, run_name=name, tags=dict(tags or {}))
        try:
            record = _register(record, store, run, review)
        except BaseException:
            with suppress(MlflowException):
                store.client.set_terminated(run.info.run_id, status="FAILED")
            raise
        store.client.set_terminated(run.info.run_id)
    record.settings.progress(
        f"registered '{store.name}' version {record.version}{f', {CHAMPION}' if record.champion else ''}"
    )
    return record


def _register(record: TrainRecord, store: Store, run: Run, review: Review | None) -> TrainRecord:
    run_id = run.info.run_id
    said = card(record, review)
    store.client.log_batch(run_id, params=_params(record), tags=_tags(record, store.who, review, said))
    inputs.log(store.client, run_id, record)
    _log_metrics(store.client, run_id, record, review)
    record = _log_files(store.client, run_id, record, review)
    registry = Registry(store.uri)
    version = registry.register(
        store.name,
        run_id,
        f"{run.info.artifact_uri}/{BUNDLE}",
        model_id=record.model.id,
        description=said,
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
        description=visitors_card(visitors),
        who=store.who,
    )
    return replace(record, visitors=replace(visitors, version=version))


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


def _tags(record: TrainRecord, who: str, review: Review | None, said: str) -> list[RunTag]:
    values = {
        "task": record.model.manifest.task,
        "labels_known_by": instant(record.train.seen),
        "retrospective": str(record.retrospective).lower(),
        "lake_fingerprint": record.train.fingerprint,
        "test_lake_fingerprint": record.test.fingerprint,
        "mlflow.user": who,
        "mlflow.note.content": said,
        **code_tags(),
    }
    if review is not None:
        values["verdict"] = review.verdict.words[:_LONGEST_TAG]
    return [RunTag(key, value) for key, value in values.items()]


def _log_metrics(client: MlflowClient, run_id: str, record: TrainRecord, review: Review | None) -> None:
    now = get_current_time_millis()
    values = {k: v for k, v in record.headline.items() if isinstance(v, int | float)}
    values |= evaluate.flat(record.detail)
    values |= record.visitors.metrics() if record.visitors else {}
    values |= targeting.of(record.scored, record.test, record.headline.get("horizon"))
    values |= review.figures() if review else {}
    found = [Metric(key, float(value), now, 0) for key, value in values.items()]
    for i in range(0, len(found), _BATCH):
        client.log_batch(run_id, metrics=found[i : i + _BATCH])


def _log_files(client: MlflowClient, run_id: str, record: TrainRecord, review: Review | None) -> TrainRecord:
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
        if review:
            _log_review(review, folder)
        client.log_artifacts(run_id, str(folder))
    return record


def _log_review(review: Review, folder: Path) -> None:
    """Tables and pictures of a review, beside those of the record."""
    review.beside.to_csv(folder / "beside.csv", index=False)
    parts = [slices.frame(found).assign(label=label) for label, found in review.slices.items() if found]
    if parts:
        pd.concat(parts, ignore_index=True).to_csv(folder / "slices.csv", index=False)
    (folder / "verdict.json").write_text(json.dumps([asdict(c) for c in review.verdict.checks], indent=1) + "\n")
    review_plots.draw_beside(review.beside, folder / "plots" / "beside.png")
    review_plots.draw_slices(review.slices, folder / "plots")
    for part in review.parts:
        for name, table in part.tables.items():
            table.to_csv(folder / f"{name}.csv", index=False)
        part.draw(folder / "plots")
