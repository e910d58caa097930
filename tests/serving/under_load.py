"""Clients that keep a service busy, what they were told, and what is in its store afterwards."""

import http.client
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson
from served_alone import Caller, Served, asking, until
from small_operator import Operator

from features.workspace import load_workspace
from serving.live import journal
from serving.live.open import open_store
from serving.settings import instant

DEVICE = "journey_topic_device_count_60d"


@dataclass
class Noted:
    """What clients were told. ``decisions``: id -> (customer, events of theirs acknowledged before it was asked for,
    those that may be there beside, what was missing); ``unsure``: nobody answered.
    """

    events: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, tuple[str, int, int, tuple[str, ...]]] = field(default_factory=dict)
    linked: dict[str, int] = field(default_factory=dict)
    outcomes: set[tuple[str, str]] = field(default_factory=set)
    statuses: Counter = field(default_factory=Counter)
    unsure: int = 0
    wrong: list[object] = field(default_factory=list)


class Load:
    """Clients that tell events and outcomes and ask for decisions, each about customers of its own, until stopped."""

    def __init__(self, service: Served, operator: Operator, *, clients: int = 4, linking: int = 20) -> None:
        """``linking``: every so often a cookie is seen with a customer, and every other time that is taken back."""
        self.service, self.linking = service, linking
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

    def until_more(self, decisions: int) -> None:
        """Wait for so many decisions more."""
        enough = self.decided + decisions
        until(lambda: self.decided >= enough)

    @property
    def statuses(self) -> Counter:
        return sum((noted.statuses for noted in self.noted), Counter())

    def _run(self, n: int, noted: Noted, customers: Sequence[str]) -> None:
        client = _Client(Caller(self.service), noted, f"load-{n}", self.at, random.Random(n), self.linking)
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
    linking: int
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
        if round_ % self.linking == 2:
            self._link(name, customer, round_ % (2 * self.linking) == 2)
        elif (answer := self._decide(name, customer, ("customer", customer))) is not None and round_ % 3 == 0:
            self._tell(answer)

    def _link(self, name: str, customer: str, taken_back: bool) -> None:
        """A cookie nobody has seen is somebody's in the very next decision."""
        cookie = ("cookie", f"cookie-{name}")
        ends = {"key": {"type": cookie[0], "value": cookie[1]}, "other": {"type": "customer", "value": customer}}
        link = {"source": "evidence", "id": f"e-{name}", "at": self.at, **ends}
        if self._post("events", {"facts": [link]}) is not None:
            self.noted.linked[f"e-{name}"] = 1
            self._decide(name, customer, cookie)
            if taken_back and self._post("events", {"facts": [{**link, "void": True}]}) is not None:
                self.noted.linked[f"e-{name}"] = 2
                self._decide(name, customer, cookie, known=False)

    def _decide(self, name: str, customer: str, key: tuple[str, str], known: bool = True) -> dict | None:
        answer = self._post("decisions", asking(key))
        if answer is not None:
            if (answer["match"]["state"] == "identified") != known and "store" not in answer["degraded"]:
                self.noted.wrong.append((name, answer["match"]))
            counted = (self.told[customer], self.unsure[customer]) if known else (0, 0)
            self.noted.decisions[answer["decision_id"]] = (customer, *counted, tuple(answer["degraded"]))
        return answer

    def _tell(self, answer: dict) -> None:
        if answer["actions"] and not answer["degraded"]:
            told = (answer["decision_id"], answer["actions"][0]["action"])
            body = {"decision_id": told[0], "action": told[1], "response": "shown"}
            if self._post("outcomes", body) is not None:
                self.noted.outcomes.add(told)

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


def kept_of(url: Path | str) -> Kept:
    """Read through a store of our own."""
    store = open_store(str(url))
    try:
        with store.reading() as reading:
            facts = dict(reading.rows("SELECT id, count(*) FROM facts WHERE NOT loaded GROUP BY id"))
            evidence = dict(reading.rows("SELECT id, count(*) FROM evidence WHERE NOT loaded GROUP BY id"))
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
        for name, rows in noted.linked.items():
            assert rows <= kept.evidence.get(name, 0) <= 2, name
        for told in noted.outcomes:
            assert kept.outcomes.get(told) == 1, told
        for decision, (customer, sure, unsure, degraded) in noted.decisions.items():
            assert decision in kept.decisions
            assert kept.decisions[decision].degraded == degraded
            if "store" not in degraded and kept.decisions[decision].state == "identified":
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
    until(lambda: json.loads(service.get("/readyz")[1])["undelivered"] == 0)
    visits = kept_of(service.settings.live(load_workspace().name)).visits
    return {customer: visits[decision] for decision, customer in asked.items()}
