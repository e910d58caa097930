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
        """Whether a row of the quarantine, as JSON, is the person's; one without an instant is where its key is."""
        row = json.loads(text)
        keys = [found for stem in ("key", "other") if (found := _key(row, stem)) is not None]
        if not keys or not set(keys) & self._known:
            return False
        held = [self._held(key, _micros(row.get("at"))) for key in keys]
        return any(alone for _, alone in held) or all(own for own, _ in held)

    @cached_property
    def _known(self) -> frozenset[int]:
        return frozenset(self._sorted[0].tolist())

    def _held(self, key: int, at: int | None) -> tuple[bool, bool]:
        if at is None:
            return key in self._known, key in self.whole
        own, alone = self._holds(np.array([key]), np.array([at]))
        return bool(own[0]), bool(alone[0])


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
