"""A real server on a free port, in a thread of the test, and what tests ask of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from typing import Literal

import httpx
import uvicorn
from fastapi import FastAPI
from small_operator import Operator
from sqlalchemy import func, select
from starlette.types import ASGIApp

from serving.app import create_app
from serving.engine import Engine
from serving.live import schema
from serving.settings import Settings
from serving.watch.requests import Requests


@contextmanager
def running(app: ASGIApp, *, lifespan: Literal["auto", "off"] = "auto") -> Iterator[httpx.Client]:
    """A client of the served app."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, ws="none", log_level="warning", lifespan=lifespan))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it began"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        # No connection is used twice: uvicorn drops one after a 500, which would race with the next request.
        fresh = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False, limits=fresh) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


def wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + 120
    while (answer := client.get("/readyz")).status_code != 200:
        assert "failed" not in answer.text, "it did not get ready; its log says why"
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


@dataclass(frozen=True)
class Service:
    """A served operator: a client without, and the headers with, a key that may do all."""

    operator: Operator
    client: httpx.Client
    headers: dict[str, str]
    app: FastAPI | None = None

    @property
    def engine(self) -> Engine:
        """What answers."""
        assert self.app is not None
        return self.app.state.engine

    def ask(self, *keys: tuple[str, str], channel: str = "call_center", **more: object) -> httpx.Response:
        return self.post("decisions", {"keys": pairs(*keys), "channel": channel, **more})

    def score(self, *people: tuple[tuple[str, str], ...]) -> httpx.Response:
        return self.post("scores", {"people": [{"keys": pairs(*keys)} for keys in people]})

    def say(self, *facts: dict) -> httpx.Response:
        return self.post("events", {"facts": list(facts)})

    def tell(self, decision: str, action: str, response: str, **more: object) -> httpx.Response:
        return self.post("outcomes", {"decision_id": decision, "action": action, "response": response, **more})

    def replay(self, decision: str) -> httpx.Response:
        return self.client.get(f"/v1/decisions/{decision}", headers=self.headers)

    def post(self, route: str, body: object) -> httpx.Response:
        return self.client.post(f"/v1/{route}", json=body, headers=self.headers)

    def send(self, route: str, content: bytes, **headers: str) -> httpx.Response:
        """Bytes as they are."""
        json_type = {"Content-Type": "application/json"}
        return self.client.post(f"/v1/{route}", content=content, headers=self.headers | json_type | headers)

    def counts(self) -> dict[str, int]:
        """How many rows each table that holds the truth has."""
        tables = (schema.FACTS, schema.EVIDENCE, schema.KEYS, schema.WORDS, schema.DECISIONS, schema.OUTCOMES)
        self.engine.journalling.deliver()
        with self.engine.store.engine.connect() as core:
            return {t.name: core.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}

    @property
    def now(self) -> int:
        """The store's, in UTC microseconds."""
        return self.engine.store.clock()


def pairs(*keys: tuple[str, str]) -> list[dict[str, str]]:
    return [{"type": t, "value": v} for t, v in keys]


@contextmanager
def serving(operator: Operator, settings: Settings) -> Iterator[Service]:
    """A home served as `serving.run` serves it, once it is ready."""
    printed = StringIO()
    with redirect_stderr(printed):
        app = create_app(settings)
    key = printed.getvalue().split()[-1]
    with running(Requests(app, app.state.metrics)) as client:
        wait_until_ready(client)
        yield Service(operator, client, {"X-API-Key": key}, app)
