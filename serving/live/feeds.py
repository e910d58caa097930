"""In which intervals each source has its data, as far as it can be said while it arrives.

A lake says so of what it holds. From then on a feed is *live*: it is taken to cover until now for as long as it was
heard of within its `PATIENCE`; a feed silent for longer covers until its patience ended, and begins anew with its next
fact. So an outage of a feed becomes missing windows, not health; and what was said of coverage at a cut stays true.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from features.conditions import DAY
from features.engine.bound import Coverage
from features.engine.columns import FOREVER
from serving.live import schema
from serving.live.statements import CLOCK, FEEDS_TICK
from serving.live.store import Reading, Writing

PATIENCE = DAY
_SELDOM = 100
"""So often within its patience it is written down that a feed was heard of."""
_ROWS = "SELECT source, low, high, heard FROM coverage"
_HEARD = "UPDATE coverage SET heard = ? WHERE source = ? AND low = ?"
_ENDED = "UPDATE coverage SET high = ? WHERE source = ? AND low = ?"
_BEGUN = """
    INSERT INTO coverage (source, low, high, heard) VALUES (?, ?, ?, ?) ON CONFLICT (source, low) DO NOTHING"""


@dataclass(frozen=True)
class Covered:
    """Coverage per source at an instant; ``version`` stands for it; ``silent``: live feeds whose patience ended."""

    version: int
    coverage: dict[str, Coverage]
    silent: tuple[str, ...]
    heard: dict[str, int]


@dataclass
class Feeds:
    """The feeds of a store. ``patience``: microseconds."""

    patience: int = PATIENCE
    _last: tuple[int, list[tuple], list[tuple[str, int]], Covered | None] = (-1, [], [], None)

    def covered(self, reading: Reading) -> Covered:
        """What is covered as of the reading's now."""
        feeds = reading.rows(CLOCK)[0][2]
        read, rows, ends, last = self._last  # readings run in several threads: what belongs together is taken at once
        if feeds != read or not rows:
            rows, last = reading.rows(_ROWS), None
            ends = sorted((source, heard + self.patience) for source, _, high, heard in rows if high is None)
        now = reading.now
        silent = tuple([source for source, end in ends if end < now])
        if last is not None and last.silent == silent:
            return last
        coverage: dict[str, list[tuple[int, int]]] = {}
        for source, low, high, heard in sorted(rows, key=lambda row: row[:2]):
            end = high if high is not None else heard + self.patience if source in silent else FOREVER
            coverage.setdefault(source, []).append((low, end))
        heard = {row[0]: row[3] for row in rows if row[2] is None}
        intervals = {name: tuple(spans) for name, spans in coverage.items()}
        version = hash((tuple(intervals.items()), silent)) & (2**62 - 1)
        found = Covered(version, intervals, silent, heard)
        self._last = feeds, rows, ends, found
        return found

    def heard(self, sources: Iterable[str], writing: Writing) -> None:
        """Note that feeds were heard of now."""
        wanted = sorted(set(sources) - {"evidence"})
        if not self._unheard(wanted, writing):
            return
        writing.run(FEEDS_TICK, writing.stamp)  # first, for it lets one writing at a time through
        for source, row in self._unheard(wanted, writing).items():
            if row is not None and row[3] + self.patience >= writing.now:
                writing.run(_HEARD, writing.now, source, row[1])
                continue
            if row is not None:
                writing.run(_ENDED, row[3] + self.patience, source, row[1])
            writing.run(_BEGUN, source, writing.now, None, writing.now)

    def _unheard(self, sources: Iterable[str], writing: Writing) -> dict[str, tuple | None]:
        """The sources nothing was written down of for long, and their live interval, where they have one."""
        rows = {row[0]: row for row in writing.rows(_ROWS) if row[2] is None}
        found = {source: rows.get(source) for source in sources}
        long = self.patience // _SELDOM
        return {source: row for source, row in found.items() if row is None or row[3] + long < writing.now}


def keep(core: Connection, coverage: dict[str, Coverage], now: int, patience: int) -> None:
    """Put down what a lake covers: a source whose last interval ends within the patience before now is live."""
    held = set(core.execute(select(schema.COVERAGE.c.source, schema.COVERAGE.c.low)))
    for source, intervals in coverage.items():
        for i, (low, high) in enumerate(intervals):
            live = i == len(intervals) - 1 and high + patience >= now
            row = {
                "source": source,
                "low": low,
                "high": None if live else high,
                "heard": min(high, now) if live else None,
            }
            if (source, low) not in held:
                core.execute(insert(schema.COVERAGE).values(**row))
