"""The addresses of the service: each parses, calls the engine and returns."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Path, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.responses import Response

from serving import cards, replaying
from serving.access.keys import HEADER
from serving.card_forms import AccountCard, CustomerCard
from serving.deciding.answer import JSON
from serving.engine import Engine
from serving.errors import Problem, declared
from serving.forms import EventsAnswer, EventsRequest
from serving.health_forms import Alive, Following, Ready
from serving.lean import Lean
from serving.live.store import StoreAway
from serving.outcomes import tell
from serving.schemas import (
    DECISION,
    DecisionAnswer,
    DecisionRequest,
    ModelAnswer,
    OutcomeAnswer,
    OutcomeRequest,
    ReplayAnswer,
    ScoresAnswer,
    ScoresRequest,
)
from serving.settings import instant
from serving.watch.metrics import MEDIA_TYPE

PREFIX = "/v1"
_KEY = [
    # Checked by the guard, before anything is read; here they are only declared.
    Security(APIKeyHeader(name=HEADER, auto_error=False)),
    Security(HTTPBearer(auto_error=False)),
]
_ALWAYS = (401, 403, 429, 500, 503)
_WITH_BODY = (400, 408, 413, 422)


def ready_engine(request: Request) -> Engine:
    """The engine; a 503 `Problem` while it is not there."""
    engine: Engine | None = request.app.state.engine
    if engine is None:
        failed = request.app.state.failure
        detail = "getting ready failed; the log has more" if failed else "still filling the store and warming models"
        raise Problem(503, detail, headers={"Retry-After": "1"})
    return engine


health = APIRouter(tags=["health"])
calls = APIRouter(prefix=PREFIX, dependencies=_KEY, route_class=Lean)
questions = APIRouter(prefix=PREFIX, dependencies=_KEY)


@health.head("/healthz", include_in_schema=False)
@health.get("/healthz", operation_id="alive")
async def healthz() -> Alive:
    """The process answers."""
    return Alive(status="alive")


@health.head("/readyz", include_in_schema=False)
@health.get("/readyz", operation_id="ready", responses=declared(503))
def readyz(engine: Engine = Depends(ready_engine)) -> Ready:  # noqa: B008
    """Kernel and models are warm: decisions can be asked for."""
    status = engine.follower.status()
    try:
        silent, here = list(engine.feeds_now()[0].silent), True
    except StoreAway:
        silent, here = [], False
    return Ready(
        status="ready",
        model={n: ModelAnswer(version=v, id=status.models[n]) for n, v in status.versions.items()},
        registry=Following(
            since=status.since, looked=status.looked, stale=status.stale, error=status.error, trouble=status.trouble
        ),
        store="here" if here else "away",
        undelivered=engine.spill.waiting,
        silent=silent,
    )


@health.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """What was counted, in Prometheus' text format."""
    engine: Engine | None = request.app.state.engine
    if engine is not None:
        request.app.state.metrics.serve_models(engine.ready.speaker.versions)
    return Response(request.app.state.metrics.text(), media_type=MEDIA_TYPE)


@calls.post(
    "/decisions",
    operation_id="decide",
    tags=["decisions"],
    response_model=DecisionAnswer,
    responses=declared(*_ALWAYS, *_WITH_BODY),
)
async def decide(asked: DecisionRequest, request: Request) -> bytes:
    """Who it is, whether they will leave, what they need, why, and what to do next. Written down before it is said."""
    return await ready_engine(request).decide(asked)


@calls.post(
    "/scores",
    operation_id="score",
    tags=["decisions"],
    response_model=ScoresAnswer,
    responses=declared(*_ALWAYS, *_WITH_BODY),
)
async def score(asked: ScoresRequest, request: Request) -> bytes:
    """What is likely of many people. Nothing is decided and nothing written down."""
    return await ready_engine(request).score(asked.people)


@calls.post(
    "/events",
    operation_id="take",
    tags=["events"],
    response_model=EventsAnswer,
    responses=declared(*_ALWAYS, *_WITH_BODY),
)
async def events(asked: EventsRequest, request: Request) -> bytes:
    """Facts of any source, all or none. Once this answers they are durable and count in the very next decision."""
    appended = await ready_engine(request).take(asked.facts)
    return orjson.dumps({"became": appended.became, "known_at": instant(appended.stamp)}, option=JSON)


@calls.post(
    "/outcomes",
    operation_id="tell",
    tags=["decisions"],
    response_model=OutcomeAnswer,
    responses=declared(404, *_ALWAYS, *_WITH_BODY),
)
async def outcomes(asked: OutcomeRequest, request: Request) -> bytes:
    """What came of an action of a decision. It counts in the very next one."""
    return orjson.dumps({"became": await tell(ready_engine(request), asked)})


@questions.get(
    "/decisions/{decision_id}",
    operation_id="replay",
    tags=["decisions"],
    response_model=ReplayAnswer,
    responses=declared(404, 422, *_ALWAYS),
)
def replay(decision_id: Annotated[str, Path(pattern=DECISION)], engine: Engine = Depends(ready_engine)) -> Any:  # noqa: B008
    """A decision, computed again from what was known then: from the same rows, models and rules."""
    return Response(replaying.replay(engine, decision_id), media_type="application/json")


@questions.get(
    "/customers/{customer_id:path}",
    operation_id="customer",
    tags=["cards"],
    response_model=CustomerCard,
    responses=declared(404, 422, *_ALWAYS),
)
def customer(customer_id: Annotated[str, Path(max_length=512)], engine: Engine = Depends(ready_engine)) -> Any:  # noqa: B008
    """Everything about the customer of that CRM id."""
    return Response(cards.customer_card(engine, customer_id), media_type="application/json")


@questions.get(
    "/accounts/{account_id:path}",
    operation_id="account",
    tags=["cards"],
    response_model=AccountCard,
    responses=declared(404, 422, *_ALWAYS),
)
def account(account_id: Annotated[str, Path(max_length=512)], engine: Engine = Depends(ready_engine)) -> Any:  # noqa: B008
    """What the members' risks amount to for an account."""
    return Response(cards.account_card(engine, account_id), media_type="application/json")


ROUTERS = (health, calls, questions)
