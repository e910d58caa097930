"""What the service tells of itself: metrics Prometheus can read, one line of JSON a request, an id to find it by."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from running import running
from starlette.types import Receive, Scope, Send

from serving.access import stored
from serving.access.guard import Guard
from serving.access.keys import ApiKeys
from serving.access.limits import Limits
from serving.errors import Problem, install
from serving.watch import log
from serving.watch.histogram import PROBABILITY, Histogram
from serving.watch.metrics import Metrics
from serving.watch.requests import Requests

Sample = tuple[str, tuple[tuple[str, str], ...]]


def samples(metrics: Metrics) -> dict[Sample, float]:
    """All that a scrape would read: (name, labels) -> value."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


@given(st.lists(st.one_of(st.floats(0, 1.5), st.sampled_from(PROBABILITY)), max_size=30))
def test_a_histogram_counts_values_up_to_and_with_each_bound(values: list[float]) -> None:
    histogram = Histogram(PROBABILITY)
    for value in values:
        histogram.add(value)
    for bound, count in histogram.cumulative():
        assert count == sum(value <= bound for value in values)
    assert histogram.total == pytest.approx(sum(values))


def test_what_is_counted_is_read_under_its_labels() -> None:
    metrics = Metrics(clock=lambda: 1_000.0)
    metrics.observe_stage("features", 0.0002)
    metrics.observe_stage("features", 0.5)
    metrics.observe_request("GET", "/v1/customers/{id}", 200, 0.004)
    metrics.observe_request("BREW", "(no route)", None, 0.1)
    metrics.observe_decision("plan_offer", "identified", 0.04)
    metrics.observe_decision(None, "unidentified")
    metrics.degrade("store away")
    metrics.reject("scope")
    metrics.cover("faults", 940_000_000)
    metrics.serve_models({"churn": (2, "old")})
    metrics.serve_models({"churn": (3, 'a"b')})
    waiting = [1, 2, 3]
    metrics.queue("journal", lambda: len(waiting))
    metrics.gauge("champion_stale", "1 when the registry is not followed.", lambda: 1.0)
    waiting.pop()
    told = samples(metrics)
    assert told["tieline_stage_seconds_bucket", (("le", "0.0002"), ("stage", "features"))] == 1
    assert told["tieline_stage_seconds_count", (("stage", "features"),)] == 2
    route = (("method", "GET"), ("route", "/v1/customers/{id}"))
    assert told["tieline_request_seconds_sum", route] == 0.004
    assert told["tieline_requests_total", (*route, ("status", "200"))] == 1
    assert told["tieline_requests_total", (("method", "other"), ("route", "(no route)"), ("status", "none"))] == 1
    assert told["tieline_decisions_total", (("action", "plan_offer"), ("match", "identified"))] == 1
    assert told["tieline_decisions_total", (("action", "none"), ("match", "unidentified"))] == 1
    assert told["tieline_risk_90_days_bucket", (("le", "0.05"),)] == 1
    assert told["tieline_risk_90_days_bucket", (("le", "0.03"),)] == 0
    assert told["tieline_degraded_total", (("reason", "store away"),)] == 1
    assert told["tieline_rejected_total", (("reason", "scope"),)] == 1
    assert told["tieline_feed_staleness_seconds", (("source", "faults"),)] == 60
    models = [labels for name, labels in told if name == "tieline_model_info"]
    assert models == [(("id", 'a"b'), ("name", "churn"), ("version", "3"))], "the model before must be gone"
    assert told["tieline_queue_length", (("queue", "journal"),)] == 2
    assert told["tieline_champion_stale", ()] == 1
    assert told["process_resident_memory_bytes", ()] > 1e6


def test_two_apps_do_not_share_their_counts() -> None:
    one, other = Metrics(), Metrics()
    one.reject("rate")
    assert ("tieline_rejected_total", (("reason", "rate"),)) not in samples(other)


class Watched:
    """A whole stack over a small app, its client, and what it logs."""

    def __init__(self, home: Path, captured: pytest.CaptureFixture[str]) -> None:
        self._captured, self.printed = captured, ""
        self.key = stored.add(home, "crm of the shop", ["read"])[0]
        self.metrics = Metrics()
        self.client: httpx.Client
        app = FastAPI()
        app.add_api_route("/v1/customers/{key}", self.customer)
        app.add_api_route("/v1/broken", self.broken)
        app.add_api_route("/v1/away", self.away)
        app.add_api_route("/v1/half", self.half)
        limits = Limits(body=1_000, bulk=1_000, inside=8)
        app.add_middleware(Guard, keys=ApiKeys(home), limits=limits, metrics=self.metrics)
        install(app)
        self.app = Requests(app, self.metrics)

    def customer(self, key: str) -> str:
        structlog.get_logger("engine").info("looked up")
        return "found"

    def broken(self) -> None:
        raise RuntimeError("something broke")

    def away(self) -> None:
        raise Problem(503, "the store is away")

    def half(self) -> StreamingResponse:
        def parts() -> Iterator[bytes]:
            yield b"half"
            raise RuntimeError("the other half is lost")

        return StreamingResponse(parts())

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={"X-API-Key": self.key} | headers)

    def lines(self, event: str, count: int = 1) -> list[dict]:
        """The lines of an event; a line may come a moment after its answer."""
        deadline, found = time.monotonic() + 10, []
        while len(found) < count and time.monotonic() < deadline:
            time.sleep(0.01)
            self.printed += self._captured.readouterr().err
            ours = [line for line in self.printed.splitlines() if line.startswith("{")]  # not the test server's own
            found = [line for line in map(json.loads, ours) if line["event"] == event]
        return found


