"""Nothing acknowledged is ever lost, nothing is there twice and nothing by half, wherever the service is killed."""

import asyncio
import json
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from killed_steps import COOKIE, NEW_COOKIE, PERSON, Told, ask, events, hear, say, seeds
from served_alone import base_home, served, until
from small_operator import Operator
from under_load import Load, held, kept_of, visits_before

from serving.engine import Engine
from serving.live.segment import unpacked
from serving.live.sqlite import SqliteStore
from serving.replaying import replay
from serving.resources import Resources, open_resources
from serving.settings import Settings, instant
from serving.watch.metrics import Metrics

CHILD = Path(__file__).with_name("killed_steps.py")
FACTS = "SELECT key_id, stamp FROM facts WHERE id = ?"
PAIRS = "SELECT key_id, other_id, stamp FROM evidence WHERE id = ?"


@dataclass(frozen=True)
class Base:
    """A store somebody is known in, what it was asked there, and what is needed to ask more."""

    settings: Settings
    resources: Resources
    path: Path
    at: str
    decision: str
    action: str

    def engine(self, path: Path) -> Engine:
        """An engine over a store, as a new process would have it."""
        engine = Engine(self.settings, self.resources, SqliteStore(path), Metrics())
        engine.made_ready(self.resources.follower.current)
        return engine


