"""Facts into the store: rows added, each once, seen from the instant they are durable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from features.declare import Catalog
from features.engine.live.packed import rank_of
from serving.live import statements
from serving.live.feeds import Feeds
from serving.live.nearby import Nearby
from serving.live.store import Writing
from serving.live.words import Words

EVERYTHING = 0
"""The key that is touched where it cannot be said whose reach changes."""

Became = Literal["new", "revised", "known"]


@dataclass(frozen=True)
class Key:
    """A key as it comes in: its type, id and keyed hash."""

    type: str
    id: int
    hash: bytes


@dataclass(frozen=True)
class Fact:
    """One row of a source. ``at`` in UTC microseconds; ``body``: its own columns, times as microseconds, without those
    that are missing; ``other``: the second key of evidence. A ``void`` one withdraws what the id said.
    """

    source: str
    id: str
    key: Key
    at: int
    body: Mapping[str, object]
    void: bool = False
    other: Key | None = None

    @property
    def content(self) -> bytes:
        """The columns as they are stored."""
        return orjson.dumps(dict(self.body), option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True)
class Appended:
    """What became of each fact, in order, and the stamp they can be seen from."""

    became: tuple[Became, ...]
    stamp: int


@dataclass(frozen=True)
class Appending:
    """How facts are added to a store of a catalogue."""

    catalog: Catalog
    words: Words
    feeds: Feeds

    def add(self, facts: Sequence[Fact], writing: Writing) -> Appended:
        """Add facts, all or none; what is known already changes nothing."""
        nearby = Nearby(writing, self.catalog)
        keys = {key.id: key for fact in facts for key in (fact.key, fact.other) if key is not None}
        ranks = rank_of([fact.id for fact in facts]).tolist()
        writing.hold([*keys, *ranks])
        evidence = [fact for fact in facts if fact.other is not None]
        touched = touches(nearby, evidence) if evidence else set()
        writing.hold(touched)
        stamp = writing.stamp
        writing.run_many(statements.NEW_KEY, [(k.id, k.type, k.hash, stamp) for k in keys.values()])
        self.words.learn(writing, [w for fact in facts for w in self.words.of(fact.source, dict(fact.body))])
        became = tuple(
            _add_evidence(fact, writing) if fact.other is not None else _add_fact(fact, rank, writing)
            for fact, rank in zip(facts, ranks, strict=True)
        )
        if any(fact.other is not None and how != "known" for fact, how in zip(facts, became, strict=True)):
            # Evidence that has just come may hang keys together that were apart before.
            touched |= touches(Nearby(writing, self.catalog), evidence)
            writing.run_many(statements.TOUCH, [(key, stamp) for key in sorted(touched)])
            writing.run(statements.EVIDENCE_TICK, stamp)
        self.feeds.heard({fact.source for fact in facts}, writing)
        return Appended(became, stamp)


def touches(nearby: Nearby, evidence: Sequence[Fact]) -> set[int]:
    """The keys that may name somebody else, and the entities that may reach something else, after such evidence."""
    ends = {key.id: key.type for fact in evidence for key in (fact.key, fact.other) if key is not None}
    nearby.types |= ends
    found: set[int] = set()
    for fact in evidence:
        assert fact.other is not None
        merge = fact.key.type == fact.other.type
        link = next((k for k in nearby.catalog.links if (k.child, k.parent) == (fact.key.type, fact.other.type)), None)
        if link is not None and not link.rolls_up and nearby.catalog.above(fact.key.type) and _is_place(nearby, fact):
            return {EVERYTHING}
        below = nearby.below([fact.key.id, *([fact.other.id] if merge else [])])
        found |= below | nearby.above([*below, fact.other.id], rolling=True)
    return found


def _is_place(nearby: Nearby, fact: Fact) -> bool:
    """Whether entities are read through the child, so that all of them are read through another parent now."""
    return any(link.parent == fact.key.type and not link.rolls_up for link in nearby.catalog.links)


def _add_fact(fact: Fact, rank: int, writing: Writing) -> Became:
    before = writing.rows(statements.LAST_OF_FACT, fact.source, fact.id)
    body, stamp = fact.content, writing.stamp
    again = bool(before)
    if again:
        key, at, void, _, until, said = before[0]
        gone = bool(void) or until is not None
        same = (key, at, bytes(said)) == (fact.key.id, fact.at, body)
        if (fact.void and gone) or (same and gone == fact.void):
            return "known"
        if key != fact.key.id:
            moved = (fact.source, fact.id, stamp, key, at, stamp, None, False, True, True, False, rank, bytes(said))
            writing.run(statements.FACT, *moved)
    row = (fact.source, fact.id, stamp, fact.key.id, fact.at, stamp, None, fact.void, False, again, False, rank, body)
    writing.run(statements.FACT, *row)
    return "revised" if again else "new"


def _add_evidence(fact: Fact, writing: Writing) -> Became:
    assert fact.other is not None
    before = writing.rows(statements.LAST_OF_EVIDENCE, fact.id)
    state, confidence = fact.body.get("state", "linked"), fact.body.get("confidence")
    if before:
        *said, until = before[0][0], before[0][1], before[0][2], before[0][5], before[0][6], before[0][4]
        gone = bool(before[0][3]) or until is not None
        same = said == [fact.key.id, fact.other.id, fact.at, state, confidence]
        if (fact.void and gone) or (same and gone == fact.void):
            return "known"
    stamp = writing.stamp
    row = (fact.id, stamp, fact.key.id, fact.other.id, fact.at, stamp, None, fact.void, False, state, confidence)
    writing.run(statements.EVIDENCE, *row)
    return "revised" if before else "new"
