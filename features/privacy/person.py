"""Who a key leads to: all the keys they were known by, and which facts are theirs."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Catalog
from features.engine.columns import EVER_AGO, FOREVER
from features.history import History
from features.identity.keys import KeyRing, surrogate
from features.identity.normalise import normalise
from features.identity.reach import Reach
from features.lake import Lake, Snapshot
from features.lake.forgetting.marks import Marks
from features.privacy.quarantined import spelled, spellings
from features.privacy.theirs import leading, present, shared_by_too_many, theirs


class PersonError(ValueError):
    """A key leads to nobody in particular, or is none; the message never repeats it."""


@dataclass(frozen=True)
class Person:
    """``entities`` (m,): the customer, with every id they ever had; none for a visitor nobody can name.

    ``keys`` (`identity.keys.KEYS`): what they were ever known by, but what too many share. ``marks``: which facts are
    theirs. ``reach``: the rectangles of all entities.
    """

    entities: np.ndarray
    keys: pa.Table
    marks: Marks
    reach: Reach


def find_person(
    lake: Lake, base: Snapshot, catalog: Catalog, ring: KeyRing, key_type: str, value: str, of: str = "customer"
) -> Person:
    """The customer (or whichever entity ``of`` names) that holds the key, or the key alone where nobody is known by it.

    Theirs is what now is believed to be: the time of a number that was given back, less what is somebody else's. Raises
    `PersonError` for a key that is malformed, of an unknown type or of one that names no ``of`` (a site), and for one
    that several hold or too many share.
    """
    key_id = _key_id(ring, catalog, key_type, value, of)
    keys = lake.keys(base)
    history = History.of({}, lake.read("evidence", base), keys, {}, catalog)
    holders = history.find(key_type, key_id, FOREVER - 1, FOREVER, of)
    if len(holders) > 1:
        raise PersonError(f"{len(holders)} {of}s hold this {key_type} now: say whom by a key that is theirs alone")
    crowded = shared_by_too_many(history, of)
    if not len(holders) and key_id in crowded:
        raise PersonError(f"too many {of}s share this {key_type}: say whom by a key that is theirs alone")
    reach = history.reach(of)
    entities = _entities(reach, holders, history.entities_of[of])
    held = present(reach, entities) if len(entities) else {key_id: [(EVER_AGO, FOREVER)]}
    marks = theirs(lake, base, history, of, entities, held)
    ever = set(reach.key[reach.rows(entities)[1]].tolist()) - crowded | set(held)
    known = keys.filter(pc.is_in(keys["key_id"], pa.array(list(ever), pa.int64())))
    return Person(entities, known, marks, reach)


def _key_id(ring: KeyRing, catalog: Catalog, key_type: str, value: str, of: str) -> int:
    for name in (key_type, of):
        if name not in catalog.key_types:
            raise PersonError(f"'{name}' is not a type of key (there are: {', '.join(catalog.key_types)})")
    under = leading(catalog.links, of)
    if key_type not in under:
        meant = ", ".join(name for name in catalog.key_types if name in under)
        raise PersonError(f"a {key_type} is no {of}, many may share it: name one by a key of their own ({meant})")
    try:
        return ring.key_id(key_type, value)
    except ValueError as error:
        raise PersonError(str(error)) from None


def _entities(reach: Reach, holders: np.ndarray, all_of_type: np.ndarray) -> np.ndarray:
    """The holder and those that were merged into it: ids of the same type that it reaches now."""
    _, row = reach.rows(np.asarray(holders, np.int64))
    now = row[reach.known_to[row] == FOREVER]
    return np.union1d(holders, np.intersect1d(reach.key[now], all_of_type)).astype(np.int64)


def needles(
    lake: Lake, catalog: Catalog, ring: KeyRing, key_type: str, value: str, of: str = "customer"
) -> tuple[str | int | bytes, ...]:
    """What a scan looks for: the key as given, normalised and otherwise spelled, and all keys' hashes and ids.

    Keys that were others' too, or not theirs for all time, are left out: they stay when the person is forgotten.
    """
    base = lake.snapshot()
    person = find_person(lake, base, catalog, ring, key_type, value, of)
    whole = person.marks.whole
    shared = set(person.marks.table["key_id"].to_pylist()) - whole
    own = [h for h in ring.hashes(key_type, value) if surrogate(h) not in shared]
    known = zip(person.keys["key_id"].to_pylist(), person.keys["hash"].to_pylist(), strict=True)
    kept = {*own, *(key_hash for key_id, key_hash in known if key_id in whole)}
    return (*_texts(lake, base, catalog, ring, key_type, value), *kept, *(surrogate(h) for h in kept))


def _texts(lake: Lake, base: Snapshot, catalog: Catalog, ring: KeyRing, key_type: str, value: str) -> tuple[str, ...]:
    """How the key is, or may be, written; as in JSON too, where that differs."""
    quarantined = [
        text
        for row in lake.quarantine(base)["row"].to_pylist()
        for text in spelled(row, catalog, key_type, value, ring.country)
    ]
    plain = (value, normalise(key_type, value, ring.country), *spellings(key_type, value, ring.country), *quarantined)
    return tuple(dict.fromkeys([*plain, *(json.dumps(text)[1:-1] for text in plain)]))
