"""A store that is slow, full, broken or away costs knowledge, never an answer that lies, a decision or an event."""

import json
import resource
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from served_alone import Caller, Served, asking, base_home, served, until
from small_operator import Operator
from under_load import Load, held, kept_of, visits_before

sys.path.append(str(Path(__file__).parent / "live"))

from database import Server, missing

LIMIT, WAITING = 1.0, 4
SLACK = 3.0
"""Seconds a shared machine may need beside what the limits allow."""


@pytest.fixture(scope="module")
def service(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings, key = base_home(operator, tmp_path_factory.mktemp("degraded"))
    with served(settings.model_copy(update={"time_limit": LIMIT, "waiting": WAITING}), key) as service:
        yield service


@contextmanager
def held_by_another(store: Path) -> Iterator[None]:
    """While somebody else writes."""
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def room_for(service: Served, largest: int) -> Iterator[None]:
    """While no file of the service may grow beyond so many bytes: what a full disk does, without filling one."""
    before = resource.prlimit(service.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, before)


def visit(name: str, customer: str, at: str) -> dict:
    key = {"type": "customer", "value": customer}
    about = {"phase": "ask", "channel": "web", "topic": "device"}
    return {"facts": [{"source": "journey", "id": name, "key": key, "at": at, **about}]}


def post(service: Served, route: str, body: object) -> tuple[int, dict, dict[str, str], float]:
    """Status, body, headers and seconds."""
    caller, began = Caller(service), time.monotonic()
    status, content, headers = caller.post(route, body)
    caller.close()
    return status, json.loads(content), headers, time.monotonic() - began


def decide(service: Served, customer: str) -> dict:
    status, answer, _, _ = post(service, "decisions", asking(("customer", customer)))
    assert status == 200
    return answer


def replayed(service: Served, decision: str) -> dict:
    caller = Caller(service)
    status, body, _ = caller.send("GET", f"/v1/decisions/{decision}")
    caller.close()
    assert status == 200
    found: dict = json.loads(body)
    return found


def undelivered(service: Served) -> int:
    found: int = json.loads(service.get("/readyz")[1])["undelivered"]
    return found


def test_while_the_store_is_slow_decisions_come_in_time_and_are_delivered_once(
    service: Served, operator: Operator
) -> None:
    customer = operator.active[0]
    known = decide(service, customer)
    until(lambda: undelivered(service) == 0)
    told = visit("never-taken", customer, "2025-01-02T03:04:05Z")
    with held_by_another(service.store):
        status, answer, _, seconds = post(service, "decisions", asking(("customer", customer)))
        assert (status, answer["degraded"]) == (200, [])
        assert answer["churn"] == known["churn"], "what is known is known"
        assert seconds < LIMIT + SLACK
        assert undelivered(service) == 1
        outcome = {
            "decision_id": answer["decision_id"],
            "action": answer["actions"][0]["action"],
            "response": "shown",
        }
        for route, body in (("events", told), ("outcomes", outcome)):
            status, _, headers, seconds = post(service, route, body)
            assert (status, headers["retry-after"]) == (503, "1")
            assert seconds < LIMIT + SLACK
    until(lambda: undelivered(service) == 0)
    again = replayed(service, answer["decision_id"])
    assert (again["identical"], again["answer"]) == (True, answer)
    assert post(service, "outcomes", outcome)[1] == {"became": "new"}
    assert post(service, "events", told)[1]["became"] == ["new"], "what was answered 503 had an effect"
    assert decide(service, customer)["degraded"] == []


def test_more_requests_than_can_be_borne_are_turned_away_at_once_and_the_others_answered(
    service: Served, operator: Operator
) -> None:
    answers: list[tuple[int, dict, dict[str, str], float]] = []
    told = [visit(f"borne-{n}", operator.active[1], "2025-01-02T03:04:05Z") for n in range(12)]
    threads = [threading.Thread(target=lambda n=n: answers.append(post(service, "events", told[n]))) for n in range(12)]
    with held_by_another(service.store):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        decide(service, operator.active[1])
    full = [one for one in answers if "as many requests as can be borne" in one[1]["detail"]]
    waited = [one for one in answers if "does not answer in time" in one[1]["detail"]]
    assert len(full) + len(waited) == len(threads)
    assert len(waited) >= WAITING
    assert full
    for status, _, headers, _ in answers:
        assert (status, headers["retry-after"], headers["content-type"]) == (503, "1", "application/problem+json")
    assert max(seconds for _, _, _, seconds in full) < LIMIT
    for fact in told:
        assert post(service, "events", fact)[1]["became"] == ["new"], "what was answered 503 had an effect"


def test_a_full_disk_refuses_events_without_effect_and_the_service_recovers(
    service: Served, operator: Operator
) -> None:
    customer, at = operator.active[2], "2025-01-02T03:04:05Z"
    log = service.store.with_name(service.store.name + "-wal")
    for n in range(200):
        if log.exists() and log.stat().st_size > 300_000:
            break
        assert post(service, "events", visit(f"filling-{n}", customer, at))[0] == 200
    assert log.stat().st_size > 300_000
    with room_for(service, 100_000):  # enough for what is kept beside the store
        answer = decide(service, customer)
        assert answer["degraded"] == []
        status, _, headers, _ = post(service, "events", visit("no-room", customer, at))
        assert (status, headers["retry-after"]) == (503, "1")
    with room_for(service, 1):  # for nothing at all
        for route, body in (("decisions", asking(("customer", customer))), ("events", visit("no-room", customer, at))):
            status, problem, headers, _ = post(service, route, body)
            assert (status, headers["retry-after"]) == (503, "1"), problem
        assert service.get("/healthz")[0] == 200
    until(lambda: undelivered(service) == 0)
    assert replayed(service, answer["decision_id"])["identical"] is True
    assert post(service, "events", visit("no-room", customer, at))[1]["became"] == ["new"]
    assert decide(service, customer)["degraded"] == []


def test_a_store_that_was_overwritten_is_away_and_a_start_on_it_says_so(operator: Operator, tmp_path: Path) -> None:
    settings, key = base_home(operator, tmp_path)
    with served(settings.model_copy(update={"time_limit": LIMIT}), key) as service:
        whole = Path(shutil.copy(service.store, tmp_path / "whole.db"))
        with service.store.open("r+b") as file:
            file.write(b"\xa5" * service.store.stat().st_size)
        for n, customer in enumerate(operator.active[:30]):
            status, answer, headers, _ = post(service, "decisions", asking(("customer", customer)))
            assert status == 200 or (status == 503 and headers["retry-after"])
            if status == 200:
                assert answer["degraded"] in (["store"], [])
            if "store" in answer.get("degraded", ()):
                assert answer["match"]["state"] == "unidentified"
            assert post(service, "events", visit(f"lost-{n}", customer, "2025-01-02T03:04:05Z"))[0] in (200, 503)
        assert json.loads(service.get("/readyz")[1])["store"] == "away"
        service.kill()
        shutil.rmtree(service.store.parent)
        service.store.parent.mkdir()
        service.store.write_bytes(b"\xa5" * 100_000)
        assert service.start_fails() != 0
        assert "cannot be used as a live store" in (settings.home / "service.log").read_text()
        shutil.copy(whole, service.store)
        service.start()
        assert decide(service, operator.active[0])["degraded"] == []


def test_asked_to_stop_under_load_it_answers_what_it_accepted_and_ends_well(operator: Operator, tmp_path: Path) -> None:
    settings, key = base_home(operator, tmp_path)
    with served(settings.model_copy(update={"time_limit": LIMIT}), key) as service:
        before = visits_before(operator, service)
        lazily = socket.create_connection(("127.0.0.1", settings.port))
        with Load(service, operator, clients=4) as load, closing(lazily) as lazy:
            head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: 100\r\n\r\n"
            lazy.sendall(head.encode())  # and nothing after it
            until(lambda: load.decided > 40)
            began = time.monotonic()
            assert service.stop() == 0
            assert time.monotonic() - began < 10
        held(load, kept_of(service.store), before)
    lines = [json.loads(line) for line in (settings.home / "service.log").read_text().splitlines() if line[:1] == "{"]
    unanswered = [line for line in lines if line["event"] == "request" and line["status"] is None]
    assert len(unanswered) <= 1, "only the one who never sent the rest got no answer"


def test_a_server_of_the_store_that_crashes_under_load_loses_nothing(operator: Operator, tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    database = Server()
    try:
        settings, key = base_home(operator, tmp_path, database.database())
        with served(settings.model_copy(update={"time_limit": LIMIT}), key) as service:
            before = visits_before(operator, service)
            with Load(service, operator, clients=3) as load:
                until(lambda: load.decided > 20)
                database.stop()
                until(lambda: load.statuses["events", 503] > 3)
                database.start()
                until(lambda: json.loads(service.get("/readyz")[1])["store"] == "here")
                enough = load.said + 10
                until(lambda: load.said > enough and undelivered(service) == 0)
            assert service.stop() == 0
        kept = kept_of(str(settings.store))
        held(load, kept, before)
        assert any(entry.degraded for entry in kept.decisions.values())
        last = max(kept.decisions.values(), key=lambda entry: entry.now)
        assert last.degraded == ()
        assert set(load.statuses) <= {(r, s) for r in ("events", "decisions", "outcomes") for s in (200, 503)}
    finally:
        database.remove()
