"""Forgetting somebody in the live store: their rows and keys, what was cached of them, and decisions about them.

Whose rows these are says the lake, which everything was brought back to before (`sync`): see `features.privacy`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa

from features.declare import Catalog
from features.facts import TIME
from features.lake.forgetting.marks import Marks
from serving.live import archive, journal, statements
from serving.live.append import touches
from serving.live.nearby import Nearby
from serving.live.spill import Spill
from serving.live.store import EVERYTHING, Store, Writing

_FACTS = "SELECT source, id, known_at, moved, key_id, at, stamp FROM facts WHERE key_id IN ({keys})"
_EVIDENCE = "SELECT id, known_at, key_id, other_id, at, stamp FROM evidence WHERE key_id IN ({keys})"
_EVIDENCE_OF = "SELECT id, known_at, key_id, other_id, at, stamp FROM evidence WHERE other_id IN ({keys})"
_NO_FACT = "DELETE FROM facts WHERE source = ? AND id = ? AND known_at = ? AND moved = ?"
_FACT_ENDS = """
    UPDATE facts SET until = ? WHERE source = ? AND id = ? AND known_at < ? AND (until IS NULL OR until > ?)"""
_NO_EVIDENCE = "DELETE FROM evidence WHERE id = ? AND known_at = ?"
_EVIDENCE_ENDS = "UPDATE evidence SET until = ? WHERE id = ? AND known_at < ? AND (until IS NULL OR until > ?)"
_ABOUT = """
    SELECT stamp, id, entity, body FROM decisions WHERE stamp >= ? AND (stamp > ? OR id > ?) AND NOT erased
    ORDER BY stamp, id LIMIT 2000"""
_ERASE = "UPDATE decisions SET entity = ?, erased = ?, body = ? WHERE id = ?"
_OUTCOMES = "SELECT id FROM outcomes WHERE decision = ?"
_UNLINK = "UPDATE outcomes SET id = ?, decision = ? WHERE id = ?"
_SETTLED_IN = 10.0
"""Seconds in which a service that runs delivers what it has decided."""
_CACHES = ("packed", "names", "reach")


@dataclass(frozen=True)
class Erased:
    """What went: facts by source, evidence, keys and decisions. ``complete``: no file of the store holds them still."""

    facts: dict[str, int]
    evidence: int
    keys: int
    decisions: int
    complete: bool = True

    def and_then(self, later: "Erased", complete: bool) -> "Erased":
        """With what went in a later round."""
        facts = dict(Counter(self.facts) + Counter(later.facts))
        counts = (self.evidence + later.evidence, self.keys + later.keys, self.decisions + later.decisions)
        return Erased(facts, *counts, complete and later.complete)


def erase(
    store: Store,
    catalog: Catalog,
    marks: Marks,
    entities: np.ndarray,
    decisions: Path,
    spill: Spill | None = None,
    since: int = 0,
) -> Erased:
    """Deletes what is somebody's by the ``marks`` of their keys and their ``entities`` (m,), in one transaction.

    Decisions about them, and asked for with a key while it was theirs, stay as ``erased``, also in the files of the
    folder ``decisions``; what was not delivered yet is brought in first (``complete``: all of it). ``since``: only
    decisions of this stamp and later are looked through. Doing it again changes nothing.
    """
    settled = spill is None or spill.settle(store, _SETTLED_IN)
    who = frozenset(entities.tolist())
    about = list(_about(store, marks, who, since))
    facts, evidence, keys = store.write(lambda writing: _erase(writing, catalog, marks, about)).result()
    archive.erase(decisions, who, about)
    return Erased(facts, evidence, keys, len(about), settled)


def drop(
    writing: Writing,
    catalog: Catalog,
    facts: Sequence[tuple[str, str, int, int]],
    evidence: Sequence[tuple[str, int, int, int]],
) -> None:
    """Deletes rows the lake does not take: (source, id, known_at, key) and (id, known_at, key, other key)."""
    writing.hold({row[3] for row in facts} | {key for row in evidence for key in row[2:]})
    touched = _touched(writing, catalog, [(row[2], row[3]) for row in evidence])
    writing.hold(touched)
    stamp = writing.stamp
    writing.run_many(_NO_FACT, [(*row[:3], False) for row in facts])
    writing.run_many(_NO_EVIDENCE, [row[:2] for row in evidence])
    _uncache(writing, {row[3] for row in facts} | touched, stamp)


def purge(store: Store) -> bool:
    """Whether no page of the store's files holds deleted rows any more; False where others kept them from going.

    SQLite is written anew and its log emptied, PostgreSQL's rows are vacuumed; what its own log and copies hold goes
    when these do.
    """
    connection = store.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if store.engine.dialect.name != "sqlite":
            connection.driver_connection.autocommit = True  # type: ignore[union-attr]
            cursor.execute("VACUUM facts, evidence, known_keys, packed, names, reach, touched, decisions, outcomes")
            return True
        cursor.execute("VACUUM")
        busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except store.engine.dialect.loaded_dbapi.OperationalError:
        return False
    finally:
        connection.close()


def _about(store: Store, marks: Marks, who: frozenset[int], since: int) -> Iterator[str]:
    """The decisions that are about somebody, or were asked for with a key of theirs."""
    ids = sorted({*who, *marks.known})
    if not ids:
        return
    named = re.compile(rb"(?<![0-9])(?:" + b"|".join(str(i).encode() for i in ids) + rb")(?![0-9])")
    stamp, last = since, ""
    while True:
        with store.reading() as reading:
            rows = reading.rows(_ABOUT, stamp, stamp, last)
        for row_stamp, id_, entity, body in rows:
            stamp, last = row_stamp, id_
            if entity in who or (named.search(bytes(body)) and _concerns(bytes(body), marks, who)):
                yield id_
        if not rows:
            return


def _concerns(body: bytes, marks: Marks, who: frozenset[int]) -> bool:
    entry, _ = journal.unpack(body)
    named = {int(entity) for each in entry.named for entity in each}
    return bool(who & {*entry.entities, *named}) or any(marks.held(key, entry.now)[0] for _, key in entry.keys)


def _erase(
    writing: Writing, catalog: Catalog, marks: Marks, decisions: Sequence[str]
) -> tuple[dict[str, int], int, int]:
    keys = sorted(marks.known)
    writing.hold(keys)
    facts = _struck(marks, writing.rows(_FACTS, keys), (4, 5))
    said = _struck(marks, sorted({*writing.rows(_EVIDENCE, keys), *writing.rows(_EVIDENCE_OF, keys)}), (2, 4, 3))
    touched = _touched(writing, catalog, [(row[2], row[3]) for row in said])
    writing.hold(touched)
    stamp = writing.stamp
    writing.run_many(_NO_FACT, [row[:4] for row in facts])
    writing.run_many(_FACT_ENDS, [(end, *row[:2], row[2], end) for row in facts if (end := max(row[2], row[6]))])
    writing.run_many(_NO_EVIDENCE, [row[:2] for row in said])
    writing.run_many(_EVIDENCE_ENDS, [(end, *row[:2], end) for row in said if (end := max(row[1], row[5]))])
    gone = sum(writing.run("DELETE FROM known_keys WHERE key_id = ?", key) for key in sorted(marks.whole))
    _uncache(writing, {*keys, *touched}, stamp)
    for key in sorted(marks.whole):
        writing.run("DELETE FROM touched WHERE key_id = ?", key)
    for decision in decisions:
        for (outcome,) in writing.rows(_OUTCOMES, decision):
            writing.run(_UNLINK, uuid4().hex, "", outcome)
        writing.run(_ERASE, None, True, b"", decision)
    return dict(Counter(row[0] for row in facts)), len(said), gone


def _struck(marks: Marks, rows: Sequence[tuple], places: tuple[int, ...]) -> list[tuple]:
    """The rows that are theirs; ``places`` of key, instant and, in evidence, the other key."""
    if not rows:
        return []
    names = ("key_id", "at", "other_id")[: len(places)]
    columns = {name: pa.array([row[i] for row in rows], pa.int64()) for name, i in zip(names, places, strict=True)}
    columns["at"] = columns["at"].cast(TIME)
    return [row for row, hit in zip(rows, marks.strike(pa.table(columns)).tolist(), strict=True) if hit]


def _touched(writing: Writing, catalog: Catalog, pairs: Sequence[tuple[int, int]]) -> set[int]:
    """The keys of which something else is named or reached once the evidence about such pairs is gone."""
    types = dict(writing.rows(statements.TYPES, sorted({key for pair in pairs for key in pair})))
    known = [pair for pair in pairs if types.keys() >= set(pair)]
    try:
        return touches(Nearby(writing, catalog), known, types) if known else set()
    except ValueError:
        return {EVERYTHING}


def _uncache(writing: Writing, keys: set[int], stamp: int) -> None:
    """What was made of these keys is gone, and what is being made of them will not be read."""
    for name in _CACHES:
        if EVERYTHING in keys and name != "packed":
            writing.run(f"DELETE FROM {name}")
        for key in sorted(keys):
            writing.run(f"DELETE FROM {name} WHERE key_id = ?", key)
    writing.run_many(statements.TOUCH, [(key, stamp) for key in sorted(keys)])
    writing.run(statements.EVIDENCE_TICK, stamp)
