"""The service as a process."""

import signal
import socket
from math import ceil
from types import FrameType

import uvicorn

from serving.app import create_app
from serving.errors import StartError
from serving.settings import Settings
from serving.watch import log
from serving.watch.requests import Requests

_GRACE = 3
"""Seconds beside what the limits allow, for requests under way when the service is told to stop."""


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises `StartError` when it cannot start, or cannot read the lake."""
    with _listening(settings.host, settings.port) as listener:
        _serve(settings, listener)


def _serve(settings: Settings, listener: socket.socket) -> None:
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_failure=stop)
    # uvicorn's own lines repeat the whole address, with whatever a caller put into it.
    config = uvicorn.Config(
        Requests(app, app.state.metrics),
        host=settings.host,
        port=settings.port,
        server_header=False,
        access_log=False,
        log_config=log.uvicorn_config(),
        ws="none",
        proxy_headers=False,
        # A request waits for the store at most twice; who never ends theirs does not keep the service from ending.
        timeout_graceful_shutdown=ceil(2 * settings.time_limit) + _GRACE,
    )
    server = uvicorn.Server(config)
    before = signal.signal(signal.SIGTERM, _stopped)
    try:
        server.run([listener])
    finally:
        signal.signal(signal.SIGTERM, before)
    if app.state.failure is not None:
        raise StartError(f"the lake could not be loaded: {app.state.failure}") from app.state.failure


def _stopped(number: int, frame: FrameType | None) -> None:
    """Nothing more to do: uvicorn, once it has ended as it was asked to, raises the signal it was asked with again."""


def _listening(host: str, port: int) -> socket.socket:
    """The socket, taken before anything is loaded; whoever connects meanwhile is answered once the service runs."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
