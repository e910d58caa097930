import math
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.catalog import CATALOG
from features.facts import SOURCES
from features.identity.keys import KeyRing
from features.ingest import check_source
from features.lake import Lake, Receipt
from features.simulator import SCENARIOS, Scenario, simulate
from features.simulator.deliver import SimulationError, deliver
from features.simulator.room import BYTES, check_room, rows_expected

RING = KeyRing(b"a secret of the tests")
SMALL = SCENARIOS["small"]
DIRTY = replace(SMALL, feeds=replace(SCENARIOS["dirty"].feeds, damaged_share=0.05))


def run(
    lake: Lake,
    months: int = 2,
    *,
    customers: int = 60,
    seed: int = 1,
    scenario: Scenario = SMALL,
    progress: Callable[[int, int, int], None] | None = None,
) -> list[Receipt]:
    return deliver(lake, RING, CATALOG, customers, months, seed, scenario=scenario, progress=progress)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_what_is_simulated_is_in_the_lake_with_its_coverage_and_once(lake: Lake) -> None:
    first = run(lake)
    batches = list(simulate(60, 2, 1, scenario=SMALL))
    assert {r.source: r.read for r in first} == {
        name: sum(b.rows.num_rows for b in batches if b.source == name) for name in SOURCES
    }
    assert all(r.kept > 0 and r.quarantined == 0 for r in first)
    taken = lake.snapshot()
    for name in SOURCES:
        said = sum(high - low for b in batches if b.source == name for low, high in b.covered)
        assert sum(high - low for low, high in taken.coverage[name]) == said
    again = run(lake)
    assert all((r.kept, r.revised, r.already_known) == (0, 0, r.read) for r in again)
    assert lake.snapshot().version == taken.version


def test_a_longer_simulation_is_the_same_one_continued(lake: Lake, tmp_path: Path) -> None:
    run(lake)
    run(lake, months=3)
    at_once = Lake(tmp_path / "another")
    run(at_once, months=3)
    for name in SOURCES:
        assert lake.read(name).equals(at_once.read(name)), name


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"customers": 61}, {"scenario": DIRTY}], ids=["seed", "customers", "scenario"]
)
def test_another_simulation_in_the_same_lake_is_refused_before_it_changes_a_thing(lake: Lake, other: dict) -> None:
    run(lake)
    before = contents(lake.root)
    with pytest.raises(SimulationError, match="already holds another simulation"):
        run(lake, **other)
    assert contents(lake.root) == before


def test_facts_of_another_origin_are_not_mixed_with_simulated_ones(lake: Lake) -> None:
    run(lake)
    (lake.root / "simulation.sha256").unlink()
    with pytest.raises(SimulationError, match="already holds other facts"):
        run(lake)


