"""Routes on the way of every call: declared like any other, and answered without what FastAPI does for all of them.

FastAPI matches routes one by one, resolves dependencies, validates, and serialises an answer through its model: several
times what a decision takes. A `Lean` route reads the body with the model its endpoint declares for ``asked`` (the same
errors) and sends the bytes the endpoint gives; `Direct` finds it by its path alone. The OpenAPI document is made from
the same declaration; tests hold the answers against it.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, get_type_hints

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.errors import Problem, invalid

_HEADERS = [(b"content-type", b"application/json")]


class Lean(APIRoute):
    """A route whose endpoint takes ``asked``, a model of the body, and ``request``, and gives the answer's body."""

    @property
    def form(self) -> type[BaseModel]:
        """The model of the body."""
        return get_type_hints(self.endpoint)["asked"]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler FastAPI calls where a request did not come by `Direct`."""
        read, answer = self.form.__pydantic_validator__.validate_json, self.endpoint

        async def handle(request: Request) -> Response:
            body = await request.body()
            try:
                asked = read(body)
            except ValidationError as error:
                raise RequestValidationError(_placed(error)) from None
            return Response(await answer(asked, request), media_type="application/json")

        return handle


class Direct:
    """ASGI middleware, innermost of ours: what is asked of a `Lean` route goes there at once, all else to the app.

    Whoever stands before it has read the body, so that it comes whole.
    """

    def __init__(self, app: ASGIApp, routers: Sequence[APIRouter]) -> None:
        self.app = app
        lean = [route for router in routers for route in router.routes if isinstance(route, Lean)]
        self._routes = {
            route.path: (route, route.form.__pydantic_validator__.validate_json, route.endpoint) for route in lean
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        found = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            return await self.app(scope, receive, send)
        scope["route"], read, answer = found
        try:
            asked = read(await _body(receive))
            body = await answer(asked, Request(scope))
        except ValidationError as error:
            return await invalid(_placed(error)).response()(scope, receive, send)
        except Problem as problem:
            return await problem.response()(scope, receive, send)
        headers = [*_HEADERS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        return await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _placed(error: ValidationError) -> list[dict[str, Any]]:
    """The errors as FastAPI has them: their place begins with the body."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    return [{**one, "loc": ("body", *one["loc"])} for one in found]
