"""A process that dies at a step of a commit: `python killed_steps.py` forks one child per step, each on a copy of a
store of its own, and says which of what it asked was acknowledged before it died.

The steps are the statements of transactions that write, what is told of them, and the calls to the disk by which
decisions are kept beside the store.
"""

import asyncio
import errno
import fcntl
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2]))

from serving.engine import Engine
from serving.forms import EventsRequest
from serving.journalling import Journalling
from serving.live.spill import Spill
from serving.live.sqlite import SqliteStore
from serving.outcomes import tell
from serving.resources import open_resources
from serving.schemas import DecisionRequest, OutcomeRequest
from serving.settings import Settings
from serving.watch.metrics import Metrics
from serving.writings import Writings

CONNECT = sqlite3.connect
PERSON = "KILLED-1"
COOKIE, NEW_COOKIE = "killed-cookie", "killed-new-cookie"
SURVIVED = 7


def touch(name: str, at: str, topic: str = "device", who: str = PERSON, **more: object) -> dict:
    """A visit as an event brings it."""
    body = {"source": "journey", "id": name, "key": {"type": "customer", "value": who}, "at": at}
    return {**body, "phase": "ask", "channel": "web", "topic": topic, **more}


def link(name: str, at: str, cookie: str, who: str) -> dict:
    """A cookie seen with a customer."""
    keys = {"key": {"type": "cookie", "value": cookie}, "other": {"type": "customer", "value": who}}
    return {"source": "evidence", "id": name, **keys, "at": at, "state": "linked"}


def events(at: str) -> dict[str, list[dict]]:
    """One request of every kind, about what `seeds` has put there; words in it are new to the store."""
    return {
        "new": [touch("new", at, action="first_seen_word")],
        "revised": [touch("old", at, topic="roaming", action="another_word")],
        "moved": [touch("moving", at, who="KILLED-2")],
        "void": [touch("void", at, void=True)],
        "linked": [link("linked", at, NEW_COOKIE, PERSON)],
        "relinked": [link("seed", at, COOKIE, "KILLED-2")],
        "many": [touch(f"many-{i}", at) for i in range(3)],
    }


def seeds(at: str) -> list[dict]:
    """What is there before anything dies."""
    people = [
        {
            "source": "profile",
            "id": f"profile-{who}",
            "key": {"type": "customer", "value": who},
            "at": at,
            "status": "active",
            "plan": "mobile_m",
        }
        for who in (PERSON, "KILLED-2")
    ]
    return [*people, touch("old", at), touch("moving", at), touch("void", at), link("seed", at, COOKIE, PERSON)]


@dataclass
class Steps:
    """Dies before step ``last`` of those counted once it is armed."""

    last: int
    armed: bool = False
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, *said: object) -> None:
        with self.lock:
            if self.armed:
                self.count += 1
                if self.count >= self.last:
                    self.die()

    @staticmethod
    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Told:
    """Where what was acknowledged is noted: one write each, so that it is there whatever comes next."""

    def __init__(self, path: Path) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._write = os.write

    def note(self, kind: str, **said: object) -> None:
        self._write(self.handle, json.dumps({"kind": kind, **said}).encode() + b"\n")


async def ask(engine: Engine, told: Told, kind: str, *keys: tuple[str, str]) -> dict:
    """A decision; noted once it is answered."""
    body = {"keys": [{"type": t, "value": v} for t, v in keys], "channel": "web", "limit": 3}
    answer: dict = json.loads(await engine.decide(DecisionRequest.model_validate(body)))
    told.note(kind, id=answer["decision_id"], degraded=answer["degraded"])
    return answer


async def say(engine: Engine, told: Told, name: str, facts: list[dict]) -> None:
    forms = EventsRequest.model_validate_json(json.dumps({"facts": facts})).facts
    became = (await engine.take(forms)).became
    told.note("event", name=name, became=list(became))


async def hear(engine: Engine, told: Told, decision: str, action: str) -> None:
    asked = OutcomeRequest.model_validate({"decision_id": decision, "action": action, "response": "shown"})
    await tell(engine, asked)
    told.note("outcome", id=decision, action=action)


async def one_by_one(engine: Engine, told: Told, plan: dict[str, Any]) -> None:
    """Each request after the one before was answered."""
    for name, facts in events(plan["at"]).items():
        await say(engine, told, name, facts)
    await ask(engine, told, "decision", ("customer", PERSON))
    await hear(engine, told, plan["decision"], plan["action"])


async def together(engine: Engine, told: Told, plan: dict[str, Any]) -> None:
    """All at once: the loop commits them in one transaction, and syncs the decisions together."""
    await asyncio.gather(*_all(engine, told, plan))
    await asyncio.to_thread(engine.journalling.deliver)


