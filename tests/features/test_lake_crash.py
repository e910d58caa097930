"""Writers that are killed, and writers that come at once: no row lost, none there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lake_writer import BATCH, IDS, ROUNDS
from usage_rows import keys, leftovers, life, row, seen, table

from features.lake import Lake

WRITER = Path(__file__).with_name("lake_writer.py")
KEPT = [r for r in BATCH if r["value"] != 5.0]
BEFORE = row("before", 9.0, key_id=3)


def run(*arguments):
    return subprocess.Popen([sys.executable, str(WRITER), *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def finished(writer) -> str:
    """What the writer printed, once it ended well."""
    printed = writer.communicate(timeout=300)[0]
    assert writer.returncode == 0
    return printed


@pytest.fixture
def killed(tmp_path):
    """Lakes whose writer was killed, one for every step it takes."""
    folder = tmp_path
    Lake(folder / "base").append("usage", table(BEFORE), keys=keys(3))
    finished(run("crash", folder))
    return sorted((p for p in folder.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))


def test_a_writer_killed_at_any_step_loses_nothing_and_can_be_run_again(killed):
    assert len(killed) > 60, "the steps of an append and a compaction are many more"
    outcomes = {as_it_was_left(folder) for folder in killed}
    assert {(False, False, 1), (True, False, 2), (True, True, 2), (True, True, 3), (True, True, 4)} <= outcomes
    for folder in killed[:: max(1, len(killed) // 30)]:
        is_whole_when_run_again(folder)


def as_it_was_left(folder):
    """Whether the append is there, whether it was acknowledged, and the lake's version; all or nothing is there."""
    lake = Lake(folder)
    lake.verify()
    found = seen(lake.read("usage"))
    assert found in ([(3, 10, 20, "before", 9.0, None)], life([BEFORE, *KEPT])), folder.name
    acknowledged = folder.with_name(f"{folder.name}.done").exists()
    assert len(found) > 1 or not acknowledged, f"step {folder.name}: an acknowledged append is gone"
    return len(found) > 1, acknowledged, lake.snapshot().version


def is_whole_when_run_again(folder):
    lake = Lake(folder)
    lake.append("usage", table(*BATCH), keys=keys(1, 2), covered=[(0, 100)])
    assert seen(lake.read("usage")) == life([BEFORE, *KEPT]), folder.name
    assert lake.keys().equals(keys(1, 2, 3))
    assert lake.quarantine().num_rows == 1
    assert lake.snapshot().coverage["usage"] == ((0, 100),)
    lake.vacuum(grace=-1)
    assert not leftovers(lake), folder.name
    assert seen(lake.read("usage")) == life([BEFORE, *KEPT])


@pytest.mark.parametrize("writers", [2, 3])
def test_writers_at_once_lose_no_row_and_store_none_twice(tmp_path, writers):
    lake = Lake(tmp_path / "lake")
    started = [run("race", lake.root, seed) for seed in range(writers)]
    kept = [int(finished(writer)) for writer in started]
    facts = seen(lake.read("usage"))
    stored = sum(lake.snapshot().stored[p].rows for p in lake.snapshot().files["usage"])
    assert sum(kept) == len(facts) == stored, "what the receipts say was kept is there, once"
    assert len({t[2:4] for t in facts}) == len(facts)
    assert all(
        until == (21 if known == 20 else None) or (known, until) == (20, None) for _, _, known, _, _, until in facts
    )
    assert len(facts) > IDS * ROUNDS / 5
    assert lake.keys().num_rows == 5
    assert not leftovers(lake)


def test_a_compaction_beside_appends_changes_no_fact(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("usage", table(BEFORE))
    writers = [run("race", lake.root, seed) for seed in (1, 2)]
    compactions = 0
    while any(w.poll() is None for w in writers):
        compactions += lake.compact().version > 0
    kept = sum(int(finished(w)) for w in writers)
    before = lake.read("usage")
    assert before.num_rows == kept + 1
    assert lake.compact().ready
    assert lake.read("usage").equals(before)
    assert compactions > 1


def test_a_writer_killed_at_a_random_moment_loses_nothing(tmp_path):
    """The moments between the steps: within DuckDB and Parquet, whose own writes no trace shows."""
    lake, draw = Lake(tmp_path / "lake"), random.Random(0)
    for seed in range(6):
        writer = run("race", lake.root, seed)
        time.sleep(1.0 + draw.random())
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        lake.verify()
    finished(run("race", lake.root, 0))
    facts = seen(lake.read("usage"))
    assert len({t[2:4] for t in facts}) == len(facts) >= IDS
