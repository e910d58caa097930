"""Forgetting a person: their rows hidden at once, gone from every file, and dropped should they come again."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from features.columns import EVER_AGO
from features.declare import Catalog
from features.facts import source as declared
from features.identity.keys import KeyRing
from features.lake import Lake, Snapshot
from features.lake.forgetting.forgetting import hide, purged
from features.lake.forgetting.marks import Marks, reject_digest
from features.lake.forgetting.suppression import SUPPRESSED
from features.lake.forgetting.sweeping import swept
from features.lake.forgetting.veils import table as veil
from features.privacy.person import Person, find_person

PATIENCE = 30.0
_SHORTEST = 7
"""Fewer digits than a number without its area code, or fewer letters, would also be found in what is not theirs."""


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
    ``now``: the instant from which on the keys' rows are of a new life (UTC microseconds; default: the clock, or after
    the last row that goes). ``patience``: seconds to wait for others at work in the lake.
    """
    while True:
        base = purged(lake.root)
        person = find_person(lake, base, catalog, ring, key_type, value, of)
        plan = _plan(lake, base, person, key_type, value)
        if plan.nothing:
            break
        until = max(now if now is not None else _clock(), plan.last + 1)
        listed = _suppressed(ring, person, until)
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
    """``facts``: how many go of each source. ``last``: their last ``at``. ``rejects``: digests of quarantined rows."""

    facts: dict[str, int]
    keys: int
    last: int
    rejects: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        return not (self.facts or self.keys or self.rejects)


def _plan(lake: Lake, base: Snapshot, person: Person, key_type: str, value: str) -> _Plan:
    facts, last = {}, EVER_AGO
    for name in base.files:
        at = facts_of(lake, base, name, person.marks, ["at"])["at"]
        if len(at):
            facts[name] = len(at)
            last = max(last, pc.max(at.cast(pa.int64())).as_py())
    rows = lake.quarantine(base).to_pylist()
    rejects = [reject_digest(row) for row in rows if is_theirs(row, person.marks, key_type, value)]
    return _Plan(facts, _gone(person).num_rows, last, tuple(rejects))


def facts_of(lake: Lake, base: Snapshot, name: str, marks: Marks, columns: list[str] | None = None) -> pa.Table:
    """The facts of a source that are the person's."""
    source = declared(name)
    struck_by = [n for n in ("key_id", "at", "other_id") if n in source.schema.names]
    rows = lake.read(name, base, list(dict.fromkeys([*struck_by, *columns])) if columns else None)
    return rows.filter(pa.array(marks.strike(rows)))


def _gone(person: Person) -> pa.Table:
    """The keys that lose their row in the keys table."""
    return person.keys.filter(pc.is_in(person.keys["key_id"], pa.array(list(person.marks.whole), pa.int64())))


def is_theirs(row: dict[str, str], marks: Marks, key_type: str, value: str) -> bool:
    """Whether a quarantined row is the person's: by a hash or surrogate, or by the words of the key that was given.

    Where a key could not be hashed it stands in the row as it came; it is found by the digits, or the letters, of the
    key that was given, and not by the person's other keys, whose names nobody here knows.
    """
    if marks.strike_reject(row["row"]):
        return True
    return any(_same(text, value) for text in _words(row["row"]))


def _words(row: str) -> list[str]:
    return [text for text in json.loads(row).values() if isinstance(text, str) and not text.startswith("hmac:")]


def _same(text: str, value: str) -> bool:
    """The value stands in the text, whatever the case; or both are numbers that end alike."""
    wanted, found = value.strip().casefold(), text.strip().casefold()
    if wanted == found or (len(wanted) >= _SHORTEST and wanted in found):
        return True
    digits, others = (re.sub(r"\D", "", t).lstrip("0") for t in (wanted, found))
    numbers = not re.search(r"[a-z]", wanted + found) and min(len(digits), len(others)) >= _SHORTEST
    return numbers and (digits.endswith(others) or others.endswith(digits))


def _suppressed(ring: KeyRing, person: Person, until: int) -> pa.Table:
    """The list's rows for the person, and one that tells the secret it was made with (`secrets.open_keyring`)."""
    hashes = dict(zip(person.keys["key_id"].to_pylist(), person.keys["hash"].to_pylist(), strict=True))
    rows = [
        {
            "tag": ring.tag(hashes[m["key_id"]]),
            "at_from": m["at_from"],
            "at_to": min(m["at_to"], until),
            "whole": m["whole"],
        }
        for m in person.marks.table.to_pylist()
        if m["key_id"] in hashes and m["at_from"] < until
    ]
    witness = {"tag": ring.tag(b""), "at_from": 0, "at_to": 0, "whole": False}
    return pa.Table.from_pylist([witness, *rows], schema=SUPPRESSED).sort_by("tag")


def _clock() -> int:
    return int(datetime.now(UTC).timestamp() * 1_000_000)
