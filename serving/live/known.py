"""What the store knows of keys and entities at a reading's cut: whom a key names, what an entity reaches, and what
happened.

Each is looked up in its cache, and made from the rows where the cache has nothing that still holds. What was made is
kept for the next one (`Known.kept`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from features.conditions import duration
from features.declare import Catalog
from features.engine.columns import FOREVER
from features.engine.live.fold import OF, OWN, VIA, Reached, Way, present
from features.engine.live.layout import Layout
from features.engine.live.packed import Encoder, Rows, pack, unpack
from features.identity.candidates import Naming
from features.identity.graph.graph import Graph
from features.identity.reach import Reach, own_reach, parents
from serving.live import statements
from serving.live.nearby import CrowdedError, Nearby, rectangles
from serving.live.store import Reading, Writing
from serving.live.words import Words

Named = dict[int, float]
Body = tuple[np.ndarray, list[int]]
"""Rectangles (5, r), and where those of each way begin, with the end."""
_REMEMBERED = 50_000
"""So many keys and entities are remembered with what they name and reach, for as long as no evidence comes."""


@dataclass(frozen=True)
class Ways:
    """How entities of a type are read: through themselves, and through these types of parents."""

    parents: tuple[str, ...]

    @classmethod
    def of(cls, catalog: Catalog, entity_type: str) -> "Ways":
        """Those any of the catalogue's features asks for; of a type that has no such parent none."""
        asked = {f.via or f.of for f in catalog.features} - {None, entity_type}
        return cls(tuple(sorted(str(t) for t in asked & catalog.above(entity_type))))

    def pack(self, own: np.ndarray, of_parents: Sequence[np.ndarray]) -> bytes:
        """Rectangles (5, r) of the entity itself and of each type of parent, as bytes."""
        parts = [own, *of_parents]
        head = np.cumsum([0, *(part.shape[1] for part in parts)])
        return np.concatenate([head, np.concatenate(parts, axis=1).reshape(-1)]).astype(np.int64).tobytes()

    def unpack(self, body: bytes) -> tuple[np.ndarray, list[int]]:
        """Rectangles (5, r), and where those of the entity and of each type of parent begin, with the end."""
        words = np.frombuffer(bytearray(body), np.int64)  # the kernel takes arrays it could write to
        n = 2 + len(self.parents)
        return words[n:].reshape(5, -1), words[:n].tolist()


ALONE = Ways(())


@dataclass(frozen=True)
class Lasting:
    """What an entity is read through, and for how long: as long as no ``evidence`` comes, for cutoffs and cuts not
    before those it was made for and not after ``until``, when another parent may be the present one.
    """

    reached: Reached
    evidence: int
    cutoff: int
    seen: int
    until: tuple[int, int]

    def holds(self, evidence: int | None, cutoff: int, seen: int) -> bool:
        """Whether it is what would be made now."""
        until, known_until = self.until
        return evidence == self.evidence and self.cutoff <= cutoff <= until and self.seen <= seen <= known_until


class Scope:
    """What readings are made with: a catalogue, calls about entities of one type, its layout and the words."""

    def __init__(self, catalog: Catalog, layout: Layout, words: Words, entity_type: str) -> None:
        self.catalog, self.layout, self.words, self.entity_type = catalog, layout, words, entity_type
        self.ways = Ways.of(catalog, entity_type)
        self.places = {parent: place for place, parent in enumerate(self.ways.parents, 1)} | {"": 0}
        self.digest = layout.digest
        self.names: dict[int, tuple[int, int, Named]] = {}
        self.reaches: dict[int, tuple[int, Body]] = {}
        self.reached: dict[tuple[int, tuple[Way, ...]], Lasting] = {}

    def remember(self) -> None:
        """Forget what was met long ago, all at once, before it becomes too much."""
        for met in (self.names, self.reaches, self.reached):
            if len(met) > _REMEMBERED:
                met.clear()


