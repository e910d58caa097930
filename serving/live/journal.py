"""What is written down of a decision before its answer leaves: enough to come to the same answer again, bit for bit."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import orjson

from serving.live import statements
from serving.live.segment import Record
from serving.live.store import Reading, Work, Writing

_LENGTH = struct.Struct("<I")


class Entry(NamedTuple):
    """One decision. Instants in UTC microseconds; nothing in it is anybody's name.

    ``now``, ``seen``: the two cuts. ``keys``: (type, id) asked with, ``named``: whom each named, with what weight;
    ``entities``, ``weights``: the candidates; ``people``: how many there were. ``models``: name -> (version, id);
    ``rules``, ``covered``, ``features``: digests of texts the store keeps. ``offers``: action, value and propensity by
    slot. ``degraded``: what was missing when it was taken. ``answer``: `digest` of the bytes that left.
    """

    id: str
    now: int
    seen: int
    channel: str
    limit: int
    state: str
    keys: tuple[tuple[str, int], ...]
    named: tuple[dict[str, float], ...]
    entities: tuple[int, ...]
    weights: tuple[float, ...]
    people: int
    models: dict[str, tuple[int, str]]
    rules: str
    covered: str
    features: str
    offers: tuple[tuple[str, float, float], ...]
    risk: float | None
    degraded: tuple[str, ...]
    answer: str

    @property
    def entity(self) -> int | None:
        """The customer it was about, where there was exactly one."""
        return self.entities[0] if self.state == "identified" else None


def digest(answer: bytes) -> str:
    """What stands for the bytes of an answer or a text: 128 bits of SHA-256, which processors compute themselves."""
    return hashlib.sha256(answer).hexdigest()[:32]


def pack(entry: Entry, vectors: Sequence[np.ndarray]) -> bytes:
    """An entry and the vectors (f,) float32 it was decided by, as bytes."""
    said = orjson.dumps(entry._asdict())
    return b"".join([_LENGTH.pack(len(said)), said, *(vector.tobytes() for vector in vectors)])


def unpack(body: bytes) -> tuple[Entry, np.ndarray]:
    """The entry, and the numbers of all its vectors, one after another, float32."""
    (length,) = _LENGTH.unpack_from(body)
    end = _LENGTH.size + length
    said = orjson.loads(body[_LENGTH.size : end])
    for name in ("keys", "offers"):
        said[name] = tuple(tuple(one) for one in said[name])
    for name in ("named", "entities", "weights", "degraded"):
        said[name] = tuple(said[name])
    said["models"] = {name: (version, model) for name, (version, model) in said["models"].items()}
    return Entry(**said), np.frombuffer(body, np.float32, offset=end)


def writes(decision: str, at: int, entity: int | None, body: bytes) -> Work[None]:
    """The work that writes one down; a second time it changes nothing."""

    def work(writing: Writing) -> None:
        writing.run(statements.JOURNAL, decision, at, writing.stamp, entity, body)

    return work


def delivers(records: Sequence[Record]) -> Work[None]:
    """The work that writes down some that wait beside the store, with the texts they refer to.

    Where the store took one after all, but too late for its answer, this is what was answered.
    """

    def work(writing: Writing) -> None:
        for name, text in {name: text for record in records for name, text in record.texts.items()}.items():
            writing.run(statements.NEW_TEXT, name, text)
        stamp = writing.stamp
        writing.run_many(statements.DELIVERED, [(one.id, one.at, stamp, one.entity, one.body) for one in records])

    return work


@dataclass(frozen=True)
class Kept:
    """A decision as the store has it. ``body``: empty once the person was forgotten, ``erased``."""

    id: str
    at: int
    stamp: int
    erased: bool
    body: bytes


def find(reading: Reading, decision: str) -> Kept | None:
    """The decision of that id, if there is one."""
    rows = reading.rows(statements.DECISION, decision)
    if not rows:
        return None
    id_, at, stamp, _, erased, body = rows[0]
    return Kept(id_, at, stamp, bool(erased), bytes(body))
