"""Packed keys give the very bits that columns in memory give, whatever was packed and however it is read again."""

from collections.abc import Mapping

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from oracle import World
from worlds import CATALOG, FEATURES, cutoffs, history, worlds

from features.engine.block import Vectors
from features.engine.columns import FOREVER
from features.engine.live.fold import OF, OWN, VIA, LiveFold, Reached, Way, present
from features.engine.live.layout import Layout
from features.engine.live.packed import Rows, of_columns, pack, unpack
from features.history import History
from features.identity.reach import Reach

LAYOUT = Layout.of(CATALOG)
SECTIONS = LAYOUT.of_customers
ENTITIES = {"customer": (1, 2, 99), "line": (11, 12), "cookie": (21,)}


class Words:
    """Numbers for words, in the order in which they are first heard."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], int] = {}

    def __call__(self, source: str, column: str, word: str) -> int:
        return self.known.setdefault((source, column, word), len(self.known))

    def said(self, code: int) -> str:
        return list(self.known)[code][2]


def packed(known: History, words: Words) -> dict[int, bytes]:
    rows: dict[int, dict[int, Rows]] = {}
    for place, section in enumerate(LAYOUT.sections):
        for key, some in of_columns(known.columns[section.source], section, words):
            rows.setdefault(key, {})[place] = some
    return {key: pack(key, LAYOUT, sections) for key, sections in rows.items()}


def rectangles(reach: Reach, entity: int) -> np.ndarray:
    low, high = reach.span(entity)
    return np.array([a[low:high] for a in (reach.key, reach.at_from, reach.at_to, reach.known_from, reach.known_to)])


def reached(known: History, kind: str, entity: int, ways: list[Way], cutoff: int, seen: int) -> Reached:
    parts, spans, n = [], {}, 0
    for way, parent in ways:
        if way == OWN:
            part = rectangles(known.reach(kind), entity)
        elif way == VIA:
            part = rectangles(known.parents(kind, parent), entity)
        else:
            held = rectangles(known.parents(kind, parent), entity)
            who = present(held, (0, held.shape[1]), cutoff, seen)
            part = np.empty((5, 0), np.int64) if who is None else rectangles(known.reach(parent), who)
        none = way == OF and who is None
        spans[way, parent] = (-1, -1) if none else (n, n + part.shape[1])
        parts.append(part)
        n += part.shape[1]
    return Reached(np.ascontiguousarray(np.concatenate(parts, axis=1), np.int64), spans)


def live(known: History, fold: LiveFold, kind: str, entity: int, cutoff: int, seen: int, blobs: Mapping) -> np.ndarray:
    found = reached(known, kind, entity, fold.ways, cutoff, seen)
    mine = [blobs[key] for key in found.keys(fold.ways) if key in blobs]
    return fold.values(bytearray().join(mine), len(mine), found, known.coverage, 0, cutoff, seen)


@given(worlds(), st.data())
def test_one_entity_from_packed_keys_is_the_same_bits(world: World, data: st.DataObject) -> None:
    known, words = history(world), Words()
    blobs = packed(known, words)
    kind = data.draw(st.sampled_from(list(ENTITIES)))
    features = tuple(f for f in FEATURES if not f.of and not f.via) if kind != "customer" else FEATURES
    vectors, fold = Vectors(known.block, kind, features), LiveFold(LAYOUT, SECTIONS, features)
    for _ in range(3):
        entity, cutoff, seen = data.draw(st.sampled_from(ENTITIES[kind])), data.draw(cutoffs), data.draw(cutoffs)
        expected, got = vectors.of(entity, cutoff, seen), live(known, fold, kind, entity, cutoff, seen, blobs)
        for feature, one, other in zip(features, expected, got, strict=True):
            if feature.kind == "category" and not np.isnan(one):
                declared = next(s.declared(feature.column) for s in LAYOUT.sections if s.source == feature.source)
                said = declared[int(other)] if declared is not None else words.said(int(other))
                assert said == known.block.vocabulary(feature)[int(one)], feature.name
            else:
                assert one.view(np.uint32) == other.view(np.uint32), (feature.name, one, other)


@given(worlds())
def test_what_is_unpacked_is_what_was_packed(world: World) -> None:
    known = history(world)
    for key, blob in packed(known, Words()).items():
        sections = unpack(blob, LAYOUT)
        assert pack(key, LAYOUT, sections) == blob
        for rows in sections.values():
            assert (np.diff(rows.at) >= 0).all()
            assert (rows.until > rows.known).all()
            assert rows.until.max() <= FOREVER