@dataclass
class Known:
    """One reading of what is known."""

    reading: Reading
    scope: Scope
    kept: list[tuple[str, tuple]] = field(default_factory=list)

    def types(self, keys: Sequence[int]) -> dict[int, str]:
        """The type of every key that is known."""
        return dict(self.reading.rows(statements.TYPES, list(keys)))

    def named(self, keys: Sequence[tuple[str, int]]) -> list[Named]:
        """What each (type, id) key says of who it is just before now: entity -> probability."""
        now, seen, evidence = self.reading.now, self.reading.seen, self.reading.evidence
        self.reading.hold([key for _, key in keys])
        met = self.scope.names
        if evidence is not None:
            known = [met.get(key) for _, key in keys]
            if all(one is not None and one[0] == evidence and now < one[1] for one in known):
                return [one[2] for one in known if one is not None]
        found: dict[int, Named] = {}
        for key, built, until, body in self.reading.rows(statements.NAMES, [key for _, key in keys]):
            if now < until and built <= seen:
                found[key] = {int(entity): p for entity, p in orjson.loads(body).items()}
                if evidence is not None:
                    met[key] = evidence, until, found[key]
        self.scope.remember()
        return [found[key] if key in found else self._name(kind, key) for kind, key in keys]

    def _name(self, key_type: str, key: int) -> Named:
        nearby = Nearby(self.reading, self.scope.catalog)
        now, seen = self.reading.now, self.reading.seen
        try:
            nearby.above([key], rolling=True)
        except CrowdedError:
            self.kept.append((statements.KEEP_NAMES, (key, seen, FOREVER, b"{}")))
            return {}
        graph, kinds = nearby.graph()
        named = Naming(graph, kinds.type_of).named_by(key_type, key, self.scope.entity_type, now, seen)
        if kinds.type_of(key):
            body = orjson.dumps({str(entity): p for entity, p in named.items()})
            self.kept.append((statements.KEEP_NAMES, (key, seen, next_change(graph, now, seen), body)))
        return named

    def reached(self, entity: int, ways: Sequence[Way], cutoff: int) -> Reached:
        """What an entity is read through, ``ways`` of `LiveFold`."""
        asked, evidence, seen = (entity, tuple(ways)), self.reading.evidence, self.reading.seen
        met = self.scope.reached.get(asked)
        if met is not None and met.holds(evidence, cutoff, seen):
            return met.reached
        reached, until = self._reached(entity, ways, cutoff)
        if evidence is not None:
            self.scope.reached[asked] = Lasting(reached, evidence, cutoff, seen, until)
            self.scope.remember()
        return reached

    def _reached(self, entity: int, ways: Sequence[Way], cutoff: int) -> tuple[Reached, tuple[int, int]]:
        """The same, and the last cutoff and the last cut at which the present parents are still these."""
        found, bounds = self._reach([entity], self.scope.ways)[entity]
        parts, spans, n = [found], {}, found.shape[1]
        spans[OWN, ""] = (0, bounds[1])
        of_parent: dict[str, int | None] = {}
        until, known_until = FOREVER, FOREVER
        for way, parent in ways:
            place = self.scope.places[parent]
            span = (bounds[place], bounds[place + 1])
            if way == VIA:
                spans[VIA, parent] = span
            elif way == OF:
                of_parent[parent] = present(found, span, cutoff, self.reading.seen)
                until = min(until, next_bound(found[1:3, slice(*span)], cutoff))
                known_until = min(known_until, next_bound(found[3:5, slice(*span)], self.reading.seen))
        wanted = [who for who in of_parent.values() if who is not None]
        bodies = self._reach(wanted, ALONE) if wanted else {}
        for parent, who in of_parent.items():
            if who is None:
                spans[OF, parent] = (-1, -1)
                continue
            own, _ = bodies[who]
            spans[OF, parent] = (n, n + own.shape[1])
            parts.append(own)
            n += own.shape[1]
        return Reached(np.concatenate(parts, axis=1) if len(parts) > 1 else found, spans), (until, known_until)

    def _reach(self, entities: Sequence[int], ways: Ways) -> dict[int, Body]:
        self.reading.hold(entities)
        evidence, met = self.reading.evidence, self.scope.reaches
        found = {e: met[e][1] for e in entities if evidence is not None and e in met and met[e][0] == evidence}
        wanted = [entity for entity in entities if entity not in found]
        if not wanted:
            return found
        bodies = dict(self.reading.rows(statements.REACH, wanted))
        for entity in wanted:
            if entity not in bodies:
                bodies[entity] = self._made(entity, ways)
                self.kept.append((statements.KEEP_REACH, (entity, self.reading.seen, bodies[entity])))
            found[entity] = ways.unpack(bodies[entity])
            if evidence is not None:
                met[entity] = evidence, found[entity]
        self.scope.remember()
        return found

    def _made(self, entity: int, ways: Ways) -> bytes:
        nearby = Nearby(self.reading, self.scope.catalog)
        try:
            group = nearby.same([entity])
            nearby.above(group)
            nearby.below(group)
        except CrowdedError:
            nearby, group = Nearby(self.reading, self.scope.catalog), {entity}  # it is read through itself alone
        graph, _ = nearby.graph()
        kind = nearby.types.get(entity, self.scope.entity_type)
        own = own_reach(kind, np.array(sorted(group), np.int64), graph)
        return ways.pack(
            rectangles(own, entity), [rectangles(parents(kind, parent, graph), entity) for parent in ways.parents]
        )

    def packed(self, keys: Sequence[int]) -> tuple[bytearray, int]:
        """The packed histories of some keys, one after another, and how many have any."""
        self.reading.hold(keys)
        asked = list(keys)
        rows, seen = self.reading.rows(statements.HISTORY, asked, self.scope.digest), self.reading.seen
        blobs = {row[0]: row[12] for row in rows if row[12] is not None}
        newer = [row for row in rows if row[5] is not None and row[5] < seen]
        if newer:
            blobs |= self._renewed(blobs, newer)
        mine = [blobs[key] for key in asked if key in blobs]
        return bytearray().join(mine), len(mine)

    def _renewed(self, blobs: Mapping[int, bytes], newer: Sequence[tuple]) -> dict[int, bytes]:
        """The packed histories of the keys that have newer rows, with these."""
        self.scope.words.refresh(self.reading)
        by_key: dict[int, list[tuple]] = {}
        for row in newer:
            by_key.setdefault(row[0], []).append(row)
        found = {}
        for key, rows in by_key.items():
            before: dict[int, Rows] = {}
            if key in blobs and any(row[9] or row[8] for row in rows):
                rows = self.reading.rows(statements.ROWS, [key])
            elif key in blobs:
                before = unpack(blobs[key], self.scope.layout)
            found[key] = packed_rows(key, rows, before, self.scope.layout, self.scope.words, self.reading.seen)
            self.kept.append((statements.KEEP_PACKED, (key, self.scope.digest, self.reading.seen, found[key])))
        return found

    def said(self, code: int) -> str:
        """The word a number in packed bytes stands for; whoever packed them may have heard it first."""
        try:
            return self.scope.words.said(code)
        except KeyError:
            self.scope.words.refresh(self.reading)
            return self.scope.words.said(code)

    def keep(self, writing: Writing) -> None:
        """Write what was made into the caches."""
        for statement, values in self.kept:
            writing.run(statement, *values)


