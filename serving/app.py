"""The HTTP service: settings in, an ASGI app out. Everything is put together here and nowhere else."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from serving.access.guard import Guard
from serving.access.keys import HEADER, open_keys
from serving.access.limits import Limits
from serving.answer import model_answer
from serving.engine import Engine
from serving.errors import Problem, declared, install
from serving.openapi import describe
from serving.resources import Resources, open_resources
from serving.schemas import Alive, DecisionAnswer, DecisionRequest, Ready
from serving.settings import Settings
from serving.watch import log
from serving.watch.metrics import Metrics

PREFIX = "/v1"
logger = structlog.get_logger("serving")


def create_app(settings: Settings, on_failure: Callable[[], None] | None = None) -> FastAPI:
    """The service over ``settings.home``. It answers `/readyz` with 503 until the lake is read and all is warm.

    Raises `serving.errors.StartError` when something it needs is not there. ``on_failure`` is called when reading the
    lake fails later; `app.state.failure` then holds the error.
    """
    log.configure(settings.log_format)
    resources = open_resources(settings)
    keys, made = open_keys(settings.home)
    if made:
        sys.stderr.write(f"made the first API key, shown only this once: {made}\n")
    lifespan = _lifespan(settings, resources, on_failure or _ignore)
    app = FastAPI(title="tieline", version=version("tieline"), lifespan=lifespan, redirect_slashes=False)
    app.state.engine = app.state.failure = None
    app.include_router(health)
    app.include_router(decisions)
    metrics = app.state.metrics = Metrics()
    app.add_middleware(Guard, keys=keys, limits=Limits.of(settings), metrics=metrics)
    install(app)
    describe(app, resources.workspace.catalog.key_types)
    return app


def _lifespan(settings: Settings, resources: Resources, on_failure: Callable[[], None]) -> Callable:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_load(app, settings, resources, on_failure))
        yield
        await task

    return lifespan


async def _load(app: FastAPI, settings: Settings, resources: Resources, on_failure: Callable[[], None]) -> None:
    """Fill `app.state.engine` while the service already answers `/healthz`."""
    try:
        app.state.engine = await asyncio.to_thread(Engine.load, settings, resources)
    except Exception as error:
        app.state.failure = error
        logger.exception("loading failed")
        on_failure()
    else:
        logger.info("ready", models={n: c.version for n, c in resources.champions.named.items()})


def _ignore() -> None:
    """Nobody asked to be told."""


def ready_engine(request: Request) -> Engine:
    """The engine; a 503 `Problem` while it is not there."""
    engine: Engine | None = request.app.state.engine
    if engine is None:
        detail = (
            "loading failed; the log has more" if request.app.state.failure else "still loading the lake and models"
        )
        raise Problem(503, detail, headers={"Retry-After": "1"})
    return engine


health = APIRouter(tags=["health"])
decisions = APIRouter(
    prefix=PREFIX,
    tags=["decisions"],
    dependencies=[
        # Checked by the guard, before anything is read; here they are only declared.
        Security(APIKeyHeader(name=HEADER, auto_error=False)),
        Security(HTTPBearer(auto_error=False)),
    ],
)


@health.head("/healthz", include_in_schema=False)
@health.get("/healthz", operation_id="alive")
def healthz() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@health.head("/readyz", include_in_schema=False)
@health.get("/readyz", operation_id="ready", responses=declared(503))
def readyz(engine: Engine = Depends(ready_engine)) -> Ready:  # noqa: B008
    """Kernel and models are warm: decisions can be asked for."""
    return Ready(status="ready", model=model_answer(engine.resources.champions))


@decisions.post("/decisions", operation_id="decide", responses=declared(400, 401, 413, 422, 500, 503))
def decide(asked: DecisionRequest, engine: Engine = Depends(ready_engine)) -> DecisionAnswer:  # noqa: B008
    """Who it is, whether they will leave, what they need, why, and what to do next."""
    return engine.answer(asked)
