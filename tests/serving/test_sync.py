"""From the store back into the lake: what was decided by is what the lake then tells, bit for bit."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from live_people import DAY, HOUR, NAMES, RING, Cut, Live, body, differences, key, make_lake

from features.facts import SOURCES
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from serving.live.append import Fact, Key
from serving.live.sync import sync


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return make_lake(tmp_path_factory.mktemp("sync") / "telecom")


@pytest.fixture
def live(lake: Lake, tmp_path: Path) -> Iterator[Live]:
    live = Live.of(copied(lake, tmp_path), f"sqlite:///{tmp_path}/live.db")
    yield live
    live.store.close()


def copied(lake: Lake, folder: Path) -> Lake:

    shutil.copytree(lake.root, folder / "telecom")
    return Lake(folder / "telecom")


class World:
    """Events of every source, at random: new, revised, withdrawn; and evidence that links and parts people."""

    def __init__(self, live: Live, seed: int) -> None:
        self.live, self.rng = live, np.random.default_rng(seed)
        keys = live.lake.keys()
        rows = zip(keys["key_id"].to_pylist(), keys["key_type"].to_pylist(), keys["hash"].to_pylist(), strict=True)
        self.keys = [Key(kind, id_, hashed) for id_, kind, hashed in rows]
        self.customers = [k for k in self.keys if k.type == "customer"]
        self.told: list[Fact] = []
        self.stored = [
            Fact(name, row["id"], self._by_id(row["key_id"]), int(row["at"].timestamp() * 1e6), {})
            for name in NAMES
            for row in live.lake.read(name).slice(0, 40).select(["id", "key_id", "at"]).to_pylist()
        ]

    def _by_id(self, key_id: int) -> Key:
        return next(k for k in self.keys if k.id == key_id)

    def some(self, n: int) -> list[Fact]:
        """n facts, no id twice."""
        found: dict[tuple[str, str], Fact] = {}
        while len(found) < n:
            fact = self._evidence() if self.rng.random() < 0.2 else self._fact()
            found.setdefault((fact.source, fact.id), fact)
        self.told += found.values()
        return list(found.values())

    def _fact(self) -> Fact:
        rng, now = self.rng, self.live.store.clock()
        kind = rng.random()
        known = [fact for fact in self.told if fact.other is None]
        if kind < 0.25 and (before := (known + self.stored)):
            fact = before[rng.integers(len(before))]
            holder = fact.key if rng.random() < 0.7 else self.keys[rng.integers(len(self.keys))]
            void = bool(rng.random() < 0.4)
            return Fact(fact.source, fact.id, holder, fact.at, body(SOURCES[fact.source], rng), void)
        name = str(rng.choice(NAMES))
        at = now - int(rng.integers(3 * DAY)) if rng.random() < 0.5 else now - 1
        return Fact(name, f"live-{rng.integers(10**12)}", self._holder(), at, body(SOURCES[name], rng))

    def _holder(self) -> Key:
        return self.keys[self.rng.integers(len(self.keys))]

    def _evidence(self) -> Fact:
        rng, now = self.rng, self.live.store.clock()
        before = [fact for fact in self.told if fact.other is not None]
        if before and rng.random() < 0.3:
            fact = before[rng.integers(len(before))]
            return Fact("evidence", fact.id, fact.key, fact.at, {"state": "linked"}, True, fact.other)
        kind = str(rng.choice(["cookie", "email", "msisdn", "line"]))
        old = [k for k in self.keys if k.type == kind]
        child = old[rng.integers(len(old))] if rng.random() < 0.6 else self._new(kind)
        state = str(rng.choice(["linked", "linked", "unlinked"]))
        parent = self.customers[rng.integers(len(self.customers))]
        return Fact("evidence", f"live-{rng.integers(10**12)}", child, now - HOUR, {"state": state}, False, parent)

    def _new(self, kind: str) -> Key:
        n = int(self.rng.integers(10**7))
        new = key(kind, f"+3247{n:07d}" if kind == "msisdn" else f"n{n}@example.org" if kind == "email" else f"n{n}")
        self.keys.append(new)
        return new

    def cuts(self, n: int) -> list[Cut]:
        """Some customers' features now."""
        return [self.live.cut(self.customers[i].id) for i in self.rng.integers(len(self.customers), size=n)]


def brought(live: Live, folder: Path, ring: KeyRing = RING):
    return sync(live.store, live.lake, live.catalog, ring, folder)


@pytest.mark.parametrize("seed", [1, 2])
def test_features_at_past_cuts_are_the_same_from_the_lake(live: Live, tmp_path: Path, seed: int) -> None:
    world, cuts = World(live, seed), []
    for round_ in range(6):
        for _ in range(4):
            live.tell(*world.some(12))
            cuts += world.cuts(12)
        live.pass_time([HOUR, 2 * HOUR, 3 * DAY, 20 * HOUR, HOUR, 0][round_])
        cuts += world.cuts(6)
        if round_ in (2, 5):
            brought(live, tmp_path / "out")
    history = History.load(live.lake, live.catalog)
    assert differences(live, history, cuts) == []
    live.lake.compact()
    assert differences(live, History.load(live.lake, live.catalog), cuts) == []
