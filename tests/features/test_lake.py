import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from usage_rows import keys, leftovers, life, row, seen, table

from features.lake import Lake, LakeError


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def counts(receipt):
    return receipt.kept, receipt.already_known, receipt.revised, receipt.quarantined


def test_an_empty_lake_is_version_zero_and_reads_as_nothing(lake):
    assert lake.snapshot().version == 0
    assert lake.read("usage").num_rows == lake.keys().num_rows == lake.quarantine().num_rows == 0
    assert lake.compact().version == 0


def test_the_same_rows_again_are_known_and_leave_the_lake_as_it_is(lake):
    first = lake.append("usage", table(row("a"), row("b", None)), keys=keys(1), covered=[(0, 50)])
    again = lake.append("usage", table(row("b", None), row("a")), keys=keys(1), covered=[(10, 20)])
    assert (counts(first), counts(again)) == ((2, 0, 0, 0), (0, 2, 0, 0))
    assert again.version == first.version == lake.snapshot().version == 1
    assert not leftovers(lake)


def test_a_revision_ends_its_predecessor_and_a_void_one_is_not_returned(lake):
    lake.append("usage", table(row("a", 1.0, known_at=20), row("b", 5.0, known_at=20)))
    receipt = lake.append("usage", table(row("a", 2.0, known_at=30, key_id=2), row("b", 5.0, known_at=40, void=True)))
    assert counts(receipt) == (0, 0, 2, 0)
    assert seen(lake.read("usage")) == [
        (1, 10, 20, "a", 1.0, 30),
        (1, 10, 20, "b", 5.0, 40),
        (2, 10, 30, "a", 2.0, None),
    ]


def test_what_is_said_again_later_is_known_until_something_else_turns_up_in_between(lake):
    lake.append("usage", table(row("a", 1.0, known_at=20)))
    assert counts(lake.append("usage", table(row("a", 1.0, known_at=40)))) == (0, 1, 0, 0)
    assert seen(lake.read("usage")) == [(1, 10, 20, "a", 1.0, None)]
    lake.append("usage", table(row("a", 2.0, known_at=30)))
    assert [(t[2], t[4], t[5]) for t in seen(lake.read("usage"))] == [(20, 1.0, 30), (30, 2.0, 40), (40, 1.0, None)]


def test_a_contradiction_goes_to_quarantine_with_its_row_and_reason(lake):
    lake.append("usage", table(row("a", 1.0)))
    receipt = lake.append("usage", table(row("b", 1.0), row("a", 9.0), row("b", 2.0), row("b", 1.0)))
    assert counts(receipt) == (1, 1, 0, 2)
    rejects = lake.quarantine().to_pylist()
    assert [(r["position"], json.loads(r["row"])["value"]) for r in rejects] == [(2, 9.0), (3, 2.0)]
    assert "same id and known_at" in rejects[0]["reason"]
    assert [t[4] for t in seen(lake.read("usage"))] == [1.0, 1.0]
    lake.append("usage", table(row("b", 1.0), row("a", 9.0), row("b", 2.0), row("b", 1.0)))
    assert lake.quarantine().num_rows == 2, "a repeated append repeats nothing in quarantine"


def test_rows_of_a_surrogate_that_two_keys_share_are_kept_apart(lake):
    lake.append("usage", table(row("a", key_id=7)), keys=keys(7))
    other = keys(7).set_column(2, keys().schema.field("hash"), pa.array([b"x" * 32], pa.binary(32)))
    receipt = lake.append("usage", table(row("b", key_id=7), row("c", key_id=8)), keys=other)
    assert counts(receipt) == (1, 0, 0, 1)
    assert lake.keys().equals(keys(7))
    assert "share the surrogate" in lake.quarantine()["reason"][0].as_py()


def test_coverage_is_merged_and_the_later_word_on_it_counts(lake):
    lake.append("usage", table(row("a")), covered=[(0, 100)])
    lake.append("usage", table(), covered=[(100, 200)], gaps=[(50, 60)])
    assert lake.snapshot().coverage["usage"] == ((0, 50), (60, 200))
    lake.append("usage", table(), covered=[(50, 55)])
    assert lake.snapshot().coverage["usage"] == ((0, 55), (60, 200))
    with pytest.raises(ValueError, match="ends before it begins"):
        lake.append("usage", table(), covered=[(9, 8)])


def test_an_assumed_known_at_stays_visible_as_assumed(lake):
    lake.append("usage", table(row("a")), known_at_from="assumed:1h")
    lake.append("usage", table(row("b")))
    assert lake.snapshot().known_at_from["usage"] == ("assumed:1h", "column")
    assert lake.snapshot().assumed("usage") == ("1h",)
    assert lake.snapshot().assumed("sla") == ()


def test_an_earlier_version_stays_readable_after_appends_and_compaction(lake):
    lake.append("usage", table(row("a", 1.0)), keys=keys(1))
    lake.append("usage", table(row("a", 2.0, known_at=30)), keys=keys(2))
    lake.compact()
    assert seen(lake.read("usage", lake.snapshot(1))) == [(1, 10, 20, "a", 1.0, None)]
    assert lake.keys(lake.snapshot(1)).equals(keys(1))
    with pytest.raises(LakeError, match="no version 9"):
        lake.snapshot(9)


