"""Proposals as evidence in a lake: stated once, revised, withdrawn, and the command that does it."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import Run
from people import holders, people

from features.catalog.keys import KEY_TYPES, LINKS
from features.identity.keys import KeyRing
from features.identity.registers.propose import ProposalError, Proposals
from features.identity.registers.proposed import Appended, append_proposals, evidence
from features.lake import Lake

RING = KeyRing(b"0123456789abcdef")
DAY = timedelta(days=1)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)


def proposals(*pairs: tuple[str, str, float], judged: tuple[str, ...] = ("L1", "L2", "L3")) -> Proposals:
    """``(left, right, confidence)``: links from 0.95 on."""
    frame = pd.DataFrame(pairs, columns=["left", "right", "confidence"]).astype({"left": object, "right": object})
    state = ["linked" if confidence >= 0.95 else "candidate" for confidence in frame["confidence"]]
    frame = frame.assign(state=state, alone=frame["confidence"])
    return Proposals("customer", "loyalty", frame, judged, 3, len(pairs), 0.5, (), (), 0.0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def appended(lake: Lake, found: Proposals, at: datetime) -> Appended:
    return append_proposals(lake, RING, found, at, key_types=KEY_TYPES, links=LINKS)


def standing(lake: Lake, at: datetime) -> dict[tuple[int, int], tuple[str, float]]:
    """(card, customer) -> (state, confidence), as known just after an instant."""
    rows = lake.read("evidence").to_pandas()
    known = rows[(rows.known_at <= at) & ~(rows.until <= at)]
    assert known["id"].is_unique
    return {(r.key_id, r.other_id): (r.state, r.confidence) for r in known.itertuples()}


def pair(left: str, right: str) -> tuple[int, int]:
    return RING.key_id("loyalty", right), RING.key_id("customer", left)


def test_a_repeated_run_adds_nothing(lake: Lake) -> None:
    found = proposals(("C1", "L1", 0.99), ("C2", "L2", 0.7))
    first = appended(lake, found, FIRST)
    assert (first.stated, first.revised, first.withdrawn, first.unchanged, first.refused) == (2, 0, 0, 0, 0)
    again = appended(lake, proposals(("C2", "L2", 0.705), ("C1", "L1", 0.99)), FIRST + DAY)
    assert (again.stated, again.revised, again.withdrawn, again.unchanged) == (0, 0, 0, 2)
    assert again.version == first.version
    assert standing(lake, FIRST) == {pair("C1", "L1"): ("linked", 0.99), pair("C2", "L2"): ("candidate", 0.7)}
    assert standing(lake, FIRST - DAY) == {}


def test_what_is_no_longer_proposed_is_withdrawn_and_stays_known_as_of_before(lake: Lake) -> None:
    appended(lake, proposals(("C1", "L1", 0.99), ("C2", "L2", 0.99)), FIRST)
    later = appended(lake, proposals(("C3", "L1", 0.98), ("C2", "L2", 0.99)), FIRST + DAY)
    assert (later.stated, later.withdrawn, later.unchanged) == (1, 1, 1)
    assert standing(lake, FIRST) == {pair("C1", "L1"): ("linked", 0.99), pair("C2", "L2"): ("linked", 0.99)}
    assert standing(lake, FIRST + DAY) == {pair("C3", "L1"): ("linked", 0.98), pair("C2", "L2"): ("linked", 0.99)}
    back = appended(lake, proposals(("C1", "L1", 0.99), ("C2", "L2", 0.99)), FIRST + 2 * DAY)
    assert (back.stated, back.withdrawn, back.unchanged) == (1, 1, 1)
    assert standing(lake, FIRST + 2 * DAY) == standing(lake, FIRST)


def test_a_link_that_became_doubtful_is_revised_and_keeps_when_it_was_first_proposed(lake: Lake) -> None:
    appended(lake, proposals(("C1", "L1", 0.99)), FIRST)
    later = appended(lake, proposals(("C1", "L1", 0.6)), FIRST + DAY)
    assert (later.stated, later.revised, later.withdrawn) == (0, 1, 0)
    assert standing(lake, FIRST + DAY) == {pair("C1", "L1"): ("candidate", 0.6)}
    assert set(lake.read("evidence")["at"].to_pylist()) == {FIRST}


def test_a_run_speaks_for_the_keys_it_judged_only(lake: Lake) -> None:
    appended(lake, proposals(("C1", "L1", 0.99), ("C2", "L2", 0.99)), FIRST)
    later = appended(lake, proposals(judged=("L2", "L3")), FIRST + DAY)
    assert later.withdrawn == 1
    assert list(standing(lake, FIRST + DAY)) == [pair("C1", "L1")]


def test_evidence_of_others_stays(lake: Lake) -> None:
    appended(lake, proposals(("C1", "L1", 0.99)), FIRST)
    before = lake.read("evidence").to_pandas()
    lake.append("evidence", lake.read("evidence").drop_columns("until").set_column(0, "id", [["shop:1"]]))
    appended(lake, proposals(), FIRST + DAY)
    rows = lake.read("evidence").to_pandas()
    assert set(rows[rows.until.isna()]["id"]) == {"shop:1"}
    assert len(rows) == len(before) + 1


def test_a_run_cannot_change_what_became_known_after_it(lake: Lake) -> None:
    appended(lake, proposals(("C1", "L1", 0.99)), FIRST)
    with pytest.raises(ProposalError, match="known later"):
        appended(lake, proposals(("C3", "L1", 0.99)), FIRST)
    assert standing(lake, FIRST) == {pair("C1", "L1"): ("linked", 0.99)}


def test_ids_name_nobody() -> None:
    found = proposals(("C1", "L1", 0.99))
    ids = evidence(found, RING, FIRST)["id"].to_pylist()
    assert ids == evidence(found, RING, FIRST + DAY)["id"].to_pylist()
    assert ids != evidence(found, KeyRing(b"another secret of it"), FIRST)["id"].to_pylist()
    assert "C1" not in ids[0]
    assert "L1" not in ids[0]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("propose", ...)`` in a home of its own: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))

    return command


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    known = people()
    known.to_csv(tmp_path / "crm.csv", index=False)
    holders(known).to_csv(tmp_path / "shops.csv", index=False)
    return tmp_path / "crm.csv", tmp_path / "shops.csv"


def test_the_command_brings_links_into_the_lake_once(run: Run, files: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("propose", *files, "--keys", "customer,loyalty", "--append", "--json")
    code, out, err = run(*words, "--out", tmp_path / "e.parquet", "--plot", tmp_path / "p.png")
    said = json.loads(out.splitlines()[-1])
    assert code == 0
    assert said["links"] >= 90
    assert said["appended"]["stated"] == said["links"] + said["candidates"]
    assert {weight["comparison"] for weight in said["weights"]} == {"first name", "birth date", "email", "home"}
    assert "C001" not in out + err
    assert "Maes" not in out + err
    assert pq.read_table(tmp_path / "e.parquet").num_rows == said["appended"]["stated"]
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = run(*words)
    assert json.loads(out.splitlines()[-1])["appended"]["unchanged"] == said["appended"]["stated"]
    stored = Lake(next((tmp_path / "home").rglob("log")).parent).read("evidence")
    assert stored.num_rows == said["appended"]["stated"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keys", "loyalty,customer"), "no link is declared from 'customer' to 'loyalty'"),
        (("--keys", "customer"), "is not two key types"),
        (("--keys", "customer,loyalty", "--link", "0.4"), "thresholds must rise"),
        (("--keys", "customer,loyalty", "--without", "shoe_size"), "'shoe_size' is not compared"),
        (("--keys", "customer,email"), "the right register (shops.csv): row"),
        (("--keys", "customer,loyalty", "--out", "e.xlsx"), "the name must end in .csv or .parquet"),
        (("--keys", "customer,loyalty", "--out", "nowhere/e.csv"), "there is no folder nowhere"),
        (("--keys", "customer,loyalty", "--plot", "p.svg"), "the name must end in .png"),
        (("--keys", "customer,loyalty", "--plot", "nowhere/p.png"), "there is no folder nowhere"),
    ],
)
def test_the_command_says_what_is_wrong(
    run: Run, files: tuple[Path, Path], words: tuple[str, ...], message: str
) -> None:
    code, _, err = run("propose", *files, *words)
    assert code != 0
    assert message in " ".join(err.replace("│", " ").split())


def test_links_known_only_after_the_lakes_end_are_said_to_count_nowhere_yet(
    run: Run, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "visits.csv").write_text("id,key,at\nv1,C001,2025-03-01T00:00Z\nv2,C001,2025-04-01T00:00Z\n")
    (tmp_path / "visits.sql").write_text(
        'SELECT id, \'customer\' AS key_type, "key", "at"::TIMESTAMPTZ AS "at", "at"::TIMESTAMPTZ AS known_at, '
        "'ask' AS phase, 'web' AS channel FROM input"
    )
    assert run("ingest", "journey", "--sql", tmp_path / "visits.sql", "--input", tmp_path / "visits.csv")[0] == 0
    words = ("propose", *files, "--keys", "customer,loyalty", "--append")
    said = {at: " ".join(run(*words, "--known-at", at)[1].split()) for at in ("2025-03-15", "2025-05-01")}
    assert "the lake's end" not in said["2025-03-15"]
    assert "known only at 2025-05-01T00:00Z, not before the lake's end (2025-04-01T00:00Z)" in said["2025-05-01"]
    assert "--known-at before the end" in said["2025-05-01"]


def test_without_the_extra_the_command_says_how_to_get_it(
    run: Run, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "splink", None)
    monkeypatch.delitem(sys.modules, "features.identity.registers.propose")
    code, _, err = run("propose", *files, "--keys", "customer,loyalty")
    assert code == 1
    assert "pip install 'tieline[splink]'" in err
