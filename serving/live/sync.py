"""From the live store back into the lake: facts, evidence and coverage; decisions and outcomes beside it.

What has a stamp in ``[synced, cut)`` is brought, where nothing below the cut is under way any more. The range is put
down before and again when all of it is there; in between it may be cut off anywhere and begun again, for the lake knows
rows it has, and files of a range are made anew under the same name.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from features.declare import Catalog
from features.durable import make_directory
from features.facts import TIME, source
from features.identity.keys import KEYS, TAGS, KeyRing, surrogate, wrapped
from features.lake import Lake, Snapshot
from features.lake.forgetting.marks import MARKS, Marks
from features.lake.intervals import Interval
from features.lake.presence import alone
from features.lake.staging import Receipt, Staging
from serving.live import archive, schema
from serving.live.feeds import PATIENCE
from serving.live.forget import drop
from serving.live.store import Store, StoreError, Writing, meta, note

Progress = Callable[[str, int, int], None]
_SOME = 20_000
_IN_RANGE = "stamp >= ? AND stamp < ?"
_FACTS = f"""
    SELECT stamp, source, id, known_at, key_id, at, void, body FROM facts
    WHERE {_IN_RANGE} AND (stamp > ? OR source > ? OR (source = ? AND id > ?)) AND NOT loaded AND NOT moved
    ORDER BY stamp, source, id LIMIT {_SOME}"""
_EVIDENCE = f"""
    SELECT stamp, id, known_at, key_id, other_id, at, void, state, confidence FROM evidence
    WHERE {_IN_RANGE} AND (stamp > ? OR id > ?) AND NOT loaded ORDER BY stamp, id LIMIT {_SOME}"""
_DECISIONS = f"""
    SELECT stamp, id, erased, body FROM decisions
    WHERE {_IN_RANGE} AND (stamp > ? OR id > ?) ORDER BY stamp, id LIMIT {_SOME}"""
_OUTCOMES = f"""
    SELECT stamp, id, decision, action, response, at FROM outcomes
    WHERE {_IN_RANGE} AND (stamp > ? OR id > ?) ORDER BY stamp, id LIMIT {_SOME}"""
_KEYS = "SELECT key_id, key_type, hash FROM known_keys WHERE key_id IN ({keys})"


@dataclass(frozen=True)
class Synced:
    """What came back. ``rows``: facts sent by source; ``receipts``: what the lake made of them; ``suppressed``: rows of
    somebody who was forgotten, gone from the store too. ``low``, ``cut``: the stamps.
    """

    low: int
    cut: int
    rows: dict[str, int]
    receipts: tuple[Receipt, ...]
    decisions: int
    outcomes: int
    suppressed: int
    version: int


@contextmanager
def turn(folder: Path, patience: float = 60.0) -> Iterator[None]:
    """The only one who syncs, loads or forgets here; raises `StoreError` where another one is at it for so long."""
    with alone(make_directory(folder), patience) as mine:
        if not mine:
            raise StoreError(f"another sync, load or forget is under way (it holds {folder}): wait for it")
        yield


def sync(
    store: Store, lake: Lake, catalog: Catalog, ring: KeyRing, folder: Path, *, progress: Progress | None = None
) -> Synced:
    """Brings everything back that was settled when it began; decisions and outcomes as files into ``folder``.

    One at a time of a store: who calls sees to that (`turn`). Raises `StoreError` for a store that was never filled, or
    from another lake, `StoreAway`, and what the lake raises.
    """
    said = store.texts()
    if "fingerprint" not in said:
        raise StoreError("the live store was never filled: run `tieline load` first")
    if said.get("workspace", lake.root.name) != lake.root.name:
        raise StoreError(f"the live store is that of workspace '{said['workspace']}', not of '{lake.root.name}'")
    begun = "syncing" in said
    done = _Sync(store, lake, catalog, ring, folder, progress or _untold).range()
    if not begun:
        return done
    rest = _Sync(store, lake, catalog, ring, folder, progress or _untold).range()
    rows = {name: done.rows.get(name, 0) + rest.rows.get(name, 0) for name in {**done.rows, **rest.rows}}
    return Synced(
        done.low,
        rest.cut,
        rows,
        (*done.receipts, *rest.receipts),
        done.decisions + rest.decisions,
        done.outcomes + rest.outcomes,
        done.suppressed + rest.suppressed,
        rest.version,
    )


def unsynced(store: Store) -> dict[str, int]:
    """How many rows of each kind are in the store alone."""
    low = int(store.texts().get("synced", 0))
    asked = {"facts": "NOT loaded AND NOT moved", "evidence": "NOT loaded", "decisions": "true", "outcomes": "true"}
    with store.reading() as reading:
        found = {
            name: int(reading.rows(f"SELECT count(*) FROM {name} WHERE stamp >= ? AND {which}", low)[0][0])
            for name, which in asked.items()
        }
    return {name: count for name, count in found.items() if count}


@dataclass
class _Sync:
    """One range of stamps under way."""

    store: Store
    lake: Lake
    catalog: Catalog
    ring: KeyRing
    folder: Path
    told: Progress
    low: int = 0
    cut: int = 0
    generation: int = 0
    patience: int = PATIENCE
    rows: dict[str, int] = field(default_factory=dict)
    gone: list[tuple] = field(default_factory=list)

    def range(self) -> Synced:
        """Brings it all."""
        self._begin()
        before = self.lake.snapshot()
        receipts = self._facts()
        decisions, outcomes = self._decisions(), self._outcomes()
        suppressed = self._drop()
        with self.store.engine.begin() as core:
            if int(meta(core).get("synced", 0)) < self.cut:
                note(core, synced=self.cut)
            core.execute(schema.META.delete().where(schema.META.c.name == "syncing"))
            after, own = self.lake.snapshot(), {r.version for r in receipts if r.version > before.version}
            if meta(core).get("fingerprint") == before.fingerprint and after.version == before.version + len(own):
                note(core, fingerprint=after.fingerprint)  # all that is new in the lake came from here
        version = max((receipt.version for receipt in receipts), default=0)
        return Synced(self.low, self.cut, self.rows, receipts, decisions, outcomes, suppressed, version)

    def _begin(self) -> None:
        """The range; what a sync that was cut off began comes first."""
        self.store.write(_stamped).result()  # whatever was decided until now is below the cut
        settled = self.store.settled()
        with self.store.engine.begin() as core:
            core.execute(select(schema.CLOCK.c.stamp).with_for_update())
            said = meta(core)
            self.low, self.cut = int(said.get("synced", 0)), int(said.get("syncing", settled))
            note(core, syncing=self.cut)
        self.generation = int(said.get("generation", 0))
        self.patience = int(said.get("patience", PATIENCE))

    def _pages(self, statement: str, last: tuple, place: Callable[[tuple], tuple]) -> Iterator[list[tuple]]:
        """Rows of the range, some at a time."""
        while True:
            with self.store.reading() as reading:
                found = reading.rows(statement, last[0], self.cut, *last)
            if not found:
                return
            yield found
            last = place(found[-1])

    def _facts(self) -> tuple[Receipt, ...]:
        """All sources' rows set aside, then committed one source after the other, each with what it covers."""
        base = self.lake.snapshot()
        covered = self._covered(base)
        with ExitStack() as stack:
            stagings: dict[str, Staging] = {}

            def staging(name: str) -> Staging:
                if name not in stagings:
                    stagings[name] = stack.enter_context(self.lake.stage(name, self.ring.generation))
                return stagings[name]

            listed = _listed(self.lake, base)
            start = (self.low, "", "", "")
            for page in self._pages(_FACTS, start, lambda row: (row[0], row[1], row[1], row[2])):
                for name in sorted({row[1] for row in page}):
                    self._add(staging(name), name, [row for row in page if row[1] == name], listed)
            for page in self._pages(_EVIDENCE, (self.low, ""), lambda row: row[:2]):
                self._add(staging("evidence"), "evidence", page, listed)
            for name in covered:
                staging(name)
            receipts = []
            for done, (name, each) in enumerate(stagings.items(), 1):
                receipts.append(each.commit(covered.get(name, ())))
                self.told("into the lake", done, len(stagings))
        return tuple(receipts)

    def _add(self, staging: Staging, name: str, rows: Sequence[tuple], listed: "dict[bytes, list[tuple]]") -> None:
        facts = _evidence_table(rows) if name == "evidence" else _fact_table(name, rows)
        ends = {n for n in ("key_id", "other_id") if n in facts.schema.names}
        known = self._keys(sorted({key for end in ends for key in facts[end].to_pylist()}))
        for end in ends:
            new = pa.array([known[key][0] for key in facts[end].to_pylist()], pa.int64())
            facts = facts.set_column(facts.schema.get_field_index(end), facts.schema.field(end), new)
        keys = pa.Table.from_pylist(
            [{"key_id": i, "key_type": kind, "hash": hashed} for i, kind, hashed in known.values()], schema=KEYS
        )
        tagged = self.ring.suppression is not None
        tags = [(i, self.ring.tag(hashed)) for i, _, hashed in known.values()] if tagged else []
        staging.add(facts, keys, tags=pa.Table.from_pylist([{"key_id": i, "tag": tag} for i, tag in tags], schema=TAGS))
        self.rows[name] = self.rows.get(name, 0) + len(rows)
        self.told(name, self.rows[name], self.rows[name])
        spans = [(i, *span) for i, tag in tags for span in listed.get(tag, ())]
        if spans:
            marks = Marks(pa.Table.from_pylist([dict(zip(MARKS.names, s, strict=True)) for s in spans], schema=MARKS))
            struck = marks.strike(facts)
            self.gone += [(name, *row) for row, hit in zip(rows, struck.tolist(), strict=True) if hit]

    def _keys(self, ids: list[int]) -> dict[int, tuple[int, str, bytes]]:
        """Key id here -> (id, type, hash) in the lake, whose secret may have been rotated since."""
        with self.store.reading() as reading:
            found = reading.rows(_KEYS, ids)
        keys = {}
        for key, kind, hashed in found:
            now = bytes(hashed)
            for secret in self.ring.later[self.generation :]:
                now = wrapped(secret, now)
            keys[key] = (surrogate(now), kind, now)
        return keys

    def _covered(self, base: Snapshot) -> dict[str, list[Interval]]:
        """What each live feed covered that the lake does not know of yet."""
        with self.store.engine.connect() as core:
            rows = core.execute(select(schema.COVERAGE).where(schema.COVERAGE.c.heard.is_not(None))).all()
        found: dict[str, list[Interval]] = {}
        for name, low, high, heard in rows:
            end = min(self.cut, heard + self.patience) if high is None else high
            known = [b for a, b in base.coverage.get(name, ()) if a <= end and low < b]
            start = max(known, default=low)
            if start < end:
                found.setdefault(name, []).append((start, end))
        return found

    def _decisions(self) -> int:
        tables = (
            archive.table((archive.decision_row(i, s, bool(e), bytes(b)) for s, i, e, b in page), archive.DECISIONS)
            for page in self._pages(_DECISIONS, (self.low, ""), lambda row: row[:2])
        )
        return archive.write(self.folder, "decisions", self.low, self.cut, tables, archive.DECISIONS)

    def _outcomes(self) -> int:
        names = ("stamp", "id", "decision", "action", "response", "at")
        tables = (
            archive.table((dict(zip(names, row, strict=True)) for row in page), archive.OUTCOMES)
            for page in self._pages(_OUTCOMES, (self.low, ""), lambda row: row[:2])
        )
        return archive.write(self.folder, "outcomes", self.low, self.cut, tables, archive.OUTCOMES)

    def _drop(self) -> int:
        """Rows the lake drops, for they are of somebody's life before they were forgotten, go here too."""
        if self.gone:
            facts = [(name, row[2], row[3], row[4]) for name, *row in self.gone if name != "evidence"]
            evidence = [(row[1], row[2], row[3], row[4]) for name, *row in self.gone if name == "evidence"]
            self.store.write(lambda writing: drop(writing, self.catalog, facts, evidence)).result()
        return len(self.gone)


