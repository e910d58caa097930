"""What every request passes first, over an app that counts what reaches it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from running import running

from serving.access.guard import Guard
from serving.access.keys import open_keys
from serving.errors import install

LIMIT = 1_000


class Echo:
    """The app behind the guard: says how long a body was, and fails on demand."""

    def __init__(self, home: Path) -> None:
        keys, made = open_keys(home)
        self.headers = {"X-API-Key": str(made)}
        self.read = 0
        self.client: httpx.Client
        app = FastAPI()
        app.add_api_route("/v1/length", self.length, methods=["POST"])
        app.add_api_route("/v1/broken", self.broken)
        app.add_api_route("/open", self.open)
        app.add_middleware(Guard, keys=keys, prefix="/v1", limit=LIMIT)
        install(app)
        self.app = app

    async def length(self, request: Request) -> int:
        self.read = len(await request.body())
        return self.read

    def broken(self) -> None:
        raise RuntimeError("the secret of +32471234567")

    def open(self) -> str:
        return "open"


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[Echo]:
    echo = Echo(tmp_path)
    with running(echo.app) as echo.client:
        yield echo


def chunks(count: int) -> Iterator[bytes]:
    yield from [b"x" * 100] * count


def test_no_credentials(echo: Echo) -> None:
    answer = echo.client.post("/v1/length", content=b"{")
    assert (answer.status_code, echo.read) == (401, 0)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "X-API-Key" in answer.json()["detail"]


def test_wrong_credentials(echo: Echo) -> None:
    assert echo.client.post("/v1/length", content=b"{", headers={"X-API-Key": "tl_x"}).status_code == 401


def test_an_address_that_does_not_exist_says_nothing_without_a_key(echo: Echo) -> None:
    assert echo.client.get("/v1/nothing").status_code == 401
    assert echo.client.get("/v1/nothing", headers=echo.headers).status_code == 404
    assert echo.client.get("/open").json() == "open"


def test_a_body_up_to_the_limit_passes_declared_or_in_chunks(echo: Echo) -> None:
    for content in (b"x" * LIMIT, chunks(LIMIT // 100)):
        answer = echo.client.post("/v1/length", content=content, headers=echo.headers)
        assert (answer.status_code, answer.json()) == (200, LIMIT)


def test_a_longer_body_is_413_before_it_is_kept(echo: Echo) -> None:
    for content in (b"x" * (LIMIT + 1), chunks(LIMIT // 100 + 1)):
        answer = echo.client.post("/v1/length", content=content, headers=echo.headers)
        assert (answer.status_code, echo.read) == (413, 0)
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(LIMIT) in answer.json()["detail"]


def test_other_errors_are_problems_too_and_tell_nothing_of_the_inside(echo: Echo) -> None:
    for method, path, status in (("GET", "/v1/broken", 500), ("GET", "/none", 404), ("PUT", "/open", 405)):
        answer = echo.client.request(method, path, headers=echo.headers)
        assert answer.status_code == answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    assert answer.headers["allow"] == "GET"
