"""The visitor model: P(is a customer) from those named alone, and what comes given one; tracked beside the task's."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from pairs import FEATURES, dataset

from features.conditions import Event
from features.dataset import EVENT, NO_ENDING, Dataset, Outcome
from features.declare import Label
from features.visitors import NAMED, VisitorData
from models import bundle
from models.hazard import LabelError, Params
from models.registry import Registry
from training import metrics
from training.fit import Settings
from training.run import TrainRecord, train
from training.track import track
from training.visitors import fit_visitors, small, train_visitors

QUICK = Settings(
    params=Params(
        num_leaves=7,
        learning_rate=0.1,
        rounds=40,
        patience=10,
        folds=2,
        num_threads=1,
        min_child_samples=50,
        feature_fraction=0.8,
        lambda_l2=1.0,
    )
)
SHARE = 0.4


def people(n: int, start: int, seen: int, seed: int) -> tuple[VisitorData, np.ndarray]:
    """Visits, of which a customer's are named soon with the chance `SHARE` whatever is known of them; who is one.

    All who look at one plan are customers, of the others one in five: those who come are alike in all else.
    """
    given = dataset(n, start=start, days=60, seen=seen, seed=seed)
    rng = np.random.default_rng(seed)
    sure = (given.X[FEATURES[1].name].astype(str) == "basic").to_numpy()
    customer = sure | (rng.random(n) < 0.2)
    named = customer & (rng.random(n) < SHARE)
    task = replace(
        given.task,
        labels=(Label(NAMED, Event.of("evidence", state="linked")),),
        periods=("1d",),
        label_delay="0s",
    )
    outcome = Outcome(NAMED, np.where(named, EVENT, NO_ENDING).astype(np.int8), np.where(named, 0, -1))
    asked = replace(given, task=task, outcomes=(outcome,))
    return VisitorData(asked, chosen(given, named)), customer


def chosen(data: Dataset, rows: np.ndarray) -> Dataset:
    outcomes = tuple(replace(o, ending=o.ending[rows], after=o.after[rows]) for o in data.outcomes)
    X = data.X[rows].reset_index(drop=True)
    return replace(data, entity=data.entity[rows], cutoff=data.cutoff[rows], X=X, outcomes=outcomes)


TRAIN, _ = people(20_000, start=0, seen=180, seed=1)
TEST, CUSTOMER = people(8_000, start=180, seen=400, seed=2)


@pytest.fixture(scope="module")
def record():
    return train_visitors(TRAIN, TEST, QUICK)


def test_who_is_a_customer_is_told_right_though_nobody_knows_who_is_none(record) -> None:
    spec = record.model.manifest.labels[NAMED]
    assert spec.known_share == pytest.approx(SHARE, abs=0.04)
    p = record.model.predict(TEST.asked.X)[NAMED][:, -1]
    assert metrics.observed_expected(CUSTOMER.astype(int), p) == pytest.approx(1, abs=0.08)
    assert metrics.auc(CUSTOMER.astype(int), p) > 0.85
    assert 0 <= p.min() <= p.max() <= 1


def test_what_is_shown_of_being_named_is_what_can_be_seen(record) -> None:
    row = record.detail.set_index("label").loc[NAMED]
    assert row["events"] == len(TEST.given.X)
    # The share that is ever named is estimated low where some customers look like strangers, and p is cut there.
    assert row["observed_expected"] == pytest.approx(1, abs=0.1)


def test_what_comes_is_calibrated_given_a_customer(record) -> None:
    leaves = record.detail[record.detail.label == "leaves"].set_index("horizon")
    assert leaves.observed_expected.to_numpy() == pytest.approx(1, abs=0.15)
    assert leaves.auc["90d"] > 0.65
    assert record.headline["rows"] == len(TEST.given.X)


def test_base_rates_are_the_mean_of_what_was_said_of_the_training_rows(record) -> None:
    given = record.model.predict(TRAIN.given.X)["leaves"].mean(axis=0)
    base = record.model.manifest.labels
    assert np.array(base["leaves"].base) == pytest.approx(given, rel=0.02)
    assert base[NAMED].base[0] == pytest.approx(record.model.predict(TRAIN.asked.X)[NAMED].mean(), rel=0.02)


def test_nobody_named_is_an_error_that_says_so_and_a_note_of_the_run() -> None:
    nobody = replace(TRAIN, given=chosen(TRAIN.given, np.zeros(len(TRAIN.given.X), bool)))
    with pytest.raises(LabelError, match="of 20,000 and 8,000 visits nobody was soon named"):
        train_visitors(nobody, TEST, QUICK)
    found = train(*datasets(), settings=QUICK, visitors=(nobody, TEST))
    assert found.visitors is None
    assert found.headline["notes"][-1] == "no model of visitors: of 20,000 and 8,000 visits nobody was soon named"


def datasets() -> tuple[Dataset, Dataset]:
    return dataset(3_000, start=0, days=180, seen=180), dataset(1_000, start=180, days=60, seen=400, seed=5)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainRecord, str]:
    home = tmp_path_factory.mktemp("home")
    uri = f"sqlite:///{home}/mlflow.db"
    taught = replace(TRAIN, asked=replace(TRAIN.asked, objected=7))
    found = train(*datasets(), settings=QUICK, visitors=(taught, TEST))
    return track(found, uri, str(home / "mlartifacts"), who="ann"), uri


def test_the_same_run_keeps_both_models_and_their_figures(tracked: tuple[TrainRecord, str]) -> None:
    found, uri = tracked
    run = MlflowClient(tracking_uri=uri).get_run(found.run_id)
    assert run.data.metrics["visitor.auc"] == pytest.approx(found.visitors.headline["auc"])
    assert "visitor.named.1d.observed_expected" in run.data.metrics
    assert not [name for name in run.data.metrics if NAMED in name], "none may be read as 'is a customer'"
    assert "visitor.leaves.90d.auc" in run.data.metrics
    summary = json.loads(json.dumps(found.summary(), allow_nan=False))
    assert summary["visitors"]["known_share"] == pytest.approx(SHARE, abs=0.04)
    assert (summary["model_version"], summary["visitors"]["model_version"]) == (1, 1)
    assert summary["visitors"]["model_id"] != summary["model_id"]


def test_the_registered_visitor_model_scores_as_the_fitted_one(tracked: tuple[TrainRecord, str]) -> None:
    found, uri = tracked
    version, path = Registry(uri).champion("churn.visitors")
    loaded = bundle.load(path, expected=found.visitors.model.id)
    assert version == 1
    assert loaded.labels == ("leaves", NAMED)
    for label, curve in found.visitors.model.predict(TEST.asked.X).items():
        assert np.array_equal(loaded.predict(TEST.asked.X)[label], curve)
    assert loaded.predict(TEST.asked.X)[NAMED].shape[1] == 1


def test_the_card_says_what_the_figures_are_given_and_who_was_left_out(tracked: tuple[TrainRecord, str]) -> None:
    found, uri = tracked
    told = MlflowClient(tracking_uri=uri).get_model_version("churn.visitors", "1").description
    share = found.visitors.model.manifest.labels[NAMED].known_share
    for words in (
        "reads a key's own facts alone",
        "`leaves`: given that the visitor is a customer",
        f"learned from the {len(TRAIN.given.X):,} visits",
        f"named within 1d, divided by c = {share:.3f}",
        f"learned from {len(TRAIN.asked.X):,} visits",
        "objects to profiling: 7 visits to learn from, 0 to test on",
    ):
        assert words in told


def test_a_changed_share_is_a_changed_file(tracked: tuple[TrainRecord, str], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    bundle.save(tracked[0].visitors.model, folder)
    text = (folder / bundle.MANIFEST).read_text()
    (folder / bundle.MANIFEST).write_text(text.replace('"known_share": 1.0', '"known_share": 0.9'))
    with pytest.raises(bundle.BundleError, match="was changed"):
        bundle.load(folder)


def test_the_task_itself_is_fitted_as_without_visitors(tracked: tuple[TrainRecord, str]) -> None:
    alone = train(*datasets(), settings=QUICK).model
    X = datasets()[1].X
    assert np.array_equal(alone.predict(X)["leaves"], tracked[0].model.predict(X)["leaves"])


def test_the_same_seed_gives_the_same_visitor_model(record) -> None:
    again = fit_visitors(TRAIN, replace(QUICK, params=small(QUICK.params)))
    assert again.manifest == record.model.manifest
    assert pd.Series(again.predict(TEST.asked.X)[NAMED][:, 0]).equals(
        pd.Series(record.model.predict(TEST.asked.X)[NAMED][:, 0])
    )
