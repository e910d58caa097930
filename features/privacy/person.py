"""Who a key leads to: all the keys that were theirs, and when each was theirs and nobody else's."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.columns import EVER_AGO, FOREVER
from features.declare import Catalog
from features.history import History
from features.identity.keys import KeyRing, surrogate
from features.identity.normalise import normalise
from features.identity.reach import Reach
from features.lake import Lake, Snapshot
from features.lake.forgetting.marks import MARKS, Marks
from features.lake.intervals import Interval, less, merged

Spans = dict[int, list[Interval]]
"""Key id -> intervals of UTC microseconds."""


class PersonError(ValueError):
    """A key leads to nobody in particular, or is none; the message never repeats it."""


@dataclass(frozen=True)
class Person:
    """``entities`` (m,): the customer, with every id they ever had; none for a visitor nobody can name.

    ``keys`` (`identity.keys.KEYS`): what they were known by. ``marks``: which facts are theirs. ``reach``: the
    rectangles of the entities, as far as there are some.
    """

    entities: np.ndarray
    keys: pa.Table
    marks: Marks
    reach: Reach | None


def find_person(
    lake: Lake, base: Snapshot, catalog: Catalog, ring: KeyRing, key_type: str, value: str, of: str = "customer"
) -> Person:
    """The customer (or whichever entity ``of`` names) that holds the key, or the key alone where nobody is known by it.

    A person's time of a key is all that was ever believed to be, less what now is believed to be somebody else's. A key
    that is nobody else's is theirs for all time. Raises `PersonError` for an unknown type, a malformed key, and one
    that several hold.
    """
    key_id = _key_id(ring, catalog, key_type, value)
    keys = lake.keys(base)
    history = History.of({}, lake.read("evidence", base), keys, {}, catalog)
    holders = history.find(key_type, key_id, FOREVER - 1, FOREVER, of) if of in catalog.key_types else np.empty(0)
    if len(holders) > 1:
        raise PersonError(f"{len(holders)} {of}s hold this {key_type} now: say whom by a key that is theirs alone")
    reach = history.reach(of) if of in catalog.key_types else None
    entities = _entities(reach, holders, history.entities_of.get(of, np.empty(0))) if reach else holders
    ever = _ever(reach, entities) if reach and len(entities) else {key_id: [(EVER_AGO, FOREVER)]}
    marks = _marks(ever, _others(reach, entities, ever) if reach else {})
    known = keys.filter(pc.is_in(keys["key_id"], pa.array(list(ever), pa.int64())))
    return Person(entities, known, marks, reach)


def _key_id(ring: KeyRing, catalog: Catalog, key_type: str, value: str) -> int:
    if key_type not in catalog.key_types:
        raise PersonError(f"'{key_type}' is not a type of key (there are: {', '.join(catalog.key_types)})")
    try:
        return ring.key_id(key_type, value)
    except ValueError as error:
        raise PersonError(str(error)) from None


def _entities(reach: Reach, holders: np.ndarray, all_of_type: np.ndarray) -> np.ndarray:
    """The holder and those that were merged into it: ids of the same type that it reaches now."""
    _, row = reach.rows(np.asarray(holders, np.int64))
    present = row[reach.known_to[row] == FOREVER]
    return np.union1d(holders, np.intersect1d(reach.key[present], all_of_type)).astype(np.int64)


def _ever(reach: Reach, entities: np.ndarray) -> Spans:
    """When the entities were believed to hold each key, now or at any time."""
    _, rows = reach.rows(entities)
    return _spans(reach.key[rows], reach.at_from[rows], reach.at_to[rows])


def _others(reach: Reach, entities: np.ndarray, ever: Spans) -> Spans:
    """When others are believed to hold the same keys, as known now."""
    rows = np.flatnonzero(
        np.isin(reach.key, list(ever)) & (reach.known_to == FOREVER) & ~np.isin(reach.entity, entities)
    )
    return _spans(reach.key[rows], reach.at_from[rows], reach.at_to[rows])


def _spans(keys: np.ndarray, low: np.ndarray, high: np.ndarray) -> Spans:
    spans: Spans = {}
    for key, begin, end in zip(keys.tolist(), low.tolist(), high.tolist(), strict=True):
        spans.setdefault(key, []).append((begin, end))
    return spans


def _marks(ever: Spans, others: Spans) -> Marks:
    rows: list[tuple[int, int, int, bool]] = []
    for key, spans in ever.items():
        if key not in others:
            rows.append((key, EVER_AGO, FOREVER, True))
        else:
            rows += [(key, *span, False) for span in less(merged(spans), others[key])]
    columns = zip(*rows, strict=True) if rows else [()] * len(MARKS)
    return Marks(pa.table([pa.array(c, f.type) for c, f in zip(columns, MARKS, strict=True)], schema=MARKS))


def needles(
    lake: Lake, catalog: Catalog, ring: KeyRing, key_type: str, value: str, of: str = "customer"
) -> tuple[str | int | bytes, ...]:
    """What a scan looks for: the key as given and as normalised, its hashes and ids, and those of the person's others.

    Keys that others hold too, at another time, are left out: they stay when the person is forgotten.
    """
    person = find_person(lake, lake.snapshot(), catalog, ring, key_type, value, of)
    own = ring.hashes(key_type, value)
    hashes = {*own, *(row["hash"] for row in person.keys.to_pylist())}
    shared = set(person.marks.table["key_id"].to_pylist()) - person.marks.whole
    kept = [h for h in hashes if surrogate(h) not in shared]
    return (value, normalise(key_type, value, ring.country), *kept, *(surrogate(h) for h in kept))
