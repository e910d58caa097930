import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.registry import Registry, RegistryError
from training.store import open_store, user


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def test_whoever_comes_second_finds_what_the_first_one_made(uri: str, tmp_path: Path):
    open_store(uri, str(tmp_path), "warm", who="ann")
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda who: open_store(uri, str(tmp_path), "churn", who=who), ["ann", "bob", "cyd", "di"])
        )
    assert len({store.experiment for store in found}) == 1
    assert [store.who for store in found] == ["ann", "bob", "cyd", "di"]


def test_a_server_that_is_not_there_is_said_at_once_and_without_its_password(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: whoever connects is refused
        begun = time.monotonic()
        with pytest.raises(RegistryError, match=r"http://ann:\*\*\*@127\.0\.0\.1:\d+ does not answer"):
            open_store(f"http://ann:secret@127.0.0.1:{taken.getsockname()[1]}", str(tmp_path), "churn")
    assert time.monotonic() - begun < 15


def test_a_store_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("this is no database, only a text of some length" * 50)
    with pytest.raises(RegistryError, match=r"the model store sqlite:.*mlflow\.db refuses"):
        open_store(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path), "churn")


def test_a_deleted_experiment_says_how_to_get_it_back(uri: str, tmp_path: Path):
    store = open_store(uri, str(tmp_path), "gone")
    store.client.delete_experiment(store.experiment)
    with pytest.raises(RegistryError, match="'gone' was deleted: restore it"):
        open_store(uri, str(tmp_path), "gone")


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54_321)
    assert user() == "uid-54321"


def test_a_registered_name_that_is_there_already_is_no_error(uri: str, tmp_path: Path):
    store = open_store(uri, str(tmp_path), "there")
    store.client.create_registered_model("there")
    run = store.client.create_run(store.experiment)
    source = f"{run.info.artifact_uri}/bundle"
    assert Registry(uri).register("there", run.info.run_id, source, model_id="m", description="d", who="ann") == 1