def _stamped(writing: Writing) -> int:
    writing.hold(())
    return writing.stamp


def _fact_table(name: str, rows: Sequence[tuple]) -> pa.Table:
    declared = source(name)
    stamp, _, ids, known, keys, at, void, bodies = zip(*rows, strict=True)
    said = [orjson.loads(body) for body in bodies]
    own = [_column(c.kind, [body.get(c.name) for body in said], c.arrow) for c in declared.columns]
    return pa.table([*_spine(ids, keys, at, known, stamp, void), *own], schema=declared.schema)


def _evidence_table(rows: Sequence[tuple]) -> pa.Table:
    stamp, ids, known, keys, others, at, void, states, confidences = zip(*rows, strict=True)
    own = [pa.array(others, pa.int64()), pa.array(states, pa.string()), pa.array(confidences, pa.float64())]
    return pa.table([*_spine(ids, keys, at, known, stamp, void), *own], schema=source("evidence").schema)


def _spine(ids: tuple, keys: tuple, at: tuple, known: tuple, stamps: tuple, void: tuple) -> list[pa.Array]:
    """The columns every source has; a row was known from its stamp on, and not before it says."""
    instants = [max(pair) for pair in zip(known, stamps, strict=True)]
    times = [pa.array(each, pa.int64()).cast(TIME) for each in (at, instants)]
    return [
        pa.array(ids, pa.string()), pa.array(keys, pa.int64()), *times, pa.array([bool(v) for v in void], pa.bool_())
    ]  # fmt: skip


def _column(kind: str, values: list, arrow: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int64()).cast(TIME) if kind == "time" else pa.array(values, arrow)


def _listed(lake: Lake, base: Snapshot) -> dict[bytes, list[tuple]]:
    """Tag -> (at_from, at_to, whole) of who was forgotten."""
    found: dict[bytes, list[tuple]] = {}
    for file in base.hindsight.suppressed:
        for row in pq.read_table(lake.root / file.path).to_pylist():
            found.setdefault(row["tag"], []).append((row["at_from"], row["at_to"], row["whole"]))
    return found


def _untold(what: str, done: int, of: int) -> None:
    """Nobody wants to know."""
