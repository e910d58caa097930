"""From the store back into the lake: what was decided by is what the lake then tells, bit for bit."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from live_people import DAY, HOUR, NAMES, RING, Cut, Live, body, differences, key, make_lake
from sqlalchemy import func, select

from features.facts import SOURCES
from features.history import History
from features.identity.keys import KeyRing, surrogate, wrapped
from features.lake import Lake
from features.lake.rekeying import rekeyed
from serving.live import archive, journal, schema, statements
from serving.live.append import Fact, Key
from serving.live.store import StoreError
from serving.live.sync import Synced, sync, unsynced


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


def brought(live: Live, folder: Path, ring: KeyRing = RING) -> Synced:
    return sync(live.store, live.lake, live.catalog, ring, folder)


def said(lake: Lake) -> dict[str, list[dict[str, object]]]:
    """Everything a lake tells, in an order of its own."""
    return {
        name: lake.read(name).sort_by([("id", "ascending"), ("known_at", "ascending")]).to_pylist() for name in SOURCES
    }


def test_features_at_past_cuts_are_the_same_from_the_lake(live: Live, tmp_path: Path) -> None:
    world, cuts, later = World(live, 1), [], (HOUR, 2 * HOUR, 3 * DAY, 20 * HOUR, HOUR)
    for round_, passes in enumerate(later):
        for _ in range(3):
            live.tell(*world.some(12))
            cuts += world.cuts(8)
        live.pass_time(passes)
        cuts += world.cuts(4)
        if round_ in (2, 4):
            assert differences(live, History.load(live.lake, live.catalog), cuts)
            brought(live, tmp_path / "out")
    assert differences(live, History.load(live.lake, live.catalog), cuts) == []
    live.lake.compact()
    assert differences(live, History.load(live.lake, live.catalog), cuts) == []


class StopError(Exception):
    """Somebody pulled the plug."""


def test_a_sync_that_is_cut_off_anywhere_is_finished_by_the_next(live: Live, tmp_path: Path) -> None:
    world = World(live, 3)
    live.tell(*world.some(40))
    live.store.write(journal.writes("d1", live.store.clock(), None, entry_body("d1", live))).result()
    steps = 0

    def until(step: int) -> None:
        nonlocal steps
        steps = 0

        def told(what: str, done: int, of: int) -> None:
            nonlocal steps
            steps += 1
            if steps == step:
                raise StopError

        sync(live.store, live.lake, live.catalog, RING, tmp_path / "out", progress=told)

    for step in (1, 4, 9, 11):
        with pytest.raises(StopError):
            until(step)
        live.tell(*world.some(5))
    until(0)
    assert unsynced(live.store) == {}
    lake = said(live.lake)
    assert brought(live, tmp_path / "out").rows == {}
    assert said(live.lake) == lake
    known = {(fact.source, fact.id) for fact in world.told}
    assert known <= {(name, row["id"]) for name, rows in lake.items() for row in rows} | withdrawn(live)
    assert archive.read_decisions(tmp_path / "out")["id"].tolist() == ["d1"]


def withdrawn(live: Live) -> set[tuple[str, str]]:
    """The ids that were taken back."""
    with live.store.engine.connect() as core:
        facts = core.execute(select(schema.FACTS.c.source, schema.FACTS.c.id).where(schema.FACTS.c.void)).all()
        evidence = core.execute(select(schema.EVIDENCE.c.id).where(schema.EVIDENCE.c.void)).all()
    return {(name, id_) for name, id_ in facts} | {("evidence", id_) for (id_,) in evidence}


def test_what_the_lake_learned_since_comes_with_the_next_load(live: Live, tmp_path: Path) -> None:
    """New rows, corrections, withdrawals and moves to another key, as the lake takes them."""
    customers = live.lake.keys().filter(pc.equal(live.lake.keys()["key_type"], "customer"))["key_id"].to_pylist()
    rows = [row for row in live.lake.read("usage").to_pylist() if row["key_id"] in customers and row["until"] is None]
    known_at = datetime.fromtimestamp(live.store.clock() / 1e6 - 60, UTC)
    moved, voided, revised = (dict(row, known_at=known_at) for row in rows[:3])
    new = dict(rows[3], id="later", known_at=known_at, at=known_at)
    moved["key_id"] = next(key for key in customers if key != moved["key_id"])
    voided["void"], revised["value"] = True, 12_345.0
    live.lake.append("usage", pa.Table.from_pylist([moved, voided, revised, new], schema=SOURCES["usage"].schema))
    live.load()
    cuts = [live.cut(customer) for customer in customers]
    brought(live, tmp_path / "out")  # up to when the feeds are covered
    assert differences(live, History.load(live.lake, live.catalog), cuts) == []
    before = counted(live)
    live.load()
    assert counted(live) == before


def counted(live: Live) -> dict[str, int]:
    """How many rows each table has."""
    with live.store.engine.connect() as core:
        return {
            t.name: core.execute(select(func.count()).select_from(t)).scalar_one()
            for t in (schema.FACTS, schema.EVIDENCE)
        }


def test_decisions_and_outcomes_are_files_for_notebooks(live: Live, tmp_path: Path) -> None:
    live.store.write(journal.writes("d1", live.store.clock(), 7, entry_body("d1", live))).result()
    brought(live, tmp_path / "out")
    live.store.write(journal.writes("d2", live.store.clock(), 7, entry_body("d2", live))).result()
    outcome = ("o1", "d1", "call", "accepted", live.store.clock())
    live.store.write(lambda w: w.run(statements.OUTCOME, *outcome, w.stamp)).result()
    done = brought(live, tmp_path / "out")
    assert (done.decisions, done.outcomes) == (1, 1)
    told = archive.read_decisions(tmp_path / "out")
    assert told["id"].tolist() == ["d1", "d2"]
    assert told["offers"][0][0] == {"action": "call", "slot": 1, "propensity": 0.5, "value": 1.5}
    assert not {"keys", "named"} & set(told.columns)
    assert archive.read_outcomes(tmp_path / "out")[["decision", "response"]].to_numpy().tolist() == [["d1", "accepted"]]


def test_a_rotated_secret_does_not_lose_what_was_not_brought_yet(live: Live, tmp_path: Path) -> None:
    fact = Fact(
        "journey", "r1", World(live, 1).customers[0], live.store.clock() - 1, {"phase": "use", "channel": "web"}
    )
    live.tell(fact)
    rekeyed(live.lake.root, b"another secret of tests", 1)
    ring = KeyRing(RING.secret, RING.country, (b"another secret of tests",), RING.suppression)
    brought(live, tmp_path / "out", ring)
    rows = {row["id"]: row["key_id"] for row in live.lake.read("journey").to_pylist()}
    assert rows["r1"] == surrogate(wrapped(b"another secret of tests", fact.key.hash))
    with pytest.raises(StoreError, match="rotated"):
        live.load()


def test_a_store_of_another_lake_is_refused(live: Live, lake: Lake, tmp_path: Path) -> None:
    other = Lake(tmp_path / "elsewhere")
    shutil.copytree(lake.root, other.root)
    for act in (lambda: sync(live.store, other, live.catalog, RING, tmp_path), Live(other, live.store).load):
        with pytest.raises(StoreError, match="telecom"):
            act()


def entry_body(name: str, live: Live) -> bytes:
    """A decision about customer 7 as it is written down."""
    now = live.store.clock()
    fields = {
        **dict.fromkeys(journal.Entry._fields),
        "id": name,
        "now": now,
        "seen": now,
        "channel": "web",
        "state": "identified",
        "entities": (7,),
        "keys": (("customer", 7),),
        "named": ({"7": 1.0},),
        "weights": (1.0,),
        "models": {"churn": (1, "m")},
        "offers": (("call", 1.5, 0.5),),
        "degraded": (),
    }
    return journal.pack(journal.Entry(**fields), [np.zeros(2, np.float32)])  # type: ignore[arg-type]