def test_the_fingerprint_is_of_the_facts_not_of_files_or_compactions(tmp_path, lake):
    twin = Lake(tmp_path / "twin")
    for each in (lake, twin):
        each.append("usage", table(row("b"), row("a")), keys=keys(1), covered=[(0, 9)])
    before = lake.snapshot().fingerprint
    assert before == twin.snapshot().fingerprint
    assert lake.compact().fingerprint == before
    twin.append("usage", table(), covered=[(9, 12)])
    assert twin.snapshot().fingerprint != before


def test_a_compacted_source_is_ready_until_the_next_append(lake):
    first = [row("a", 1.0), row("b", 3.0), row("b", 3.0, known_at=25)]
    second = [row("a", 2.0, known_at=30), row("b", 3.0, known_at=40, void=True)]
    lake.append("usage", table(*first))
    lake.append("usage", table(*second))
    before = lake.read("usage")
    assert "usage" in lake.compact().ready
    assert lake.read("usage").equals(before)
    assert lake.read("usage", columns=["value", "until"]).equals(before.select(["value", "until"]))
    assert lake.compact().version == 3, "nothing is left to compact"
    late = row("b", 4.0, known_at=22)
    lake.append("usage", table(late))
    assert "usage" not in lake.snapshot().ready
    assert seen(lake.read("usage")) == life([*first, *second, late])


rows_of_few_ids = st.lists(
    st.builds(
        row,
        id=st.sampled_from("abc"),
        value=st.sampled_from([1.0, 2.0, None]),
        known_at=st.integers(20, 25),
        key_id=st.integers(1, 2),
        void=st.booleans(),
    ),
    max_size=10,
    unique_by=lambda r: (r["id"], r["known_at"]),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_few_ids, data=st.data())
def test_the_end_state_is_the_same_whatever_the_order_batches_and_compactions(tmp_path_factory, rows, data):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    arriving = data.draw(st.permutations(rows)) + data.draw(st.lists(st.sampled_from(rows or [row()]), max_size=3))
    expected = life(arriving)
    while arriving:
        size = data.draw(st.integers(1, len(arriving)))
        receipt = lake.append("usage", table(*arriving[:size]))
        assert receipt.read == size == sum(counts(receipt))
        arriving = arriving[size:]
        if data.draw(st.booleans()):
            lake.compact()
    assert seen(lake.read("usage")) == expected
    assert lake.quarantine().num_rows == 0
    lake.compact()
    assert seen(lake.read("usage")) == expected


def test_streamed_batches_are_one_commit_and_an_abandoned_one_leaves_nothing(lake):
    with lake.stage("usage") as staging:
        staging.add(table(row("a"), row("b")), keys(1))
        staging.add(table(row("b"), row("c")), keys(1, 2))
        receipt = staging.commit()
    assert (receipt.version, counts(receipt)) == (1, (3, 1, 0, 0))
    with pytest.raises(RuntimeError), lake.stage("usage") as staging:  # noqa: PT012
        staging.add(table(row("d")))
        raise RuntimeError
    assert lake.snapshot().version == 1
    assert not leftovers(lake)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (table(row()).drop(["value"]), "the columns must be id, key_id"),
        (table(row()).set_column(6, "value", pa.array([1])), r"usage.value: the type must be double, not int64"),
        (pa.table([pa.nulls(1, f.type) for f in table().schema], schema=table().schema), "usage.id: 1 values are miss"),
    ],
)
def test_rows_that_are_not_the_sources_are_refused(lake, wrong, message):
    with pytest.raises(ValueError, match=message):
        lake.append("usage", wrong)
    with pytest.raises(KeyError, match="unknown source 'usages'"):
        lake.append("usages", table())


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_data_file_is_named(lake, damage):
    lake.append("usage", table(*(row(str(i), float(i)) for i in range(100))))
    [path] = lake.root.glob("data/usage/*.parquet")
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else whole[:-20] + b"\xff" * 20)
    for reading in (lambda: lake.read("usage"), lambda: lake.append("usage", table(row("x"))), lake.verify):
        with pytest.raises(LakeError, match=path.name):
            reading()


def test_a_damaged_or_missing_log_entry_is_named(lake):
    for name in "abc":
        lake.append("usage", table(row(name)))
    second = lake.root / "log" / "000002.json"
    second.write_bytes(second.read_bytes()[:40])
    with pytest.raises(LakeError, match=r"000002\.json is not a readable log entry"):
        lake.snapshot()
    second.unlink()
    with pytest.raises(LakeError, match=r"000002\.json is missing"):
        lake.snapshot()


def test_vacuum_removes_what_a_killed_writer_left_but_only_when_it_is_old(lake):
    lake.append("usage", table(row("a")))
    orphan = lake.root / "data" / "usage" / "orphan.parquet"
    pq.write_table(table(row("z")), orphan)
    (lake.root / "staging" / "dead").mkdir()
    assert lake.vacuum() == ()
    assert set(lake.vacuum(grace=-1)) == {orphan, lake.root / "staging" / "dead"}
    assert [t[3] for t in seen(lake.read("usage"))] == ["a"]