@pytest.fixture
def watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Watched]:
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    log.configure("json")
    watched = Watched(tmp_path, capsys)
    with running(watched.app, lifespan="off") as watched.client:
        yield watched
    structlog.reset_defaults()
    if before:
        structlog.configure(**before)


def test_an_id_is_in_the_answer_and_in_every_line_of_the_request(watched: Watched) -> None:
    taken = watched.get("/v1/customers/+32471234567", **{"X-Request-ID": "call-7.A_b"})
    made = [watched.get("/v1/customers/C1").headers["x-request-id"] for _ in range(2)]
    assert taken.headers["x-request-id"] == "call-7.A_b"
    assert len({"call-7.A_b", *made}) == 3
    for event in "request", "looked up":
        assert [line["request_id"] for line in watched.lines(event, 3)] == ["call-7.A_b", *made]


@pytest.mark.parametrize("given_id", ["", "a b", "x" * 65, "a\u00e9", 'a"b', "../a"])
def test_an_id_that_is_not_well_formed_is_not_taken(watched: Watched, given_id: str) -> None:
    answer = watched.client.get("/v1/customers/C1", headers={"X-Request-ID": given_id.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["x-request-id"] not in ("", given_id)


def test_a_line_tells_route_status_time_and_client_and_no_name(watched: Watched) -> None:
    watched.get("/v1/customers/+32471234567", **{"User-Agent": "ann"})
    watched.client.get("/v1/customers/+32471234567", headers={"X-API-Key": "tl_guess"})
    told, closed = watched.lines("request", 2)
    assert (told["route"], told["status"], told["client"], told["level"]) == ("/v1/customers/{key}", 200, 1, "info")
    assert 0 < told["ms"] < 10_000
    assert (closed["route"], closed["status"], closed["client"]) == ("(no route)", 401, None)
    assert not [name for name in ("crm", "shop", "471", "ann", "tl_") if name in watched.printed]
    assert samples(watched.metrics)["tieline_rejected_total", (("reason", "unknown_key"),)] == 1


def test_an_error_is_one_line_with_the_id_its_answer_bears(watched: Watched) -> None:
    answer = watched.get("/v1/broken")
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    (line,) = watched.lines("the app failed")
    assert answer.json()["request_id"] == answer.headers["x-request-id"] == line["request_id"]
    assert "RuntimeError: something broke" in line["exception"]
    assert watched.lines("request")[0]["status"] == 500
    away = watched.get("/v1/away")
    assert away.json()["request_id"] == away.headers["x-request-id"]
    assert "request_id" not in watched.get("/v1/nothing").json(), "what the caller did wrong needs no search in logs"


def test_half_an_answer_does_not_look_whole(watched: Watched) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        watched.get("/v1/half")
    assert len(watched.lines("the app failed")) == 1


def test_an_app_that_fails_before_it_answers_is_answered_for() -> None:
    sent = []

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("below everything")

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with structlog.testing.capture_logs() as logged:
        asyncio.run(Requests(broken, Metrics())(scope, None, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["request_id"].encode() == dict(sent[0]["headers"])[b"x-request-id"]
    assert [line["event"] for line in logged] == ["the app failed", "request"]


def test_logs_are_for_people_on_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    def line(form: log.Format, stderr: StringIO) -> str:
        monkeypatch.setattr(sys, "stderr", stderr)
        event: dict | str = {"event": "a\nb", "who": object, "text": "\ud800", "number": float("nan")}
        for processor in log.processors(form):
            event = processor(None, "info", event)
        return str(event)

    for form, stderr, is_json in (
        ("auto", StringIO(), True),
        ("auto", Terminal(), False),
        ("json", Terminal(), True),
        ("console", StringIO(), False),
    ):
        told = line(form, stderr)
        assert told.startswith("{") == is_json
        if is_json:
            assert json.loads(told)["event"] == "a\nb"
            assert "\n" not in told


def test_lines_of_the_server_are_told_as_ours(watched: Watched) -> None:
    forward = log.Forward()
    try:
        raise ValueError("inside")
    except ValueError:
        info = sys.exc_info()
    forward.emit(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "it %s\n", ("failed",), info))
    forward.emit(logging.LogRecord("uvicorn.error", logging.DEBUG, "", 0, "chatter", (), None))
    (line,) = watched.lines("it failed")
    assert line["level"] == "error"
    assert "ValueError: inside" in line["exception"]
    assert "chatter" not in watched.printed
