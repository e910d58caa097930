"""A store filled from a lake knows what the lake knows, also when it was cut off, or filled again from more of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Place, Places
from growing import CACHES, Growing
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from sqlalchemy import Table, func, select
from world_lakes import arrivals, as_kept, write
from worlds import CATALOG, LINKS, MINUTE, TYPES, worlds

from features.history import History
from features.lake import Lake
from serving.live import load, schema
from serving.live.known import Known
from serving.live.store import Store, StoreError

CUSTOMERS, NAMING = (1, 2), {1: "customer", 11: "line", 21: "cookie"}
ROWS = (schema.KEYS, schema.FACTS, schema.EVIDENCE)
COVERED = dict.fromkeys(("journey", "faults", "profile"), ((-60 * MINUTE, 80 * MINUTE),))


def filled(store: Store, lake: Lake, progress: load.Progress | None = None) -> load.Loaded:
    return load.load(store, lake, CATALOG, "customer", now=lambda end: 90 * MINUTE, progress=progress)


def touch(name: str, key: int, known: int, **more) -> Fact:
    values = {"phase": "ask", "channel": "web", "topic": f"topic of {name}", "value": 0.3}
    return replace(Fact(name, key, 40 * MINUTE, known * MINUTE, False, values), **more)


def says(name: str, key: int, other: int, known: int, **more) -> Fact:
    return replace(Fact(name, key, 5 * MINUTE, known * MINUTE, False, {"other": other, "state": "linked"}), **more)


FIRST = World(
    {"journey": [touch("a", 1, 41), touch("b", 11, 42), touch("gone", 1, 43), touch("moved", 1, 44)]},
    [says("e", 11, 1, 6), says("parted", 21, 1, 6)],
    TYPES,
    LINKS,
    COVERED,
)
LATER = World(
    {
        "journey": [
            touch("c", 11, 60),
            touch("gone", 1, 61, void=True),
            touch("moved", 2, 62),
            touch("b", 11, 63, values={"phase": "use", "channel": "app", "value": 2.0}),
        ]
    },
    [says("f", 12, 2, 60), says("parted", 21, 1, 61, void=True)],
    TYPES,
    LINKS,
    COVERED,
)


def differences(store: Store, lake: Lake) -> list:
    """What the store says of customers and keys that the lake does not, at the store's cuts."""
    asking, past = Growing(store, CATALOG, TYPES, clock=None), History.load(lake, CATALOG)
    with store.reading() as reading:
        past = replace(past, coverage=asking.feeds.covered(reading).coverage)
        named = Known(reading, asking.scope).named([(kind, key) for key, kind in NAMING.items()])
        now, seen = reading.now, reading.seen
        expected = [past.naming.named_by(kind, key, "customer", now, seen) for key, kind in NAMING.items()]
    found: list = [(one, other) for one, other in zip(named, expected, strict=True) if one != other]
    for entity in CUSTOMERS:
        asked, bits = asking.ask(entity)
        said = asking.expected(asked, past)
        found += [
            (entity, f.name, one, other)
            for f, one, other in zip(CATALOG.features, bits, said, strict=True)
            if one != other
        ]
    return found


def count(store: Store, table: Table) -> int:
    with store.engine.connect() as core:
        return int(core.execute(select(func.count()).select_from(table)).scalar_one())


def state(store: Store) -> list[int]:
    return [count(store, table) for table in (*ROWS, schema.WORDS, schema.COVERAGE)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return write(FIRST, tmp_path / "lake", (0, "never"))


@settings(max_examples=4)
@given(worlds(), arrivals, st.booleans())
def test_what_the_lake_knows_the_store_knows(
    places: Places, tmp_path_factory: pytest.TempPathFactory, world: World, arrival: tuple, cold: bool
) -> None:
    lake, place = write(as_kept(world), tmp_path_factory.mktemp("world"), arrival), places.new()
    try:
        store = place.open()
        filled(store, lake)
        if cold:
            Growing(store, CATALOG, TYPES, clock=None).empty()
        assert differences(store, lake) == []
    finally:
        place.close()


def test_a_load_done_again_changes_nothing(store: Store, lake: Lake) -> None:
    first = filled(store, lake)
    before = state(store)
    assert first.rows["journey"] == 4
    assert first.keys == len(TYPES)
    again = filled(store, lake)
    assert set(again.rows.values()) == {0}
    assert again.keys == 0
    assert state(store) == before
    assert differences(store, lake) == []


def test_a_load_that_was_cut_off_anywhere_is_finished_by_the_next(places: Places, lake: Lake) -> None:
    whole: list[tuple] = []
    place = places.new()
    filled(place.open(), lake, lambda *told: whole.append(told))
    expected = state(place.opened[0])
    place.close()
    assert len(whole) > 5
    place = places.new()
    for at in np.linspace(0, len(whole) - 1, 5).astype(int).tolist():
        steps = iter(range(len(whole)))

        def stopping(*told: object, steps: Iterator[int] = steps, at: int = at) -> None:
            if next(steps) == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            filled(place.open(), lake, stopping)
        place.close()
    store = place.open()
    filled(store, lake)
    assert state(store) == expected
    assert differences(store, lake) == []
    place.close()


@pytest.mark.parametrize("emptied", [False, True])
def test_what_came_into_the_lake_later_has_a_stamp_of_now(place: Place, lake: Lake, emptied: bool) -> None:
    store = place.open()
    filled(store, lake)
    asking = Growing(store, CATALOG, TYPES, clock=None)
    before = [asking.ask(entity) for entity in CUSTOMERS]
    write(LATER, lake.root, (0, "never"))
    loaded = filled(store, lake)
    assert loaded.rows["journey"] >= 3
    with store.engine.connect() as core:
        stamps = set(core.execute(select(schema.FACTS.c.stamp)).scalars())
    assert min(stamps) == 0
    assert all(stamp >= asked[2] for stamp in stamps - {0} for asked, _ in before)
    if emptied:
        asking.empty(CACHES)
    assert differences(store, lake) == []
    assert [asking.ask_then(asked) for asked, _ in before] == [bits for _, bits in before]
    assert [asking.ask(entity)[1] for entity in CUSTOMERS] != [bits for _, bits in before]


def test_an_empty_lake_and_another_ones_store_are_refused(store: Store, lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is empty"):
        filled(store, Lake(tmp_path / "nothing"))
    filled(store, lake)
    other = write(FIRST, tmp_path / "another", (0, "never"))
    with pytest.raises(StoreError, match="not of 'another'"):
        filled(store, other)
