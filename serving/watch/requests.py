"""A line of the log for each request: which route, how it ended and how long it took."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = structlog.get_logger("serving")


class Access:
    """ASGI middleware. It notes the route's template, never the address itself: keys may stand in what callers ask."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it once it is answered."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, statuses = time.perf_counter(), []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            route = getattr(scope.get("route"), "path", "(no route)")
            took = round((time.perf_counter() - began) * 1000, 1)
            logger.info("request", route=route, status=next(iter(statuses), None), ms=took)
