"""The part of the key graph that says whose a key is and what an entity reaches, read from the store's evidence.

What a link means depends on all that was said of its child, and a merge on all that was said of the merged; so with a
key come the keys above it, and with an entity those below it, each with everything said of them. From that the graph is
made by the same code that makes a lake's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from features.declare import Catalog
from features.engine.columns import FOREVER
from features.facts import source
from features.identity.graph.evidence import Kinds
from features.identity.graph.graph import Graph, read_graph
from features.identity.reach import Reach
from features.lake.revisions import UNTIL
from serving.live.statements import SAID, SAID_OF, TYPES
from serving.live.store import Reading

_MOST = 20_000
"""So many keys are followed at most: more than any account has."""


class CrowdedError(ValueError):
    """More keys hang together than any account has: somebody uses one key for whoever has none."""


@dataclass
class Nearby:
    """Evidence around some keys, as far as it was read: ``said``, rows by (id, known_at); ``types`` of all keys."""

    reading: Reading
    catalog: Catalog
    said: dict[tuple[str, int], tuple] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)
    _of_child: dict[int, list[tuple]] = field(default_factory=dict)
    _of_parent: dict[int, list[tuple]] = field(default_factory=dict)
    _as_child: set[int] = field(default_factory=set)
    _as_parent: set[int] = field(default_factory=set)

    def above(self, keys: Iterable[int], rolling: bool = False) -> set[int]:
        """The keys, all that are the same, and all above them; ``rolling``: only over links that roll up."""
        found: set[int] = set()
        level = self.same(keys)
        while level - found:
            found |= level
            self._read_children(level)
            ends = {(key, row[3]) for key in level for row in self._of_child.get(key, ())}
            self._learn(other for _, other in ends)
            up = {(k.child, k.parent) for k in self.catalog.links if not k.is_merge and (k.rolls_up or not rolling)}
            level = self.same(p for c, p in ends if (self.types.get(c), self.types.get(p)) in up)
        return found

    def below(self, keys: Iterable[int]) -> set[int]:
        """The keys, all that are the same, and all below them over links that roll up; with all said of each."""
        found: set[int] = set()
        level = self.same(keys)
        while level - found:
            found |= level
            self._read_parents(level)
            ends = {(row[2], key) for key in level for row in self._of_parent.get(key, ())}
            self._learn(level.union(child for child, _ in ends))
            rolling = {(link.child, link.parent) for link in self.catalog.links if link.rolls_up and not link.is_merge}
            level = self.same(c for c, parent in ends if (self.types.get(c), self.types.get(parent)) in rolling)
            self._read_children(level)
        return found

    def same(self, keys: Iterable[int]) -> set[int]:
        """The keys, and all that evidence ever connected with them as the same one."""
        found: set[int] = set()
        level = set(keys)
        merging = {link.child for link in self.catalog.links if link.is_merge}
        while level - found:
            found |= level
            self._learn(level)
            mine = {key for key in level if self.types.get(key) in merging}
            self._read_children(mine)
            self._read_parents(mine)
            ends = {(key, row[3]) for key in mine for row in self._of_child.get(key, ())}
            ends |= {(key, row[2]) for key in mine for row in self._of_parent.get(key, ())}
            self._learn(other for _, other in ends)
            level = {other for key, other in ends if self.types.get(key) == self.types.get(other)} - found
        return found

    def graph(self) -> tuple[Graph, Kinds]:
        """The graph of all that was read; what is known only later than the reading's cut says so in it."""
        ends = {end for row in self._rows() for end in (row[2], row[3])} | set(self.types)
        self._learn(ends)
        known = sorted(key for key in ends if key in self.types)
        keys = pa.table({"key_id": pa.array(known, pa.int64()), "key_type": [self.types[key] for key in known]})
        kinds = Kinds.of(keys)
        return read_graph(evidence_table(self._rows()), kinds, self.catalog.links), kinds

    def _rows(self) -> list[tuple]:
        return list(self.said.values())

    def _read_children(self, keys: Iterable[int]) -> None:
        self._read(SAID, set(keys) - self._as_child)
        self._as_child |= set(keys)

    def _read_parents(self, keys: Iterable[int]) -> None:
        self._read(SAID_OF, set(keys) - self._as_parent)
        self._as_parent |= set(keys)

    def _read(self, statement: str, keys: set[int]) -> None:
        if not keys:
            return
        if len(self._as_child) + len(keys) > _MOST:
            raise CrowdedError(f"more than {_MOST:,} keys hang together")
        for row in self.reading.rows(statement, sorted(keys)):
            if row[5] < self.reading.seen and (row[0], row[1]) not in self.said:
                self.said[row[0], row[1]] = row
                self._of_child.setdefault(row[2], []).append(row)
                self._of_parent.setdefault(row[3], []).append(row)

    def _learn(self, keys: Iterable[int]) -> None:
        wanted = sorted(set(keys) - set(self.types))
        if wanted:
            self.types |= dict(self.reading.rows(TYPES, wanted))


def evidence_table(rows: Sequence[tuple]) -> pa.Table:
    """Rows of the store's evidence as a lake has them, with ``until``."""
    lives: dict[str, list[tuple]] = {}
    for row in rows:
        lives.setdefault(row[0], []).append(row)
    kept = []
    for life in lives.values():
        life.sort(key=lambda row: max(row[1], row[5]))
        for row, after in zip(life, [*life[1:], None], strict=True):
            ends = [end for end in (row[6], None if after is None else max(after[1], after[5])) if end is not None]
            if not row[7]:
                kept.append((row, min(ends, default=FOREVER)))
    schema = source("evidence").schema.append(UNTIL)
    columns = {
        "id": [row[0] for row, _ in kept],
        "key_id": [row[2] for row, _ in kept],
        "other_id": [row[3] for row, _ in kept],
        "at": [row[4] for row, _ in kept],
        "known_at": [max(row[1], row[5]) for row, _ in kept],
        "void": [False] * len(kept),
        "state": [row[8] for row, _ in kept],
        "confidence": [row[9] for row, _ in kept],
        "until": [None if end >= FOREVER else end for _, end in kept],
    }
    return pa.table({f.name: pa.array(columns[f.name], f.type) for f in schema}, schema=schema)


def rectangles(reach: Reach, entity: int) -> np.ndarray:
    """(5, r) int64: key, at_from, at_to, known_from, known_to of an entity's rectangles in a `Reach`."""
    low, high = reach.span(entity)
    names = ("key", "at_from", "at_to", "known_from", "known_to")
    return np.array([getattr(reach, name)[low:high] for name in names], np.int64).reshape(5, -1)
