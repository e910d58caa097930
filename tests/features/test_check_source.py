import json

import pytest
from usage_rows import row, table

from features.facts import source
from features.ingest.check_source import check_source
from features.lake import Lake, LakeError

DAY = 86_400_000_000
MONDAY = 20_003 * DAY  # 2024-10-07


def feed(days, per_day=lambda day: 3, lag=3_600_000_000):
    """Rows on every day for which ``per_day`` says so, spread over the day, known ``lag`` microseconds later."""
    starts = [MONDAY + day * DAY for day in range(days) for _ in range(per_day(day))]
    return table(
        *(
            row(str(i), None if i % 4 == 0 else 1.0, at=start + i, known_at=start + i + lag, key_id=i % 10)
            for i, start in enumerate(starts)
        )
    )


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def test_a_healthy_feed_is_described_without_complaint(lake):
    lake.append("usage", feed(60), covered=[(MONDAY, MONDAY + 60 * DAY)], known_at_from="assumed:1h")
    report = check_source(lake, "usage")
    assert (report.rows, report.keys, report.first_at[:10], report.last_at[:10]) == (
        180,
        10,
        "2024-10-07",
        "2024-12-05",
    )
    assert (report.rows_per_day_median, report.rows_per_day_min, report.rows_per_day_max) == (3.0, 3, 3)
    assert report.lag_seconds.median == report.lag_seconds.longest == 3600.0
    assert report.lag_seconds.negative == 0.0
    assert report.gaps == ()
    assert report.coverage == (("2024-10-07T00:00:00+00:00", "2024-12-06T00:00:00+00:00"),)
    assert report.assumed == ("1h",)
    assert report.missing == {"metric": 0.0, "value": 0.25}
    assert report.keys_elsewhere is None
    assert json.loads(json.dumps(report.to_json()))["days"][0] == ["2024-10-07", 3]


def test_an_outage_is_a_gap_and_quiet_weekends_or_a_sparse_feed_are_not(lake):
    def broken_off(day):
        return 0 if day % 7 in (5, 6) or 30 <= day < 35 else 4

    lake.append("usage", feed(90, broken_off), covered=[(MONDAY, MONDAY + 90 * DAY)], gaps=[(MONDAY, MONDAY + DAY)])
    [gap] = check_source(lake, "usage").gaps
    assert (gap.first, gap.last, gap.expected, gap.covered) == ("2024-11-06", "2024-11-10", 12.0, True)
    sparse = Lake(lake.root.with_name("sparse"))
    sparse.append("usage", feed(90, lambda day: day % 9 == 0))
    assert check_source(sparse, "usage").gaps == ()


def test_a_gap_that_is_declared_is_told_from_one_that_is_not(lake):
    silence = (MONDAY + 30 * DAY, MONDAY + 34 * DAY)
    rows = feed(90, lambda day: 0 if 30 <= day < 34 else 4)
    lake.append("usage", rows, covered=[(MONDAY, MONDAY + 90 * DAY)], gaps=[silence])
    [gap] = check_source(lake, "usage").gaps
    assert not gap.covered


def test_keys_known_elsewhere_count_also_as_the_other_key_of_evidence(lake):
    lake.append("usage", table(*(row(str(i), key_id=i) for i in range(1, 5))))
    link = {"id": "e", "key_id": 9, "at": 10, "known_at": 20, "void": False, "other_id": 2, "state": "linked"}
    schema = source("evidence").schema
    lake.append("evidence", schema.empty_table().from_pylist([link], schema=schema))
    assert check_source(lake, "usage").keys_elsewhere == 0.25
    assert check_source(lake, "evidence").keys_elsewhere == 0.0


def test_revisions_rejects_and_rows_known_before_they_happened_are_counted(lake):
    lake.append("usage", table(row("a"), row("b"), row("c", at=30, known_at=20), row("c", 9.0, at=30, known_at=20)))
    lake.append("usage", table(row("a", 2.0, known_at=25)))
    report = check_source(lake, "usage")
    assert (report.rows, report.revised, report.quarantined) == (4, 0.25, 1)
    assert report.lag_seconds.negative == 0.25


def test_a_source_without_facts_is_an_error_that_names_those_there_are(lake):
    lake.append("usage", table(row("a")))
    with pytest.raises(LakeError, match=r"source 'sla' has no facts yet \(there are some of: usage\)"):
        check_source(lake, "sla")
    with pytest.raises(KeyError, match="unknown source 'bills'"):
        check_source(lake, "bills")
