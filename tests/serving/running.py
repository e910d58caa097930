"""A real server on a free port, in a thread of the test, and what tests ask of it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import httpx
import uvicorn
from fastapi import FastAPI
from small_operator import Operator


@contextmanager
def running(app: FastAPI, *, lifespan: Literal["auto", "off"] = "auto") -> Iterator[httpx.Client]:
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
    while client.get("/readyz").status_code != 200:
        assert time.monotonic() < deadline, client.get("/readyz").text
        time.sleep(0.1)


@dataclass(frozen=True)
class Service:
    """A served operator: a client without, and the headers with, a key."""

    operator: Operator
    client: httpx.Client
    headers: dict[str, str]

    def ask(self, *keys: tuple[str, str], channel: str = "call_center", **more: object) -> httpx.Response:
        body = {"keys": [{"type": t, "value": v} for t, v in keys], "channel": channel, **more}
        return self.client.post("/v1/decisions", json=body, headers=self.headers)
