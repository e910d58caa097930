"""Keys without their names: normalised, then hashed with a secret, then known by a 63-bit surrogate.

The surrogate is a function of the secret and the key alone, so that any number of writers give one key the same
``key_id`` without talking to each other. Names themselves appear nowhere in the lake, nor in messages.
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.durable import make_directory, publish
from features.identity.normalise import normalise

KEYS = pa.schema(
    [
        pa.field("key_id", pa.int64(), nullable=False),
        pa.field("key_type", pa.string(), nullable=False),
        pa.field("hash", pa.binary(32), nullable=False),
    ]
)
"""The one table that tells which keyed hash (HMAC-SHA256) and key type stand behind a ``key_id``."""

TAGS = pa.schema([pa.field("key_id", pa.int64(), nullable=False), pa.field("tag", pa.binary(32), nullable=False)])
"""What a key is recognised by where people were forgotten: HMACs of its hashes under the suppression secret."""

SECRET_VARIABLE = "TIELINE_SECRET"
SUPPRESSION_VARIABLE = "TIELINE_SUPPRESSION_SECRET"
_MIN_SECRET = 16
_BLOCK = 64
_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class SecretError(ValueError):
    """A secret that is needed is missing, cannot be one, or is not the one a lake was written with: what helps."""


@dataclass(frozen=True)
class Hashed:
    """The keys of n rows. ``key_id`` (n,) int64, null where malformed; ``problem`` (n,) string, null where good.

    ``hex`` (n,) string: the keyed hash in hexadecimal, null where malformed. ``keys``: the distinct good keys,
    schema `KEYS`. ``tags``: theirs, schema `TAGS`; none where the ring has no suppression secret.
    """

    key_id: pa.Array
    hex: pa.Array
    problem: pa.Array
    keys: pa.Table
    tags: pa.Table


@dataclass(frozen=True)
class KeyRing:
    """Turns keys into hashes and surrogates. ``country``: calling code of national numbers, such as ``"32"``.

    ``later``: the secrets of later generations, after rotations: each hashes the hash of the one before, so that
    hashes already stored can be brought along without their originals. ``suppression``: the secret of the tags.
    """

    secret: bytes
    country: str | None = None
    later: tuple[bytes, ...] = ()
    suppression: bytes | None = None

    def __repr__(self) -> str:
        return f"KeyRing(secret=..., country={self.country!r}, generation={self.generation})"

    @property
    def generation(self) -> int:
        """How often the secret was rotated."""
        return len(self.later)

    def hash(self, key_type: str, value: str) -> bytes:
        """(32,) HMAC-SHA256 over type, NUL and normalised value; raises `ValueError` when the key is malformed."""
        return self.hashes(key_type, value)[-1]

    def hashes(self, key_type: str, value: str) -> tuple[bytes, ...]:
        """The key's hash of every generation, the present one last."""
        message = f"{key_type}\0{normalise(key_type, value, self.country)}"
        found = [_keyed(self.secret, message.encode())]
        for secret in self.later:
            found.append(wrapped(secret, found[-1]))
        return tuple(found)

    def tag(self, key_hash: bytes) -> bytes:
        """(32,) what a key is recognised by after it was forgotten; raises `ValueError` without suppression secret."""
        if self.suppression is None:
            raise ValueError("the key ring has no suppression secret: open it with `open_keyring`")
        return hmac.digest(self.suppression, key_hash, "sha256")

    def key_id(self, key_type: str, value: str) -> int:
        """The surrogate: the first 8 bytes of the hash, big-endian, the top bit cleared (it is never negative)."""
        return surrogate(self.hash(key_type, value))

    def hash_rows(self, key_type: pa.Array, value: pa.Array) -> Hashed:
        """The keys of n rows given as (n,) strings, without nulls; every distinct key is hashed once."""
        pairs = pa.table({"key_type": key_type, "value": value})
        distinct = pairs.group_by(["key_type", "value"]).aggregate([])
        judged = [self._judge(t, v) for t, v in zip(*(c.to_pylist() for c in distinct.columns), strict=True)]
        types = distinct["key_type"].to_pylist()
        # Two spellings of one key meet only after normalising: the good keys are made distinct again.
        good = dict.fromkeys((surrogate(h[-1]), t, h[-1]) for (h, _), t in zip(judged, types, strict=True) if h)
        tagged = dict.fromkeys((surrogate(h[-1]), self.tag(each)) for h, _ in judged if self.suppression for each in h)
        place = _place(pairs, distinct)
        return Hashed(
            key_id=pa.array([surrogate(h[-1]) if h else None for h, _ in judged], pa.int64()).take(place),
            hex=pa.array([h[-1].hex() if h else None for h, _ in judged], pa.string()).take(place),
            problem=pa.array([p for _, p in judged], pa.string()).take(place),
            keys=_table(good, KEYS),
            tags=_table(tagged, TAGS),
        )

    def _judge(self, key_type: str, value: str) -> tuple[tuple[bytes, ...], str | None]:
        try:
            return self.hashes(key_type, value), None
        except ValueError as error:
            return (), str(error)


