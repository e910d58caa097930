"""The example workspace's SQL over a small log of the same form, and over the real one where it is at hand."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc
import pytest

from features.identity.keys import KeyRing
from features.ingest import ingest
from features.lake import Lake
from features.workspace import load_workspace

ROOT = Path(__file__).parents[2]
WORKSPACE = load_workspace(ROOT / "examples" / "uci_incidents")
SQL = WORKSPACE.sql_files
REAL = ROOT.parent / "shared" / "data" / "uci_incident_events_to_2016-04.csv.gz"
RING = KeyRing(b"0123456789abcdef")
TYPES = WORKSPACE.catalog.key_types

OPENING = {
    "number": "INC1", "incident_state": "New", "reassignment_count": "0", "reopen_count": "0", "sys_mod_count": "0",
    "made_sla": "true", "caller_id": "Caller 1", "opened_by": "Opened by  8", "opened_at": "29/2/2016 01:16",
    "sys_updated_at": "29/2/2016 01:23", "contact_type": "Phone", "location": "Location 1", "category": "Category 1",
    "subcategory": "Subcategory 1", "u_symptom": "?", "cmdb_ci": "?", "impact": "2 - Medium",
    "urgency": "2 - Medium", "priority": "3 - Moderate", "assignment_group": "Group 1", "assigned_to": "?",
    "knowledge": "true", "u_priority_confirmation": "false", "notify": "Do Not Notify",
    "resolved_at": "29/2/2016 11:29", "closed_at": "5/3/2016 12:00",
}  # fmt: skip
LIFE = (
    OPENING,
    {"sys_mod_count": "1", "assignment_group": "Group 2", "reassignment_count": "1", "assigned_to": "Resolver 1"},
    {"sys_mod_count": "2", "sys_updated_at": "29/2/2016 08:53", "incident_state": "Resolved", "u_symptom": "Symptom 5"},
    {"sys_mod_count": "3", "sys_updated_at": "1/3/2016 9:00", "incident_state": "Active", "reopen_count": "1"},
    {"sys_mod_count": "4", "sys_updated_at": "2/3/2016 9:00", "priority": "1 - Critical", "made_sla": "false"},
    {"sys_mod_count": "5", "sys_updated_at": "3/3/2016 9:00", "incident_state": "Resolved", "assignment_group": "?"},
    {"sys_mod_count": "6", "sys_updated_at": "8/3/2016 9:00", "incident_state": "Closed"},
)


def updates():
    """The rows of the log: every update is the one before it with some fields changed."""
    row = {}
    for changes in LIFE:
        row = {**row, **changes}
        yield row


def log(path, rows):
    rows = list(rows)
    path.write_text("\n".join([",".join(rows[0]), *(",".join(r.values()) for r in rows)]) + "\n")
    return path


def made(lake, path):
    receipts = [
        ingest(lake, RING, name, SQL[name], path, key_types=TYPES, prepare=WORKSPACE.prepare_sql) for name in SQL
    ]
    assert [r.quarantined for r in receipts] == [0] * len(SQL)
    return lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("incidents")
    return made(Lake(folder / "lake"), log(folder / "log.csv", updates()))


def instant(*when):
    return datetime(*when, tzinfo=UTC)


def visible(lake, source, cutoff):
    """The rows that were known and not yet revised at the cutoff."""
    return [
        r
        for r in lake.read(source).to_pylist()
        if r["known_at"] < cutoff and r["at"] < cutoff and (r["until"] is None or cutoff <= r["until"])
    ]


def test_just_after_the_opening_all_own_fields_and_nothing_later_are_known(lake):
    cutoff = instant(2016, 2, 29, 1, 23, 0, 1)
    noted = {r["action"]: r["topic"] for r in visible(lake, "journey", cutoff)}
    assert noted == {
        "open": "Category 1",
        "category": "Category 1",
        "subcategory": "Subcategory 1",
        "location": "Location 1",
        "assignment_group": "Group 1",
        "opened_by": "Opened by  8",
        "knowledge": "true",
        "u_priority_confirmation": "false",
        "notify": "Do Not Notify",
        "incident_state": "New",
    }
    measured = {r["metric"]: r["value"] for r in visible(lake, "usage", cutoff)}
    assert {k: measured[k] for k in ("impact", "urgency", "priority")} == {"impact": 2, "urgency": 2, "priority": 3}
    assert (measured["opening_hour"], measured["opening_weekday"], measured["minutes_until_written"]) == (1, 1, 7)
    [fault] = visible(lake, "faults", cutoff)
    assert (fault["state"], fault["severity"], fault["category"]) == ("opened", "minor", "Category 1")
    assert visible(lake, "sla", cutoff) == []
    assert {r["channel"] for r in visible(lake, "journey", cutoff)} == {"call_center"}


def test_an_update_of_the_same_minute_comes_a_microsecond_later(lake):
    groups = [r for r in lake.read("journey").to_pylist() if r["action"] == "assignment_group"]
    assert [(r["topic"], r["known_at"].microsecond) for r in groups] == [("Group 1", 0), ("Group 2", 1)]


def test_a_case_is_cleared_open_again_when_reopened_and_cleared_again(lake):
    def cleared(*when):
        return [r["minutes"] for r in visible(lake, "faults", instant(*when)) if r["state"] == "cleared"]

    assert cleared(2016, 2, 29, 12) == [457]
    assert cleared(2016, 3, 1, 12) == []
    assert cleared(2016, 3, 4) == [3 * 24 * 60 - 16 + 8 * 60]
    assert [r["severity"] for r in visible(lake, "faults", instant(2016, 3, 2, 12))] == ["critical"]


def test_a_missed_promise_is_known_when_an_update_says_so(lake):
    [verdict] = lake.read("sla").to_pylist()
    assert (verdict["metric"], verdict["breached"]) == ("made_sla", True)
    assert verdict["at"] == verdict["known_at"] == instant(2016, 3, 2, 9)


def test_a_promise_that_was_kept_is_known_at_closing(tmp_path):
    rows = [{**row, "made_sla": "true"} for row in updates()]
    lake = made(Lake(tmp_path / "lake"), log(tmp_path / "log.csv", rows))
    [verdict] = lake.read("sla").to_pylist()
    assert (verdict["breached"], verdict["known_at"]) == (False, instant(2016, 3, 8, 9))


def test_an_incident_belongs_to_each_group_it_was_given_to(lake):
    names = {RING.key_id(t, n): n for t, n in [("group", "Group 1"), ("group", "Group 2"), ("agent", "Resolver 1")]}
    links = [(names[r["other_id"]], r["at"]) for r in lake.read("evidence").to_pylist() if r["other_id"] in names]
    opened, written = instant(2016, 2, 29, 1, 16), instant(2016, 2, 29, 1, 23)
    assert sorted(links) == [("Group 1", opened), ("Group 2", written), ("Resolver 1", written)]


def test_a_log_that_grows_gives_the_same_facts_as_the_whole_at_once(tmp_path, lake):
    growing = Lake(tmp_path / "lake")
    rows = list(updates())
    for length in (5, 6, len(rows)):
        made(growing, log(tmp_path / "log.csv", rows[:length]))
    for source in SQL:
        assert growing.read(source).equals(lake.read(source)), source


@pytest.mark.skipif(not REAL.exists(), reason=f"the incident log is not at {REAL}")
def test_the_real_log_becomes_facts_without_a_reject(tmp_path):
    lake = made(Lake(tmp_path / "lake"), REAL)
    openings = pc.sum(pc.equal(lake.read("journey", columns=["action"])["action"], "open")).as_py()
    breached = lake.read("sla")["breached"]
    assert openings == len(breached) == 17_136
    assert pc.sum(breached).as_py() == 7_332
