from pathlib import Path

import mlflow
import numpy as np
import pytest
from known_hazards import known
from mlflow import MlflowClient
from small_models import small_model

from models import bundle
from models.registry import Registry, RegistryError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def uri(store: Path) -> str:
    return f"sqlite:///{store}/mlflow.db"


def registered(uri: str, store: Path, name: str) -> int:
    """The version of a bundle logged by a run of its own."""
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_experiment_by_name(name)
    place = experiment.experiment_id if experiment else client.create_experiment(name, str(store / "artifacts" / name))
    run = client.create_run(place)
    folder = store / run.info.run_id
    model_id = bundle.save(small_model(), folder)
    client.log_artifacts(run.info.run_id, str(folder), "bundle")
    client.set_terminated(run.info.run_id)
    source = f"{run.info.artifact_uri}/bundle"
    return Registry(uri).register(name, run.info.run_id, source, model_id=model_id, description="small", who="ann")


def test_an_empty_store_says_which_command_to_run(uri: str):
    with pytest.raises(RegistryError, match=r"no champion for 'churn' in sqlite:.*: run `tieline train churn` first"):
        Registry(uri).champion("churn")


def test_only_the_first_version_becomes_champion_and_every_change_is_kept(uri: str, store: Path):
    registry = Registry(uri)
    assert registered(uri, store, "churn") == 1
    assert registered(uri, store, "churn") == 2
    version, path = registry.champion("churn")
    assert version == 1
    assert set(bundle.load(path).labels) == {"leaves", "calls"}
    registry.promote("churn", 2, who="bob", why="better on the last month")
    assert registry.champion("churn").version == 2
    registry.promote("churn", 1, who="bob", why="back again")
    changes = [(e.alias, e.who, e.before, e.after) for e in registry.audit("churn")]
    assert changes == [
        ("champion", "ann", None, 1),
        ("challenger", "ann", None, 2),
        ("champion", "bob", 1, 2),
        ("previous", "bob", None, 1),
        ("champion", "bob", 2, 1),
        ("previous", "bob", 1, 2),
    ]


def test_who_answered_before_answers_again_after_a_roll_back(uri: str, store: Path):
    registry = Registry(uri)
    for _ in range(3):
        registered(uri, store, "back")
    with pytest.raises(RegistryError, match="'back' has no previous champion"):
        registry.roll_back("back", who="bob", why="in doubt")
    registry.judge("back", 3, "promoted: no worse than version 1")
    registry.promote("back", 3, who="bob", why="judged")
    found = {v.number: (v.aliases, v.verdict) for v in registry.versions("back")}
    judged = "promoted: no worse than version 1"
    assert found == {3: (("champion",), judged), 2: ((), ""), 1: (("previous",), "")}
    assert registry.roll_back("back", who="eve", why="complaints").after == 1
    assert {v.number: v.aliases for v in registry.versions("back")} == {3: ("previous",), 2: (), 1: ("champion",)}
    assert registry.audit("back")[-2].why == "complaints"


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred")  # of its own code, when it is imported
def test_mlflow_loads_the_champion_as_a_function_and_its_answers_are_the_models(uri: str, store: Path):
    registered(uri, store, "served")
    mlflow.set_tracking_uri(uri)
    served = mlflow.pyfunc.load_model("models:/served@champion")
    rows = known(50).X
    expected = small_model().predict(rows)
    shuffled = rows[rows.columns[::-1]].assign(plan=rows["plan"].astype("str"))
    found = served.predict(shuffled)
    assert found.columns.tolist() == [f"{label}.{end}" for label in expected for end in ("30d", "60d", "90d")]
    np.testing.assert_array_equal(found.to_numpy(), np.column_stack(list(expected.values())))
    assert set(bundle.load(Registry(uri).champion("served").path).labels) == {"leaves", "calls"}
    assert set(served.metadata.get_input_schema().input_names()) == {"pain", "plan", "noise"}


def test_versions_of_a_name_nobody_registered_are_an_error(uri: str):
    with pytest.raises(RegistryError, match="nobody"):
        Registry(uri).versions("nobody")


def test_a_version_that_is_not_there_cannot_be_promoted(uri: str, store: Path):
    registered(uri, store, "needs")
    with pytest.raises(RegistryError, match="'needs' has no version 9"):
        Registry(uri).promote("needs", 9, who="ann", why="typing")
    assert Registry(uri).champion("needs").version == 1
    assert len(Registry(uri).audit("needs")) == 1


def test_files_that_are_not_what_was_registered_are_refused(uri: str, store: Path):
    registered(uri, store, "changed")
    registry = Registry(uri)
    hashes = registry.champion("changed").path / bundle.HASHES
    text = hashes.read_text()
    hashes.write_text(text + " ")
    with pytest.raises(RegistryError, match="not what was registered as 'changed' version 1"):
        registry.champion("changed")
    hashes.unlink()
    with pytest.raises(bundle.BundleError, match="holds no model"):
        registry.champion("changed")
