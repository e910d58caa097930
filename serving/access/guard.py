"""What every request passes before it is routed: its key and scope, how often, how many at once, and its body."""

import asyncio
from collections.abc import Mapping
from math import ceil

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.keys import ApiKeys, Client
from serving.access.limits import Limits, check_depth
from serving.access.rate import Rate
from serving.access.refusal import Refusal
from serving.access.routes import OPEN, Rule, rule_of
from serving.watch.metrics import Metrics

CLIENT = "tieline.client"
"""Where the ASGI scope holds the `serving.access.keys.Client` of a request that had a key."""


class Guard:
    """ASGI middleware. It stands before routing, so that whoever has no key learns nothing, not even that their body
    was malformed; and it reads the body, so that the app gets one whole message of a size and depth it can bear.

    Requests to `OPEN` paths pass at once: a service that turns others away is still asked whether it lives.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, limits: Limits, metrics: Metrics) -> None:
        self.app = app
        self.keys = keys
        self.limits = limits
        self.metrics = metrics
        self.rate = Rate(limits.rate, limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with the problem."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["path"] in OPEN:
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        try:
            rule = rule_of(scope["method"], scope["path"])
            scope[CLIENT] = self._admit(rule, headers)
            if b"content-length" in headers or b"transfer-encoding" in headers:
                receive = await self._read(receive, headers, self.limits.bulk if rule.bulk else self.limits.body)
                self._check_room()  # others came in while the body arrived
        except Refusal as refusal:
            self.metrics.reject(refusal.reason)
            return await refusal.response()(scope, receive, send)
        self.metrics.inside += 1
        try:
            return await self.app(scope, receive, send)
        finally:
            self.metrics.inside -= 1

    def _admit(self, rule: Rule, headers: Mapping[bytes, bytes]) -> Client:
        client = self.keys.client(headers, basic=rule.browser)
        if rule.scope is not None and rule.scope not in client.scopes:
            raise Refusal("scope", 403, f"this API key lacks the scope '{rule.scope}'")
        wait = self.rate.wait(client.name)
        if wait:
            raise Refusal("rate", 429, "too many requests with this API key", {"Retry-After": str(ceil(wait))})
        self._check_room()
        return client

    def _check_room(self) -> None:
        if self.metrics.inside >= self.limits.inside:
            raise Refusal("full", 503, "as many requests as can be borne are being answered", {"Retry-After": "1"})

    async def _read(self, receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> Receive:
        """A ``receive`` that gives the whole body, which was checked, and then what comes after it."""
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18 or int(length) > limit:
            raise _too_large(limit)
        message = await receive()
        if message.get("more_body"):
            message = await self._rest(message, receive, limit)
        body = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        check_depth(body, self.limits.depth)
        messages = [message]

        async def whole_then_rest() -> Message:
            return messages.pop() if messages else await receive()

        return whole_then_rest

    async def _rest(self, message: Message, receive: Receive, limit: int) -> Message:
        """The message with the whole body, or the one that says the client is gone.

        Only now there is a clock: a timer costs as much as the rest of the guard, and most bodies come in one piece.
        Who sends a head and nothing after it holds a connection, as who sends nothing at all does, and no more.
        """
        body = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while message["type"] == "http.request":
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _too_large(limit)
                    if not message.get("more_body"):
                        return {"type": "http.request", "body": bytes(body), "more_body": False}
                    message = await receive()
        except TimeoutError:
            detail = f"the body did not arrive within {self.limits.body_seconds:g} seconds"
            raise Refusal("too_slow", 408, detail, {"Connection": "close"}) from None
        return message


def _too_large(limit: int) -> Refusal:
    detail = f"a request to this address may have {limit} bytes at most"
    return Refusal("too_large", 413, detail, {"Connection": "close"})
