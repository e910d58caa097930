"""Forgetting a person: their rows hidden at once, gone from every file, and dropped should they come again."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Catalog
from features.engine.columns import FOREVER
from features.facts import source as declared
from features.identity.keys import KeyRing
from features.lake import Lake, Snapshot
from features.lake.forgetting.forgetting import hide, purged
from features.lake.forgetting.marks import Marks, instants, raw_digest, reject_digest
from features.lake.forgetting.suppression import SUPPRESSED
from features.lake.forgetting.sweeping import swept
from features.lake.forgetting.veils import table as veil
from features.privacy.person import Person, find_person
from features.privacy.quarantined import spelled

PATIENCE = 30.0


@dataclass(frozen=True)
class Forgotten:
    """What went: keys by type, facts by source (as the latest version had them), rows of the quarantine.

    ``customers``: 0 for a visitor nobody could name. ``complete``: False where somebody was at work in the lake for so
    long that files the rows were in could not be removed yet: the next forgetting does.
    """

    version: int
    customers: int
    keys: dict[str, int]
    facts: dict[str, int]
    quarantined: int
    complete: bool

    @property
    def nothing(self) -> bool:
        """Nothing was kept under the key."""
        return not (self.facts or self.keys or self.quarantined)


def forget(
    lake: Lake,
    catalog: Catalog,
    ring: KeyRing,
    key_type: str,
    value: str,
    *,
    of: str = "customer",
    now: int | None = None,
    patience: float = PATIENCE,
) -> Forgotten:
    """Forgets the person (`find_person`) a key leads to, and finishes what an earlier forgetting left undone.

    The account's and the site's keys are not the person's own and stay, as do facts of others' time of a shared key.
    ``now``: the instant from which on the keys' rows are of a new life (UTC microseconds; default: the clock); later
    ones that are there go too, and are dropped should they come again. ``patience``: seconds to wait for others at work
    in the lake.
    """
    until = now if now is not None else _clock()
    while True:
        base = purged(lake.root)
        person = find_person(lake, base, catalog, ring, key_type, value, of)
        rejects = _rejects(lake, base, catalog, ring, person.marks, key_type, value)
        plan = _plan(lake, base, person, rejects, until)
        if plan.nothing:
            break
        known = {ring.key_id(key_type, value): ring.hash(key_type, value)} | _hashes(person)
        listed = _suppressed(ring, known, person.marks, plan, until)
        if hidden := hide(lake.root, base, veil(person.marks.table, plan.rejects), listed):
            base = hidden
            purged(lake.root)
            break
    return Forgotten(
        version=base.version,
        customers=min(len(person.entities), 1),
        keys=dict(Counter(_gone(person)["key_type"].to_pylist())),
        facts=plan.facts,
        quarantined=len(plan.rejects),
        complete=swept(lake.root, patience),
    )


@dataclass(frozen=True)
class _Plan:
    """``facts``: how many go of each source. ``rejects``: digests of quarantined rows.

    ``late``: (key id, instant) of rows that go though they are not before the new life. ``raw``: digests by which
    quarantined rows whose key could not be hashed are known when they come again.
    """

    facts: dict[str, int]
    keys: int
    late: frozenset[tuple[int, int]]
    rejects: tuple[str, ...]
    raw: tuple[bytes, ...]

    @property
    def nothing(self) -> bool:
        return not (self.facts or self.keys or self.rejects)


def _plan(lake: Lake, base: Snapshot, person: Person, rejects: list[dict[str, Any]], until: int) -> _Plan:
    facts: dict[str, int] = {}
    dated: list[tuple[int, int | None]] = [pair for row in rejects for pair in instants(row["row"])]
    for name in base.files:
        rows = facts_of(lake, base, name, person.marks, ["at"])
        if rows.num_rows:
            facts[name] = rows.num_rows
            dated += _dated(rows, until)
    return _Plan(
        facts,
        _gone(person).num_rows,
        frozenset((key, at) for key, at in dated if at is not None and until <= at < FOREVER),
        tuple(reject_digest(row) for row in rejects),
        tuple(digest for row in rejects if (digest := raw_digest(row["source"], row["row"]))),
    )


def _dated(rows: pa.Table, until: int) -> list[tuple[int, int | None]]:
    """The keys of rows of ``until`` and later, each with its instant."""
    at = rows["at"].cast(pa.int64())
    rows = rows.set_column(rows.schema.get_field_index("at"), "at", at).filter(pc.greater_equal(at, until))
    ends = [name for name in ("key_id", "other_id") if name in rows.schema.names]
    return [pair for end in ends for pair in zip(rows[end].to_pylist(), rows["at"].to_pylist(), strict=True)]


def facts_of(lake: Lake, base: Snapshot, name: str, marks: Marks, columns: list[str] | None = None) -> pa.Table:
    """The facts of a source that are the person's."""
    source = declared(name)
    struck_by = [n for n in ("key_id", "at", "other_id") if n in source.schema.names]
    rows = lake.read(name, base, list(dict.fromkeys([*struck_by, *columns])) if columns else None)
    return rows.filter(pa.array(marks.strike(rows)))


def _gone(person: Person) -> pa.Table:
    """The keys that lose their row in the keys table."""
    return person.keys.filter(pc.is_in(person.keys["key_id"], pa.array(list(person.marks.whole), pa.int64())))


def _rejects(
    lake: Lake, base: Snapshot, catalog: Catalog, ring: KeyRing, marks: Marks, key_type: str, value: str
) -> list[dict[str, Any]]:
    """The quarantined rows that are the person's: by a hash or id, or by how the key that was given is spelled."""
    return [
        row
        for row in lake.quarantine(base).to_pylist()
        if marks.strike_reject(row["row"]) or spelled(row["row"], catalog, key_type, value, ring.country)
    ]


def _hashes(person: Person) -> dict[int, bytes]:
    return dict(zip(person.keys["key_id"].to_pylist(), person.keys["hash"].to_pylist(), strict=True))


def _suppressed(ring: KeyRing, hashes: dict[int, bytes], marks: Marks, plan: _Plan, until: int) -> pa.Table:
    """The list's rows for the person, and one that tells the secret it was made with (`secrets.open_keyring`)."""
    spans = [
        (m["key_id"], m["at_from"], min(m["at_to"], until), m["whole"])
        for m in marks.table.to_pylist()
        if m["at_from"] < until
    ]
    held = [(key, at, *marks.held(key, at)) for key, at in plan.late]
    spans += [(key, at, at + 1, alone) for key, at, own, alone in held if own]
    listed = [(hashes[key], *span) for key, *span in spans if key in hashes]
    listed += [(key_hash, 0, 0, False) for key_hash in (b"", *plan.raw)]
    rows = [(ring.tag(key_hash), *span) for key_hash, *span in listed]
    columns = [pa.array(c, f.type) for c, f in zip(zip(*rows, strict=True), SUPPRESSED, strict=True)]
    return pa.table(columns, schema=SUPPRESSED).sort_by("tag")


def _clock() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
