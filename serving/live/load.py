"""From the lake into the live store: its rows, keys, coverage, and every cache, so that the first call is as fast as
the next. May be cut off at any point and begun again: what is there already is left as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Table, func, select

from features.declare import Catalog
from features.engine.live.layout import Layout
from features.history import History, columns_read
from features.lake import Lake, Snapshot
from serving.live import bulk, feeds, incoming, schema, statements
from serving.live.append import touches
from serving.live.nearby import Nearby
from serving.live.store import EVERYTHING, Store, StoreError, Writing, note
from serving.live.warm import Progress, warm
from serving.live.words import Words

_SOME = 1_000
"""So many rows at a time into a store that answers meanwhile."""
_SETTLED_EVERY = 500_000


@dataclass(frozen=True)
class Loaded:
    """How many rows of each source are in the store now that were not before, and the lake's fingerprint."""

    rows: dict[str, int]
    keys: int
    fingerprint: str


def load(
    store: Store,
    lake: Lake,
    catalog: Catalog,
    entity_type: str,
    *,
    now: Callable[[int], int],
    patience: int = feeds.PATIENCE,
    progress: Progress | None = None,
) -> Loaded:
    """Fill a store from a lake. ``now``: the lake's end -> what is now, for a store without a clock yet.

    Into a store that decisions were taken with, what is new in the lake comes with a stamp of now: nothing that was
    decided before has seen it. Raises `StoreError` for an empty lake, and for a store of another lake or of another
    generation of its secret.
    """
    told = progress or _untold
    snapshot = lake.snapshot()
    if not snapshot.version:
        raise StoreError(f"the lake {lake.root} is empty: run `tieline simulate` or `tieline ingest` first")
    first = check(store, lake, snapshot)
    who = History.load(lake, catalog, snapshot, facts=False)
    layout = Layout.of(catalog)
    words = Words(layout)
    before = {name: _count(store, name) for name in _tables(catalog)}
    if first:
        store.set_clock(now(who.end) - store.machine_clock())
        bulk.without_indexes(store)
    loading = _Loading(store, lake, catalog, snapshot, words, first, told)
    keys = loading.keys()
    for name in before:
        if snapshot.files.get(name):
            loading.source(name)
    if first:
        told("indexes", 0, 1)
        bulk.with_indexes(store)
        told("indexes", 1, 1)
    with store.engine.begin() as core:
        feeds.keep(core, dict(who.coverage), store.clock(), patience)
        note(core, patience=patience, workspace=lake.root.name, generation=snapshot.hindsight.generation)
    store.write(lambda writing: writing.run(statements.FEEDS_TICK, writing.stamp)).result()
    if first:
        with store.reading() as reading:
            words.refresh(reading)
        warm(store, lake, snapshot, who, entity_type, layout, words, told)
    with store.engine.begin() as core:
        note(core, fingerprint=snapshot.fingerprint, version_of_lake=snapshot.version)
    bulk.settle(store)
    return Loaded({name: _count(store, name) - n for name, n in before.items()}, keys, snapshot.fingerprint)


def check(store: Store, lake: Lake, snapshot: Snapshot) -> bool:
    """Whether the store was never filled; raises `StoreError` where it was filled from something else."""
    said = store.texts()
    of = said.get("workspace", lake.root.name)
    if of != lake.root.name:
        raise StoreError(f"the live store is that of workspace '{of}', not of '{lake.root.name}': give another --store")
    if int(said.get("generation", snapshot.hindsight.generation)) != snapshot.hindsight.generation:
        raise StoreError(
            "the secret of the keys was rotated since the live store was filled: run `tieline sync`, "
            "then `tieline load --anew`"
        )
    return "fingerprint" not in said


