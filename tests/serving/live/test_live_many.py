"""Many events by several writers and processes, with readers at once: what is acknowledged is in the next reading."""

import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from conftest import Place
from growing import Growing
from worlds import CATALOG, MINUTE

from features.engine.live.packed import unpack
from serving.live.append import Fact, Key
from serving.live.known import Known
from serving.live.store import Store

EVENTS, AT_ONCE, WRITERS, READERS, KEYS = 10_000, 10, 4, 2, 150
TYPES = dict.fromkeys(range(1, KEYS + 1), "customer")


class Process:
    """What one process does with the store."""

    def __init__(self, store: Store) -> None:
        self.grown = Growing(store, CATALOG, TYPES)
        self.store = store

    def tell(self, events: list[tuple[int, int]]) -> None:
        """Facts of (key, instant); the instant is the fact's name too."""
        facts = [_fact(key, at) for key, at in events]
        self.store.write(lambda writing: self.grown.appending.add(facts, writing)).result(30)

    def instants(self, keys: list[int], keep: bool) -> dict[int, list[int]]:
        """When something happened, for each key, as a decision would have it."""
        found = {}
        with self.store.reading() as reading:
            known = Known(reading, self.grown.scope)
            for key in keys:
                blob, n = known.packed([key])
                rows = unpack(bytes(blob), self.grown.scope.layout) if n else {}
                found[key] = [at for some in rows.values() for at in some.at.tolist()]
        if keep and known.kept:
            self.store.write(known.keep).result(30)
        return found


def _fact(key: int, at: int) -> Fact:
    body = {"phase": "ask", "channel": "web", "topic": f"topic {at % 7}"}
    return Fact("journey", f"event {at}", Key("customer", key, key.to_bytes(32, "big")), at, body)


@pytest.fixture
def processes(place: Place) -> list[Process]:
    return [Process(place.open()), Process(place.open())]


def test_every_acknowledged_event_is_in_the_next_reading_of_its_key(processes: list[Process]) -> None:
    told: dict[int, list[int]] = defaultdict(list)
    missed: list[tuple[int, int]] = []
    stop = threading.Event()

    def writing(who: int) -> None:
        draw, mine = random.Random(who), processes[who % 2]
        for start in range(who * AT_ONCE, EVENTS, WRITERS * AT_ONCE):
            events = [(draw.randint(1, KEYS), 10 * MINUTE + start + i) for i in range(AT_ONCE)]
            mine.tell(events)
            for key, at in events:
                told[key].append(at)
            keys = sorted({key for key, _ in events})
            seen = processes[draw.randint(0, 1)].instants(keys, keep=draw.random() < 0.5)
            missed.extend((key, at) for key, at in events if seen[key].count(at) != 1)

    def reading(who: int) -> None:
        draw = random.Random(-who)
        while not stop.is_set():
            keys = draw.sample(range(1, KEYS + 1), 5)
            before = {key: set(told[key]) for key in keys}
            seen = processes[who % 2].instants(keys, keep=True)
            missed.extend((key, at) for key in keys for at in before[key] if seen[key].count(at) != 1)
            if draw.random() < 0.02:
                processes[who % 2].grown.empty()

    with ThreadPoolExecutor(READERS) as readers, ThreadPoolExecutor(WRITERS) as writers:
        asking = [readers.submit(reading, who) for who in range(READERS)]
        telling = [writers.submit(writing, who) for who in range(WRITERS)]
        wait(telling)
        stop.set()
        for one in (*telling, *asking):
            one.result()
    assert missed == []
    assert sum(map(len, told.values())) == EVENTS
    for process in processes:
        seen = process.instants(sorted(told), keep=False)
        assert {key: sorted(instants) for key, instants in seen.items()} == {k: sorted(told[k]) for k in told}