def test_every_month_is_on_the_disk_before_the_next_one_is_simulated(lake: Lake) -> None:
    seen: list[tuple[int, int, int, int]] = []

    def look(done: int, months: int, rows: int) -> None:
        staged = lake.root.glob("staging/*/rows-*.parquet")
        seen.append((done, months, rows, sum(pq.read_metadata(path).num_rows for path in staged)))

    receipts = run(lake, months=3, progress=look)
    assert [(done, months) for done, months, _, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert all(rows == staged > 0 for _, _, rows, staged in seen)
    assert seen[-1][2] == sum(r.read for r in receipts)


def test_what_fails_midway_leaves_the_lake_as_it_was(lake: Lake) -> None:
    run(lake)
    before = contents(lake.root)

    def give_up(done: int, months: int, rows: int) -> None:
        if done == 2:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(lake, months=3, progress=give_up)
    assert contents(lake.root) == before


def test_an_interruption_while_storing_waits_until_every_source_is_there(lake: Lake) -> None:
    def interrupt() -> None:
        while not list(lake.root.glob("log/*.json")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        run(lake)
    watcher.join()
    assert set(lake.snapshot().files) == set(SOURCES)


def damage(rows: pd.DataFrame) -> pd.Series:
    """Why each raw row of the journey should be refused, null where it should not."""
    checks = {
        "phase is missing": rows.phase.isna(),
        "channel is not one of": rows.channel == "n/a",
        "at is outside": rows["at"] < pd.Timestamp("1990-01-01", tz="UTC"),
        "key: ": rows.key.isin([" ", "n/a"]),
    }
    why = pd.Series(None, rows.index, dtype=object)
    for reason, wrong in checks.items():
        why[wrong] = reason
    return why


def test_bad_feeds_are_refused_row_by_row_with_the_reason_and_good_rows_are_kept(lake: Lake) -> None:
    receipts = {r.source: r for r in run(lake, customers=150, months=3, scenario=DIRTY)}
    batches = simulate(150, 3, 1, scenario=DIRTY)
    journey = pd.concat([b.rows.to_pandas() for b in batches if b.source == "journey"], ignore_index=True)
    why = damage(journey)
    refused = lake.quarantine().to_pandas()
    refused = refused[refused.source == "journey"]
    assert set(why.dropna()) == {"phase is missing", "channel is not one of", "at is outside", "key: "}
    assert sorted(refused.position) == [place + 1 for place in why.dropna().index]
    reasons = dict(zip(refused.position, refused.reason, strict=True))
    assert all(reasons[place + 1].startswith(reason) for place, reason in why.dropna().items())
    good = journey[why.isna()].sort_values("known_at")
    standing = good.drop_duplicates("id", keep="last")
    facts = lake.read("journey").to_pandas()
    assert set(facts.id[facts.until.isna()]) == set(standing.id[~standing.void])
    assert receipts["journey"].already_known > 0.01 * len(journey)  # sent twice
    assert receipts["journey"].revised > 0


def test_clocks_that_disagree_are_seen_by_the_check_of_the_source(lake: Lake) -> None:
    run(lake, customers=150, months=2, scenario=DIRTY)
    report = check_source(lake, "journey")
    assert report.lag_seconds.negative > 0
    assert report.lag_seconds.p99 > 5 * 86_400
    assert report.revised > 0
    assert len(check_source(lake, "usage").coverage) > 1


@pytest.mark.parametrize(
    ("customers", "months", "seed", "says"),
    [(0, 1, 1, "customers"), (10, 0, 1, "months"), (10, 1, -1, "seed"), (1, 1000, 1, "before 2100")],
)
def test_what_cannot_be_simulated_is_refused_and_leaves_nothing(
    lake: Lake, customers: int, months: int, seed: int, says: str
) -> None:
    with pytest.raises(SimulationError, match=says):
        run(lake, months, customers=customers, seed=seed)
    assert not lake.root.exists()


def test_too_many_customers_for_the_disk_are_refused_before_any_work(lake: Lake, tmp_path: Path) -> None:
    most, free = 900_000, shutil.disk_usage(tmp_path).free
    months = math.ceil(1.5 * free / (rows_expected(most, 1, SMALL) * BYTES)) + 1
    with pytest.raises(
        ValueError, match=rf"disk: 900,000 for {months:,} months need about .* GB are free in {tmp_path}"
    ):
        check_room(lake.root, most, months, SMALL)
    if months <= 800:  # a disk of more than a petabyte has room for all there can be
        with pytest.raises(SimulationError, match="too many customers for the disk"):
            run(lake, months, customers=most)
    assert not lake.root.exists()


def test_the_rows_and_the_room_expected_are_not_less_than_what_comes(lake: Lake) -> None:
    assert rows_expected(300, 3, SMALL) > sum(b.rows.num_rows for b in simulate(300, 3, 1, scenario=SMALL))
    rows = sum(r.read for r in run(lake, 3, customers=300, scenario=DIRTY))
    assert rows < rows_expected(300, 3, DIRTY) < 1.6 * rows
