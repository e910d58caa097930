"""The HTTP service: settings in, an ASGI app out."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from serving import routes
from serving.access.guard import Guard
from serving.access.keys import open_keys
from serving.access.limits import Limits
from serving.engine import Engine
from serving.errors import install
from serving.filling import filled
from serving.lean import Direct
from serving.openapi import describe
from serving.resources import Resources, open_resources
from serving.settings import Settings
from serving.watch import log
from serving.watch.metrics import Metrics

logger = structlog.get_logger("serving")
_SWITCH = 0.0005
"""Seconds a thread may keep the others waiting: the writer of the live store is one of them."""


class Service(FastAPI):
    """FastAPI, entered by what stands before all it puts around every request: most calls need none of that."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.entrance: ASGIApp = super().__call__

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope["app"] = self
        await self.entrance(scope, receive, send)


def create_app(settings: Settings, on_failure: Callable[[], None] | None = None) -> FastAPI:
    """The service over ``settings.home``. It answers `/readyz` with 503 until the store is filled and all is warm.

    Raises `serving.errors.StartError` when something it needs is not there. ``on_failure`` is called when getting ready
    fails later; `app.state.failure` then holds the error.
    """
    log.configure(settings.log_format)
    resources = open_resources(settings)
    keys, made = open_keys(settings.home)
    if made:
        sys.stderr.write(f"made the first API key, shown only this once: {made}\n")
    metrics = Metrics()
    lifespan = _lifespan(settings, resources, metrics, on_failure or _ignore)
    app = Service(title="tieline", version=version("tieline"), lifespan=lifespan, redirect_slashes=False)
    app.state.engine = app.state.failure = None
    app.state.metrics = metrics
    for router in routes.ROUTERS:
        app.include_router(router)
    app.entrance = Guard(Direct(app.entrance, routes.ROUTERS), keys, Limits.of(settings), metrics)
    install(app)
    describe(app, resources.workspace.catalog.key_types)
    return app


def _lifespan(settings: Settings, resources: Resources, metrics: Metrics, on_failure: Callable[[], None]) -> Callable:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(_SWITCH)
        task = asyncio.create_task(_open(app, settings, resources, metrics, on_failure))
        yield
        await task
        engine: Engine | None = app.state.engine
        if engine is not None:
            app.state.delivering.cancel()
            with suppress(asyncio.CancelledError):
                await app.state.delivering
            await asyncio.to_thread(engine.close)

    return lifespan


async def _open(
    app: FastAPI, settings: Settings, resources: Resources, metrics: Metrics, on_failure: Callable[[], None]
) -> None:
    """Fill `app.state.engine` while the service already answers `/healthz`."""
    try:
        store = await asyncio.to_thread(filled, settings, resources, logger.info)
        engine = await asyncio.to_thread(Engine.open, settings, resources, store, metrics)
    except Exception as error:
        app.state.failure = error
        logger.exception("getting ready failed")
        on_failure()
        return
    store.committed_by(asyncio.get_running_loop())
    app.state.delivering = asyncio.create_task(engine.keep_delivering())
    app.state.engine = engine
    gc.collect()
    gc.freeze()  # what is here now stays: looking through it again and again would hold up calls
    logger.info("ready", models=resources.follower.current.versions)


def _ignore() -> None:
    """Nobody asked to be told."""
