"""The models that answer follow the registry: whole sets only, and the last good one whatever goes wrong."""

import threading
import time
from pathlib import Path

import pytest
from champion_models import ACTIONS, BOTH, FIRST, QUICK, WORKSPACE, Store, a_store, flipped, following, tiny, until

from models.bundle import MANIFEST
from serving.champion import Champions, Follower, Look, Source
from serving.champion.source import Loaded
from serving.errors import StartError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def store(folder: Path) -> Store:
    return a_store(folder)


def test_fifty_swaps_show_every_reader_one_whole_warm_set(store: Store, tmp_path: Path) -> None:
    store.add_pair()
    warmed: set[int] = set()

    def warm(champions: Champions) -> int:
        warmed.add(id(champions))
        return champions.churn.version

    with following(store.source(tmp_path / "home"), warm) as follower:
        wrong: list[object] = []
        reads = [0, 0]
        done = threading.Event()

        def read(k: int) -> None:
            while not done.is_set():
                champions, prepared, _ = follower.serving
                churn, visitors = champions.churn, champions.visitors["churn"]
                whole = churn.version == visitors.version == prepared and churn.model.edges == visitors.model.edges
                if not whole or id(champions) not in warmed:
                    wrong.append(champions.versions)
                reads[k] += 1
                time.sleep(0.0002)

        readers = [threading.Thread(target=read, args=(k,)) for k in range(2)]
        for reader in readers:
            reader.start()
        needs = follower.current.needs
        for k in range(50):
            version = 2 - k % 2
            store.promote_pair(version)
            until(lambda version=version: follower.current.churn.version == version)
        done.set()
        for reader in readers:
            reader.join()
        status = follower.status()
        assert follower.current.needs is needs, "a model that did not change was loaded again"
    assert not wrong
    assert min(reads) > 50
    assert (status.swaps, status.stale, status.error, status.trouble) == (50, False, None, None)


def test_half_a_promotion_is_not_served_and_the_status_says_why(store: Store) -> None:
    store.add_pair()
    with following(store.source()) as follower:
        store.promote("churn", 2)
        until(lambda: follower.status().stale)
        status = follower.status()
        assert "are not about the same outcomes" in str(status.error)
        assert status.versions == FIRST
        assert status.wanted == {**FIRST, "churn": 2}
        store.promote("churn.visitors", 2)
        until(lambda: follower.status().versions == BOTH)
        status = follower.status()
        assert (status.stale, status.error) == (False, None)
        assert status.models["churn"] == follower.current.churn.model.id


def test_a_changed_file_leaves_the_last_good_models_until_it_is_whole_again(store: Store, tmp_path: Path) -> None:
    store.add_pair()
    with following(store.source(tmp_path / "home")) as follower:
        before = follower.serving
        booster = store.bundle("churn", 2) / "booster_leaves.txt"
        original = booster.read_bytes()
        flipped(booster)
        store.promote_pair(2)
        until(lambda: follower.status().error)
        status = follower.status()
        assert "booster_leaves.txt was changed" in str(status.error)
        assert status.stale
        assert follower.serving is before
        booster.write_bytes(original)
        until(lambda: follower.current.churn.version == 2)
        assert not follower.status().stale


def test_going_back_to_what_is_served_ends_the_complaint(store: Store) -> None:
    store.add_pair()
    flipped(store.bundle("churn", 2) / "booster_leaves.txt")
    with following(store.source()) as follower:
        before = follower.serving
        store.promote("churn", 2)
        until(lambda: follower.status().stale)
        store.promote("churn", 1)
        until(lambda: not follower.status().stale)
        assert follower.serving is before
        assert follower.status().error is None


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("feature", "reads the feature 'shoe_size', which this workspace does not declare"),
        ("format", "has format 99"),
        ("gone", "version 2"),
        ("warm", "the kernel says no"),
    ],
)
def test_what_cannot_serve_is_refused_in_words(store: Store, broken: str, words: str) -> None:
    model = tiny("needs", shift=0.3, feature="shoe_size" if broken == "feature" else None)
    if broken == "format":
        model = type(model)(model.manifest.model_copy(update={"format": 99}), model.hazards)
    store.add("needs", model)
    if broken == "gone":
        folder = store.bundle("needs", 2)
        folder.rename(folder.with_name("elsewhere"))

    def warm(champions: Champions) -> None:
        if broken == "warm" and champions.needs.version == 2:
            raise ValueError("the kernel says no")

    with following(store.source(), warm) as follower:
        store.promote("needs", 2)
        until(lambda: follower.status().error)
        assert words in str(follower.status().error)
        assert (follower.status().stale, follower.current.needs.version) == (True, 1)


