"""Which rows are somebody's: keys, and the time in which they were theirs."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256

import numpy as np
import pyarrow as pa

MARKS = pa.schema(
    [
        pa.field("key_id", pa.int64(), nullable=False),
        pa.field("at_from", pa.int64(), nullable=False),
        pa.field("at_to", pa.int64(), nullable=False),
        pa.field("whole", pa.bool_(), nullable=False),
    ]
)
"""A key and the interval of UTC microseconds in which it was the person's. ``whole``: nobody else's ever, so that what
names it goes, whatever the other key."""

_STEMS = ("key", "other")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Marks:
    """Rows of `MARKS` (m,) that tell which rows of a source, or of the quarantine, are meant."""

    table: pa.Table

    def __bool__(self) -> bool:
        return bool(self.table.num_rows)

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, ...]:
        ordered = self.table.sort_by("key_id")
        return tuple(column.to_numpy() for column in ordered.columns)

    @cached_property
    def whole(self) -> frozenset[int]:
        """The keys that are nobody else's."""
        keys, _, _, whole = self._sorted
        return frozenset(keys[whole].tolist())

    def strike(self, rows: pa.Table) -> np.ndarray:
        """(n,) bool: rows with ``key_id``, ``at`` and, in evidence, ``other_id`` that are the person's.

        Evidence is when it names a key that is nobody else's, or when both its keys were the person's at the time.
        """
        at = rows["at"].cast(pa.int64()).to_numpy()
        own, alone = self._holds(rows["key_id"].to_numpy(), at)
        if "other_id" not in rows.schema.names:
            return own
        other, other_alone = self._holds(rows["other_id"].to_numpy(), at)
        return alone | other_alone | (own & other)

    def _holds(self, keys: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,), (n,) bool: the key was the person's at that instant; and nobody else's ever."""
        marked, low, high, whole = self._sorted
        first = np.searchsorted(marked, keys, "left")
        count = np.searchsorted(marked, keys, "right") - first
        row = np.repeat(np.arange(len(keys)), count)
        mark = np.repeat(first - np.cumsum(count) + count, count) + np.arange(len(row))
        within = (low[mark] <= at[row]) & (at[row] < high[mark])
        held = np.bincount(row[within], minlength=len(keys)) > 0
        return held, np.bincount(row[within & whole[mark]], minlength=len(keys)) > 0

    def strike_reject(self, text: str) -> bool:
        """Whether a row of the quarantine, as JSON, is the person's; one without an instant is where a key is whole."""
        named = instants(text)
        if not self.known.intersection(key for key, _ in named):
            return False
        held = [self.held(key, at) for key, at in named]
        return any(alone for _, alone in held) or all(own for own, _ in held)

    @cached_property
    def known(self) -> frozenset[int]:
        """The keys that are marked, for whatever time."""
        return frozenset(self._sorted[0].tolist())

    def held(self, key: int, at: int | None) -> tuple[bool, bool]:
        """Whether the key was the person's at an instant, and whether it was nobody else's."""
        if at is None:
            return key in self.whole, key in self.whole
        own, alone = self._holds(np.array([key]), np.array([at]))
        return bool(own[0]), bool(alone[0])


def instants(text: str) -> list[tuple[int, int | None]]:
    """The keys by which a row of the quarantine, as JSON, is known, each with the row's instant in UTC microseconds."""
    row = json.loads(text)
    at = _micros(row.get("at"))
    return [(found, at) for stem in _STEMS if (found := _key(row, stem)) is not None]


def _key(row: dict[str, object], stem: str) -> int | None:
    """The key id in a quarantined row: its surrogate, or that of the keyed hash."""
    found, named = row.get(f"{stem}_id"), row.get(stem)
    if isinstance(found, int):
        return found
    if isinstance(named, str) and named.startswith("hmac:"):
        return int(named[5:21], 16) & (2**63 - 1)
    return None


def _micros(at: object) -> int | None:
    if isinstance(at, int):
        return at
    try:
        return (datetime.fromisoformat(str(at)) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        return None


def reject_digest(row: dict[str, object]) -> str:
    """What a row of the quarantine is known by where its words must not stand."""
    return sha256(json.dumps(list(row.values())).encode()).hexdigest()


def raw_digest(source: str, text: str) -> bytes | None:
    """(32,) what a quarantined row (JSON) with a key as it came is known by when it arrives again; None without such.

    It leaves out what differs then: the row's place, and hashed keys, which a rotation changes.
    """
    row = json.loads(text)
    hashed = [stem for stem in _STEMS if not isinstance(row.get(stem), str) or row[stem].startswith("hmac:")]
    if len(hashed) == len(_STEMS):
        return None
    told = sorted((name, value) for name, value in row.items() if name not in hashed)
    return sha256(json.dumps([source, told]).encode()).digest()
