"""A start without the registry: the models that were served last are kept at home, whole or not at all."""

import json
from pathlib import Path

import pytest
from champion_models import BOTH, FIRST, QUICK, Store, a_store, flipped, following, until

from serving.champion import Follower
from serving.errors import StartError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def store(folder: Path) -> Store:
    return a_store(folder)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def kept(home: Path) -> Path:
    [folder] = (home / "champions").iterdir()
    return folder


def has_list(home: Path) -> bool:
    return any((home / "champions").glob("*/last.json"))


def serve_both(store: Store, home: Path) -> None:
    """Serve the first set and then the second."""
    store.add_pair()
    with following(store.source(home)) as follower:
        until(lambda: has_list(home))
        store.promote_pair(2)
        until(lambda: len(_sets(home)) == 2)
        assert follower.status().trouble is None


def _sets(home: Path) -> list[dict[str, int]]:
    last = json.loads((kept(home) / "last.json").read_text())
    return [{name: model["version"] for name, model in found.items()} for found in last["sets"]]


def test_a_start_without_the_registry_serves_what_was_served_last_and_says_so(store: Store, home: Path) -> None:
    serve_both(store, home)
    with store.away():
        follower: Follower[None] = Follower.open(store.source(home), every=QUICK)
        status = follower.status()
        assert status.versions == BOTH
        assert (status.stale, status.looked) == (True, None)
        assert "there is no model store" in str(status.error)
    follower.start(lambda champions: None)
    try:
        until(lambda: not follower.status().stale)
        assert follower.status().error is None
        store.promote_pair(1)
        until(lambda: follower.status().versions == FIRST)
    finally:
        follower.stop()


def test_a_restart_beside_a_broken_champion_serves_what_ran_before(store: Store, home: Path) -> None:
    store.add_pair()
    with following(store.source(home)):
        until(lambda: has_list(home))
    flipped(store.bundle("churn", 2) / "booster_leaves.txt")
    store.promote_pair(2)
    with following(store.source(home)) as follower:
        until(lambda: follower.status().looked)
        status = follower.status()
        assert (status.versions, status.stale, status.wanted) == (FIRST, True, BOTH)


def test_without_copies_the_start_says_what_to_run(store: Store, home: Path) -> None:
    words = (
        r"there is no model store at .*: run `tieline train churn --workspace .*` and `tieline train needs .*` first"
    )
    with store.away(), pytest.raises(StartError, match=words):
        Follower.open(store.source(home))
    assert not home.exists()


def test_a_copy_that_was_changed_is_not_served_but_the_set_before_it(store: Store, home: Path) -> None:
    serve_both(store, home)
    newest = json.loads((kept(home) / "last.json").read_text())["sets"][0]
    with store.away():
        flipped(kept(home) / newest["churn"]["model_id"] / "booster_leaves.txt")
        assert Follower.open(store.source(home)).status().versions == FIRST
        flipped(kept(home) / newest["needs"]["model_id"] / "model.json")
        with pytest.raises(StartError, match="there is no model store"):
            Follower.open(store.source(home))


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": 1, "sets": [{"churn": {"version": 1, "model_id": "../.."}}]}']
)
def test_a_list_that_is_none_is_as_good_as_no_list(store: Store, home: Path, content: str) -> None:
    folder = home / "champions" / store.workspace.name
    folder.mkdir(parents=True)
    (folder / "last.json").write_text(content)
    with store.away(), pytest.raises(StartError, match="there is no model store"):
        Follower.open(store.source(home))


def test_only_the_present_set_and_the_one_before_are_kept(store: Store, home: Path) -> None:
    store.add_pair(120)
    store.add_pair(150)
    with following(store.source(home)) as follower:
        for version in (2, 3):
            store.promote_pair(version)
            until(lambda version=version: follower.current.churn.version == version)
        until(lambda: _sets(home) == [{**FIRST, "churn": 3, "churn.visitors": 3}, BOTH])
        ids = {m["model_id"] for s in json.loads((kept(home) / "last.json").read_text())["sets"] for m in s.values()}
        until(lambda: {path.name for path in kept(home).iterdir()} == {*ids, "last.json"})


def test_a_copy_that_was_changed_is_made_anew(store: Store, home: Path) -> None:
    with following(store.source(home)) as follower:
        until(lambda: has_list(home))
        copy = kept(home) / follower.current.churn.model.id
    flipped(copy / "model.json")
    source = store.source(home)
    with following(source):
        assert source.copies is not None
        until(lambda: source.copies.has(copy.name))
    with store.away():
        assert Follower.open(store.source(home)).status().versions == FIRST


def test_a_home_that_takes_no_copies_harms_no_answer(store: Store, home: Path) -> None:
    home.mkdir()
    (home / "champions").write_text("in the way")
    store.add_pair()
    with following(store.source(home)) as follower:
        store.promote_pair(2)
        until(lambda: follower.status().versions == BOTH)
        until(lambda: follower.status().trouble)
        status = follower.status()
        assert "no copy is kept" in str(status.trouble)
        assert (status.error, status.stale) == (None, False)
        (home / "champions").unlink()
        until(lambda: not follower.status().trouble)
    assert _sets(home)[0] == BOTH


def test_models_that_vanish_under_a_running_service_are_not_missed(store: Store, home: Path) -> None:
    with following(store.source(home)) as follower:
        until(lambda: has_list(home))
        for name in ("churn", "needs"):
            folder = store.bundle(name, 1)
            folder.rename(folder.with_name("gone"))
        time_of = follower.status().looked
        until(lambda: follower.status().looked != time_of)
        assert (follower.status().stale, follower.status().versions) == (False, FIRST)
    assert Follower.open(store.source(home)).status().versions == FIRST
