"""The API keys of a home, as they lie in ``api_keys.json``: read, made, revoked.

Only the SHA-256 of a key is stored; a key is 256 random bits, so a fast hash is enough. The file is replaced whole,
under a lock, so that two processes that change it at once lose nothing; who only reads needs no lock.
"""

import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.durable import make_directory, publish, replace
from serving.errors import StartError

Scope = Literal["decide", "events", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
FILE = "api_keys.json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")


class KeysError(StartError):
    """The keys cannot be read, or what is asked of them cannot be done; the message says what would be right."""


def _ordered(scopes: tuple[Scope, ...]) -> tuple[Scope, ...]:
    return tuple(scope for scope in SCOPES if scope in scopes)


class StoredKey(BaseModel):
    """One key as it lies on disk. ``number`` stands for it in logs; it is never given twice in a home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    made: datetime
    number: int = Field(ge=1)
    scopes: Annotated[tuple[Scope, ...], AfterValidator(_ordered)]
    expires: AwareDatetime | None = None

    def expired(self, now: datetime) -> bool:
        """Whether it opens nothing any more: from ``expires`` on."""
        return self.expires is not None and self.expires <= now


class KeyFile(BaseModel):
    """The content of ``api_keys.json``. ``last``: the highest number ever given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[StoredKey, ...]
    last: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: object) -> object:
        """Files from before scopes: the first key may do all, any other what could be done then, which is decide."""
        if not isinstance(data, dict) or "last" in data or not isinstance(data.get("keys"), list):
            return data
        filled = [
            {"number": at, "scopes": SCOPES if at == 1 else ("decide",), **key} if isinstance(key, dict) else key
            for at, key in enumerate(data["keys"], start=1)
        ]
        return {**data, "keys": filled, "last": len(filled)}

    def with_key(self, name: str, text: str, scopes: Sequence[Scope], expires: datetime | None) -> "KeyFile":
        """The file with one more key, which gets the next number."""
        number = self.last + 1
        made = datetime.now(UTC).replace(microsecond=0)
        key = StoredKey(
            name=name, sha256=digest(text).hex(), made=made, number=number, scopes=tuple(scopes), expires=expires
        )
        return KeyFile(keys=(*self.keys, key), last=number)

    def text(self) -> bytes:
        """The file's bytes."""
        return self.model_dump_json(indent=1).encode() + b"\n"


def digest(text: str | bytes) -> bytes:
    """(32,) bytes that stand for a key on disk and in memory."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).digest()


def read(home: Path) -> KeyFile:
    """The keys of a home, none where there is no file; `KeysError` when it is broken or others may read it."""
    path = home / FILE
    try:
        with path.open("rb") as file:
            mode, content = stat.S_IMODE(os.fstat(file.fileno()).st_mode), file.read()
    except FileNotFoundError:
        return KeyFile(keys=(), last=0)
    if mode & 0o077:
        raise KeysError(f"{path}: others may read it; run `chmod 600 {path}`")
    try:
        return KeyFile.model_validate_json(content)
    except ValidationError as error:
        problem = error.errors(include_input=False)[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise KeysError(f"{path}: {place}: {problem['msg']}; mend it, or remove it to get a new key") from None


def make_first(home: Path) -> str | None:
    """Make the file with one new key of all scopes and return the key; ``None`` when there is a file already."""
    text = _new()
    content = KeyFile(keys=(), last=0).with_key("first", text, SCOPES, None).text()
    if (home / FILE).exists() or not publish(content, make_directory(home) / FILE, mode=0o600):
        return None
    return text


def add(home: Path, name: str, scopes: Sequence[Scope], expires: datetime | None = None) -> tuple[str, StoredKey]:
    """(the new key's text, what is stored of it). The text is nowhere kept: show it once.

    Raises `KeysError` for a name that is taken or not a name, for no scope, and for an expiry that is past.
    """
    if not NAME.fullmatch(name):
        raise KeysError(
            "a name has 1 to 64 letters, digits, blanks, dots, dashes and underscores, a letter or digit first"
        )
    if not scopes:
        raise KeysError(f"a key without a scope opens nothing; give at least one of: {', '.join(SCOPES)}")
    if expires is not None and expires <= datetime.now(UTC):
        raise KeysError("the expiry is past")
    text = _new()

    def change(file: KeyFile) -> KeyFile:
        if any(key.name == name for key in file.keys):
            raise KeysError(f"there is a key '{name}' already: choose another name, or revoke it first")
        return file.with_key(name, text, scopes, expires)

    return text, _change(home, change).keys[-1]


def revoke(home: Path, name: str) -> None:
    """Forget a key; `KeysError` when there is none of that name."""

    def change(file: KeyFile) -> KeyFile:
        left = tuple(key for key in file.keys if key.name != name)
        if len(left) == len(file.keys):
            raise KeysError(f"there is no key '{name}'; `tieline keys list` shows which there are")
        return KeyFile(keys=left, last=file.last)

    _change(home, change)


def _change(home: Path, change: Callable[[KeyFile], KeyFile]) -> KeyFile:
    with _locked(make_directory(home)):
        while True:
            is_there = (home / FILE).exists()
            changed = change(read(home))
            if is_there:
                replace(changed.text(), home / FILE, mode=0o600)
                return changed
            # A service that starts for the first time takes no lock; it may make the file at this moment.
            if publish(changed.text(), home / FILE, mode=0o600):
                return changed


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One change at a time; the lock goes with its process, however that ends."""
    with (home / ".api_keys.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _new() -> str:
    return "tl_" + secrets.token_urlsafe(32)
