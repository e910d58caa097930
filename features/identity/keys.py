"""Keys without their names: normalised, then hashed with a secret, then known by a 63-bit surrogate.

The surrogate is a function of the secret and the key alone, so that any number of writers give one key the same
``key_id`` without talking to each other. Names themselves appear nowhere in the lake, nor in messages.
"""

import hmac
import os
import re
import secrets
from dataclasses import dataclass
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

SECRET_VARIABLE = "TIELINE_SECRET"
_MIN_SECRET = 16


@dataclass(frozen=True)
class Hashed:
    """The keys of n rows. ``key_id`` (n,) int64, null where malformed; ``problem`` (n,) string, null where good.

    ``hex`` (n,) string: the keyed hash in hexadecimal, null where malformed. ``keys``: the distinct good keys,
    schema `KEYS`.
    """

    key_id: pa.Array
    hex: pa.Array
    problem: pa.Array
    keys: pa.Table


@dataclass(frozen=True)
class KeyRing:
    """Turns keys into hashes and surrogates. ``country``: calling code of national numbers, such as ``"32"``."""

    secret: bytes
    country: str | None = None

    def __repr__(self) -> str:
        return f"KeyRing(secret=..., country={self.country!r})"

    def hash(self, key_type: str, value: str) -> bytes:
        """(32,) HMAC-SHA256 over type, NUL and normalised value; raises `ValueError` when the key is malformed."""
        message = f"{key_type}\0{normalise(key_type, value, self.country)}"
        return hmac.digest(self.secret, message.encode(), "sha256")

    def key_id(self, key_type: str, value: str) -> int:
        """The surrogate: the first 8 bytes of the hash, big-endian, the top bit cleared (it is never negative)."""
        return surrogate(self.hash(key_type, value))

    def hash_rows(self, key_type: pa.Array, value: pa.Array) -> Hashed:
        """The keys of n rows given as (n,) strings, without nulls; every distinct key is hashed once."""
        pairs = pa.table({"key_type": key_type, "value": value})
        distinct = pairs.group_by(["key_type", "value"]).aggregate([])
        judged = [self._judge(t, v) for t, v in zip(*(c.to_pylist() for c in distinct.columns), strict=True)]
        good = [(surrogate(h), t, h) for (h, _), t in zip(judged, distinct["key_type"].to_pylist(), strict=True) if h]
        # Two spellings of one key meet only after normalising: the good keys are made distinct again.
        columns = zip(*dict.fromkeys(good), strict=True) if good else ([], [], [])
        keys = pa.table([pa.array(c, f.type) for c, f in zip(columns, KEYS, strict=True)], schema=KEYS)
        place = _place(pairs, distinct)
        return Hashed(
            key_id=pa.array([surrogate(h) if h else None for h, _ in judged], pa.int64()).take(place),
            hex=pa.array([h.hex() if h else None for h, _ in judged], pa.string()).take(place),
            problem=pa.array([p for _, p in judged], pa.string()).take(place),
            keys=keys,
        )

    def _judge(self, key_type: str, value: str) -> tuple[bytes | None, str | None]:
        try:
            return self.hash(key_type, value), None
        except ValueError as error:
            return None, str(error)


def surrogate(key_hash: bytes) -> int:
    """The ``key_id`` of a key's hash."""
    return int.from_bytes(key_hash[:8], "big") & (2**63 - 1)


def _place(pairs: pa.Table, distinct: pa.Table) -> pa.Array:
    """(n,) where each pair stands among the distinct pairs."""
    numbered = distinct.append_column("place", pa.array(np.arange(len(distinct))))
    rows = pairs.append_column("row", pa.array(np.arange(len(pairs))))
    joined = rows.join(numbered, ["key_type", "value"])
    return joined["place"].take(pc.sort_indices(joined["row"])).combine_chunks()


def load_secret(home: Path) -> bytes:
    """The secret of this installation: ``TIELINE_SECRET`` (hexadecimal, or text), else the file ``home/secret.key``.

    The file is made once, readable by its owner only; of two processes that make it at once, one wins and both
    return its secret. Raises `ValueError` when a secret is shorter than 16 bytes.
    """
    given = os.environ.get(SECRET_VARIABLE)
    if given is not None:
        return _long_enough(_decode(given), SECRET_VARIABLE)
    path = home / "secret.key"
    if not path.exists():
        make_directory(home)
        publish(secrets.token_hex(32).encode(), path, mode=0o600)
    return _long_enough(_decode(path.read_text()), str(path))


def _decode(text: str) -> bytes:
    text = text.strip()
    whole_bytes = re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text) and len(text) >= 2 * _MIN_SECRET
    return bytes.fromhex(text) if whole_bytes else text.encode()


def _long_enough(secret: bytes, where: str) -> bytes:
    if len(secret) < _MIN_SECRET:
        raise ValueError(f"{where}: the secret has {len(secret)} bytes and needs at least {_MIN_SECRET}")
    return secret
