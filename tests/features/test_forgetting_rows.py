"""Forgetting rows of a lake: nobody reads them from the commit on, no file keeps them, nobody else's fact changes."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from forgetting_writer import ROWS
from forgotten_rows import add, forget, mark, stored_values, tags
from usage_rows import keys, leftovers, row, seen, table

from features.facts import source
from features.lake import Lake, LakeError
from features.lake.forgetting import sweeping
from features.lake.forgetting.forgetting import purged

WRITER = Path(__file__).with_name("forgetting_writer.py")
THEIRS = (2, 10, 20, "theirs", 2.0, None)


def filled(root):
    """Three versions: two appends (of two keys) and a compaction."""
    lake = Lake(root)
    lake.append("usage", table(row("mine", 1.0), row("theirs", 2.0, key_id=2)), keys=keys(1, 2))
    lake.append("usage", table(row("mine", 3.0, known_at=30), row("later", 4.0, at=50, known_at=60)), keys=keys(1))
    lake.compact()
    return lake


@pytest.fixture
def lake(tmp_path):
    return filled(tmp_path / "lake")


@pytest.mark.parametrize("compacted", [True, False])
def test_forgotten_rows_are_hidden_at_once_and_then_gone_from_all_files_of_all_versions(lake, compacted):
    if not compacted:
        lake.append("usage", table(row("new", 5.0, key_id=2)))
    held = lake.snapshot(1)
    forget(lake, mark(1), finish=False)
    reads_as_if_never_there(lake, held)
    assert lake.read("usage", columns=["value"]).num_rows == (1 if compacted else 2)
    assert "mine" in stored_values(lake), "hidden, not yet gone"
    purged(lake.root)
    assert sweeping.swept(lake.root, 0.0)
    assert not {"mine", "later", "1"} & stored_values(lake)
    reads_as_if_never_there(lake, held)
    assert {p.parent.name for p in leftovers(lake)} == {"suppressed"}
    lake.verify()
    lake.compact()
    reads_as_if_never_there(lake, held)


def reads_as_if_never_there(lake, held):
    for taken in (lake.snapshot(), lake.snapshot(1), held):
        assert {t[0] for t in seen(lake.read("usage", taken))} == {2}
        assert lake.keys(taken).equals(keys(2))


def test_the_fingerprint_of_the_lake_changes_and_that_of_an_earlier_version_does_not(lake):
    before, first = lake.snapshot().fingerprint, lake.snapshot(1).fingerprint
    forget(lake, mark(1))
    assert lake.snapshot().fingerprint != before
    assert lake.snapshot(1).fingerprint == first
    assert lake.snapshot(1).hindsight.forgettings == 1


def test_the_time_of_the_other_owner_of_a_key_stays(tmp_path):
    lake = Lake(tmp_path / "lake")
    rows = [row("a", at=10), row("b", at=20, known_at=21), row("c", at=30, known_at=31)]
    lake.append("usage", table(*rows), keys=keys(1))
    forget(lake, mark(1, 15, 25, whole=False))
    assert [t[3] for t in seen(lake.read("usage"))] == ["a", "c"]
    assert lake.keys().equals(keys(1))
    receipt = add(lake, table(rows[1], row("d", at=12), row("e", at=25, known_at=26)), keys(1), 1)
    assert (receipt.read, receipt.kept, receipt.suppressed) == (3, 2, 1)
    assert [t[3] for t in seen(lake.read("usage"))] == ["a", "d", "e", "c"]


def test_a_correction_of_the_persons_that_ended_somebody_elses_fact_still_ends_it(tmp_path):
    lake = Lake(tmp_path / "lake")
    lake.append("usage", table(row("x", 1.0, key_id=2), row("y", 7.0, key_id=2)), keys=keys(2))
    lake.append("usage", table(row("x", 2.0, key_id=1, known_at=30)), keys=keys(1))
    lake.append("usage", table(row("x", 3.0, key_id=2, known_at=40)))
    others = [(2, 10, 20, "x", 1.0, 30), (2, 10, 20, "y", 7.0, None), (2, 10, 40, "x", 3.0, None)]
    assert [t for t in seen(lake.read("usage")) if t[0] == 2] == others
    forget(lake, mark(1))
    assert seen(lake.read("usage")) == others
    assert [t[5] for t in seen(lake.read("usage", lake.snapshot(1)))] == [None, None]
    lake.compact()
    assert seen(lake.read("usage")) == others
    add(lake, table(row("x", 4.0, key_id=2, known_at=50)), keys(2), 2)
    assert [t[5] for t in seen(lake.read("usage")) if t[3] == "x"] == [30, 50, None]


def test_evidence_that_was_corrected_to_the_person_stays_corrected(tmp_path):
    lake = Lake(tmp_path / "lake")
    said = {"id": "x", "key_id": 7, "at": 10, "void": False, "state": "linked"}
    for other, known_at in ((2, 20), (1, 30)):
        rows = [said | {"other_id": other, "known_at": known_at}]
        lake.append("evidence", pa.Table.from_pylist(rows, schema=source("evidence").schema), keys=keys(7, other))
    forget(lake, mark(1))
    for taken in (lake.snapshot(), lake.compact()):
        left = lake.read("evidence", taken)
        assert left["other_id"].to_pylist() == [2]
        assert left["until"].cast(pa.int64()).to_pylist() == [30]
    assert not {"1"} & stored_values(lake)
    forget(lake, mark(2))
    assert not {"1", "2", "x"} & stored_values(lake)


def test_what_comes_again_is_dropped_unless_it_is_of_a_new_life(lake):
    forget(lake, mark(1))
    anew = row("anew", 1.0, at=1_000, known_at=1_001)
    receipt = add(lake, table(row("mine", 1.0), anew, row("two", key_id=2)), keys(1, 2), 1, 2)
    assert (receipt.read, receipt.kept, receipt.suppressed) == (3, 2, 1)
    assert [t[3] for t in seen(lake.read("usage"))] == ["anew", "theirs", "two"]
    assert lake.keys().equals(keys(1, 2))


def test_a_forgotten_key_is_not_stored_anew_for_dropped_rows(lake):
    forget(lake, mark(1))
    assert add(lake, table(row("mine", 1.0)), keys(1), 1).suppressed == 1
    assert lake.keys().equals(keys(2))
    assert not {"mine", "1"} & stored_values(lake)


def test_rows_that_nobody_can_hold_against_the_list_are_refused(lake):
    forget(lake, mark(1))
    with pytest.raises(LakeError, match="1 rows came without the tags"):
        lake.append("usage", table(row("mine", 1.0)), keys=keys(1))


def test_an_append_under_way_does_not_bring_the_person_back(lake):
    with lake.stage("usage") as staging:
        staging.add(table(row("mine", 9.0, known_at=99), row("ours", key_id=2)), keys(1, 2), tags=tags(1, 2))
        forget(lake, mark(1), finish=False)
        assert not sweeping.swept(lake.root, 0.0), "somebody is at work"
        receipt = staging.commit()
    assert (receipt.kept, receipt.suppressed) == (1, 1)
    purged(lake.root)
    assert sweeping.swept(lake.root, 0.0)
    assert not {"mine", "1"} & stored_values(lake)


def test_what_killed_writers_left_goes_too(lake):
    pq.write_table(table(row("mine", 1.0)), lake.root / "data" / "usage" / "orphan.parquet")
    (lake.root / "staging" / "dead").mkdir()
    pq.write_table(table(row("mine", 1.0)), lake.root / "staging" / "dead" / "rows-0.parquet")
    forget(lake, mark(1))
    assert not {"mine", "1"} & stored_values(lake)
    assert not list((lake.root / "staging").iterdir())


def test_two_people_forgotten_at_once_are_both_gone(lake):
    lake.append("usage", table(row("third", key_id=3)), keys=keys(3))
    forget(lake, mark(1), finish=False)
    forget(lake, mark(3))
    assert [t[3] for t in seen(lake.read("usage"))] == ["theirs"]
    assert not {"mine", "third", "1", "3"} & stored_values(lake)
    assert lake.snapshot().hindsight.forgettings == 2


def test_a_forgetting_killed_at_any_step_leaves_the_lake_whole_and_is_finished_by_the_next(tmp_path):
    filled(tmp_path / "base")
    subprocess.run([sys.executable, str(WRITER), "crash", str(tmp_path), "7"], check=True, timeout=300)
    killed = sorted((p for p in tmp_path.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
    assert len(killed) > 10, "the steps of a forgetting are many more"
    states = set()
    for folder in killed:
        lake = Lake(folder)
        lake.verify()
        found = {t[3] for t in seen(lake.read("usage"))}
        assert found in ({"theirs"}, {"theirs", "mine", "later"}), f"step {folder.name}: half of a person"
        states.add((lake.snapshot().hindsight.forgettings, len(lake.snapshot().hindsight.veils)))
        forget(lake, mark(1))
        assert seen(lake.read("usage")) == seen(lake.read("usage", lake.snapshot(1))) == [THEIRS], folder.name
        assert not {"mine", "later", "1"} & stored_values(lake), folder.name
    assert states == {(0, 0), (1, 1), (1, 0)}, "killed before the first commit, between the two, after the second"


def test_appends_beside_a_forgetting_lose_nothing_and_do_not_bring_the_person_back(tmp_path):
    lake = filled(tmp_path / "lake")
    writers = [subprocess.Popen([sys.executable, str(WRITER), "race", str(lake.root), str(s)]) for s in (7, 8)]
    while any(w.poll() is None for w in writers) and lake.snapshot().version < 6:
        pass
    forget(lake, mark(1))
    assert [w.wait(timeout=120) for w in writers] == [0, 0]
    facts = seen(lake.read("usage"))
    assert {t[0] for t in facts} == {0, 2, 3, 4}
    assert len(facts) == 1 + 2 * ROWS * 4 // 5
    assert sweeping.swept(lake.root, 0.0)
    assert not {"mine", "later", "1"} & stored_values(lake)
