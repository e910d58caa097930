"""The simulated operator's feeds, into a lake, by the same road as anybody's files."""

import hashlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from features.declare import Catalog
from features.durable import publish
from features.facts import SOURCES
from features.identity.keys import KeyRing
from features.ingest.checks import LATEST, Checks
from features.ingest.form import check_columns
from features.ingest.raw import BATCH
from features.lake import Lake, Receipt
from features.lake.intervals import Interval
from features.lake.staging import Staging
from features.simulator.feeds.ledger import Batch
from features.simulator.room import check_room
from features.simulator.run import START, simulate
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.scenarios import fingerprint

Progress = Callable[[int, int, int], None]
"""Called after each month with the months done, the months there are and the rows delivered so far."""

EARLIEST_START = 2010
"""Customers joined up to fifteen years earlier, and the lake knows no fact from before 1990."""

MARK = "simulation.sha256"
"""The file in a lake that tells its simulation from any other, and nothing else about it."""


class SimulationError(ValueError):
    """What was asked for cannot be simulated, or not into this lake, or not on this disk."""


@dataclass
class _Feed:
    """One source's append under way."""

    checks: Checks
    staging: Staging
    rows: int = 0
    covered: list[Interval] = field(default_factory=list)

    def take(self, batch: Batch) -> None:
        """Sets a month's rows aside."""
        check_columns(self.checks.source, batch.rows.schema, f"the simulated {batch.source}")
        for part in batch.rows.to_batches(max_chunksize=BATCH):
            checked = self.checks.part(part, before=self.rows)
            self.staging.add(checked.rows, checked.keys, checked.rejected, checked.positions, checked.tags)
            self.rows += part.num_rows
        self.covered += batch.covered


def deliver(
    lake: Lake,
    keyring: KeyRing,
    catalog: Catalog,
    customers: int,
    months: int,
    seed: int,
    *,
    start: datetime = START,
    scenario: Scenario = DEFAULT,
    progress: Progress | None = None,
) -> list[Receipt]:
    """Simulate, append everything (one commit a source), compact; what became of each source's rows.

    At most a month of rows is held in memory. The lake stays as it was until the last month is simulated, and the
    commits that follow cannot be interrupted from the keyboard. Doing it again adds nothing, doing it for more months
    adds what is new. Raises `SimulationError`, before any work, for arguments that make no sense, for a lake that holds
    other facts and where the disk has no room.
    """
    try:
        if start.year < EARLIEST_START:
            raise ValueError(f"the simulation must start in {EARLIEST_START} or later; got {start.date().isoformat()}")
        batches = simulate(customers, months, seed, start=start, scenario=scenario)
        if start.year * 12 + start.month - 1 + months > LATEST.year * 12:
            raise ValueError(f"the simulation must end before {LATEST.year}: fewer months, or an earlier start")
        check_room(lake.root, customers, months, scenario)
    except ValueError as error:
        raise SimulationError(str(error)) from error
    mark = _mark(customers, months, seed, start, scenario)
    _check_same(lake, mark)
    with ExitStack() as stack:
        feeds = {name: _feed(stack, lake, keyring, catalog, name) for name in SOURCES}
        _fill(feeds, batches, months, progress)
        with _uninterrupted():
            publish(mark, lake.root / MARK)
            receipts = [feed.staging.commit(feed.covered) for feed in feeds.values()]
    lake.compact()
    return receipts


def _feed(stack: ExitStack, lake: Lake, keyring: KeyRing, catalog: Catalog, source: str) -> _Feed:
    links = frozenset((link.child, link.parent) for link in catalog.links)
    checks = Checks(SOURCES[source], keyring, catalog.key_types, None, links)
    return _Feed(checks, stack.enter_context(lake.stage(source, keyring.generation)))


def _fill(feeds: dict[str, _Feed], batches: Iterator[Batch], months: int, progress: Progress | None) -> None:
    """Sets every batch aside; a month is done when each source has delivered it."""
    for number, batch in enumerate(batches, start=1):
        feeds[batch.source].take(batch)
        if progress and number % len(feeds) == 0:
            progress(number // len(feeds), months, sum(feed.rows for feed in feeds.values()))


def _mark(customers: int, months: int, seed: int, start: datetime, scenario: Scenario) -> bytes:
    """What tells a simulation from others. The months only where something is counted from the end of the last one."""
    told = (customers, seed, start.isoformat(), fingerprint(scenario), months if scenario.last_days else None)
    return hashlib.sha256(repr(told).encode()).hexdigest().encode()


def _check_same(lake: Lake, mark: bytes) -> None:
    """Other facts under the same ids would pass for revisions of those that are there."""
    path: Path = lake.root / MARK
    if path.exists() and path.read_bytes() != mark:
        raise SimulationError(f"the lake already holds another simulation: set TIELINE_HOME to a new folder ({path})")
    if not path.exists() and lake.snapshot().files:
        raise SimulationError(f"the lake already holds other facts: set TIELINE_HOME to a new folder ({lake.root})")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Puts an interruption from the keyboard off until the end: half of the sources would be no operator's history."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
