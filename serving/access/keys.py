"""Which API keys open, in a running service: looked up by digest, and read anew when the file changes."""

import base64
import binascii
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path

import structlog

from serving.access.refusal import Reason, Refusal
from serving.access.stored import FILE, KeyFile, KeysError, Scope, digest, make_first, read

HEADER = "X-API-Key"
LOOK = 1.0
"""Seconds between two looks at whether the file has changed."""

logger = structlog.get_logger("serving")


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. ``number`` stands for the key in logs, its ``name`` never does; ``expires``: seconds since 1970."""

    name: str
    number: int
    scopes: frozenset[Scope]
    expires: float


class ApiKeys:
    """The keys that are accepted, as the file of ``home`` has them.

    A digest is looked up in a dictionary: how long that takes may depend on the digest, but digests are of 256 random
    bits, and nobody can choose a key whose digest comes near a stored one. So the time tells nothing that helps.

    A file that turns out broken or readable by others leaves the keys as they were, and is logged; a file that is
    gone leaves none. For one thread: the event loop's.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._seen = self._state()  # before it is read: what changes in between is seen at the next look
        self._clients = _clients(read(home))
        self._look = time.monotonic() + LOOK

    def __len__(self) -> int:
        return len(self._clients)

    def client(self, headers: Mapping[bytes, bytes], *, basic: bool = False) -> Client:
        """Who a request comes from, by ``X-API-Key`` or ``Authorization: Bearer``; a 401 `Refusal` for others.

        ``headers``: lower-case names, as in an ASGI scope. ``basic``: a browser may send the key as the password.
        """
        if time.monotonic() >= self._look:
            self._refresh()
        given = headers.get(b"x-api-key") or _authorization(headers.get(b"authorization", b""), basic)
        if not given:
            raise _unauthorized(
                "no_key", f"an API key is required: send it as {HEADER}, or as Authorization: Bearer", basic
            )
        found = self._clients.get(digest(given))
        if found is None:
            raise _unauthorized("unknown_key", "this API key is not known here", basic)
        if found.expires <= time.time():
            raise _unauthorized("expired", "this API key has expired", basic)
        return found

    def _refresh(self) -> None:
        self._look = time.monotonic() + LOOK
        try:
            state = self._state()
            if state == self._seen:
                return
            self._seen = state
            self._clients = _clients(read(self._path.parent))
        except (KeysError, OSError) as error:
            logger.error("API keys not read anew; the ones before stay", why=str(error))
        else:
            logger.info("API keys read anew", keys=len(self._clients))

    def _state(self) -> tuple[int, ...]:
        """What changes when the file does; empty when it is not there."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 - a third of what Path.stat takes
        except FileNotFoundError:
            return ()
        return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def open_keys(home: Path) -> tuple[ApiKeys, str | None]:
    """The keys of ``home/api_keys.json``, and the new key's text if the file had to be made (mode 0600).

    The text is nowhere stored: show it once. Raises `KeysError` when the file is broken, others may read it, or it
    holds no key.
    """
    made = make_first(home)
    keys = ApiKeys(home)
    if not keys:
        raise KeysError(f"{home / FILE}: there is no key in it; make one with `tieline keys add NAME --scope decide`")
    return keys, made


def _clients(file: KeyFile) -> dict[bytes, Client]:
    return {
        bytes.fromhex(key.sha256): Client(
            key.name, key.number, frozenset(key.scopes), key.expires.timestamp() if key.expires else inf
        )
        for key in file.keys
    }


def _authorization(value: bytes, basic: bool) -> bytes:
    scheme, _, token = value.partition(b" ")
    if scheme.lower() == b"bearer":
        return token.strip()
    if basic and scheme.lower() == b"basic":
        try:
            return base64.b64decode(token, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""


def _unauthorized(reason: Reason, detail: str, basic: bool) -> Refusal:
    return Refusal(reason, 401, detail, {"WWW-Authenticate": 'Basic realm="tieline"' if basic else "Bearer"})
