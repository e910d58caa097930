"""Every 4xx and 5xx as a problem document (RFC 9457), and the error that stops a start.

No problem repeats what the caller sent: a value in the wrong field may well be a natural key.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving.watch.ids import REQUEST_ID

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 100
"""So many fields are told of: a large body may be wrong in a hundred thousand places."""


class StartError(RuntimeError):
    """Serving cannot start; the message says what is missing and which command makes it."""


class FieldError(BaseModel):
    """What is wrong with one field: ``body.keys.0.type`` and what would be right."""

    model_config = ConfigDict(extra="forbid")

    field: str
    message: str


class ProblemDocument(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="`urn:tieline:problem:` and the name of the kind of problem")
    title: str = Field(description="the HTTP status in words")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="what went wrong and what would be right")
    errors: list[FieldError] = Field(
        max_length=MOST_ERRORS, description="the fields that are wrong, the first of them; empty when none is to blame"
    )
    request_id: str | None = Field(default=None, description="of an error on our side: the id its log lines bear")


class Problem(HTTPException):
    """An error that knows its HTTP status and the document that tells the caller about it."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.errors = tuple(errors)

    def response(self) -> Response:
        """The problem as a response."""
        title = HTTPStatus(self.status_code).phrase
        document = ProblemDocument(
            type="urn:tieline:problem:" + title.lower().replace(" ", "-"),
            title=title,
            status=self.status_code,
            detail=str(self.detail),
            errors=list(self.errors[:MOST_ERRORS]),
            request_id=REQUEST_ID.get() if self.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR else None,
        )
        return Response(document.model_dump_json(exclude_none=True), self.status_code, self.headers, MEDIA_TYPE)


def declared(*statuses: int) -> dict[int | str, dict[str, object]]:
    """The OpenAPI ``responses`` of a route that may answer these problems."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def install(app: FastAPI) -> None:
    """Make the app answer every error with a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


def _http(request: Request, error: Exception) -> Response:
    if isinstance(error, Problem):
        return error.response()
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, _detail(request, error), headers=error.headers).response()


def _detail(request: Request, error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "there is nothing at this address; /openapi.json lists what there is"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{request.method} is not offered here"
    return str(error.detail)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return invalid(error.errors()).response()


def invalid(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem of a body that is not of its form, by pydantic's errors."""
    # Once each: a body may hold any number of unknown fields.
    told = dict.fromkeys((_place(e), str(e["msg"])) for e in errors)
    fields = [FieldError(field=place, message=message) for place, message in told]
    return Problem(422, "the request is not valid; see errors", fields)


def _place(error: Mapping[str, Any]) -> str:
    """``body.keys.0.type``; for a field that does not exist the place it stands at, for its name is the caller's."""
    place = error["loc"][:-1] if error["type"] == "extra_forbidden" else error["loc"]
    return ".".join(map(str, place))


def _unexpected(request: Request, error: Exception) -> Response:
    return Problem(500, "an error on our side; the log has more").response()
