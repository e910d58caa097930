"""A service in a process of its own, clients that keep it busy, and what they were told."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
from small_operator import Operator, home_of

from features.workspace import load_workspace
from serving.access import stored
from serving.champion import CHURN
from serving.live import journal
from serving.live.load import load
from serving.live.sqlite import SqliteStore
from serving.settings import Settings, instant

FORKING = Path(__file__).with_name("served_by_fork.py")
DEVICE = "journey_topic_device_count_60d"


def base_home(operator: Operator, folder: Path) -> tuple[Settings, str]:
    """A home whose live store is filled, and an API key that may do all."""
    settings = home_of(operator, folder)
    settings = settings.model_copy(update={"port": free_port(), "log_format": "json"})
    key = stored.make_first(settings.home)
    assert key is not None
    catalog = load_workspace().catalog
    store = SqliteStore(settings.home / "live" / f"{load_workspace().name}.db")
    load(store, operator.lake, catalog, catalog.task(CHURN).entity, now=settings.now)
    store.close()
    return settings, key


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Served:
    """A service that can be killed and started again."""

    settings: Settings
    key: str
    process: subprocess.Popen
    pid: int = 0

    @property
    def store(self) -> Path:
        return self.settings.home / "live" / f"{load_workspace().name}.db"

    def start(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        self.pid = int(self._line())
        end = time.monotonic() + 90
        while self.get("/readyz")[0] != 200:
            assert time.monotonic() < end, "it did not get ready"
            time.sleep(0.02)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self.ended() == -signal.SIGKILL

    def stop(self) -> int:
        """How it ended after it was asked to."""
        os.kill(self.pid, signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        self.pid = 0
        return int(self._line())

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; 0 where nobody answers."""
        caller = Caller(self)
        try:
            return caller.send("GET", path)[:2]
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            caller.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process that starts the service is gone"
        return line


@contextmanager
def served(settings: Settings, key: str) -> Iterator[Served]:
    """A service that is ready; what is left of it is killed."""
    command = [sys.executable, str(FORKING), settings.model_dump_json()]
    log = (settings.home / "service.log").open("ab")
    with (
        log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        service = Served(settings, key, process)
        try:
            service.start()
            yield service
        finally:
            if service.pid:
                with suppress(ProcessLookupError):
                    os.kill(service.pid, signal.SIGKILL)
            process.kill()


class Caller:
    """One connection to a service, made anew where it was cut."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=60)
        self._headers = {"X-API-Key": service.key, "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: object = None) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer; an error where there was none."""
        try:
            content = None if body is None else orjson.dumps(body)
            self._connection.request(method, path, content, self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def post(self, route: str, body: object) -> tuple[int, bytes, dict[str, str]]:
        return self.send("POST", f"/v1/{route}", body)

    def close(self) -> None:
        self._connection.close()


def asking(*keys: tuple[str, str], channel: str = "call_center", limit: int = 3) -> dict:
    return {"keys": [{"type": t, "value": v} for t, v in keys], "channel": channel, "limit": limit}


@dataclass
class Noted:
    """What clients were told. ``decisions``: id -> (customer, events of theirs acknowledged before it was asked for,
    those that may be there beside, what was missing); ``unsure``: nobody answered.
    """

    events: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, tuple[str, int, int, tuple[str, ...]]] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    outcomes: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter = field(default_factory=Counter)
    unsure: int = 0
    wrong: list[object] = field(default_factory=list)


class Load:
    """Clients that tell events and outcomes and ask for decisions, each about customers of its own, until stopped."""

    def __init__(self, service: Served, operator: Operator, *, clients: int = 4, tag: str = "load") -> None:
        self.service, self.tag = service, tag
        self.at = instant(operator.history.end - 3_600_000_000).isoformat()
        self.noted = [Noted() for _ in range(clients)]
        customers = operator.active
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(n, noted, customers[n::clients][:5]))
            for n, noted in enumerate(self.noted)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    @property
    def decided(self) -> int:
        return sum(len(noted.decisions) for noted in self.noted)

    @property
    def said(self) -> int:
        return sum(len(noted.events) for noted in self.noted)

    @property
    def statuses(self) -> Counter:
        return sum((noted.statuses for noted in self.noted), Counter())

    def _run(self, n: int, noted: Noted, customers: Sequence[str]) -> None:
        client = _Client(Caller(self.service), noted, f"{self.tag}-{n}", self.at, random.Random(n))
        try:
            for round_ in range(1_000_000):
                if self._stopping.is_set():
                    return
                client.call(round_, customers[round_ % len(customers)])
        except Exception as error:
            noted.wrong.append(repr(error))
        finally:
            client.caller.close()


