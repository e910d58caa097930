import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from pairs import DAY, dataset

from models import bundle
from models.hazard import Params
from models.registry import Registry, RegistryError
from training.fit import Settings
from training.run import TrainError, TrainRecord, train
from training.track import track

QUICK = Params(num_leaves=7, learning_rate=0.1, rounds=40, patience=10, folds=2, num_threads=1)
TRAIN = dataset(3_000, start=0, days=180, seen=180, labels=2)
TEST = dataset(1_000, start=180, days=60, seen=400, seed=5, labels=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def uri(home: Path) -> str:
    return f"sqlite:///{home}/mlflow.db"


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def tracked(home: Path, uri: str, said: list[str]) -> TrainRecord:
    record = train(TRAIN, TEST, settings=Settings(params=QUICK, progress=said.append), train_to=180 * DAY)
    return track(record, uri, str(home / "mlartifacts"), who="ann")


def test_a_run_keeps_what_a_reviewer_needs(tracked: TrainRecord, uri: str, home: Path):
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(tracked.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["learning_rate"] == "0.1"
    assert run.data.params["train_rows"] == "3000"
    assert run.data.tags["lake_fingerprint"] == "lake-0"
    assert run.data.tags["labels_known_by"] == "1970-06-30T00:00:00+00:00"
    assert run.data.tags["retrospective"] == "false"
    assert run.data.metrics["auc"] == tracked.headline["auc"]
    assert run.data.metrics["calls.30d.brier"] == pytest.approx(
        tracked.detail.set_index(["label", "horizon"]).brier["calls", "30d"]
    )
    plots = {f.path for f in client.list_artifacts(tracked.run_id, "plots")}
    assert plots == {f"plots/{label}_{h}.png" for label in ("leaves", "calls") for h in ("30d", "60d", "90d")}
    assert str(home / "mlartifacts") in run.info.artifact_uri


def test_the_registered_bundle_scores_as_the_fitted_model(tracked: TrainRecord, uri: str):
    version, path = Registry(uri).champion("churn")
    assert (version, tracked.version, tracked.champion) == (1, 1, True)
    loaded = bundle.load(path, expected=tracked.model.id)
    for label, curve in tracked.model.predict(TEST.X).items():
        assert np.array_equal(loaded.predict(TEST.X)[label], curve)


def test_the_version_carries_a_model_card(tracked: TrainRecord, uri: str):
    card = MlflowClient(tracking_uri=uri).get_model_version("churn", "1").description
    assert "Trained on 3,000 cutoffs" in card
    assert "AUC 0." in card
    assert "lake-0" in card


def test_a_second_run_does_not_take_the_alias_and_a_later_label_marks_it(tracked: TrainRecord, uri: str, home: Path):
    again = train(dataset(3_000, 0, 180, seen=400), TEST_ONE, settings=Settings(params=QUICK), train_to=180 * DAY)
    again = track(again, uri, str(home / "mlartifacts"), who="ann")
    assert (again.version, again.champion, again.retrospective) == (2, False, True)
    assert Registry(uri).champion("churn").version == 1
    assert MlflowClient(tracking_uri=uri).get_run(again.run_id).data.tags["retrospective"] == "true"


TEST_ONE = dataset(1_000, start=180, days=60, seen=400, seed=5)


def test_the_summary_is_json_with_the_promised_figures(tracked: TrainRecord):
    summary = json.loads(json.dumps(tracked.summary(), allow_nan=False))
    assert {"auc", "average_precision", "brier", "calibration_error", "rows"} <= summary.keys()
    assert summary["rows"] == 1_000
    assert summary["labels"] == 2
    assert (summary["run_id"], summary["model_version"]) == (tracked.run_id, 1)
    assert [(d["label"], d["horizon"]) for d in summary["detail"]][:2] == [("leaves", "30d"), ("leaves", "60d")]


def test_progress_is_told_to_whoever_listens(tracked: TrainRecord, said: list[str]):
    assert said[0] == "fitting 'leaves' (1 of 2) on 3,000 rows"
    assert said[-1] == "registered 'churn' version 1, champion"


def test_a_run_that_breaks_off_is_marked_as_failed(uri: str, home: Path, tracked: TrainRecord):
    blocked = home / "blocked"
    blocked.write_text("a file where a folder is needed")
    client = MlflowClient(tracking_uri=uri)
    client.create_experiment("blocked", artifact_location=str(blocked))
    with pytest.raises(OSError, match="blocked"):
        track(tracked, uri, str(home / "mlartifacts"), who="ann", name="blocked")
    runs = client.search_runs([client.get_experiment_by_name("blocked").experiment_id])
    assert [r.info.status for r in runs] == ["FAILED"]


def test_a_test_that_is_not_later_is_refused():
    with pytest.raises(TrainError, match=r"test cutoffs begin at .* not after the last train cutoff"):
        train(TRAIN, dataset(100, start=100, days=60, seen=400, labels=2))


def test_an_empty_window_is_refused():
    with pytest.raises(TrainError, match="no test cutoffs in the window"):
        train(TRAIN, dataset(0, start=180, days=60, seen=400, labels=2))


def test_a_run_that_breaks_while_registering_is_marked_as_failed(uri: str, home: Path, tracked: TrainRecord):
    with pytest.raises(RegistryError, match=r"model store sqlite:.* refuses: .*no:such/name"):
        track(tracked, uri, str(home / "mlartifacts"), who="ann", name="no:such/name")
    client = MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("no:such/name").experiment_id])
    assert [r.info.status for r in runs] == ["FAILED"]
