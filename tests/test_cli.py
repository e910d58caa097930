"""The command line as a person meets it: what works ends with 0, what does not says what and where and ends with 1."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Run

import tieline
from features.simulator import SCENARIOS, fingerprint

JOURNEY = """
SELECT id, 'customer' AS key_type, who AS key, "when"::TIMESTAMPTZ AS at, "when"::TIMESTAMPTZ AS known_at,
       phase, 'web' AS channel, NULL::DOUBLE AS value
FROM input
"""
ROWS = "id,who,when,phase\na,C1,2025-01-01T10:00:00Z,ask\nb,C2,2025-01-02T10:00:00Z,use\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("train", "churn")`` in a home of its own: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))

    return command


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
    assert "phase is not one of:" in " ".join(out.split())
    assert "browse" not in out
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
        (("serve", "--as-of", "nonsense"), "--as-of or TIELINE_AS_OF: write 'lake', 'now' or an instant"),
        (("serve", "--port", "99999"), "--port or TIELINE_PORT: Input should be less than or equal to 65535"),
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


@pytest.mark.parametrize("words", [(), ("ingest",), ("train",), ("serve",), ("simulate",), ("demo",)], ids=str)
def test_help_says_what_a_command_does(run: Run, words: tuple[str, ...]) -> None:
    code, out, _ = run(*words, "--help")
    assert code == 0
    assert "Usage" in out


def test_a_simulation_of_few_says_why_nothing_can_be_learned(run: Run) -> None:
    assert run("simulate", "--customers", 30, "--months", 4, "--scenario", "small")[0] == 0
    code, _, err = run("train", "churn")
    assert code == 1
    assert "churn" in err or "leaves" in err
    assert "Traceback" not in err


SMALL = ("simulate", "--customers", 40, "--months", 2, "--scenario", "small")


def test_a_simulation_says_what_became_of_its_rows_and_is_there_once(run: Run) -> None:
    code, out, err = run(*SMALL, "--json")
    told = json.loads(out.splitlines()[-1])
    assert (code, told["refused"]) == (0, 0)
    assert told["rows"] == sum(receipt["kept"] + receipt["revised"] for receipt in told["sources"].values()) > 500
    assert f"{told['rows']:,} rows in" in err
    again = json.loads(run(*SMALL, "--json")[1].splitlines()[-1])
    assert all(receipt["already_known"] == receipt["read"] for receipt in again["sources"].values())


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with that simulation."""
    home = tmp_path_factory.mktemp("simulated") / "home"
    environment = {**os.environ, "TIELINE_HOME": str(home)}
    subprocess.run([sys.executable, tieline.__file__, *map(str, SMALL)], env=environment, check=True)
    return home


@pytest.fixture
def home(simulated: Path, tmp_path: Path) -> Path:
    return shutil.copytree(simulated, tmp_path / "home")


@pytest.mark.usefixtures("home")
def test_another_simulation_in_the_same_home_is_an_error_and_changes_nothing(run: Run) -> None:
    code, _, err = run(*SMALL, "--seed", 1)
    assert (code, "already holds another simulation" in err) == (1, True)
    assert "Traceback" not in err
    assert run(*SMALL)[0] == 0


def test_bad_feeds_are_no_failure_of_the_simulation(run: Run) -> None:
    words = ("simulate", "--customers", 100, "--months", 2, "--scenario", "dirty")
    code, out, err = run(*words)
    refused = re.search(r"([0-9,]+) rows were refused", out)
    assert (code, "error" in err) == (0, False)
    assert refused is not None
    assert int(refused[1]) > 5
    assert f"{refused[1]} rows in quarantine" in run("quarantine")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--scenario", "strom"), "there is no scenario 'strom'"),
        (("--start", "soon"), "'soon' is not a date"),
        (("--start", "2025-03-02"), "'2025-03-02' is not the first of a month"),
        (("--customers", 10**7), "customers must be between 1 and"),
        (("--months", 3, "--scenario", "storm"), "more months are needed"),
        (("--months", 1000), "before 2100"),
        (("--start", "9990-01-01"), "before 2100"),
    ],
    ids=str,
)
def test_a_simulation_that_cannot_be_is_refused_at_once(run: Run, words: tuple[object, ...], says: str) -> None:
    code, _, err = run("simulate", *words)
    assert code != 0
    assert says in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err


