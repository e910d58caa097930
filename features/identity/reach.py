"""The key graph -> reach: through which keys an entity's history is read, since when, and since when that was known.

A row of reach is a rectangle: the entity reached the key for facts with ``at`` in ``[at_from, at_to)``, as known to
cuts in ``(known_from, known_to]``. Rectangles of one (entity, key) never overlap, so no fact is folded twice. Facts
never move: linking, unlinking, merging, reassigning a number and moving house change rectangles and nothing else.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd

from features.conditions import DeclarationError
from features.engine.columns import EVER_AGO, FOREVER
from features.engine.locate import locate
from features.identity.graph.graph import Graph
from features.identity.graph.links import BOUNDS, no_rectangles
from features.identity.graph.overlaps import disjoint

_BLOCK_PAIRS, _BLOCK_ROWS = 16_384, 2_000_000


@dataclass(frozen=True, eq=False)
class Reach:
    """r rectangles ordered by (entity, key, at_from, known_from), all (r,) int64."""

    entity: np.ndarray
    key: np.ndarray
    at_from: np.ndarray
    at_to: np.ndarray
    known_from: np.ndarray
    known_to: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Reach":
        """From a frame with columns child (the key), parent (the entity) and the four bounds."""
        frame = frame.sort_values(["parent", "child", "at_from", "known_from"], kind="stable")
        arrays = {name: np.array(frame[name], np.int64) for name in BOUNDS}
        return cls(np.array(frame["parent"], np.int64), np.array(frame["child"], np.int64), **arrays)

    def inverted(self) -> "Reach":
        """The same rectangles looked up from the other end: ``entity`` and ``key`` swapped."""
        bounds = {name: getattr(self, name) for name in BOUNDS}
        return Reach.of(pd.DataFrame({"child": self.entity, "parent": self.key, **bounds}))

    @cached_property
    def _index(self) -> tuple[np.ndarray, np.ndarray]:
        """The entities, rising, and where the rectangles of each begin, with the end of the last."""
        first = np.flatnonzero(np.append(True, self.entity[1:] != self.entity[:-1])[: len(self.entity)])
        return self.entity[first], np.append(first, len(self.entity))

    def spans(self, entities: np.ndarray) -> np.ndarray:
        """(p, 2) int64: which rectangles each entity has, known or not, as first and one past the last."""
        spans = np.empty((len(entities), 2), np.int64)
        locate(*self._index, np.ascontiguousarray(entities, np.int64), spans)
        return spans

    def span(self, entity: int | None) -> tuple[int, int]:
        """First and one past the last rectangle of one entity; ``None`` (nobody) has the span (-1, -1)."""
        if entity is None:
            return -1, -1
        known, starts = self._index
        place = int(np.searchsorted(known, entity))
        here = place < len(known) and known[place] == entity
        return (int(starts[place]), int(starts[place + 1])) if here else (0, 0)

    def blocks(self, entities: np.ndarray) -> list[slice]:
        """Consecutive pairs, few enough that what `rows` gives of a block stays small in memory."""
        spans = self.spans(entities)
        ends, rows = [0], np.cumsum(spans[:, 1] - spans[:, 0])
        while ends[-1] < len(entities):
            before = rows[ends[-1] - 1] if ends[-1] else 0
            fit = int(np.searchsorted(rows, before + _BLOCK_ROWS, "right"))
            ends.append(min(max(fit, ends[-1] + 1), ends[-1] + _BLOCK_PAIRS, len(entities)))
        return [slice(low, high) for low, high in pairwise(ends)]

    def rows(self, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(pair, row) for every rectangle of every ``entities[pair]``, ordered by pair, then as stored."""
        low = np.searchsorted(self.entity, entities, "left")
        count = np.searchsorted(self.entity, entities, "right") - low
        pair = np.repeat(np.arange(len(entities)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        return pair, np.repeat(low, count) + within


def compose(lower: pd.DataFrame, upper: pd.DataFrame) -> pd.DataFrame:
    """``lower`` (child -> middle) and ``upper`` (middle -> parent) give child -> parent, where both hold."""
    if not (len(lower) and len(upper)):
        return no_rectangles()
    joined = lower.merge(upper, left_on="parent", right_on="child", suffixes=("", "_upper"))
    bounds = {
        name: np.maximum(joined[name], joined[f"{name}_upper"])
        if name.endswith("from")
        else np.minimum(joined[name], joined[f"{name}_upper"])
        for name in BOUNDS
    }
    frame = pd.DataFrame({"child": joined["child"], "parent": joined["parent_upper"], **bounds})
    return frame[(frame["at_from"] < frame["at_to"]) & (frame["known_from"] < frame["known_to"])]


def own_reach(entity_type: str, entities: np.ndarray, graph: Graph) -> Reach:
    """Every key whose facts roll up to an entity: the entity's own key for ever, and all that belongs to it.

    ``entities`` (m,) key ids of that type. Follows links downwards through any number of levels. Of merged entities the
    one that stands for them reaches what each of them reaches, and its aliases reach nothing, for as long as that is
    believed.
    """
    itself = _standing(entity_type, entities, graph)
    frames, level = [itself], {entity_type: itself}
    while level:
        deeper: dict[str, pd.DataFrame] = {}
        for link, frame in graph.links.items():
            if link.rolls_up and link.parent in level and len(frame):
                found = _same_as_child(compose(frame, level[link.parent]), graph.members(link.child))
                deeper[link.child] = pd.concat([deeper[link.child], found]) if link.child in deeper else found
        frames += list(deeper.values())
        level = {t: f for t, f in deeper.items() if len(f)}
    return Reach.of(disjoint(pd.concat(frames, ignore_index=True).astype(np.int64)))


def parents(entity_type: str, parent_type: str, graph: Graph) -> Reach:
    """The parents of each entity of a type, as `Reach` with the parent as ``key``.

    Where no link leads there directly, the fewest that do are followed one after the other: a line is where the
    customer who holds it is. Raises `DeclarationError` where none leads there.
    """
    links = {link: _same_as_child(frame, graph.members(link.child)) for link, frame in graph.links.items()}
    direct = [frame for link, frame in links.items() if (link.child, link.parent) == (entity_type, parent_type)]
    frame = pd.concat(direct or _upwards(entity_type, parent_type, links), ignore_index=True)
    members = graph.members(entity_type)
    if len(members):
        stands = members[members["child"] == members["parent"]]
        merged = frame["child"].isin(members["child"])
        frame = pd.concat([frame[~merged], compose(stands, frame[merged])], ignore_index=True)
    if len(members) or not direct:
        frame = disjoint(frame)
    return Reach.of(frame.rename(columns={"child": "parent", "parent": "child"}))


def _standing(entity_type: str, entities: np.ndarray, graph: Graph) -> pd.DataFrame:
    """Each entity -> itself for ever, or where it was ever merged, the one that stands for it at the time."""
    members = graph.members(entity_type)
    alone = entities[~np.isin(entities, members["child"])]
    itself = pd.DataFrame({"child": alone, "parent": alone})
    itself = itself.assign(at_from=EVER_AGO, at_to=FOREVER, known_from=EVER_AGO, known_to=FOREVER)
    return pd.concat([itself, members[members["parent"].isin(entities)]], ignore_index=True).astype(np.int64)


def _same_as_child(frame: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """The same, for every key that is the same one as a child too: what belongs to one belongs to all of them."""
    if not (len(members) and len(frame)):
        return frame
    heads = members.rename(columns={"child": "parent", "parent": "child"})
    merged = frame["child"].isin(members["child"])
    return pd.concat([frame[~merged], compose(compose(members, heads), frame[merged])], ignore_index=True)


def _upwards(entity_type: str, parent_type: str, links: dict) -> list[pd.DataFrame]:
    """Rectangles child -> parent over the fewest links that lead from one type to the other."""
    level = {link.parent: [frame] for link, frame in links.items() if link.child == entity_type}
    passed = {entity_type}
    while level and parent_type not in level:
        passed |= set(level)
        higher: dict[str, list[pd.DataFrame]] = {}
        for link, frame in links.items():
            if link.parent not in passed:
                higher.setdefault(link.parent, []).extend(compose(f, frame) for f in level.get(link.child, ()))
        level = {parent: frames for parent, frames in higher.items() if frames}
    if parent_type not in level:
        raise DeclarationError(f"no link leads from '{entity_type}' to '{parent_type}'")
    return level[parent_type]
