"""The command line as a person meets it: what works ends with 0, what does not says what and where and ends with 1."""

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tieline

JOURNEY = """
SELECT id, 'customer' AS key_type, who AS key, "when"::TIMESTAMPTZ AS at, "when"::TIMESTAMPTZ AS known_at,
       phase, 'web' AS channel, NULL::DOUBLE AS value
FROM input
"""
ROWS = "id,who,when,phase\na,C1,2025-01-01T10:00:00Z,ask\nb,C2,2025-01-02T10:00:00Z,use\n"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """``run("train", "churn")`` in a home of its own: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tieline", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            tieline.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """``files(sql, rows)``: both written down."""

    def write(sql: str = JOURNEY, rows: str = ROWS) -> tuple[Path, Path]:
        (tmp_path / "j.sql").write_text(sql)
        (tmp_path / "raw.csv").write_text(rows)
        return tmp_path / "j.sql", tmp_path / "raw.csv"

    return write


def ingest(run: Run, sql: Path, raw: Path, *more: object) -> tuple[int, str, str]:
    return run("ingest", "journey", "--sql", sql, "--input", raw, *more)


def test_raw_rows_become_facts_once(run: Run, files: Callable[..., tuple[Path, Path]]) -> None:
    code, out, _ = ingest(run, *files(), "--json")
    first = json.loads(out.splitlines()[-1])["journey"]
    assert (code, first["read"], first["kept"], first["quarantined"]) == (0, 2, 2, 0)
    code, out, _ = ingest(run, *files(), "--json")
    assert (code, json.loads(out.splitlines()[-1])["journey"]["already_known"]) == (0, 2)


@pytest.mark.parametrize(
    ("sql", "rows", "says"),
    [
        (JOURNEY.replace("phase, 'web'", "'web'"), ROWS, "phase"),
        (JOURNEY.replace("NULL::DOUBLE AS value", "'much' AS value"), ROWS, "value"),
        (JOURNEY.replace("TIMESTAMPTZ AS at", "TIMESTAMP AS at"), ROWS, "time zone"),
        ("SELEKT 1", ROWS, "SELEKT"),
        (JOURNEY, "id,who,when,phase\n", "no rows"),
    ],
    ids=["missing column", "wrong type", "time without zone", "not SQL", "no rows"],
)
def test_a_select_that_cannot_be_facts_is_refused(
    run: Run, files: Callable[..., tuple[Path, Path]], sql: str, rows: str, says: str
) -> None:
    code, _, err = ingest(run, *files(sql, rows))
    assert code == 1
    assert says in err
    assert "j.sql" in err
    assert "Traceback" not in err


def test_a_file_that_is_not_there_and_an_empty_one(
    run: Run, files: Callable[..., tuple[Path, Path]], tmp_path: Path
) -> None:
    sql, _ = files()
    code, _, err = ingest(run, sql, tmp_path / "nowhere.csv")
    assert (code, "nowhere.csv" in err) == (1, True)
    (tmp_path / "empty.csv").touch()
    code, _, err = ingest(run, sql, tmp_path / "empty.csv")
    assert (code, "empty.csv" in err) == (1, True)
    code, _, err = ingest(run, tmp_path / "no.sql", tmp_path / "raw.csv")
    assert (code, "no.sql" in err) == (1, True)


def test_refused_rows_are_counted_kept_apart_and_shown(run: Run, files: Callable[..., tuple[Path, Path]]) -> None:
    rows = ROWS + "c,C3,2025-01-03T10:00:00Z,browse\na,C1,2025-01-01T10:00:00Z,buy\n"
    code, out, err = ingest(run, *files(rows=rows), "--json")
    receipt = json.loads(out.splitlines()[-1])["journey"]
    assert (code, receipt["kept"], receipt["quarantined"]) == (1, 2, 2)
    assert "tieline quarantine" in err
    code, out, _ = run("quarantine", "journey")
    assert code == 0
    assert "browse" in out
    assert "2 rows in quarantine" in out
    assert ingest(run, *files(), "--max-quarantined", 2)[0] == 0


def test_gzip_and_check_source(run: Run, files: Callable[..., tuple[Path, Path]], tmp_path: Path) -> None:
    sql, raw = files()
    (tmp_path / "raw.csv.gz").write_bytes(gzip.compress(raw.read_bytes()))
    assert ingest(run, sql, tmp_path / "raw.csv.gz")[0] == 0
    code, out, _ = run("check-source", "journey", "--json")
    report = json.loads(out.splitlines()[-1])
    assert (code, report["rows"], report["keys"]) == (0, 2, 2)
    code, _, err = run("check-source", "jurney")
    assert code == 1
    assert "jurney" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train", "churn"), "is empty"),
        (("train", "chrun"), "no task 'chrun'"),
        (("serve",), "empty"),
        (("ingest",), "--input"),
        (("ingest", "--input", "x.csv"), "no sql"),
        (("train", "t", "--workspace", "nowhere"), "not a workspace"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_says_what_to_do(run: Run, words: tuple[str, ...], says: str) -> None:
    code, _, err = run(*words)
    assert code == 1
    assert says in err
    assert "Traceback" not in err


def test_a_date_without_zone_or_sense_is_a_usage_error(run: Run) -> None:
    for text in ("2025-01-01T10:00", "soon"):
        code, _, err = run("train", "churn", "--train-to", text)
        assert code != 0
        assert text in err


@pytest.mark.parametrize("command", [(), ("ingest",), ("train",), ("serve",), ("simulate",), ("demo",)], ids=str)
def test_help_says_what_a_command_does(run: Run, command: tuple[str, ...]) -> None:
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage" in out


def test_a_simulation_of_few_says_why_nothing_can_be_learned(run: Run) -> None:
    assert run("simulate", "--customers", 30, "--months", 4)[0] == 0
    code, _, err = run("train", "churn")
    assert code == 1
    assert "churn" in err or "leaves" in err
    assert "Traceback" not in err
