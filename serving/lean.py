"""Routes on the way of every call: declared like any other, and answered without what FastAPI does for all of them.

FastAPI resolves dependencies, validates and serialises an answer through its model: several times what a decision
takes. A `Lean` route reads the body with the model its endpoint declares for ``asked`` (the same errors), and sends the
bytes the endpoint gives. The OpenAPI document is made from the same declaration; tests hold the answers against it.
"""

from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response


class Lean(APIRoute):
    """A route whose endpoint takes ``asked``, a model of the body, and ``request``, and gives the answer's body."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler FastAPI calls for each request."""
        form: type[BaseModel] = get_type_hints(self.endpoint)["asked"]
        read, answer = form.__pydantic_validator__.validate_json, self.endpoint

        async def handle(request: Request) -> Response:
            body = await request.body()
            try:
                asked = read(body)
            except ValidationError as error:
                raise RequestValidationError(_placed(error)) from None
            return Json(await answer(asked, request))

        return handle


class Json(Response):
    """An answer that is JSON already."""

    media_type = "application/json"


def _placed(error: ValidationError) -> list[dict[str, Any]]:
    """The errors as FastAPI has them: their place begins with the body."""
    found = error.errors(include_input=False, include_context=False, include_url=False)
    return [{**one, "loc": ("body", *one["loc"])} for one in found]