async def handed_over(engine: Engine, told: Told, plan: dict[str, Any]) -> None:
    """All at once, while another process writes: the writer thread commits them once it may."""
    assert isinstance(engine.store, SqliteStore)
    other = CONNECT(engine.store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tasks = [asyncio.ensure_future(work) for work in _all(engine, told, plan)]
    await asyncio.sleep(0.05)
    other.execute("COMMIT")
    await asyncio.gather(*tasks)


def _all(engine: Engine, told: Told, plan: dict[str, Any]) -> list[Awaitable]:
    works: list[Awaitable] = [say(engine, told, name, facts) for name, facts in events(plan["at"]).items()]
    works += [ask(engine, told, "decision", ("customer", PERSON)), ask(engine, told, "decision", ("cookie", "nobody"))]
    return [*works, hear(engine, told, plan["decision"], plan["action"])]


async def beside(engine: Engine, told: Told, plan: dict[str, Any]) -> None:
    """Decisions while another process keeps the store to itself, then with the store, and their delivery."""
    assert isinstance(engine.store, SqliteStore)
    other = CONNECT(engine.store.path, isolation_level=None)
    for _ in range(2):
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            await ask(engine, told, "decision", ("customer", PERSON))
        other.execute("COMMIT")
        while engine.store.waiting:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(engine.journalling.deliver)
    await ask(engine, told, "decision", ("customer", PERSON))


WORKS = {"one_by_one": one_by_one, "together": together, "handed_over": handed_over, "beside": beside}


def statements_are(steps: Steps) -> None:
    """The steps are the statements of all transactions that write, whoever runs them."""

    def connect(*given: Any, **named: Any) -> sqlite3.Connection:
        driver = CONNECT(*given, **named)
        writes = False

        def runs(statement: str) -> None:
            nonlocal writes
            writes = writes or statement == "BEGIN IMMEDIATE"
            if writes:
                steps()
            writes = writes and statement != "COMMIT"

        driver.set_trace_callback(runs)
        return driver

    sqlite3.connect = connect  # type: ignore[assignment]


def results_are(steps: Steps, store: SqliteStore) -> None:
    """Handing on that something was committed is a step too."""
    write_soon = store.write_soon

    def written(work: Callable) -> Any:
        done = write_soon(work)
        done.add_done_callback(steps)
        return done

    store.write_soon = written  # type: ignore[method-assign]


def disk_calls_are(steps: Steps) -> None:
    """The steps are the calls by which something comes to the disk beside the store, or goes from it. What it dies
    before writing is written by half.
    """

    def stepping(call: Callable) -> Callable:
        def stepped(*given: Any, **named: Any) -> Any:
            if call is written and steps.armed and steps.count + 1 >= steps.last:
                call(given[0], given[1][: len(given[1]) // 2], given[2])
            steps()
            return call(*given, **named)

        return stepped

    written = os.pwrite
    for name in ("pwrite", "fdatasync", "fsync", "rename", "close", "unlink"):
        setattr(os, name, stepping(getattr(os, name)))
    fcntl.flock = stepping(fcntl.flock)


def run(engine: Engine, plan: dict[str, Any], folder: Path, steps: Steps) -> None:
    """What a child does; it never returns."""
    statements_are(steps)
    store = SqliteStore(folder / "live.db")
    assert store.beside is not None
    engine.store, engine.spill, limit = store, Spill(store.beside), engine.settings.time_limit
    engine.writings = Writings(store, limit)
    engine.journalling = Journalling(store, engine.spill, engine.texts, engine.writings, limit)
    told = Told(folder / "told")
    store.write(lambda writing: None).result()  # its connection is made
    disk_calls_are(steps)
    results_are(steps, store)
    steps.armed = True
    engine.spill.prepare()
    asyncio.run(WORKS[plan["work"]](engine, told, plan))
    os._exit(SURVIVED)


def main() -> None:
    """``plan`` as JSON on the command line: home, tracking_uri, base (a store), folder, work, at, decision,
    action. Prints how many steps there were.
    """
    plan = json.loads(sys.argv[1])
    limit = 0.05 if plan["work"] == "beside" else 30.0
    settings = Settings(home=Path(plan["home"]), tracking_uri=plan["tracking_uri"], time_limit=limit)
    resources = open_resources(settings)
    first = SqliteStore(Path(shutil.copy(plan["base"], Path(plan["folder"]) / "first.db")))
    engine = Engine.open(settings, resources, first, Metrics())
    engine.close()
    for step in range(1, 1_000):
        folder = Path(plan["folder"]) / f"{step:03}"
        folder.mkdir()
        shutil.copy(plan["base"], folder / "live.db")
        child = os.fork()
        if not child:
            try:
                run(engine, plan, folder, Steps(step))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(errno.EIO)
        _, how = os.waitpid(child, 0)
        if os.WIFEXITED(how):
            assert os.WEXITSTATUS(how) == SURVIVED, (step, how)
            sys.stdout.write(f"{step}\n")
            return
        assert os.WTERMSIG(how) == signal.SIGKILL, (step, how)
    raise AssertionError("it never survived")


if __name__ == "__main__":
    main()
