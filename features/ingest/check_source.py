"""What a feed looks like from its facts: how much, how late, with which holes, about keys that others know or not."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import source as declared
from features.lake import Lake, LakeError, Snapshot
from features.lake.intervals import Interval
from features.purposes import Narrowed, purposes

_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SURPRISE = 7.0
"""Expected rows above which silence is a gap: exp(-7) is a chance of 1 in 1,000 for rows that come independently."""


@dataclass(frozen=True)
class Gap:
    """Days without rows (both included) on which ``expected`` rows would have come, by the weeks around."""

    first: str
    last: str
    expected: float
    covered: bool


@dataclass(frozen=True)
class Lag:
    """``known_at`` less ``at``, in seconds; ``negative``: the share of rows known before they happened."""

    median: float
    p90: float
    p99: float
    longest: float
    negative: float


@dataclass(frozen=True)
class SourceReport:
    """All that is said of a feed; instants and days are ISO 8601 in UTC, shares lie between 0 and 1.

    ``purposes``: what the rows may be used for. ``days``: rows by the day of ``at``, days without any included.
    ``revised``: the share of rows that a later one replaced or withdrew. ``keys_elsewhere``: the share of keys some
    other source knows too (None: it is the only source). ``missing``: the share of nulls per own column. ``assumed``:
    delays by which ``known_at`` was assumed.
    """

    source: str
    purposes: tuple[str, ...]
    rows: int
    keys: int
    first_at: str
    last_at: str
    rows_per_day_median: float
    rows_per_day_min: int
    rows_per_day_max: int
    lag_seconds: Lag
    gaps: tuple[Gap, ...]
    coverage: tuple[tuple[str, str], ...]
    revised: float
    keys_elsewhere: float | None
    missing: dict[str, float]
    assumed: tuple[str, ...]
    quarantined: int
    days: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        """The same as plain dictionaries, lists, strings and numbers."""
        return asdict(self)


def check_source(
    lake: Lake, source: str, snapshot: Snapshot | None = None, narrowed: Narrowed | None = None
) -> SourceReport:
    """The report on one source, with its purposes as a workspace narrows them.

    Raises `LakeError` when it has no rows, `KeyError` when there is no such source.
    """
    taken = snapshot or lake.snapshot()
    facts = lake.read(source, taken)
    if not facts.num_rows:
        raise LakeError(f"source '{source}' has no facts yet (there are some of: {', '.join(taken.files) or 'none'})")
    at = facts["at"].cast(pa.int64()).to_numpy()
    first_day, counts = _by_day(at)
    coverage = taken.coverage.get(source, ())
    own = [c.name for c in declared(source).columns]
    return SourceReport(
        source=source,
        purposes=purposes(source, narrowed),
        rows=facts.num_rows,
        keys=pc.count_distinct(facts["key_id"]).as_py(),
        first_at=_iso(int(at.min())),
        last_at=_iso(int(at.max())),
        rows_per_day_median=float(np.median(counts)),
        rows_per_day_min=int(counts.min()),
        rows_per_day_max=int(counts.max()),
        lag_seconds=_lag(facts["known_at"].cast(pa.int64()).to_numpy() - at),
        gaps=_gaps(first_day, counts, coverage),
        coverage=tuple((_iso(a), _iso(b)) for a, b in coverage),
        revised=1 - facts["until"].null_count / facts.num_rows,
        keys_elsewhere=_elsewhere(lake, source, facts, taken),
        missing={name: facts[name].null_count / facts.num_rows for name in own},
        assumed=taken.assumed(source),
        quarantined=pc.sum(pc.equal(lake.quarantine(taken)["source"], source)).as_py() or 0,
        days=tuple((_date(first_day + i), int(n)) for i, n in enumerate(counts)),
    )


def _by_day(at: np.ndarray) -> tuple[int, np.ndarray]:
    """The first day (since 1970) and the rows of every day from it to the last."""
    days = at // _DAY
    first = int(days.min())
    return first, np.bincount(days - first)


def _lag(lag: np.ndarray) -> Lag:
    median, p90, p99, longest = np.quantile(lag, [0.5, 0.9, 0.99, 1.0]) / 1e6
    return Lag(float(median), float(p90), float(p99), float(longest), float((lag < 0).mean()))


def _gaps(first_day: int, counts: np.ndarray, coverage: tuple[Interval, ...]) -> tuple[Gap, ...]:
    """Runs of silent days that the days around them make improbable."""
    usual = _usual(counts)
    silent = np.concatenate([[0], counts == 0, [0]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(silent) == 1), np.flatnonzero(np.diff(silent) == -1)
    gaps = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        expected = float(usual[start:end].sum())
        if expected >= SURPRISE:
            low, high = (first_day + start) * _DAY, (first_day + end) * _DAY
            covered = any(a <= low and high <= b for a, b in coverage)
            gaps.append(Gap(_date(first_day + start), _date(first_day + end - 1), expected, covered))
    return tuple(gaps)


def _usual(counts: np.ndarray) -> np.ndarray:
    """(days,) rows to expect: the median of the same weekday in the four weeks before and the four after.

    The same weekday, because many feeds rest on Sundays; near in time, because feeds grow and tail off.
    """
    padded = np.pad(counts.astype(float), 28, constant_values=np.nan)
    shifts = [padded[28 + days : 28 + days + len(counts)] for days in (-28, -21, -14, -7, 7, 14, 21, 28)]
    near = np.ma.masked_invalid(np.stack(shifts))
    return np.ma.median(near, axis=0).filled(0.0)


def _elsewhere(lake: Lake, source: str, facts: pa.Table, taken: Snapshot) -> float | None:
    """The share of the source's keys that occur, as a key or as the other key of evidence, in another source."""
    others = [name for name in taken.files if name != source]
    if not others:
        return None
    known = [pa.table({"key_id": column}) for name in others for column in _key_columns(lake, name, taken)]
    with duckdb.connect() as con:
        con.register("facts", facts.select(["key_id"]))
        con.register("known", pa.concat_tables(known))
        ours = "SELECT DISTINCT key_id FROM facts"
        row = con.execute(f"SELECT avg((key_id IN (SELECT key_id FROM known))::INT) FROM ({ours})").fetchone()
    return float(row[0]) if row else None


def _key_columns(lake: Lake, source: str, taken: Snapshot) -> list[pa.ChunkedArray]:
    names = ["key_id", *(c.name for c in declared(source).columns if c.kind == "key")]
    return lake.read(source, taken, columns=names).columns


def _iso(micros: int) -> str:
    return (_EPOCH + timedelta(microseconds=micros)).isoformat()


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()
