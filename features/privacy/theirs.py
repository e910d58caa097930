"""Which facts are a person's: their time of each key, and which keys were never anybody else's."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Link
from features.engine.columns import FOREVER
from features.facts import source as declared
from features.history import History
from features.identity.reach import Reach
from features.lake import Lake, Snapshot
from features.lake.forgetting.marks import MARKS, Marks
from features.lake.intervals import Interval, less, merged

Spans = dict[int, list[Interval]]
"""Key id -> intervals of UTC microseconds."""


def present(reach: Reach, entities: np.ndarray) -> Spans:
    """When the entities hold each key, as believed now. What was believed once and is not any more is nobody's."""
    _, rows = reach.rows(entities)
    return _spans(reach, rows[reach.known_to[rows] == FOREVER])


def theirs(lake: Lake, base: Snapshot, history: History, of: str, entities: np.ndarray, held: Spans) -> Marks:
    """The marks of what the entities hold, less what others of their type hold at the same instants.

    A key is ``whole`` when nothing that stands ever gave it to another of them and no row that stays names it.
    """
    reach = history.reach(of)
    rows = np.flatnonzero(
        np.isin(reach.key, list(held)) & (reach.known_to == FOREVER) & ~np.isin(reach.entity, entities)
    )
    others = _spans(reach, rows)
    spans = {key: less(merged(each), others.get(key, ())) for key, each in held.items()}
    own = {key for key, each in spans.items() if each} - given(history, of, entities)
    return _alone(lake, base, spans, own)


def leading(links: tuple[Link, ...], of: str) -> frozenset[str]:
    """The key types whose facts roll up to an entity type, itself included."""
    types = {of}
    while more := {link.child for link in links if link.rolls_up and link.parent in types} - types:
        types |= more
    return frozenset(types)


def given(history: History, of: str, entities: np.ndarray) -> frozenset[int]:
    """Keys that standing evidence ever gave to other entities of the type, directly or by a key between.

    Also where that was taken back, or is not believed because too many share the key.
    """
    under, all_of_type = leading(history.catalog.links, of), history.entities_of[of]
    said = [
        rows.loc[(rows["linked"] == 1) & (rows["until"] == FOREVER), ["child", "parent"]].to_numpy(np.int64)
        for link, rows in history.graph.said.items()
        if link.rolls_up and not link.is_merge and link.parent in under
    ]
    child, parent = np.concatenate([np.empty((0, 2), np.int64), *said]).T
    known, found = 0, np.setdiff1d(all_of_type, entities)
    while len(found) > known:
        known, found = len(found), np.union1d(found, child[np.isin(parent, found)])
    return frozenset(found.tolist())


def shared_by_too_many(history: History, of: str) -> frozenset[int]:
    """Keys through which nobody is read now because too many share them."""
    under = leading(history.catalog.links, of)
    return frozenset(
        key
        for link, rows in history.graph.guarded.items()
        if not link.is_merge and link.parent in under
        for key in rows.loc[rows["known_to"] == FOREVER, "child"].tolist()
    )


def _alone(lake: Lake, base: Snapshot, spans: dict[int, tuple[Interval, ...]], own: set[int]) -> Marks:
    """The marks, with those of the ``own`` keys whole that no row will name once the person's are gone."""
    sources = [_naming(lake, base, name, own) for name in base.files]
    while True:
        marks = _marks(spans, own)
        staying = [rows.filter(pa.array(~marks.strike(rows))) for rows in sources]
        named = {key for rows in staying for end in _ends(rows) for key in pc.unique(rows[end]).to_pylist()}
        if not own & named:
            return marks
        own = own - named


def _naming(lake: Lake, base: Snapshot, name: str, keys: set[int]) -> pa.Table:
    """The rows of a source that name one of the keys: ``key_id``, ``at`` and, in evidence, ``other_id``."""
    names = [n for n in ("key_id", "at", "other_id") if n in declared(name).schema.names]
    rows = lake.read(name, base, names)
    wanted = pa.array(list(keys), pa.int64())
    meant = np.zeros(rows.num_rows, bool)
    for end in _ends(rows):
        meant |= np.asarray(pc.is_in(rows[end], wanted).to_numpy(), bool)
    return rows.filter(pa.array(meant))


def _ends(rows: pa.Table) -> list[str]:
    return [name for name in ("key_id", "other_id") if name in rows.schema.names]


def _marks(spans: dict[int, tuple[Interval, ...]], own: set[int]) -> Marks:
    rows = [(key, *span, key in own) for key, each in spans.items() for span in each]
    columns = zip(*rows, strict=True) if rows else [()] * len(MARKS)
    return Marks(pa.table([pa.array(c, f.type) for c, f in zip(columns, MARKS, strict=True)], schema=MARKS))


def _spans(reach: Reach, rows: np.ndarray) -> Spans:
    spans: Spans = {}
    for row in rows.tolist():
        spans.setdefault(int(reach.key[row]), []).append((int(reach.at_from[row]), int(reach.at_to[row])))
    return spans