def packed_rows(
    key: int, rows: Iterable[tuple], before: Mapping[int, Rows], layout: Layout, words: Words, seen: int
) -> bytes:
    """The bytes of a key's rows (columns of `statements.ROWS`) with a stamp before a cut, joined to those
    ``before``.
    """
    lives: dict[tuple[str, str], list[tuple]] = {}
    for row in rows:
        if row[5] < seen:
            lives.setdefault((row[1], row[2]), []).append(row)
    facts: dict[str, list[tuple[int, int, int, int, dict]]] = {}
    for (source, _), life in lives.items():
        life.sort(key=lambda row: max(row[4], row[5]))
        for row, after in zip(life, [*life[1:], None], strict=True):
            until = min(FOREVER if row[6] is None else row[6], FOREVER if after is None else max(after[4], after[5]))
            if not (row[7] or row[8]):
                facts.setdefault(source, []).append(
                    (row[3], max(row[4], row[5]), until, row[10], orjson.loads(row[11]))
                )
    sections = dict(before)
    for place, section in enumerate(layout.sections):
        if fresh := facts.get(section.source):
            new = Encoder(section, words.code).rows(fresh)
            sections[place] = Rows.joined([sections[place], new]) if place in sections else new
    return pack(key, layout, sections)


def next_bound(bounds: np.ndarray, instant: int) -> int:
    """The last instant that lies between the same of some bounds of rectangles as ``instant`` does: their starts are
    before it, their ends not.
    """
    later = bounds[bounds >= instant]
    return int(later.min()) if later.size else FOREVER


def next_change(graph: Graph, now: int, seen: int) -> int:
    """The first instant after ``now`` at which a key of a small graph may name somebody else though nothing new
    is said. What becomes known after the cut ``seen`` counts as soon as it may.
    """
    instants, known = [FOREVER], [FOREVER]
    for link, rows in graph.said.items():
        instants += rows["at"].tolist()
        known += rows["known"].tolist() + rows["until"].tolist()
        if link.back is not None:
            instants += (rows["at"] + duration(link.back)).tolist()
    for frame in graph.links.values():
        instants += frame["at_from"].tolist() + frame["at_to"].tolist()
    changes = [max(instant, now + 1) for instant in instants if instant >= now]
    return min(*changes, *(instant + 1 for instant in known if instant >= min(now, seen)))


__all__ = ["Known", "Reach", "Ways", "next_bound", "next_change", "packed_rows"]
