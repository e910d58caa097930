"""A world that comes into a live store as events do, one writing after another; and the same as a history."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan

import numpy as np
from oracle import Fact, World
from worlds import MINUTE, history

from features.declare import Catalog
from features.engine.block import Vectors
from features.engine.live.fold import LiveFold
from features.engine.live.layout import Layout
from features.feature import Feature
from features.history import History
from serving.live import feeds, schema
from serving.live.append import Appended, Appending, Key
from serving.live.append import Fact as Event
from serving.live.feeds import Feeds
from serving.live.known import Known, Scope
from serving.live.past import At, Past
from serving.live.store import Reading, Store
from serving.live.words import Words

NOW = 70 * MINUTE
"""What the clock of a growing store says: after all that happens in these worlds."""
CACHES = (schema.PACKED, schema.NAMES, schema.REACH)
Told = tuple[str, Fact]
Asked = tuple[int, int, int]
"""Of whom, and the two cuts."""
Bits = list[int | str]
"""Words of categories, and of numbers the 32 bits they are."""


class Growing:
    """A store that facts come into, and all that was told to it with the stamp it got."""

    def __init__(self, store: Store, catalog: Catalog, types: dict[int, str], clock: int | None = NOW) -> None:
        """``clock``: what it says, in a store that nothing is in; of a store that was filled ``None``."""
        self.store, self.catalog, self.types = store, catalog, types
        layout = Layout.of(catalog)
        self.words, self.feeds = Words(layout), Feeds()
        self.scope = Scope(catalog, layout, self.words, "customer")
        self.appending = Appending(catalog, self.words, self.feeds)
        self.fold = LiveFold(layout, layout.of_customers, catalog.features) if catalog.features else None
        self.told: list[Told] = []
        self._past: tuple[int, History] | None = None
        if clock is None:
            return
        store.set_clock(clock - store.machine_clock())
        with store.engine.begin() as core:
            covered = {s.source: ((-60 * MINUTE, 60 * MINUTE),) for s in layout.sections}
            feeds.keep(core, covered, clock, feeds.PATIENCE)

    def tell(self, facts: Sequence[Told]) -> Appended:
        """They are in the store when this returns."""
        events = [self._event(name, fact) for name, fact in facts]
        appended = self.store.write(lambda writing: self.appending.add(events, writing)).result(20)
        for (name, fact), became in zip(facts, appended.became, strict=True):
            if became != "known":
                self.told.append((name, replace(fact, known_at=appended.stamp, values=_without_missing(fact.values))))
        return appended

    def history(self) -> History:
        """All that was told, as a lake would have it."""
        if self._past is not None and self._past[0] == len(self.told):
            return self._past[1]
        names = [s.source for s in self.scope.layout.sections]
        facts = {name: [fact for source, fact in self.told if source == name] for name in names}
        evidence = [fact for source, fact in self.told if source == "evidence"]
        keys = {key for _, fact in self.told for key in (fact.key, fact.values.get("other", fact.key))}
        types = {key: kind for key, kind in self.types.items() if key in keys}
        with self.store.reading() as reading:
            covered = self.feeds.covered(reading).coverage
        self._past = len(self.told), history(World(facts, evidence, types, self.catalog.links, covered), self.catalog)
        return self._past[1]

    def ask(self, entity: int, keep: bool = True) -> tuple[Asked, Bits]:
        """All features of an entity, now."""
        with self.store.reading() as reading:
            known = Known(reading, self.scope)
            values = self._values(known, reading, entity)
            asked = entity, reading.now, reading.seen
        if keep:
            self.store.write(known.keep).result(20)
        return asked, values

    def ask_then(self, asked: Asked) -> Bits:
        """Those of then, from the rows alone."""
        entity, now, seen = asked
        with self.store.reading() as reading:
            then = At(reading, now, seen)
            return self._values(Past(then, self.scope), then, entity)

    def expected(self, asked: Asked, past: History | None = None) -> Bits:
        """Those by the history; what came later than the cuts makes no difference to it."""
        entity, now, seen = asked
        past, features = past or self.history(), self.catalog.features
        values = Vectors(past.block, "customer", features).of(entity, now, seen)
        return self._bits(values, lambda feature, code: past.block.vocabulary(feature)[code])

    def empty(self, tables: Sequence = CACHES) -> None:
        """Caches may be emptied at any time."""

        def work(writing) -> None:
            for table in tables:
                writing.core.execute(table.delete())

        self.store.write(work).result(20)

    def _values(self, known: Known, reading: Reading, entity: int) -> Bits:
        assert self.fold is not None
        reached = known.reached(entity, self.fold.ways, reading.now)
        blobs, n = known.packed(reached.keys(self.fold.ways))
        covered = self.feeds.covered(reading)
        values = self.fold.values(blobs, n, reached, covered.coverage, covered.version, reading.now, reading.seen)
        return self._bits(values, lambda feature, code: self._word(known, feature, code))

    def _bits(self, values: np.ndarray, word: Callable[[Feature, int], str]) -> Bits:
        bits = np.array(values, np.float32).view(np.uint32).tolist()
        return [
            word(feature, int(value)) if feature.kind == "category" and not np.isnan(value) else some
            for feature, value, some in zip(self.catalog.features, values, bits, strict=True)
        ]

    def _word(self, known: Known, feature: Feature, code: int) -> str:
        section = next(s for s in self.scope.layout.sections if s.source == feature.source)
        declared = section.declared(str(feature.column))
        return known.said(code) if declared is None else declared[code]

    def _event(self, name: str, fact: Fact) -> Event:
        body = _without_missing(fact.values)
        other = body.pop("other", None)
        second = None if other is None else self._key(other)  # type: ignore[arg-type]
        return Event(name, fact.id, self._key(fact.key), fact.at, body, fact.void, second)

    def _key(self, key: int) -> Key:
        return Key(self.types[key], key, key.to_bytes(32, "big"))


def emptied(store: Store) -> Store:
    """The store as if it were new, but for its clock's offset."""
    with store.engine.begin() as core:
        for table in reversed(schema.METADATA.sorted_tables):
            if table not in (schema.META, schema.CLOCK):
                core.execute(table.delete())
    return store


def in_order(world: World) -> list[Told]:
    """All a world says, in the order in which it becomes known."""
    said = [(name, fact) for name, facts in {**world.facts, "evidence": world.evidence}.items() for fact in facts]
    return sorted(said, key=lambda one: one[1].known_at)


def batches(told: Sequence[Told], size: Callable[[], int]) -> list[list[Told]]:
    """Some at a time, no id twice in one."""
    found: list[list[Told]] = []
    room = 0
    for name, fact in told:
        if room == 0 or any(fact.id == other.id for _, other in found[-1]):
            found.append([])
            room = size()
        found[-1].append((name, fact))
        room -= 1
    return found


def _without_missing(values: dict) -> dict:
    return {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and isnan(value))
    }
