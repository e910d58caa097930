"""The caches of a store that was just filled, so that the first call is as fast as the next; made in bounded memory."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from features.conditions import duration
from features.engine.columns import FOREVER, Columns, Pieces
from features.engine.live.layout import Layout
from features.engine.live.packed import Rows, of_columns, pack
from features.history import History
from features.identity.reach import Reach
from features.lake import Lake, Snapshot
from serving.live import statements
from serving.live.known import Ways
from serving.live.nearby import rectangles
from serving.live.store import Store
from serving.live.words import Words

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many of it are done, and of how many."""

_BUILT = 1
"""The cut all caches hold what was known before: rows of a first load have the stamp 0."""
_ROWS_AT_ONCE = 2_000_000
_KEPT_AT_ONCE = 5_000
_KEYS = 2**63
"""Key ids are drawn evenly below this."""


def warm(
    store: Store,
    lake: Lake,
    snapshot: Snapshot,
    who: History,
    entity_type: str,
    layout: Layout,
    words: Words,
    told: Progress,
) -> None:
    """Makes every cache. ``who``: a history of the snapshot, whose facts are not looked at."""
    packed = _packed(lake, snapshot, layout, words, told)
    _kept(store, statements.KEEP_PACKED, packed)
    of_type = Ways.of(who.catalog, entity_type)
    above = [who.parents(entity_type, parent) for parent in of_type.parents]
    _kept(store, statements.KEEP_REACH, _reaches(who, entity_type, of_type, above, told))
    for parent in of_type.parents:
        _kept(store, statements.KEEP_REACH, _reaches(who, parent, Ways(()), [], told))
    _kept(store, statements.KEEP_NAMES, _names(who, entity_type, store.clock(), told))


def _kept(store: Store, statement: str, rows: Iterator[tuple]) -> None:
    waiting: list[tuple] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == _KEPT_AT_ONCE:
            store.write(lambda w, part=waiting: w.run_many(statement, part)).result()  # type: ignore[misc]
            waiting = []
    if waiting:
        store.write(lambda w: w.run_many(statement, waiting)).result()


def _packed(lake: Lake, snapshot: Snapshot, layout: Layout, words: Words, told: Progress) -> Iterator[tuple]:
    """Range by range of key ids: the rows of one range are in memory at a time."""
    held = {s.source: lake.pieces(s.source, snapshot) for s in layout.sections if snapshot.files.get(s.source)}
    total = int(sum(sum(pieces.counts) for pieces in held.values()))
    ranges = -(-total // _ROWS_AT_ONCE)
    spans = {name: _spans(pieces) for name, pieces in held.items()}
    for i in range(ranges):
        low, high = _KEYS * i // ranges, _KEYS * (i + 1) // ranges
        rows: dict[int, dict[int, Rows]] = {}
        for name, pieces in held.items():
            within = _Range(pieces, spans[name], low, high)
            if sum(within.counts):
                sections = [(place, s) for place, s in enumerate(layout.sections) if s.source == name]
                columns = Columns(name, within, dict.fromkeys(n for _, s in sections for n in s.columns))
                for place, section in sections:
                    for key, some in of_columns(columns, section, words.code):
                        rows.setdefault(key, {})[place] = some
        for key, of_key in rows.items():
            yield key, layout.digest, _BUILT, pack(key, layout, of_key)
        told("packing the histories", i + 1, ranges)


def _spans(pieces: Pieces) -> list[tuple[int, int]]:
    """The first and the last key of every piece; (0, -1) of one without rows."""
    found = []
    for piece, count in enumerate(pieces.counts):
        keys = pieces.read(piece, ["key_id"])["key_id"] if count else None
        found.append((keys[0].as_py(), keys[-1].as_py()) if keys is not None else (0, -1))
    return found


class _Range:
    """The rows of some pieces whose key is ``low <= key < high``, as pieces (`columns.Pieces`)."""

    def __init__(self, pieces: Pieces, spans: Sequence[tuple[int, int]], low: int, high: int) -> None:
        self._pieces = pieces
        self._parts: list[tuple[int, slice]] = []
        for piece, (first, last) in enumerate(spans):
            if first < high and low <= last:
                keys = pieces.read(piece, ["key_id"])["key_id"].to_numpy()
                begin, end = np.searchsorted(keys, low, "left"), np.searchsorted(keys, high - 1, "right")
                self._parts.append((piece, slice(int(begin), int(end))))
        self.counts = [part.stop - part.start for _, part in self._parts]

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        """Columns of one piece."""
        place, part = self._parts[piece]
        return self._pieces.read(place, names).slice(part.start, part.stop - part.start)

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The same, some rows at a time."""
        yield from self.read(piece, names).to_batches()

    def has(self, name: str) -> bool:
        """Whether the column is there."""
        return self._pieces.has(name)


def _reaches(
    who: History, kind: str, ways: Ways, above: Sequence[Reach], told: Progress
) -> Iterator[tuple[int, int, bytes]]:
    own, entities = who.reach(kind), who.entities_of[kind].tolist()
    for done, entity in enumerate(entities, 1):
        yield entity, _BUILT, ways.pack(rectangles(own, entity), [rectangles(reach, entity) for reach in above])
        if done % _KEPT_AT_ONCE == 0 or done == len(entities):
            told(f"reach of each {kind}", done, len(entities))


def _names(who: History, entity_type: str, now: int, told: Progress) -> Iterator[tuple[int, int, int, bytes]]:
    """Whom each key of a type that leads to an entity names, and until when."""
    kinds = [k for k in who.entities_of if k == entity_type or entity_type in who.catalog.above(k)]
    total, done = sum(len(who.entities_of[kind]) for kind in kinds), 0
    ends = _changes(who, now)
    for kind in kinds:
        keys = who.entities_of[kind]
        until = ends.reindex(keys, fill_value=FOREVER)
        for key, end in zip(keys.tolist(), until.tolist(), strict=True):
            named = who.naming.named_by(kind, key, entity_type, now, now)
            yield key, _BUILT, end, orjson.dumps({str(entity): p for entity, p in named.items()})
            done += 1
            if done % _KEPT_AT_ONCE == 0 or done == total:
                told("names", done, total)


def _changes(who: History, now: int) -> pd.Series:
    """Per key the first instant after now at which it may name somebody else though nothing new is said: something the
    lake holds becomes known, begins, ends or is too long ago.
    """
    found: list[pd.Series] = []
    for link, said in who.graph.said.items():
        instants = [
            said["at"],
            said["known"],
            said["until"],
            *([said["at"] + duration(link.back)] if link.back else []),
        ]
        ends = ("child", "parent") if link.is_merge else ("child",)
        found += [pd.Series(i[i >= now].to_numpy() + 1, said[end][i >= now]) for i in instants for end in ends]
        frame = who.graph.links.get(link)
        if frame is not None:
            instants = [frame["at_from"], frame["at_to"]]
            found += [pd.Series(i[i >= now].clip(lower=now + 1).to_numpy(), frame["child"][i >= now]) for i in instants]
    own = pd.concat([pd.Series(dtype=np.int64), *found]).groupby(level=0).min()
    for _ in who.catalog.key_types:
        above = [
            pd.Series(own.reindex(said[over]).to_numpy(), said[under]).dropna()
            for link, said in who.graph.said.items()
            for over, under in (("parent", "child"), *([("child", "parent")] if link.is_merge else []))
        ]
        own = pd.concat([own, *above]).groupby(level=0).min()
    return own.astype(np.int64).clip(upper=FOREVER)