@dataclass(frozen=True)
class _Loading:
    """A load under way. ``first``: nobody asks the store yet, so that all can be from before its first stamp."""

    store: Store
    lake: Lake
    catalog: Catalog
    snapshot: Snapshot
    words: Words
    first: bool
    told: Progress

    def keys(self) -> int:
        """How many keys are new to the store."""
        before = _count(self.store, None)
        table = self.lake.keys(self.snapshot)
        size = incoming.CHUNK if self.first else 10 * _SOME
        for start in range(0, table.num_rows, size):
            part = table.slice(start, size)
            columns = [part[name].to_pylist() for name in ("key_id", "key_type", "hash")]

            def work(writing: Writing, columns: list[list] = columns) -> None:
                stamp = 0 if self.first else writing.stamp
                some = list(zip(*columns, [stamp] * len(columns[0]), strict=True))
                bulk.add(writing, schema.KEYS, some)

            self.store.write(work).result()
            self.told("keys", min(start + size, table.num_rows), table.num_rows)
        return _count(self.store, None) - before

    def source(self, name: str) -> None:
        """All rows of a source that the store has not yet."""
        size = incoming.CHUNK if self.first else _SOME
        learned: set[tuple[str, str]] = set()
        settled = 0
        for chunk, done, total in incoming.chunks(self.lake, name, self.snapshot, size):
            new = [word for word in chunk.words() if word not in learned]
            learned.update(new)
            said = [word for column, text in new for word in self.words.of(name, {column: text})]
            self.store.write(self._first(chunk, said) if self.first else self._later(chunk, said)).result()
            if done - settled >= _SETTLED_EVERY:
                bulk.settle(self.store)
                settled = done
            self.told(name, done, total)

    def _first(self, chunk: incoming.Chunk, words: list[tuple[str, str, str]]) -> Callable[[Writing], None]:
        found = chunk.rows()

        def work(writing: Writing) -> None:
            self.words.learn(writing, words)
            bulk.add(writing, _table(chunk.source.name), found)

        return work

    def _later(self, chunk: incoming.Chunk, words: list[tuple[str, str, str]]) -> Callable[[Writing], None]:
        """With a stamp of now: what is not there yet, and what ends rows that are there."""
        evidence = chunk.source.name == "evidence"
        all_rows, ends = chunk.rows(), chunk.ends()

        def work(writing: Writing) -> None:
            there = _there(writing, chunk)
            new = [row for row in all_rows if _life(row, evidence) not in there]
            new += [
                end
                for row, end in ends
                if there.get(_life(row, evidence), 0) is None and _life(end, evidence) not in there
            ]
            if not new:
                return
            touched = self._held(writing, new, evidence)
            self.words.learn(writing, words)
            stamp = writing.stamp
            bulk.add(writing, _table(chunk.source.name), [_stamped(row, stamp, evidence) for row in new])
            if evidence:
                writing.run_many(statements.TOUCH, [(key, stamp) for key in sorted(touched)])
                writing.run(statements.EVIDENCE_TICK, stamp)

        return work

    def _held(self, writing: Writing, new: list[tuple], evidence: bool) -> set[int]:
        """The keys whose names or reach change; they, and all that is written about, are held."""
        if not evidence:
            writing.hold({key for row in new for key in (row[3], row[11])})
            return set()
        ends = {key for row in new for key in (row[2], row[3])}
        writing.hold(ends)
        types = dict(writing.rows(statements.TYPES, sorted(ends)))
        pairs = [(row[2], row[3]) for row in new if row[2] in types and row[3] in types]
        touched: set[int] = set()
        while not (found := self._touches(writing, pairs, types)) <= touched:
            writing.hold(found - touched)
            touched |= found
        return touched

    def _touches(self, writing: Writing, pairs: list[tuple[int, int]], types: dict[int, str]) -> set[int]:
        try:
            return touches(Nearby(writing, self.catalog), pairs, types)
        except ValueError:
            return {EVERYTHING}  # to find what hangs together takes longer than to make all anew


def _life(row: tuple, evidence: bool) -> tuple[str, int]:
    """(id, known_at) of a row."""
    return (row[0], row[1]) if evidence else (row[1], row[2])


def _stamped(row: tuple, stamp: int, evidence: bool) -> tuple:
    """A row with its stamp; of facts also as one whose id may have been there, so that its key is packed anew."""
    if evidence:
        return (*row[:5], stamp, *row[6:])
    return (*row[:5], stamp, *row[6:9], True, *row[10:])


def _there(writing: Writing, chunk: incoming.Chunk) -> dict[tuple[str, int], int | None]:
    """(id, known_at) -> until, of the rows the store has of a chunk's ids."""
    table = _table(chunk.source.name)
    asked = select(table.c.id, table.c.known_at, table.c.until).where(table.c.id.in_(sorted(set(chunk.ids()))))
    if table is schema.FACTS:
        asked = asked.where(schema.FACTS.c.source == chunk.source.name, ~schema.FACTS.c.moved)
    found = writing.core.execute(asked)
    return {(id_, known): until for id_, known, until in found}


def _tables(catalog: Catalog) -> tuple[str, ...]:
    return (*columns_read(catalog), "evidence")


def _table(name: str) -> Table:
    return schema.EVIDENCE if name == "evidence" else schema.FACTS


def _count(store: Store, name: str | None) -> int:
    """How many rows of a source the store has; of none: how many keys."""
    table = schema.KEYS if name is None else _table(name)
    asked = select(func.count()).select_from(table)
    if table is schema.FACTS:
        asked = asked.where(schema.FACTS.c.source == name)
    with store.engine.connect() as core:
        return int(core.execute(asked).scalar_one())


def _untold(what: str, done: int, of: int) -> None:
    """Nobody wants to know."""
