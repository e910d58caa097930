"""Facts into the store: rows added, each once, seen from the instant they are durable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import orjson

from features.declare import Catalog
from features.engine.live.packed import rank_of
from serving.live import statements
from serving.live.feeds import Feeds
from serving.live.nearby import CrowdedError, Nearby
from serving.live.store import EVERYTHING, Writing
from serving.live.words import Words

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
        keys = {key.id: key for fact in facts for key in (fact.key, fact.other) if key is not None}
        ranks = rank_of([fact.id for fact in facts]).tolist()
        writing.hold([*keys, *ranks])
        last = {(fact.source, fact.id): _last(fact, writing) for fact in facts}
        evidence = [fact for fact in facts if fact.other is not None]
        pairs = [(fact.key.id, fact.other.id) for fact in evidence if fact.other is not None]
        pairs += [row[:2] for fact in evidence if (row := last[fact.source, fact.id]) is not None]
        earlier = {row[0] for row in last.values() if row is not None} | {key for pair in pairs for key in pair}
        earlier -= keys.keys()
        writing.hold(earlier)
        types = {key.id: key.type for key in keys.values()}
        touched = self._held(pairs, types | dict(writing.rows(statements.TYPES, sorted(earlier))), writing)
        self.words.learn(writing, [w for fact in facts for w in self.words.of(fact.source, dict(fact.body))])
        stamp = writing.stamp
        writing.run_many(statements.NEW_KEY, [(k.id, k.type, k.hash, stamp) for k in keys.values()])
        became = []
        for fact, rank in zip(facts, ranks, strict=True):
            before = last[fact.source, fact.id]
            became.append(
                _add_evidence(fact, before, writing) if fact.other else _add_fact(fact, rank, before, writing)
            )
            if became[-1] != "known":
                last[fact.source, fact.id] = _last(fact, writing)
        if any(fact.other is not None and how != "known" for fact, how in zip(facts, became, strict=True)):
            writing.run_many(statements.TOUCH, [(key, stamp) for key in sorted(touched)])
            writing.run(statements.EVIDENCE_TICK, stamp)
        self.feeds.heard({fact.source for fact in facts}, writing)
        return Appended(tuple(became), stamp)

    def _held(self, pairs: Sequence[tuple[int, int]], types: Mapping[int, str], writing: Writing) -> set[int]:
        """What evidence about such pairs touches, held; looked at anew until nobody else can change it any more."""
        held: set[int] = set()
        while pairs:
            found = touches(Nearby(writing, self.catalog), pairs, types)
            if found <= held:
                break
            writing.hold(found - held)
            held |= found
        return held


def touches(nearby: Nearby, pairs: Sequence[tuple[int, int]], types: Mapping[int, str]) -> set[int]:
    """The keys that may name somebody else, and the entities that may reach something else, after evidence about such
    pairs of keys, whose ``types`` are given.
    """
    nearby.types |= types
    lower, upper = {child for child, _ in pairs}, {parent for _, parent in pairs}
    for kinds in {(types[child], types[parent]) for child, parent in pairs}:
        link = next((k for k in nearby.catalog.links if (k.child, k.parent) == kinds), None)
        if (
            link is not None
            and not link.rolls_up
            and nearby.catalog.above(link.child)
            and _is_place(nearby, link.child)
        ):
            return {EVERYTHING}
    try:
        below = nearby.below(lower | {parent for child, parent in pairs if types[child] == types[parent]})
        return below | nearby.above(below | upper, rolling=True)
    except CrowdedError:
        return {EVERYTHING}


def _is_place(nearby: Nearby, kind: str) -> bool:
    """Whether entities are read through such keys, so that all of them are read through another parent now."""
    return any(link.parent == kind and not link.rolls_up for link in nearby.catalog.links)


def _last(fact: Fact, writing: Writing) -> tuple | None:
    """What was last said by the id."""
    if fact.other is None:
        rows = writing.rows(statements.LAST_OF_FACT, fact.source, fact.id)
    else:
        rows = writing.rows(statements.LAST_OF_EVIDENCE, fact.id)
    return rows[0] if rows else None


def _add_fact(fact: Fact, rank: int, before: tuple | None, writing: Writing) -> Became:
    body, stamp = fact.content, writing.stamp
    if before is not None:
        key, at, void, _, until, said = before
        gone = bool(void) or until is not None
        same = (key, at, bytes(said)) == (fact.key.id, fact.at, body)
        if (fact.void and gone) or (same and gone == fact.void):
            return "known"
        if key != fact.key.id:
            moved = (fact.source, fact.id, stamp, key, at, stamp, None, False, True, True, False, rank, bytes(said))
            writing.run(statements.FACT, *moved)
    again = before is not None
    row = (fact.source, fact.id, stamp, fact.key.id, fact.at, stamp, None, fact.void, False, again, False, rank, body)
    writing.run(statements.FACT, *row)
    return "revised" if again else "new"


def _add_evidence(fact: Fact, before: tuple | None, writing: Writing) -> Became:
    assert fact.other is not None
    state, confidence = fact.body.get("state", "linked"), fact.body.get("confidence")
    if before is not None:
        key, other, at, void, until, *rest = before
        gone = bool(void) or until is not None
        same = [key, other, at, *rest] == [fact.key.id, fact.other.id, fact.at, state, confidence]
        if (fact.void and gone) or (same and gone == fact.void):
            return "known"
    stamp = writing.stamp
    row = (fact.id, stamp, fact.key.id, fact.other.id, fact.at, stamp, None, fact.void, False, state, confidence)
    writing.run(statements.EVIDENCE, *row)
    return "revised" if before else "new"
