"""From the lake into the live store: its rows, keys, coverage, and every cache, so that the first call is as fast as the
next. May be cut off at any point and begun again: what is there already is left as it is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
from sqlalchemy import func, select

from features.conditions import duration
from features.declare import Catalog
from features.engine.columns import FOREVER
from features.engine.decode import hashes
from features.engine.live.layout import Layout
from features.engine.live.packed import Rows, of_columns, pack
from features.facts import Source, source
from features.history import History, columns_read
from features.identity.reach import Reach
from features.lake import Lake, Snapshot
from serving.live import feeds, schema, statements
from serving.live.known import Ways
from serving.live.nearby import rectangles
from serving.live.store import Store, StoreError, Writing, note
from serving.live.words import Words

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many of it are done, and of how many."""

_CHUNK = 20_000
_FACT = statements.FACT + " ON CONFLICT (source, id, known_at, moved) DO NOTHING"
_EVIDENCE = statements.EVIDENCE + " ON CONFLICT (id, known_at) DO NOTHING"


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
    decided before has seen it.
    """
    told = progress or _untold
    snapshot = lake.snapshot()
    if not snapshot.version:
        raise StoreError(f"the lake {lake.root} is empty: run `tieline simulate` or `tieline ingest` first")
    history = History.load(lake, catalog, snapshot)
    first = "fingerprint" not in store.texts()
    if first:
        _set_clock(store, now(history.end))
    before = {table: _count(store, table) for table in (schema.FACTS, schema.EVIDENCE, schema.KEYS)}
    words, layout = Words(Layout.of(catalog)), Layout.of(catalog)
    _keys(store, lake, snapshot, first, told)
    rows = {}
    for name in (*columns_read(catalog), "evidence"):
        if snapshot.files.get(name):
            rows[name] = _rows(store, lake, name, snapshot, words, first, told)
    with store.engine.begin() as core:
        feeds.keep(core, dict(history.coverage), store.clock(), patience)
        note(core, patience=patience)
    store.write(lambda writing: writing.run(statements.FEEDS_TICK, writing.stamp)).result()
    with store.reading() as reading:
        words.refresh(reading)
    if first:
        _caches(store, history, entity_type, layout, words, told)
    else:
        store.write(_forget_caches).result()
    with store.engine.begin() as core:
        note(
            core,
            fingerprint=snapshot.fingerprint,
            generation=snapshot.generation if hasattr(snapshot, "generation") else 0,
        )
    return Loaded(rows, _count(store, schema.KEYS) - before[schema.KEYS], snapshot.fingerprint)


def _set_clock(store: Store, now: int) -> None:
    store.set_clock(now - store.machine_clock())


def _count(store: Store, table: object) -> int:
    with store.engine.connect() as core:
        return int(core.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def _keys(store: Store, lake: Lake, snapshot: Snapshot, first: bool, told: Progress) -> None:
    keys = lake.keys(snapshot)
    columns = zip(keys["key_id"].to_pylist(), keys["key_type"].to_pylist(), keys["hash"].to_pylist(), strict=True)
    for done, part in _chunks(list(columns)):
        store.write(
            lambda w, part=part: w.run_many(statements.NEW_KEY, [(*k, _stamp(w, first)) for k in part])
        ).result()
        told("keys", done, keys.num_rows)


def _rows(store: Store, lake: Lake, name: str, snapshot: Snapshot, words: Words, first: bool, told: Progress) -> int:
    table = lake.read(name, snapshot)
    before = _count(store, schema.EVIDENCE if name == "evidence" else schema.FACTS)
    made = _evidence_rows(table) if name == "evidence" else _fact_rows(table, source(name))
    statement = _EVIDENCE if name == "evidence" else _FACT
    done, waiting = 0, []
    if name != "evidence":
        heard = _heard(table, source(name), words)
        store.write(lambda w: words.learn(w, heard)).result()
    for row in made:
        waiting.append(row)
        if len(waiting) == _CHUNK:
            done += _write(store, statement, waiting, first)
            told(name, done, table.num_rows)
            waiting = []
    if waiting:
        done += _write(store, statement, waiting, first)
    told(name, done, table.num_rows)
    return _count(store, schema.EVIDENCE if name == "evidence" else schema.FACTS) - before


def _write(store: Store, statement: str, rows: Sequence[tuple], first: bool) -> int:
    """``rows`` have their stamp as sixth value."""

    def work(writing: Writing) -> None:
        stamp = _stamp(writing, first)
        writing.run_many(statement, [(*row[:5], stamp, *row[6:]) for row in rows])

    store.write(work).result()
    return len(rows)


def _stamp(writing: Writing, first: bool) -> int:
    return 0 if first else writing.stamp


def _fact_rows(table: pa.Table, declared: Source) -> Iterator[tuple]:
    again = pd.Series(table["id"].to_pandas()).duplicated(keep=False).to_numpy()
    rank = hashes(table["id"])
    for start in range(0, table.num_rows, _CHUNK):
        part = table.slice(start, _CHUNK)
        spine = _spine(part)
        bodies = _bodies(part, declared)
        for i, (id_, key, at, known, until) in enumerate(spine):
            more = bool(again[start + i])
            yield (
                declared.name, id_, known, key, at, 0, until, False, False, more, True, int(rank[start + i]), bodies[i]
            )  # fmt: skip


def _evidence_rows(table: pa.Table) -> Iterator[tuple]:
    rest = zip(*(table[name].to_pylist() for name in ("other_id", "state", "confidence")), strict=True)
    for (id_, key, at, known, until), (other, state, confidence) in zip(_spine(table), rest, strict=True):
        yield id_, known, key, other, at, 0, until, False, True, state, confidence


def _spine(table: pa.Table) -> Iterator[tuple]:
    """(id, key_id, at, known_at, until) of every row, instants in microseconds."""
    times = (table[name].cast(pa.int64()).to_pylist() for name in ("at", "known_at", "until"))
    return zip(table["id"].to_pylist(), table["key_id"].to_pylist(), *times, strict=True)


def _bodies(table: pa.Table, declared: Source) -> list[bytes]:
    names = sorted(c.name for c in declared.columns)
    columns = []
    for name in names:
        column = table[name]
        columns.append((column.cast(pa.int64()) if declared.column(name).kind == "time" else column).to_pylist())
    dumps = orjson.dumps
    return [
        dumps({n: v for n, v in zip(names, row, strict=True) if v is not None}) for row in zip(*columns, strict=True)
    ]


def _heard(table: pa.Table, declared: Source, words: Words) -> list[tuple[str, str, str]]:
    open_ones = [c.name for c in declared.columns if c.kind == "category" and c.values is None]
    return [
        word
        for name in open_ones
        for value in table[name].unique().drop_null().to_pylist()
        for word in words.of(declared.name, {name: value})
    ]


def _caches(store: Store, history: History, entity_type: str, layout: Layout, words: Words, told: Progress) -> None:
    """Everything at the cut 1: the rows of a first load have the stamp 0."""
    rows: dict[int, dict[int, Rows]] = {}
    for place, section in enumerate(layout.sections):
        for key, some in of_columns(history.columns[section.source], section, words.code):
            rows.setdefault(key, {})[place] = some
    packed = ((key, layout.digest, 1, pack(key, layout, sections)) for key, sections in rows.items())
    _kept(store, statements.KEEP_PACKED, packed, "packing keys", len(rows), told)
    of_type = Ways.of(history.catalog, entity_type)
    entities = history.entities_of[entity_type].tolist()
    above = [history.parents(entity_type, parent) for parent in of_type.parents]
    _kept(store, statements.KEEP_REACH, _reaches(history, entity_type, of_type, above), "reach", len(entities), told)
    for parent in of_type.parents:
        held = history.entities_of[parent]
        _kept(
            store, statements.KEEP_REACH, _reaches(history, parent, Ways(()), []), f"reach of {parent}", len(held), told
        )
    if entity_type in history.entities_of:
        _kept(store, statements.KEEP_NAMES, _names(history, entity_type, store.clock()), "names", _named(history), told)


def _reaches(history: History, kind: str, ways: Ways, above: Sequence[Reach]) -> Iterator[tuple]:
    own = history.reach(kind)
    for entity in history.entities_of[kind].tolist():
        yield entity, 1, ways.pack(rectangles(own, entity), [rectangles(reach, entity) for reach in above])


def _named(history: History) -> int:
    return sum(len(keys) for keys in history.entities_of.values())


def _names(history: History, entity_type: str, now: int) -> Iterator[tuple]:
    """Whom each key of a type that leads to an entity names, and until when."""
    ends = _changes(history, now)
    for kind, keys in history.entities_of.items():
        if kind != entity_type and entity_type not in history.catalog.above(kind):
            continue
        until = ends.reindex(keys, fill_value=FOREVER)
        for key, end in zip(keys.tolist(), until.tolist(), strict=True):
            named = history.naming.named_by(kind, key, entity_type, now, history_seen(history))
            yield key, 1, end, orjson.dumps({str(entity): p for entity, p in named.items()})


def history_seen(history: History) -> int:
    """A cut after everything the lake knows."""
    return FOREVER - 1


def _changes(history: History, now: int) -> pd.Series:
    """Per key the first instant after now at which it may name somebody else though nothing new is said."""
    found: list[pd.Series] = []
    for link, said in history.graph.said.items():
        instants = [said["at"]] + ([said["at"] + duration(link.back)] if link.back else [])
        found += [pd.Series(i[i >= now].to_numpy(), said["child"][i >= now]) for i in instants]
        frame = history.graph.links.get(link)
        if frame is not None:
            found += [
                pd.Series(frame[n][frame[n] >= now].to_numpy(), frame["child"][frame[n] >= now])
                for n in ("at_from", "at_to")
            ]
    own = pd.concat([pd.Series(dtype=np.int64), *found]).groupby(level=0).min() + 1
    for _ in history.catalog.key_types:
        above = [
            pd.Series(own.reindex(said["parent"]).to_numpy(), said["child"]).dropna()
            for said in history.graph.said.values()
        ]
        own = pd.concat([own, *above]).groupby(level=0).min()
    return own.astype(np.int64).clip(upper=FOREVER)


def _kept(store: Store, statement: str, rows: Iterator[tuple], what: str, n: int, told: Progress) -> None:
    waiting, done = [], 0
    for row in rows:
        waiting.append(row)
        if len(waiting) == 5_000:
            store.write(lambda w, part=waiting: w.run_many(statement, part)).result()
            done, waiting = done + len(waiting), []
            told(what, done, n)
    store.write(lambda w, part=waiting: w.run_many(statement, part)).result()
    told(what, done + len(waiting), n)


def _forget_caches(writing: Writing) -> None:
    for table in (schema.PACKED, schema.REACH, schema.NAMES):
        writing.core.execute(table.delete())


def _chunks(rows: list[tuple]) -> Iterator[tuple[int, list[tuple]]]:
    for start in range(0, len(rows), _CHUNK):
        yield min(start + _CHUNK, len(rows)), rows[start : start + _CHUNK]


def _untold(what: str, done: int, of: int) -> None:
    """Nobody wants to know."""
