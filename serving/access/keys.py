"""API keys: who may ask. Only their SHA-256 is stored; a key is 256 random bits, so a fast hash is enough."""

import hashlib
import hmac
import json
import os
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import Headers

from serving.errors import Problem, StartError

HEADER = "X-API-Key"


class StoredKey(BaseModel):
    """One key as it lies on disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    made: datetime


class KeyFile(BaseModel):
    """The content of ``api_keys.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[StoredKey, ...] = Field(min_length=1)


@dataclass(frozen=True)
class ApiKeys:
    """The keys that are accepted."""

    keys: tuple[StoredKey, ...]

    def check(self, headers: Headers) -> StoredKey:
        """The key a request came with, in ``X-API-Key`` or ``Authorization: Bearer``; raises a 401 `Problem`."""
        given = headers.get(HEADER) or _bearer(headers.get("Authorization", ""))
        if not given:
            raise _unauthorized(f"an API key is required: send it as {HEADER}, or as Authorization: Bearer")
        digest = _hash(given)
        # Every key is compared, in constant time each, so that the answer's delay tells nothing.
        found = [key for key in self.keys if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise _unauthorized("this API key is not known here")
        return found[0]


def open_keys(home: Path) -> tuple[ApiKeys, str | None]:
    """The keys of ``home/api_keys.json``, and the new key's text if the file had to be made (mode 0600).

    The text is nowhere stored: show it once. Raises `StartError` when the file is broken or others may read it.
    """
    path = home / "api_keys.json"
    made = None if path.exists() else _make(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StartError(f"{path}: others may read it; run `chmod 600 {path}`")
    try:
        return ApiKeys(KeyFile.model_validate_json(path.read_bytes()).keys), made
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise StartError(f"{path}: {place}: {problem['msg']}; mend it, or remove it to get a new key") from None


def _make(path: Path) -> str | None:
    """Write a file with one new key and return the key; ``None`` when another process was faster."""
    text = "tl_" + secrets.token_urlsafe(32)
    entry = {"name": "first", "sha256": _hash(text), "made": datetime.now(UTC).isoformat(timespec="seconds")}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump({"keys": [entry]}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails if the name is taken: the file appears whole, and only once.
        os.link(draft, path)
    except FileExistsError:
        return None
    finally:
        draft.unlink()
    return text


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _bearer(value: str) -> str:
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