@dataclass
class _Client:
    caller: Caller
    noted: Noted
    tag: str
    at: str
    chance: random.Random
    told: Counter = field(default_factory=Counter)
    unsure: Counter = field(default_factory=Counter)

    def call(self, round_: int, customer: str) -> None:
        """One event and one decision, and at times evidence, a revision and an outcome."""
        name = f"{self.tag}-{round_}"
        self.unsure[customer] += 1
        if self._post("events", {"facts": [self._visit(name, customer)]}) is not None:
            self.unsure[customer] -= 1
            self.told[customer] += 1
            self.noted.events[name] = 1
        if round_ % 5 == 1 and name in self.noted.events:
            again = self._visit(name, customer) | {"action": f"word{self.chance.randrange(50)}"}
            if self._post("events", {"facts": [again]}) is not None:
                self.noted.events[name] += 1
        keys = [("customer", customer)]
        if round_ % 20 == 2:
            cookie = f"cookie-{name}"
            link = {"key": {"type": "cookie", "value": cookie}, "other": {"type": "customer", "value": customer}}
            if self._post("events", {"facts": [{"source": "evidence", "id": f"e-{name}", "at": self.at, **link}]}):
                self.noted.linked[f"e-{name}"] = cookie
                keys = [("cookie", cookie)]
        answer = self._post("decisions", asking(*keys))
        if answer is None:
            return
        if answer["match"]["state"] != "identified" and "store" not in answer["degraded"]:
            self.noted.wrong.append((name, answer["match"]))
        counted = (customer, self.told[customer], self.unsure[customer], tuple(answer["degraded"]))
        self.noted.decisions[answer["decision_id"]] = counted
        if round_ % 3 == 0 and answer["actions"] and not answer["degraded"]:
            action = answer["actions"][0]["action"]
            told = {"decision_id": answer["decision_id"], "action": action, "response": "shown"}
            if self._post("outcomes", told) is not None:
                self.noted.outcomes.add((answer["decision_id"], action))

    def _visit(self, name: str, customer: str) -> dict:
        key = {"type": "customer", "value": customer}
        about = {"phase": "ask", "channel": "web", "topic": "device"}
        return {"source": "journey", "id": name, "key": key, "at": self.at, **about}

    def _post(self, route: str, body: object) -> dict | None:
        try:
            status, content, headers = self.caller.post(route, body)
        except (OSError, http.client.HTTPException):
            self.noted.unsure += 1
            time.sleep(0.02)
            return None
        self.noted.statuses[route, status] += 1
        if status == 200:
            found: dict = orjson.loads(content)
            return found
        if status != 503 or "retry-after" not in headers:
            self.noted.wrong.append((route, status, content[:300]))
        time.sleep(0.05)
        return None


@dataclass(frozen=True)
class Kept:
    """What is in a store. ``facts``, ``evidence``: id -> how many rows; ``visits``: decision -> device visits that its
    vector counts, of those about one customer.
    """

    facts: dict[str, int]
    evidence: dict[str, int]
    outcomes: dict[tuple[str, str], int]
    decisions: dict[str, journal.Entry]
    visits: dict[str, float]


def kept_of(path: Path) -> Kept:
    """Read through a store of our own."""
    store = SqliteStore(path)
    try:
        with store.reading() as reading:
            facts = dict(reading.rows("SELECT id, count(*) FROM facts WHERE loaded = 0 GROUP BY id"))
            evidence = dict(reading.rows("SELECT id, count(*) FROM evidence WHERE loaded = 0 GROUP BY id"))
            told: dict[tuple[str, str], int] = defaultdict(int)
            for decision, action in reading.rows("SELECT decision, action FROM outcomes"):
                told[decision, action] += 1
            texts = dict(reading.rows("SELECT digest, body FROM texts"))
            decisions, visits = {}, {}
            for id_, body in reading.rows("SELECT id, body FROM decisions"):
                entry, vector = journal.unpack(bytes(body))
                decisions[id_] = entry
                names = orjson.loads(texts[entry.features])[0]
                if entry.state == "identified" and len(vector) == len(names):
                    visits[id_] = float(np.nan_to_num(vector[names.index(DEVICE)]))
            return Kept(facts, evidence, dict(told), decisions, visits)
    finally:
        store.close()


def held(load: Load, kept: Kept, before: dict[str, float]) -> int:
    """How many decisions counted every event before them, where all that was acknowledged is there, once.

    ``before``: customer -> device visits before the load.
    """
    counted = 0
    for noted in load.noted:
        assert noted.wrong == []
        for name, rows in noted.events.items():
            assert rows <= kept.facts.get(name, 0) <= 2, name
        for name in noted.linked:
            assert kept.evidence.get(name) == 1, name
        for told in noted.outcomes:
            assert kept.outcomes.get(told) == 1, told
        for decision, (customer, sure, unsure, degraded) in noted.decisions.items():
            assert decision in kept.decisions
            assert kept.decisions[decision].degraded == degraded
            if "store" not in degraded:
                seen = kept.visits[decision] - before[customer]
                assert sure <= seen <= sure + unsure, (decision, sure, unsure, seen)
                counted += 1
    return counted


def visits_before(operator: Operator, service: Served) -> dict[str, float]:
    """Customer -> device visits, asked for with a decision each."""
    caller, asked = Caller(service), {}
    for customer in operator.active[:40]:
        status, body, _ = caller.post("decisions", asking(("customer", customer)))
        assert status == 200, body
        asked[json.loads(body)["decision_id"]] = customer
    caller.close()
    visits = kept_of(service.store).visits
    return {customer: visits[decision] for decision, customer in asked.items()}
