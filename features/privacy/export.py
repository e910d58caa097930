"""All that is kept about a person, for the person: without the names of keys, which nobody here knows."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Catalog
from features.engine.columns import EVER_AGO, FOREVER
from features.facts import source as declared
from features.identity.keys import KeyRing
from features.lake import Lake, Snapshot
from features.lake.intervals import Interval
from features.privacy.forget import facts_of
from features.privacy.person import Person, find_person
from features.purposes import purposes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def export(
    lake: Lake, catalog: Catalog, ring: KeyRing, key_type: str, value: str, *, of: str = "customer"
) -> dict[str, Any]:
    """What JSON can say of the person a key leads to (`find_person`, which says what it raises).

    ``keys``: how many of each type, since and until when each was theirs, since when that is known, and the evidence.
    ``sources``: the facts of each, what they may be used for and what the source is complete for. ``quarantine``: rows
    that were refused. A key is spoken of by its type and number ("msisdn 1"). Instants are ISO 8601 in UTC; null stands
    for always, or not yet.
    """
    base = lake.snapshot()
    person = find_person(lake, base, catalog, ring, key_type, value, of)
    names = _names(person)
    evidence = facts_of(lake, base, "evidence", person.marks)
    sources = [name for name in base.files if name != "evidence"]
    return {
        "lake": {"version": base.version, "fingerprint": base.fingerprint},
        "known_as": of if len(person.entities) else "visitor",
        "keys": _keys(person, names, _evidence(lake, base, evidence, names)),
        "sources": {name: _source(lake, base, catalog, person, name, names) for name in sources},
        "quarantine": list(_quarantine(lake, base, person)),
    }


def _names(person: Person) -> dict[int, str]:
    """Key id -> what it is called here: its type and a number."""
    counts: dict[str, int] = {}
    names = {}
    for row in person.keys.to_pylist():
        counts[row["key_type"]] = counts.get(row["key_type"], 0) + 1
        names[row["key_id"]] = f"{row['key_type']} {counts[row['key_type']]}"
    return names


def _keys(person: Person, names: dict[int, str], evidence: dict[int, list[Any]]) -> dict[str, Any]:
    types: dict[str, Any] = {}
    for row in person.keys.to_pylist():
        found = types.setdefault(row["key_type"], {"count": 0, "each": []})
        found["count"] += 1
        key = row["key_id"]
        found["each"].append({"name": names[key], "held": _held(person, key), "evidence": evidence.get(key, [])})
    return types


def _held(person: Person, key: int) -> list[dict[str, str | None]]:
    """Each stretch in which the key was believed to be theirs, since when and until when that was believed."""
    _, rows = person.reach.rows(person.entities)
    rows = rows[person.reach.key[rows] == key]
    bounds = {"from": "at_from", "to": "at_to", "known_from": "known_from", "known_to": "known_to"}
    return [{name: _iso(int(getattr(person.reach, field)[row])) for name, field in bounds.items()} for row in rows]


def _evidence(lake: Lake, base: Snapshot, rows: pa.Table, names: dict[int, str]) -> dict[int, list[Any]]:
    """Key id -> the evidence about it; the other key by its name here, or by its type where it is not theirs."""
    others = lake.keys(base)
    others = others.filter(pc.is_in(others["key_id"], rows["other_id"]))
    types = dict(zip(others["key_id"].to_pylist(), others["key_type"].to_pylist(), strict=True))
    found: dict[int, list[Any]] = {}
    for row in _plain(rows):
        other = row.pop("other_id")
        row["with"] = names.get(other, types.get(other, "a key"))
        found.setdefault(row.pop("key_id"), []).append(row)
    return found


def _source(
    lake: Lake, base: Snapshot, catalog: Catalog, person: Person, name: str, names: dict[int, str]
) -> dict[str, Any]:
    rows = _plain(facts_of(lake, base, name, person.marks))
    facts = [{"key": names.get(row.pop("key_id")), **row} for row in rows]
    return {
        "meaning": declared(name).meaning,
        "purposes": list(purposes(name, catalog.purposes)),
        "covered": [_span(interval) for interval in base.coverage.get(name, ())],
        "facts": facts,
    }


def _quarantine(lake: Lake, base: Snapshot, person: Person) -> Iterator[dict[str, Any]]:
    """Rows known by a hash or an id. One whose key is only spelled alike may be somebody else's: it is not told."""
    for row in lake.quarantine(base).to_pylist():
        if person.marks.strike_reject(row["row"]):
            said = {k: v for k, v in json.loads(row["row"]).items() if k not in ("key", "other", "key_id", "other_id")}
            yield {"source": row["source"], "reason": row["reason"], "row": said}


def _plain(rows: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON knows them, without what is missing."""
    return [
        {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items() if v is not None}
        for row in rows.to_pylist()
    ]


def _span(interval: Interval) -> list[str | None]:
    return [_iso(edge) for edge in interval]


def _iso(micros: int) -> str | None:
    if micros in (EVER_AGO, FOREVER):
        return None
    return (_EPOCH + timedelta(microseconds=micros)).isoformat()
