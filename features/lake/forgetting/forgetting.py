"""Forgetting rows: hidden by one commit, then gone from every file of every version.

Three steps, each of which may be cut off by a kill and is finished by whoever comes next: `hide` commits a veil that
every reader looks through; `purged` rewrites the files that hold hidden rows and commits what stands for them;
`sweeping` removes the files that no version is made of any more, and what killed writers left.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.facts import source as declared
from features.identity.keys import KEYS
from features.lake import revisions, store
from features.lake.commits import Entry, Log, Rewrite, StoredFile
from features.lake.forgetting import veils
from features.lake.forgetting.marks import Marks
from features.lake.forgetting.suppression import SUPPRESSED
from features.lake.presence import at_work
from features.lake.rejects import QUARANTINE
from features.lake.snapshot import Snapshot, snapshot

_TURN = ["id", "key_id", "at", "known_at"]


def hide(root: Path, base: Snapshot, veil: pa.Table, suppressed: pa.Table) -> Snapshot | None:
    """The snapshot from which on nobody reads the veiled rows (`veils.VEIL`), nor can they come again (`SUPPRESSED`).

    None when evidence, quarantine or anybody's forgetting came between: then what has to go must be looked up anew.
    """
    log = Log(root / "log")
    with at_work(root):
        files = (store.write(root, "veils", [veil]), store.write(root, "suppressed", [suppressed.cast(SUPPRESSED)]))
        parts = [(f,) if f else () for f in files]
        entry = Entry("forget", "", veil=parts[0], suppressed=parts[1])
        newer = base
        while _is_about_the_same(base, newer):
            if log.append(newer.version + 1, entry):
                return snapshot(log)
            newer = snapshot(log)
        _discard(root, [*parts[0], *parts[1]])
        return None


def _is_about_the_same(base: Snapshot, newer: Snapshot) -> bool:
    told = [(s.files.get("evidence"), s.quarantine_files, s.hindsight.upheavals) for s in (base, newer)]
    return told[0] == told[1]


def purged(root: Path) -> Snapshot:
    """The latest snapshot, after the files that hold hidden rows were rewritten and the veils lifted."""
    log = Log(root / "log")
    with at_work(root):
        while (base := snapshot(log)).hindsight.veils:
            lifts = tuple(veil.file.path for veil in base.hindsight.veils)
            entry = Entry("purge", "", rewrites=tuple(_rewrites(root, base)), lifts=lifts)
            newer = base
            while newer.hindsight.upheavals == base.hindsight.upheavals:
                if log.append(newer.version + 1, entry):
                    return snapshot(log)
                newer = snapshot(log)
            _discard(root, [f for r in entry.rewrites for f in r.files])
        return base


def _discard(root: Path, files: Iterable[StoredFile]) -> None:
    for file in files:
        (root / file.path).unlink(missing_ok=True)


def _rewrites(root: Path, base: Snapshot) -> Iterator[Rewrite]:
    """What stands for each file of any version that holds hidden rows."""
    facts: dict[str, list[_Struck]] = {}
    for file in base.stored.values():
        if not (over := veils.older(base, file.path)):
            continue
        if not file.path.startswith("data/"):
            yield from _sifted(root, file, over)
        elif struck := _struck(root, file, veils.marks(root, over)):
            facts.setdefault(file.path.split("/")[1], []).append(struck)
    for source, found in facts.items():
        yield from _without(root, base, source, found)


def _sifted(root: Path, file: StoredFile, over: tuple[veils.Veil, ...]) -> Iterator[Rewrite]:
    """A file of keys or quarantine without the hidden rows, where it has some."""
    folder = file.path.split("/")[0]
    with store.blaming(root, [file]):
        rows = pq.read_table(root / file.path, schema=KEYS if folder == "keys" else QUARANTINE)
    kept = veils.sift(rows, root, over)
    if kept.num_rows < rows.num_rows:
        yield Rewrite(file.path, store.write(root, folder, [kept]))


@dataclass(frozen=True)
class _Struck:
    """The rows of a file of facts that go: which, and what they said to when (columns `_TURN`)."""

    file: StoredFile
    rows: np.ndarray
    turns: pa.Table


def _struck(root: Path, file: StoredFile, marks: Marks) -> _Struck | None:
    with store.blaming(root, [file]), pq.ParquetFile(root / file.path) as parquet:
        names = [n for n in (*_TURN, "other_id") if n in parquet.schema_arrow.names]
        found, turns, before = [], [], 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=[n for n in names if n not in ("id", "known_at")])
            rows = np.flatnonzero(marks.strike(table))
            if len(rows):
                turns.append(parquet.read_row_group(group, columns=_TURN).select(_TURN).take(rows))
                found.append(rows + before)
            before += table.num_rows
    return _Struck(file, np.concatenate(found), pa.concat_tables(turns)) if found else None


def _without(root: Path, base: Snapshot, source: str, found: list[_Struck]) -> Iterator[Rewrite]:
    """The files without what goes. Where that ended somebody else's fact, a void row of theirs ends it instead."""
    ended = _ended(root, base, source, found)
    schema = revisions.stored_schema(declared(source))
    for struck in found:
        turns = zip(struck.turns["id"].to_pylist(), struck.turns["known_at"].to_pylist(), strict=True)
        rows = [ended[turn] for turn in turns if turn in ended]
        ends = pa.Table.from_pylist([row | {"void": True, "again": True} for row in rows], schema=schema)
        folder = f"data/{source}"
        kept = store.write(root, folder, _kept(root, struck))
        yield Rewrite(struck.file.path, kept, store.write(root, folder, [ends]))


def _kept(root: Path, struck: _Struck) -> Iterator[pa.Table]:
    with pq.ParquetFile(root / struck.file.path) as parquet:
        before = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            kept = ~np.isin(np.arange(before, before + table.num_rows), struck.rows)
            before += table.num_rows
            yield table.filter(pa.array(kept))


def _ended(root: Path, base: Snapshot, source: str, found: list[_Struck]) -> dict[tuple, dict[str, object]]:
    """(id, known_at) of what goes -> the void row that ends the kept fact which it ended."""
    gone = pa.concat_tables([struck.turns for struck in found]).select(["id", "known_at"])
    files = [base.stored[p] for p in base.files.get(source, ())]
    keys = "".join(f', kept."{c.name}"' for c in declared(source).columns if c.kind == "key")
    with store.opened(root, files) as con:
        store.view(con, "stored", revisions.stored_schema(declared(source)), [root / f.path for f in files])
        con.register("gone", gone)
        rows = con.sql(f"""
            WITH kept AS (SELECT * FROM stored SEMI JOIN gone USING (id) ANTI JOIN gone USING (id, known_at))
            SELECT gone.id, kept.key_id, kept."at", gone.known_at{keys}
            FROM (SELECT DISTINCT * FROM gone) gone ASOF JOIN kept
              ON gone.id = kept.id AND kept.known_at < gone.known_at""").to_arrow_table()
    return {(row["id"], row["known_at"]): row for row in rows.to_pylist()}
