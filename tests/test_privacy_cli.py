"""The commands a data protection officer uses, as they meet them."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Run

from features.catalog import CATALOG
from features.lake import Lake
from features.privacy.person import needles
from features.privacy.scan import scan as search
from features.privacy.secrets import open_keyring

ROOT = Path(__file__).parents[1]

SQL = """
SELECT id, 'customer' AS key_type, who AS key, "when"::TIMESTAMPTZ AS at, "when"::TIMESTAMPTZ AS known_at,
       'ask' AS phase, 'web' AS channel
FROM input
"""
ROWS = "id,who,when\na,C1,2025-01-01T10:00:00Z\nb,C2,2025-01-02T10:00:00Z\nc,C1,2025-01-03T10:00:00Z\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("forget", ...)`` in a home with three facts of two customers: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIELINE_SECRET", raising=False)
    (tmp_path / "j.sql").write_text(SQL)
    (tmp_path / "raw.csv").write_text(ROWS)

    assert command("ingest", "journey", "--sql", tmp_path / "j.sql", "--input", tmp_path / "raw.csv")[0] == 0
    return command


def last(out: str) -> dict:
    return json.loads(out.splitlines()[-1])


def test_who_is_forgotten_is_found_before_and_not_after_and_does_not_come_back(run: Run, tmp_path: Path):
    code, out, _ = run("scan", "--key", "customer:C1", "--json")
    assert (code, len(last(out)["found"]) > 0) == (0, True)
    code, out, _ = run("forget", "--key", "customer:C1", "--yes", "--json")
    assert (code, last(out)["facts"], last(out)["keys"]) == (0, {"journey": 2}, {"customer": 1})
    assert last(run("scan", "--key", "customer:C1", "--json")[1])["found"] == []
    ingest = ("ingest", "journey", "--sql", tmp_path / "j.sql", "--input", tmp_path / "raw.csv")
    code, out, _ = run(*ingest, "--json")
    assert (code, last(out)["journey"]["suppressed"], last(out)["journey"]["kept"]) == (0, 2, 0)
    code, out, _ = run("forget", "--key", "customer:C1", "--yes")
    assert (code, out) == (0, "nothing is kept under this customer\n")


CUT_OFF = """
import os, sys
from pathlib import Path
from features.catalog import CATALOG
from features.lake import Lake
from features.privacy import forget
from features.privacy.secrets import open_keyring
real, (home, calls) = getattr(forget, sys.argv[2]), (Path(sys.argv[1]), [])
def last(*words):
    calls.append(words)
    return real(*words) if len(calls) < int(sys.argv[3]) else os._exit(9)