def test_a_scenario_describes_itself_and_the_help_names_them_all(run: Run) -> None:
    code, out, _ = run("simulate", "--describe", "--scenario", "storm", "--json")
    told = json.loads(out)
    declared = told["scenario"]
    assert (code, declared["name"], declared["storm_days"]) == (0, "storm", [150, 120])
    assert declared["feeds.late_share"] == 0.015
    assert told["fingerprint"] == fingerprint(SCENARIOS["storm"])
    assert all(name in run("simulate", "--help")[1] for name in SCENARIOS)


def test_a_simulation_starts_when_it_is_told_to(run: Run) -> None:
    assert run(*SMALL, "--start", "2019-04-01")[0] == 0
    report = json.loads(run("check-source", "journey", "--json")[1])
    assert report["coverage"][0][0].startswith("2019-04-01T00:00")
    assert report["coverage"][-1][1].startswith("2019-06-01T00:00")


@pytest.mark.usefixtures("run")
def test_an_interrupted_simulation_leaves_the_lake_as_it_was(home: Path) -> None:
    lake = home / "lakes" / "telecom"
    for months in range(40, 45):  # on a busy machine it may be done before we have seen it begin to write
        before = {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()}
        longer = [*map(str, SMALL), "--months", str(months)]
        child = subprocess.Popen(
            [sys.executable, tieline.__file__, *longer],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a background shell has it ignored
        )
        while not any(lake.glob("staging/*/rows-*.parquet")) and child.poll() is None:
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        if child.returncode:
            break
    assert child.returncode != 0
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in lake.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("words", [("simulate", "--customers", 30, "--months", 3), ("train", "churn"), ("serve",)])
@pytest.mark.parametrize("below", ["", "state"], ids=["a file", "below a file"])
def test_a_home_that_is_a_file_is_said_to_be_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], below: str
) -> None:
    (tmp_path / "notes.txt").write_text("not a folder")
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "notes.txt" / below))
    code, _, err = run(*words)
    assert code == 1
    assert f"TIELINE_HOME: {tmp_path / 'notes.txt'} is not a folder" in err
    assert "Traceback" not in err


def test_a_home_that_cannot_be_made_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_HOME", "/proc/tieline")
    code, _, err = run("simulate", "--customers", 30, "--months", 3)
    assert code == 1
    assert err.strip().splitlines()[-1].startswith("error: ")
    assert "/proc/tieline" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("name", "value", "words", "says"),
    [
        ("TIELINE_AS_OF", "nonsense", ("serve",), "TIELINE_AS_OF"),
        ("TIELINE_PORT", "99999", ("serve",), "TIELINE_PORT"),
        ("TIELINE_HOST", "no.such.host.invalid", ("serve",), "no.such.host.invalid"),
        ("TIELINE_WORKSPACE", "nowhere", ("serve",), "not a workspace"),
        ("TIELINE_WORKSPACE", "nowhere", ("train", "churn"), "not a workspace"),
    ],
)
def test_what_the_environment_sets_is_used(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: tuple[str, ...], says: str
) -> None:
    monkeypatch.setenv(name, value)
    code, _, err = run(*words)
    assert code == 1
    assert says in err
    assert "Traceback" not in err


def test_an_option_comes_before_the_environment_and_an_empty_variable_sets_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TIELINE_AS_OF", "TIELINE_PORT"):
        monkeypatch.setenv(name, "nonsense")
    for name in ("TIELINE_HOST", "TIELINE_WORKSPACE"):
        monkeypatch.setenv(name, "")
    code, _, err = run("serve", "--as-of", "now", "--port", 0)
    assert (code, "is empty" in err) == (1, True)