class Counting(Source):
    """A source that remembers which looks it loaded and how often it looked."""

    loaded: list[Look]
    looks: int

    def look(self) -> Look:
        vars(self)["looks"] = vars(self).get("looks", 0) + 1
        return super().look()

    def load(self, look: Look, known: Champions | None = None) -> Loaded:
        vars(self).setdefault("loaded", []).append(look)
        return super().load(look, known)


def test_a_broken_version_is_tried_ever_more_rarely_and_a_new_one_at_once(store: Store) -> None:
    for shift in (0.3, 0.6):
        store.add("needs", tiny("needs", shift=shift))
    flipped(store.bundle("needs", 2) / MANIFEST)
    source = Counting(store.uri, store.workspace, ACTIONS)
    with following(source) as follower:
        store.promote("needs", 2)
        until(lambda: follower.status().stale)
        looks = source.looks
        until(lambda: source.looks > looks + 40)
        tries = [look.champions["needs"].version for look in source.loaded].count(2)
        assert 2 <= tries <= 8
        store.promote("needs", 3)
        at = source.looks
        until(lambda: follower.current.needs.version == 3)
        assert source.looks <= at + 3


def test_without_its_registry_it_goes_on_says_so_and_follows_again_later(store: Store) -> None:
    store.add_pair()
    with following(store.source(), patience=0.3) as follower:
        until(lambda: follower.status().looked)
        assert not follower.status().stale
        with store.away():
            until(lambda: follower.status().error)
            assert "there is no model store at" in str(follower.status().error)
            until(lambda: follower.status().stale)
            assert follower.status().versions == FIRST
            assert not store.file.exists(), "asking made an empty store"
        until(lambda: not follower.status().stale)
        store.promote_pair(2)
        until(lambda: follower.status().versions == BOTH)


def test_a_champion_that_is_no_more_leaves_the_last_one(store: Store) -> None:
    with following(store.source()) as follower:
        store.client.delete_registered_model_alias(store.workspace.model_name("needs"), "champion")
        until(lambda: follower.status().error)
        assert f"no champion for '{store.workspace.name}.needs'" in str(follower.status().error)
        assert follower.status().versions == FIRST


def test_what_cannot_be_warmed_at_first_is_an_error_of_the_start(store: Store) -> None:
    def warm(champions: Champions) -> None:
        raise ValueError("the kernel says no")

    follower: Follower[None] = Follower.open(store.source())
    with pytest.raises(ValueError, match="the kernel says no"):
        follower.start(warm)
    follower.stop()


def test_after_a_stop_nobody_follows(store: Store) -> None:
    store.add_pair()
    others = set(threading.enumerate())  # a service of another test may follow its own registry
    with following(store.source()) as follower:
        assert "champions" in {thread.name for thread in set(threading.enumerate()) - others}
    store.promote_pair(2)
    time.sleep(5 * QUICK)
    assert follower.status().versions == FIRST
    assert "champions" not in {thread.name for thread in set(threading.enumerate()) - others}


@pytest.mark.parametrize("uri", ["postgresql+psycopg://tie:hidden@127.0.0.1:9/models", "http://tie:hidden@127.0.0.1:9"])
def test_an_unreachable_registry_stops_a_first_start_soon_and_without_a_password(uri: str) -> None:
    began = time.monotonic()
    with pytest.raises(StartError) as raised:
        Follower.open(Source(uri, WORKSPACE, ACTIONS))
    assert "hidden" not in str(raised.value)
    assert "127.0.0.1" in str(raised.value)
    assert time.monotonic() - began < 15


def test_a_store_named_by_an_address_of_sqlites_own_is_found_and_its_password_is_not_shown(store: Store) -> None:
    uri = f"sqlite+pysqlite:///file:{store.file}?uri=true&password=hidden"
    source = Source(uri, store.workspace, ACTIONS)
    assert Follower.open(source).status().versions == FIRST
    store.client.delete_registered_model_alias(store.workspace.model_name("churn"), "champion")
    with pytest.raises(StartError, match=r"password=\*\*\*") as raised:
        Follower.open(source)
    assert "hidden" not in str(raised.value)