setattr(forget, sys.argv[2], last)
lake = Lake(home / "lakes" / "telecom")
forget.forget(lake, CATALOG, open_keyring(home, lake), "customer", "C1")
"""


@pytest.mark.parametrize("step", [("purged", 2), ("swept", 1)], ids=["hidden", "rewritten"])
@pytest.mark.parametrize("by", ["compact", "ingest"])
def test_a_forgetting_that_was_cut_off_is_finished_by_who_writes_next(
    run: Run, tmp_path: Path, step: tuple[str, int], by: str
):
    home = tmp_path / "home"
    lake = Lake(home / "lakes" / "telecom")
    wanted = needles(lake, CATALOG, open_keyring(home, lake), "customer", "C1")
    killed = subprocess.run([sys.executable, "-c", CUT_OFF, str(home), *map(str, step)], cwd=ROOT, timeout=120)
    assert killed.returncode == 9
    assert search(home, wanted)
    words = {"compact": ("compact",), "ingest": ("ingest", "journey", "--sql", tmp_path / "j.sql", "--input")}[by]
    (tmp_path / "next.csv").write_text("id,who,when\nd,C2,2025-01-05T10:00:00Z\n")
    assert run(*words, *([tmp_path / "next.csv"] if by == "ingest" else []))[0] == 0
    assert search(home, wanted) == ()
    assert set(lake.read("journey")["id"].to_pylist()) == {"b"} | ({"d"} if by == "ingest" else set())


def test_it_asks_first_and_no_is_no(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, _, err = run("forget", "--key", "customer:C1")
    assert code == 1
    assert "nothing undoes it" in err
    assert "C1" not in err
    assert last(run("scan", "--key", "customer:C1", "--json")[1])["found"]


def test_an_export_goes_to_a_file_of_its_owner_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    code, out, _ = run("export", "--key", "customer:C2")
    assert (code, json.loads(out)["sources"]["journey"]["facts"][0]["id"]) == (0, "b")
    monkeypatch.setattr(sys, "stdin", io.StringIO("customer:C1\n"))
    code, out, _ = run("export", "--key", "-", "--out", tmp_path / "c1.json")
    assert (code, out.startswith("2 facts in ")) == (0, True)
    assert (tmp_path / "c1.json").stat().st_mode & 0o777 == 0o600
    (tmp_path / "c2.json").write_text("what was there before, and longer than what comes" * 99)
    (tmp_path / "c2.json").chmod(0o644)
    assert run("export", "--key", "customer:C2", "--out", tmp_path / "c2.json")[0] == 0
    assert (tmp_path / "c2.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "c2.json").read_text())["sources"]


def test_after_a_rotation_the_same_customers_are_found(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NEW", "a new secret, long enough")
    code, out, _ = run("rotate-secret", "--new-from-env", "NEW", "--json")
    assert (code, last(out)["generation"], last(out)["lakes"]) == (0, 1, ["telecom"])
    assert len((tmp_path / "home" / "secret.key").read_text().splitlines()) == 2
    code, out, _ = run("export", "--key", "customer:C1")
    assert len(json.loads(out)["sources"]["journey"]["facts"]) == 2
    assert run("rotate-secret", "--new-from-env", "NOT_SET")[0] == 1


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("short", "the new secret: "),
        ("two secrets, long enough\non two lines, of which one", "2 lines"),
        ("a first secret of it", "one of"),
    ],
)
def test_what_cannot_be_a_new_secret_is_said_in_words(run: Run, monkeypatch: pytest.MonkeyPatch, new: str, says: str):
    monkeypatch.setenv("NEW", "a first secret of it")
    assert run("rotate-secret", "--new-from-env", "NEW")[0] == 0
    monkeypatch.setenv("NEW", new)
    code, _, err = run("rotate-secret", "--new-from-env", "NEW")
    assert (code, says in err) == (1, True), err
    assert new not in err


@pytest.mark.parametrize("secret", ["", "abc"])
def test_what_is_no_secret_stops_the_command_in_words(run: Run, monkeypatch: pytest.MonkeyPatch, secret: str):
    monkeypatch.setenv("TIELINE_SECRET", secret)
    for words in (("export", "--key", "customer:C1"), ("rotate-secret",)):
        code, _, err = run(*words)
        assert code == 1
        assert "error: TIELINE_SECRET: the secret has" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("forget", "--key", "C1", "--yes"), "TYPE:VALUE"),
        (("forget", "--key", "passport:C1", "--yes"), "is not a type of key"),
        (("export", "--key", "msisdn:12"), "msisdn"),
    ],
)
def test_what_is_no_key_is_said_in_words(run: Run, words: tuple[str, ...], says: str):
    code, _, err = run(*words)
    assert code in (1, 2)
    assert says in err


def test_a_missing_secret_stops_the_command_and_says_what_helps(run: Run, tmp_path: Path):
    (tmp_path / "home" / "secret.key").unlink()
    for words in (("export", "--key", "customer:C1"), ("forget", "--key", "customer:C1", "--yes")):
        code, _, err = run(*words)
        assert code == 1
        assert "set TIELINE_SECRET, or put secret.key back" in err
        assert "new TIELINE_HOME" in err
        assert "secrets.token_hex(32)" in err
