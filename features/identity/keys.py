"""Keys without their names: normalised, then hashed with a secret, then known by a 63-bit surrogate.

The surrogate is a function of the secret and the key alone, so that any number of writers give one key the same
``key_id`` without talking to each other. Names themselves appear nowhere in the lake, nor in messages.
"""

import hmac
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.durable import make_directory, publish

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
_DECORATION = re.compile(r"\(0\)|[\s\-./()]")


def normalise(key_type: str, value: str, country: str | None = None) -> str:
    """The one spelling of a key: what two systems must agree on before it is hashed.

    ``email`` casefolded; ``msisdn`` as E.164 (``+`` and 8 to 15 digits; ``country`` is the calling code given to
    national numbers, such as ``"32"``); ``imsi`` and ``imei`` digits only; any other type stripped.
    Raises `ValueError` saying what is wrong without repeating the value, which may name a person.

    >>> normalise("msisdn", "0032 471 23-45-67")
    '+32471234567'
    >>> normalise("msisdn", "0471 23 45 67", country="32")
    '+32471234567'
    """
    text = value.strip()
    if not text:
        raise ValueError(f"{key_type}: the key is empty")
    if key_type == "msisdn":
        return _msisdn(text, country)
    rule = _RULES.get(key_type)
    return rule(text) if rule else text


def _msisdn(text: str, country: str | None) -> str:
    bare = _DECORATION.sub("", text)
    international = bare.startswith(("+", "00"))
    digits = bare.removeprefix("+") if bare.startswith("+") else bare.removeprefix("00")
    if not re.fullmatch(r"[0-9]+", digits):
        raise ValueError("msisdn: a number holds digits, spaces, dashes and a leading + only")
    if not international:
        if country is None:
            raise ValueError("msisdn: a national number needs the calling code of its country (or write it with +)")
        digits = country.lstrip("+") + digits.removeprefix("0")
    if not 8 <= len(digits) <= 15 or digits[0] == "0":
        raise ValueError(f"msisdn: {len(digits)} digits with the country's; E.164 has 8 to 15, the first not 0")
    return "+" + digits


def _email(text: str) -> str:
    local, at, domain = text.casefold().rpartition("@")
    if not (local and at and domain) or "@" in local or re.search(r"\s", text):
        raise ValueError("email: an address is written name@domain, without spaces")
    return f"{local}@{domain}"


def _digits(key_type: str, low: int, high: int) -> Callable[[str], str]:
    def rule(text: str) -> str:
        digits = re.sub(r"[\s\-./]", "", text)
        if not re.fullmatch(r"[0-9]+", digits) or not low <= len(digits) <= high:
            raise ValueError(f"{key_type}: {low} to {high} digits are needed, not {len(digits)} characters")
        return digits

    return rule


_RULES: dict[str, Callable[[str], str]] = {
    "email": _email,
    "imsi": _digits("imsi", 6, 15),  # ITU-T E.212: at most 15 digits
    "imei": _digits("imei", 14, 16),  # 3GPP 23.003: without check digit, with it, with software version
}


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
