"""What every request passes before it is read: the API key, then the size of its body."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.access.keys import ApiKeys
from serving.errors import Problem


class Guard:
    """ASGI middleware. Everything under ``prefix`` needs an API key, and no body may be longer than ``limit`` bytes.

    It stands before routing, so that whoever has no key learns nothing, not even that their body was malformed.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, prefix: str, limit: int) -> None:
        self.app = app
        self.keys = keys
        self.prefix = prefix
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with the problem."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            if scope["path"].startswith(self.prefix):
                self.keys.check(headers)
                self._check_length(headers)
        except Problem as problem:
            return await problem.response()(scope, receive, send)
        return await self.app(scope, self._counted(receive), send)

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("Content-Length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > self.limit:
            raise self._too_large()

    def _counted(self, receive: Receive) -> Receive:
        """``receive``, which raises the problem once a body without a declared length has grown too long."""
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> Problem:
        return Problem(413, f"a request may have {self.limit} bytes at most", headers={"Connection": "close"})
