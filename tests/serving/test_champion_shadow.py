"""A challenger in the shadow: compared on what the champion answered, harmless whatever happens to it."""

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from champion_models import READS, Store, a_store, flipped, following, tiny, until
from hypothesis import given
from hypothesis import strategies as st
from known_hazards import known

from serving.champion import Champion, Champions, Comparison, Offered, Shadow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def store(folder: Path) -> Store:
    return a_store(folder)


@pytest.fixture(scope="module")
def champions() -> Champions:
    return with_challenger(2, 0.7)


def with_challenger(version: int, shift: float) -> Champions:
    churn, needs = Champion(1, tiny("churn")), Champion(1, tiny("needs"))
    return Champions(churn, needs, {}, {"churn": Champion(version, tiny("churn", shift=shift))})


def rows(n: int) -> pd.DataFrame:
    return known(n).X.rename(columns=READS[False]).assign(unread=1.0)


def offered(champions: Champions, X: pd.DataFrame) -> list[Offered]:
    model = champions.churn.model
    risks = model.predict(X[list(model.features)])["leaves"][:, -1]
    return [Offered(champions, "churn", X.iloc[[k]], {"leaves": float(risk)}) for k, risk in enumerate(risks)]


def scored(shadow: Shadow) -> int:
    found = shadow.snapshot()
    return sum(c.count for c in found.comparisons) + found.failed


def compared(items: list[Offered], before: int = 0) -> tuple[Comparison, ...]:
    """What a shadow says of items of which ``before`` are offered before it starts, so that batches differ."""
    shadow = Shadow()
    taken = [shadow.offer(item) for item in items[:before]]
    shadow.start()
    try:
        taken += [shadow.offer(item) for item in items[before:]]
        until(lambda: scored(shadow) == len(items))
    finally:
        shadow.stop()
    assert all(taken)
    return shadow.snapshot().comparisons


@pytest.mark.parametrize("before", [0, 150])
def test_the_figures_are_those_of_all_rows_at_once(champions: Champions, before: int) -> None:
    X = rows(150)
    [found] = compared(offered(champions, X), before)
    champion, challenger = champions.churn.model, champions.challengers["churn"].model
    x, y = (m.predict(X[list(m.features)])["leaves"][:, -1] for m in (champion, challenger))
    assert (found.task, found.label, found.champion, found.challenger, found.count) == ("churn", "leaves", 1, 2, 150)
    assert found.difference == pytest.approx(np.abs(x - y).mean())
    assert found.correlation == pytest.approx(np.corrcoef(x, y)[0, 1])
    bands = [champion.band("leaves", a) != challenger.band("leaves", b) for a, b in zip(x, y, strict=True)]
    assert found.moved == pytest.approx(np.mean(bands))
    assert 0 < found.moved < 1


@given(risks=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_figures_stay_within_their_bounds(risks: list[float]) -> None:
    champions = with_challenger(2, 0.7)
    X = rows(len(risks))
    items = [Offered(champions, "churn", X.iloc[[k]], {"leaves": risk}) for k, risk in enumerate(risks)]
    [found] = compared(items)
    assert 0 <= found.difference <= 1
    assert 0 <= found.moved <= 1
    assert found.correlation is None or -1 <= found.correlation <= 1


def test_a_full_queue_drops_at_once_and_counts(champions: Champions) -> None:
    shadow = Shadow(size=5)
    taken = [shadow.offer(item) for item in offered(champions, rows(8))]
    assert taken == [True] * 5 + [False] * 3
    assert (shadow.snapshot().offered, shadow.snapshot().dropped) == (5, 3)


def test_what_has_no_challenger_is_not_taken(champions: Champions) -> None:
    shadow = Shadow()
    assert not shadow.offer(Offered(champions, "needs", rows(1), {}))
    assert shadow.snapshot().offered == 0


def test_an_item_that_cannot_be_scored_harms_no_other(champions: Champions) -> None:
    good, bad = offered(champions, rows(2))

    def broken() -> pd.DataFrame:
        raise RuntimeError("no such row")

    shadow = Shadow()
    lacking = Offered(champions, "churn", rows(1)[["unread"]], {"leaves": 0.5})
    for item in (lacking, Offered(champions, "churn", broken, {"leaves": 0.5}), good, bad):
        shadow.offer(item)
    shadow.start()
    until(lambda: scored(shadow) == 4)
    shadow.stop()
    assert (shadow.snapshot().failed, shadow.snapshot().comparisons[0].count) == (2, 2)
    assert shadow.snapshot().error == "RuntimeError: no such row"


def test_another_challenger_begins_anew_and_rows_may_be_made_late(champions: Champions) -> None:
    newer = with_challenger(3, 0.0)
    late = [Offered(i.champions, i.task, lambda row=i.row: row, i.risks) for i in offered(newer, rows(20))]
    found = {c.challenger: c for c in compared([*offered(champions, rows(30)), *late])}
    assert (found[2].count, found[3].count) == (30, 20)
    assert found[2].difference > 0.01
    assert found[3].difference == pytest.approx(0, abs=1e-12)
    assert found[3].correlation == pytest.approx(1)


def test_the_challenger_follows_its_alias(store: Store) -> None:
    with following(store.source(shadow=True)) as follower, following(store.source()) as without:
        assert follower.current.challengers == {}
        store.add("churn", tiny("churn", shift=0.7))
        until(lambda: follower.status().challengers == {"churn": 2})
        assert follower.status().versions["churn"] == 1
        store.promote("churn", 2)
        until(lambda: follower.status().versions["churn"] == 2 and not follower.status().challengers)
        until(lambda: without.status().versions["churn"] == 2)
        assert without.status().swaps == 1, "without a shadow a challenger changes nothing"


@pytest.mark.parametrize(
    ("broken", "words"),
    [("bytes", "was changed"), ("feature", "shoe_size"), ("horizon", "tells of other outcomes"), ("warm", "says no")],
)
def test_a_challenger_that_fails_harms_no_champion(store: Store, broken: str, words: str) -> None:
    feature = "shoe_size" if broken == "feature" else None
    store.add("needs", tiny("needs", shift=0.3))
    store.promote("needs", 2)
    store.add("churn", tiny("churn", 0.7, 120 if broken == "horizon" else 90, feature))
    if broken == "bytes":
        flipped(store.bundle("churn", 2) / "booster_leaves.txt")

    def warm(champions: Champions) -> None:
        if broken == "warm" and champions.challengers:
            raise ValueError("the kernel says no")

    with following(store.source(shadow=True), warm) as follower:
        for needs in (2, 1, 2):
            store.promote("needs", needs)
            until(lambda needs=needs: follower.status().versions["needs"] == needs)
            until(lambda: follower.status().trouble)
            status = follower.status()
            assert words in str(status.trouble)
            assert (status.error, status.stale, status.challengers) == (None, False, {})
        assert status.swaps == 2


def test_a_stopped_shadow_leaves_no_thread(champions: Champions) -> None:
    shadow = Shadow(size=2)
    for item in offered(champions, rows(2)):
        shadow.offer(item)
    shadow.start()
    shadow.stop()
    assert "shadow" not in {thread.name for thread in threading.enumerate()}
