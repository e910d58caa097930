"""Raw files into facts: the user's SELECT runs over the file, its rows are checked and appended in one commit."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Link
from features.facts import Source
from features.facts import source as declared
from features.identity.keys import KeyRing
from features.ingest.checks import Checks
from features.ingest.form import IngestError, check_columns
from features.ingest.raw import BATCH, Select, selected
from features.lake import Lake, Receipt
from features.lake.intervals import Interval
from features.lake.staging import Staging

__all__ = ["IngestError", "append_facts", "ingest"]

SILENCE = 7.0

Progress = Callable[[int], None]
"""Called after each batch with the number of rows read so far."""


def ingest(
    lake: Lake,
    keyring: KeyRing,
    source: str,
    sql: Path | str,
    input_path: Path,
    *,
    key_types: Sequence[str],
    covered: Sequence[Interval] | None = None,
    gaps: Sequence[Interval] = (),
    assume_delay: str | None = None,
    progress: Progress | None = None,
    prepare: Path | None = None,
    links: Sequence[Link] | None = None,
) -> Receipt:
    """Appends what a SELECT (a file, or its text) makes of a raw file, which it reads as the relation ``input``.

    The file is CSV, JSON lines or Parquet, each also gzipped, by its suffix (see `raw`). What the SELECT yields, what
    is checked and what the other arguments mean: `append_facts`. All of it is one commit: a killed ingestion leaves
    nothing behind, a repeated one adds nothing. ``prepare``: a SELECT over the relation ``raw`` (the file) whose rows
    are ``input``, where several sources share a first step. Raises `IngestError` naming the SQL, the file and what is
    wrong, also when the SELECT yields no row.
    """
    select = Select.read(sql) if isinstance(sql, Path) else Select(sql)
    first = Select.read(prepare) if prepare else None
    checks = Checks(_declared(source), keyring, tuple(key_types), assume_delay, _pairs(links))
    where = f"{select.name} over {input_path}"
    with lake.stage(source, keyring.generation) as staging:
        with selected(select, input_path, staging.folder / "raw", first) as rows:
            check_columns(checks.source, rows.schema, where, assume_delay)
            seen = _stage(staging, checks, _regrouped(rows), progress)
        if not seen.rows:
            raise IngestError(f"{where}: there are no rows")
        return staging.commit(
            _coverage(lake, source, seen) if covered is None else covered, gaps, _known_at_from(assume_delay)
        )


def append_facts(
    lake: Lake,
    keyring: KeyRing,
    source: str,
    tables: pa.Table | Iterable[pa.Table],
    *,
    key_types: Sequence[str],
    covered: Sequence[Interval] | None = None,
    gaps: Sequence[Interval] = (),
    assume_delay: str | None = None,
    progress: Progress | None = None,
    links: Sequence[Link] | None = None,
) -> Receipt:
    """Appends tables in the form of the source's SELECT: ``id, key_type, key, at, known_at``, own columns, ``void``.

    Text columns are VARCHAR, numbers any number, flags BOOLEAN, times with a time zone; for ``evidence`` the second
    key is ``other_type, other``. Columns that are not required may be missing (null; ``void`` false; the state of
    evidence "linked"). A wrong column raises `IngestError`; a row that fails a check goes to quarantine with its
    reason. ``id`` is stored as it is: let it not name a person.

    ``key_types``: those there may be; ``links``: between which of them evidence may be (``None``: any). ``covered``:
    what the source now covers, half-open UTC microseconds; by default from the first ``at`` to the last ``known_at`` of
    the good rows, both included, joined to what was covered before where the hole between is so short that the feed's
    own rate explains it. ``gaps``: what it lacks within.
    ``assume_delay``: for tables without ``known_at``, which is then ``at`` plus this ("1h"), stored as assumed.
    """
    checks = Checks(_declared(source), keyring, tuple(key_types), assume_delay, _pairs(links))
    given = [tables] if isinstance(tables, pa.Table) else tables
    with lake.stage(source, keyring.generation) as staging:
        seen = _stage(staging, checks, _batches(given, checks), progress)
        return staging.commit(
            _coverage(lake, source, seen) if covered is None else covered, gaps, _known_at_from(assume_delay)
        )


def _batches(tables: Iterable[pa.Table], checks: Checks) -> Iterator[pa.RecordBatch]:
    for table in tables:
        check_columns(checks.source, table.schema, f"the {checks.source.name} table", checks.assume_delay)
        yield from table.to_batches(max_chunksize=BATCH)


def _declared(source: str) -> Source:
    try:
        return declared(source)
    except KeyError as error:
        raise IngestError(error.args[0]) from None


def _known_at_from(assume_delay: str | None) -> str:
    return f"assumed:{assume_delay}" if assume_delay else "column"


@dataclass
class _Seen:
    """How many rows came, and the span of the good ones: the first ``at``, the last ``known_at`` (UTC microseconds)."""

    rows: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, facts: pa.Table) -> None:
        if facts.num_rows:
            first = pc.min(facts["at"].cast(pa.int64())).as_py()
            last = pc.max(facts["known_at"].cast(pa.int64())).as_py()
            self.first = first if self.first is None else min(first, self.first)
            self.last = last if self.last is None else max(last, self.last)

    @property
    def extent(self) -> tuple[Interval, ...]:
        if self.first is None or self.last is None or self.last < self.first:
            return ()
        return ((self.first, self.last + 1),)


def _coverage(lake: Lake, source: str, seen: _Seen) -> tuple[Interval, ...]:
    """The rows' own extent, stretched over short holes to what was covered just before and just after.

    A file a day leaves a hole from its last row to the next file's first. Where the feed's rate would expect fewer than
    `SILENCE` rows in it, the silence means nothing (Poisson: exp(-7) is 1 in 1,000).
    """
    for low, high in seen.extent:
        reach = SILENCE * (high - low) / max(seen.rows, 1)
        before = [end for _, end in lake.snapshot().coverage.get(source, ()) if low - reach <= end < low]
        after = [begin for begin, _ in lake.snapshot().coverage.get(source, ()) if high < begin <= high + reach]
        return ((max(before, default=low), min(after, default=high)),)
    return ()


def _pairs(links: Sequence[Link] | None) -> frozenset[tuple[str, str]] | None:
    return None if links is None else frozenset((link.child, link.parent) for link in links)


def _stage(staging: Staging, checks: Checks, batches: Iterable[pa.RecordBatch], progress: Progress | None) -> _Seen:
    seen = _Seen()
    for batch in batches:
        checked = checks.part(batch, before=seen.rows)
        staging.add(checked.rows, checked.keys, checked.rejected, checked.positions, checked.tags)
        seen.rows += batch.num_rows
        seen.add(checked.rows)
        if progress:
            progress(seen.rows)
    return seen


def _regrouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of about `BATCH`: DuckDB's own are too small to be worth a file each."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(b.num_rows for b in waiting) >= BATCH:
            yield from _joined(waiting)
            waiting = []
    yield from _joined(waiting)


def _joined(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    return pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []
