"""What every request passes first, over an app that counts what reaches it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from running import running

from serving.access import stored
from serving.access.guard import Guard
from serving.access.keys import ApiKeys
from serving.access.limits import DEPTH, Limits, check_depth
from serving.access.refusal import Refusal
from serving.access.routes import TABLE
from serving.access.stored import SCOPES
from serving.errors import install
from serving.watch.metrics import Metrics

LIMIT, BULK = 1_000, 3_000
LIMITS = Limits(body=LIMIT, bulk=BULK, inside=3, body_seconds=0.5)


class Echo:
    """The app behind the guard: says how long a body was, fails, or waits until it is let go."""

    def __init__(self, home: Path, limits: Limits) -> None:
        self.keys = {scope: stored.add(home, scope, [scope])[0] for scope in SCOPES}
        self.headers = {"X-API-Key": stored.add(home, "all", SCOPES)[0]}
        self.read = 0
        self.metrics = Metrics()
        self.go = threading.Event()
        self.client: httpx.Client
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.add_api_route("/v1/decisions", self.length, methods=["POST"])
        app.add_api_route("/v1/events", self.length, methods=["POST"])
        app.add_api_route("/v1/broken", self.broken)
        app.add_api_route("/v1/slow", self.slow)
        app.add_api_route("/healthz", self.alive)
        app.add_middleware(Guard, keys=ApiKeys(home), limits=limits, metrics=self.metrics)
        install(app)
        self.app = app

    async def length(self, request: Request) -> int:
        self.read = len(await request.body())
        return self.read

    def broken(self) -> None:
        raise RuntimeError("the secret of +32471234567")

    def slow(self) -> str:
        assert self.go.wait(30)
        return "done"

    def alive(self) -> str:
        return "alive"

    def post(self, path: str, content: bytes | Iterator[bytes]) -> httpx.Response:
        return self.client.post(path, content=content, headers=self.headers)

    def rejected(self, reason: str) -> bool:
        """Whether one request, and no more, was counted for this reason."""
        return f'tieline_rejected_total{{reason="{reason}"}} 1.0' in self.metrics.text().decode()


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    echo = Echo(tmp_path, LIMITS)
    with running(echo.app) as echo.client:
        yield echo


def chunks(count: int) -> Iterator[bytes]:
    yield from [b"x" * 100] * count


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


ROUTES = [
    ("POST", "/v1/decisions", "decide"),
    ("POST", "/v1/scores", "decide"),
    ("POST", "/v1/outcomes", "decide"),
    ("POST", "/v1/events", "events"),
    ("GET", "/v1/customers/C1", "read"),
    ("GET", "/v1/accounts/A1", "read"),
    ("GET", "/v1/decisions/d1", "read"),
    ("HEAD", "/v1/decisions/d1", "read"),
    ("GET", "/metrics", "read"),
    ("POST", "/v1/models/churn", "admin"),
    ("POST", "/v1/decisionsx", "admin"),
    ("DELETE", "/v1/decisions/d1", "admin"),
    ("GET", "/v1x", None),
    ("GET", "/openapi.json", None),
    ("GET", "/docs", None),
    ("GET", "/none", None),
    ("GET", "//healthz", None),
    ("GET", "/healthz/", None),
]


def test_no_credentials(echo: Echo) -> None:
    for method, path, _ in ROUTES:
        for headers in ({}, {"X-API-Key": "tl_x"}, {"Authorization": "Bearer"}):
            answer = echo.client.request(method, path, headers=headers, content=b"{")
            assert (answer.status_code, echo.read) == (401, 0), (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert "www-authenticate" in answer.headers


def test_wrong_scope(echo: Echo) -> None:
    for method, path, scope in ROUTES:
        for held, key in echo.keys.items():
            answer = echo.client.request(method, path, headers={"X-API-Key": key}, content=b"[]")
            opened = scope in (None, held)
            assert (answer.status_code == 403) != opened, (method, path, held)
            if not opened and method != "HEAD":
                assert f"'{scope}'" in answer.json()["detail"]


def test_the_table_names_each_path_once_and_health_alone_is_open(echo: Echo) -> None:
    assert echo.client.get("/healthz").json() == "alive"
    assert {rule.path for rule in TABLE} >= {path for _, path, scope in ROUTES if scope in ("decide", "events")}


def test_an_address_that_does_not_exist_says_nothing_without_a_key(echo: Echo) -> None:
    for path in ("/v1/nothing", "/nothing"):
        assert echo.client.get(path).status_code == 401
        assert echo.client.get(path, headers=echo.headers).status_code == 404


def test_a_browser_is_asked_for_a_password_by_the_documents_only(echo: Echo) -> None:
    assert echo.client.get("/docs").headers["www-authenticate"].startswith("Basic")
    password = ("me", echo.keys["read"])
    assert echo.client.get("/docs", auth=password).status_code == 404  # there are none here, but it may look
    answer = echo.client.get("/v1/decisions/d1", auth=password)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("path", "limit"), [("/v1/decisions", LIMIT), ("/v1/events", BULK)])
def test_a_body_up_to_the_limit_passes_declared_or_in_chunks(echo: Echo, path: str, limit: int) -> None:
    for content in (b"x" * limit, chunks(limit // 100)):
        answer = echo.post(path, content)
        assert (answer.status_code, answer.json()) == (200, limit)


@pytest.mark.parametrize(("path", "limit"), [("/v1/decisions", LIMIT), ("/v1/events", BULK)])
def test_a_longer_body_is_413_before_it_is_kept(echo: Echo, path: str, limit: int) -> None:
    for content in (b"x" * (limit + 1), chunks(limit // 100 + 1)):
        answer = echo.post(path, content)
        assert (answer.status_code, echo.read) == (413, 0)
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(limit) in answer.json()["detail"]


def half_a_request(echo: Echo) -> socket.socket:
    connection = socket.create_connection((echo.client.base_url.host, echo.client.base_url.port), timeout=30)
    head = ("POST /v1/decisions HTTP/1.1", "Host: x", "Content-Length: 9", f"X-API-Key: {echo.headers['X-API-Key']}")
    connection.sendall("\r\n".join((*head, "", "[")).encode())
    return connection


def test_a_body_that_stops_halfway_is_given_up(echo: Echo) -> None:
    with half_a_request(echo) as slow:
        assert slow.recv(12) == b"HTTP/1.1 408"
    assert echo.read == 0
    assert echo.metrics.inside == 0


def test_a_client_that_leaves_halfway_frees_its_place(echo: Echo) -> None:
    for _ in range(LIMITS.inside + 2):
        half_a_request(echo).close()
    until(lambda: echo.metrics.inside == 0)
    assert echo.post("/v1/decisions", b"{}").status_code == 200


def test_when_all_places_are_taken_the_next_is_told_at_once_to_come_again(echo: Echo) -> None:
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(echo.client.get("/v1/slow", headers=echo.headers).status_code)

    threads = [threading.Thread(target=ask) for _ in range(LIMITS.inside)]
    for thread in threads:
        thread.start()
    until(lambda: echo.metrics.inside == LIMITS.inside)
    answer = echo.post("/v1/decisions", b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert echo.client.get("/healthz").status_code == 200
    assert echo.rejected("full")
    echo.go.set()
    for thread in threads:
        thread.join()
    assert statuses == [200] * LIMITS.inside
    assert echo.post("/v1/decisions", b"{}").status_code == 200


def test_a_request_that_fails_frees_its_place(echo: Echo) -> None:
    for _ in range(LIMITS.inside + 1):
        assert echo.client.get("/v1/broken", headers=echo.headers).status_code == 500
    assert echo.metrics.inside == 0


def test_a_client_over_its_rate_is_told_when_and_others_are_not(tmp_path: Path) -> None:
    echo = Echo(tmp_path, Limits(body=LIMIT, bulk=BULK, inside=3, rate=0.1, burst=2))
    with running(echo.app) as echo.client:
        assert [echo.post("/v1/decisions", b"{}").status_code for _ in range(2)] == [200, 200]
        answer = echo.post("/v1/decisions", b"{}")
        assert answer.status_code == 429
        assert 8 <= int(answer.headers["retry-after"]) <= 10
        other = {"X-API-Key": echo.keys["decide"]}
        assert echo.client.post("/v1/decisions", content=b"{}", headers=other).status_code == 200
        assert echo.client.get("/healthz").status_code == 200
        assert echo.rejected("rate")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"a":' * (DEPTH + 1), "too_deep"),
        (b'"\\\\"' + b"[" * (DEPTH + 1), "too_deep"),
        (json.dumps([[]]).encode("utf-16"), "not_utf8"),
    ],
)
def test_a_deep_body_is_400_before_it_is_parsed(echo: Echo, content: bytes, reason: str) -> None:
    answer = echo.post("/v1/events", content)
    assert (answer.status_code, echo.read) == (400, 0)
    assert answer.headers["content-type"] == "application/problem+json"
    assert echo.rejected(reason)


TEXTS = st.text(st.sampled_from('ab"\\[]{}\n\u2200é'), max_size=8)
JSONS = st.recursive(
    st.one_of(TEXTS, st.integers(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=40,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(JSONS, st.booleans())
def test_depth_is_that_of_the_parsed_value_whatever_stands_in_strings(value: object, ascii_only: bool) -> None:
    body, deep = json.dumps(value, ensure_ascii=ascii_only).encode(), depth(value)
    check_depth(body, deep)
    if deep:
        with pytest.raises(Refusal, match="400"):
            check_depth(body, deep - 1)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_json_do_no_harm(body: bytes) -> None:
    with suppress(Refusal):
        check_depth(body, 3)


def test_other_errors_are_problems_too_and_tell_nothing_of_the_inside(echo: Echo) -> None:
    for method, path, status in (("GET", "/v1/broken", 500), ("GET", "/none", 404), ("PUT", "/healthz", 405)):
        answer = echo.client.request(method, path, headers=echo.headers)
        assert answer.status_code == answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    assert answer.headers["allow"] == "GET"