def surrogate(key_hash: bytes) -> int:
    """The ``key_id`` of a key's hash."""
    return int.from_bytes(key_hash[:8], "big") & (2**63 - 1)


def wrapped(secret: bytes, key_hash: bytes) -> bytes:
    """(32,) the hash of a key under the next generation's secret."""
    return _keyed(secret, key_hash)


def _keyed(secret: bytes, message: bytes) -> bytes:
    """HMAC-SHA256 (RFC 2104), both halves begun with the secret once: `hmac.digest` sets everything up each time, which
    takes four times as long as the hashing.
    """
    inner, outer = (half.copy() for half in _begun(secret))
    inner.update(message)
    outer.update(inner.digest())
    return outer.digest()


@lru_cache(maxsize=16)
def _begun(secret: bytes) -> "tuple[hashlib._Hash, hashlib._Hash]":
    key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    return hashlib.sha256(key.translate(_INNER)), hashlib.sha256(key.translate(_OUTER))


def _table(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _place(pairs: pa.Table, distinct: pa.Table) -> pa.Array:
    """(n,) where each pair stands among the distinct pairs."""
    numbered = distinct.append_column("place", pa.array(np.arange(len(distinct))))
    rows = pairs.append_column("row", pa.array(np.arange(len(pairs))))
    joined = rows.join(numbered, ["key_type", "value"])
    return joined["place"].take(pc.sort_indices(joined["row"])).combine_chunks()


def load_secret(home: Path) -> bytes:
    """The first secret of this installation (`load_secrets`)."""
    return load_secrets(home)[0]


def load_secrets(home: Path) -> tuple[bytes, ...]:
    """The secrets of this installation, one of each generation: ``TIELINE_SECRET``, else the file ``home/secret.key``.

    Each stands on a line, in hexadecimal or as text. The file is made once, readable by its owner only; of two
    processes that make it at once, one wins and both return its secret. Raises `SecretError` when one is shorter than
    16 bytes.
    """
    return _given(SECRET_VARIABLE) or _kept(home / "secret.key")


def load_suppression(home: Path) -> bytes:
    """The secret of the tags: ``TIELINE_SUPPRESSION_SECRET``, else the file ``home/suppression.key``, made as above."""
    return (_given(SUPPRESSION_VARIABLE) or _kept(home / "suppression.key"))[0]


def _given(variable: str) -> tuple[bytes, ...]:
    text = os.environ.get(variable)
    return () if text is None else secrets_of(text, variable)


def _kept(path: Path) -> tuple[bytes, ...]:
    if not path.exists():
        make_directory(path.parent)
        publish(secrets.token_hex(32).encode(), path, mode=0o600)
    return secrets_of(path.read_text(), str(path))


def secrets_of(text: str, where: str) -> tuple[bytes, ...]:
    """A secret a line; raises `SecretError` naming where a short one stands."""
    return tuple(_long_enough(_decode(line), where) for line in text.splitlines() or [""])


def _decode(text: str) -> bytes:
    text = text.strip()
    whole_bytes = re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text) and len(text) >= 2 * _MIN_SECRET
    return bytes.fromhex(text) if whole_bytes else text.encode()


def _long_enough(secret: bytes, where: str) -> bytes:
    if len(secret) < _MIN_SECRET:
        raise SecretError(f"{where}: the secret has {len(secret)} bytes and needs at least {_MIN_SECRET}")
    return secret