@pytest.fixture(scope="module")
def base(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Base:
    folder = tmp_path_factory.mktemp("base")
    settings = Settings(home=operator.settings.home, tracking_uri=operator.settings.models)
    resources = open_resources(settings)
    path, at = folder / "live.db", instant(operator.history.end - 3_600_000_000).isoformat()
    store = SqliteStore(path)
    store.set_clock(operator.history.end - store.machine_clock())
    engine, told = Engine.open(settings, resources, store, Metrics()), Told(folder / "told")
    asyncio.run(say(engine, told, "seeds", seeds(at)))
    answer = asyncio.run(ask(engine, told, "decision", ("customer", PERSON)))
    asyncio.run(ask(engine, told, "decision", ("cookie", COOKIE)))
    assert answer["match"]["state"] == "identified"
    engine.close()
    return Base(settings, resources, path, at, answer["decision_id"], answer["actions"][0]["action"])


def killed(base: Base, work: str, folder: Path) -> list[Path]:
    """The folder of every child, in the order of the step before which it died; the last one survived."""
    plan = {
        "home": str(base.settings.home),
        "tracking_uri": base.settings.models,
        "base": str(base.path),
        "folder": str(folder),
        "work": work,
        "at": base.at,
        "decision": base.decision,
        "action": base.action,
    }
    command = [sys.executable, str(CHILD), json.dumps(plan)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-6_000:]
    folders = sorted(folder.glob("[0-9][0-9][0-9]"))
    assert len(folders) == int(done.stdout.splitlines()[-1])
    return folders


def acknowledged(folder: Path) -> list[dict]:
    told = folder / "told"
    return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []


@dataclass(frozen=True)
class Found:
    """What a step left: the requests of `events` that are there, the decisions (in the store, or waiting beside it) and
    outcomes, and what was told.
    """

    there: tuple[str, ...]
    decisions: frozenset[str]
    waiting: int
    outcomes: int
    said: tuple[str, ...]
    acknowledged: list[dict] = field(compare=False)

    @property
    def state(self) -> tuple:
        """The same for steps that came to the same."""
        return self.there, len(self.decisions), self.waiting, self.outcomes


def found(base: Base, folder: Path) -> Found:
    """What is in the store of a child; fails where something is there by half, or twice, or missing."""
    said = acknowledged(folder)
    with closing(sqlite3.connect(folder / "live.db")) as rows:
        keys = {key for (key,) in rows.execute("SELECT key_id FROM known_keys")}
        touched = dict(rows.execute("SELECT key_id, stamp FROM touched"))
        clock = rows.execute("SELECT stamp, evidence FROM clock").fetchone()
        there = tuple(name for name in events("") if whole(name, rows, keys, touched, clock))
        decisions = frozenset(id_ for (id_,) in rows.execute("SELECT id FROM decisions"))
        outcomes = rows.execute("SELECT count(*) FROM outcomes").fetchone()[0]
        contacts = len(rows.execute(FACTS, (f"decision-{base.decision}-1",)).fetchall())
    told = [one["name"] for one in said if one["kind"] == "event"]
    assert set(told) <= set(there), "an event was acknowledged and is not there"
    waiting = {one.id for path in folder.glob("*/*.journal") for one in unpacked(path.read_bytes())}
    assert {one["id"] for one in said if one["kind"] == "decision"} <= decisions | waiting
    assert sum(one["kind"] == "outcome" for one in said) <= outcomes == contacts <= 1
    return Found(there, decisions, len(waiting - decisions), outcomes, tuple(one["kind"] for one in said), said)


def whole(name: str, rows: sqlite3.Connection, keys: set[int], touched: dict[int, int], clock: tuple) -> bool:
    """Whether a request of `events` is there; fails where it is there by half or twice."""
    seeded = {fact["id"] for fact in seeds("")}
    grown = set()
    for fact in events("")[name]:
        facts = rows.execute(FACTS, (fact["id"],)).fetchall()
        pairs = rows.execute(PAIRS, (fact["id"],)).fetchall()
        grown.add(len(facts) + len(pairs) - (fact["id"] in seeded))
        assert {key for key, _ in facts} | {key for pair in pairs for key in pair[:2]} <= keys
        assert all(stamp <= clock[0] for _, stamp in facts)
        assert all(stamp <= min(clock[1], touched[key], touched[other]) for key, other, stamp in pairs)
    expected = 2 if name == "moved" else 1
    assert grown in ({0}, {expected}), (name, grown)
    return grown == {expected}


def identical(engine: Engine, decision: str) -> dict:
    said: dict = json.loads(replay(engine, decision))
    assert said["identical"] is True, said["differs"]
    return said


def hold(base: Base, folder: Path, left: Found) -> None:
    """A service that starts on what a child left keeps every promise that was made."""
    engine = base.engine(folder / "live.db")
    try:
        engine.journalling.deliver()
        assert not engine.spill.waiting
        for one in left.acknowledged:
            if one["kind"] == "decision":
                assert identical(engine, one["id"])["answer"]["degraded"] == one["degraded"]
        # The caches say what the rows do: a decision by them is the one computed from the rows alone.
        told = Told(folder / "after")
        for key in (("customer", PERSON), ("customer", "KILLED-2"), ("cookie", COOKIE), ("cookie", NEW_COOKIE)):
            identical(engine, asyncio.run(ask(engine, told, "decision", key))["decision_id"])
        # Whoever got no answer asks again: what is there already stays as it is.
        for name, facts in events(base.at).items():
            asyncio.run(say(engine, told, name, facts))
            became = json.loads((folder / "after").read_text().splitlines()[-1])["became"]
            assert (became == ["known"] * len(facts)) == (name in left.there)
        asyncio.run(hear(engine, told, base.decision, base.action))
        assert len(json.loads(replay(engine, base.decision))["outcomes"]) == 1
    finally:
        engine.store.close()


def all_hold(base: Base, folders: list[Path]) -> list[Found]:
    """What every child left; of those that came to the same, the last is started on."""
    left = [found(base, folder) for folder in folders]
    for i in {one.state: i for i, one in enumerate(left)}.values():
        hold(base, folders[i], left[i])
    return left


SLOW = [pytest.param(work, marks=pytest.mark.slow) for work in ("one_by_one", "handed_over")]


@pytest.mark.parametrize("work", ["together", *SLOW])
def test_a_kill_between_any_two_statements_loses_nothing_and_leaves_nothing_by_half(
    base: Base, tmp_path: Path, work: str
) -> None:
    folders = killed(base, work, tmp_path)
    left = all_hold(base, folders)
    names = tuple(events(""))
    assert (left[0].there, left[-1].there) == ((), names)
    if work == "one_by_one":
        assert all(one.there == names[: len(one.there)] for one in left), "what came later is there without the earlier"
    else:
        assert {one.there for one in left} == {(), names}, "one transaction is all or nothing"
    assert (left[-1].said.count("event"), left[-1].said.count("outcome")) == (len(events("")), 1)


def test_a_kill_while_a_decision_is_kept_beside_the_store_or_delivered_loses_none(base: Base, tmp_path: Path) -> None:
    folders = killed(base, "beside", tmp_path)
    left = all_hold(base, folders)
    assert sum(len(one.acknowledged) for one in left) > len(folders)
    assert len(left[-1].acknowledged) == 5


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_again_and_again_under_load_all_that_was_acknowledged_is_there_once(
    operator: Operator, tmp_path: Path, times: int
) -> None:
    chance = random.Random(times)
    with served(*base_home(operator, tmp_path)) as service:
        before = visits_before(operator, service)
        with Load(service, operator) as load:
            for _ in range(times):
                load.until_more(chance.randrange(10, 30))
                time.sleep(chance.uniform(0, 0.05))
                service.kill()
                service.start()
        assert service.stop() == 0
        kept = kept_of(service.store)
        assert held(load, kept, before) >= 10 * times
    assert sum(noted.unsure for noted in load.noted) > times, "nobody was cut off"
    assert {status for _, status in load.statuses} <= {200, 503}


@pytest.mark.parametrize("events_told", [400, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_acknowledged_event_shows_in_the_very_next_decision(
    operator: Operator, tmp_path: Path, events_told: int
) -> None:
    with served(*base_home(operator, tmp_path)) as service:
        before = visits_before(operator, service)
        with Load(service, operator, clients=6) as load:
            until(lambda: load.said >= events_told, 1_500)
        assert service.stop() == 0
        assert held(load, kept_of(service.store), before) >= events_told
    assert {status for _, status in load.statuses} == {200}
