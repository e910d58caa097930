"""What is told of each request: its id, a line of the log, and how long it took."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.guard import CLIENT
from serving.errors import Problem
from serving.watch.ids import REQUEST_ID, numbering, well_formed
from serving.watch.metrics import NO_ROUTE, Metrics

HEADER = b"x-request-id"


class Requests:
    """ASGI middleware, the outermost. It notes the route's template, never the address itself, and the client's number,
    never its name: keys may stand in what callers ask.

    The id is the caller's ``X-Request-ID`` if that is well formed, else a new one; the answer carries it. An error of
    the app is logged here, with the id, and answered if it was not yet; where half the answer is gone, the server cuts
    the connection, so that it does not look whole.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics
        self._new_id = numbering()
        self._log = structlog.get_logger("serving").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell of it once it is answered."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = time.perf_counter()
        given = dict(scope["headers"]).get(HEADER)
        request_id = given.decode() if given and well_formed(given) else self._new_id()
        header = (HEADER, request_id.encode())
        REQUEST_ID.set(request_id)  # each request is a task of its own, with a context of its own
        status = None

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception:
            self._log.exception("the app failed")
            if status is None:
                await Problem(500, "an error on our side; the log has more").response()(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            client = scope.get(CLIENT)
            self.metrics.observe_request(scope["method"], route, status, seconds)
            number = None if client is None else client.number
            self._log.info("request", route=route, status=status, ms=round(seconds * 1000, 2), client=number)
