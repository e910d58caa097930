"""`tieline link` and `tieline who` as a person meets them: what they say, and that no key's name is ever in it."""

import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from command_line import Run

import tieline

EVIDENCE = """
SELECT id, kind AS key_type, "key", "to" AS other_type, other, "at"::TIMESTAMPTZ AS "at",
    known::TIMESTAMPTZ AS known_at, state, confidence::DOUBLE AS confidence
FROM input
"""
ROWS = """id,kind,key,to,other,at,known,state,confidence
his,msisdn,+32471000001,customer,C1,2025-01-01T00:00Z,2025-01-01T01:00Z,linked,
hers,msisdn,+32471000001,customer,C2,2025-03-01T00:00Z,2025-03-02T00:00Z,linked,
login,cookie,secret-cookie,customer,C1,2025-02-10T00:00Z,2025-02-10T00:05Z,linked,
again,cookie,secret-cookie,customer,C1,2025-02-11T00:00Z,2025-02-11T00:05Z,linked,
third,cookie,secret-cookie,customer,C1,2025-02-12T00:00Z,2025-02-12T00:05Z,linked,
maybe,loyalty,card-7,customer,C2,2025-02-01T00:00Z,2025-02-01T00:00Z,candidate,0.7
same,customer,C3,customer,C1,2025-02-20T00:00Z,2025-02-20T00:00Z,linked,
line,line,L3,customer,C3,2025-01-05T00:00Z,2025-01-05T00:00Z,linked,
"""
JOURNEY = """
SELECT id, kind AS key_type, "key", "at"::TIMESTAMPTZ AS "at", known::TIMESTAMPTZ AS known_at, phase, 'web' AS channel
FROM input
"""
VISITS = """id,kind,key,at,known,phase
v1,cookie,secret-cookie,2025-02-01T00:00Z,2025-02-01T00:10Z,explore
v2,cookie,another,2025-02-01T00:00Z,2025-02-01T00:10Z,explore
c1,customer,C1,2025-03-20T00:00Z,2025-03-20T00:10Z,ask
"""
NAMES = ("471000001", "secret-cookie", "card-7", "another")


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a lake of a few rows."""
    folder = tmp_path_factory.mktemp("lived")
    texts = {"evidence.sql": EVIDENCE, "evidence.csv": ROWS, "journey.sql": JOURNEY, "journey.csv": VISITS}
    for name, text in texts.items():
        (folder / name).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIELINE_HOME", str(folder / "home"))
        for source in ("evidence", "journey"):
            words = ["ingest", source, "--sql", folder / f"{source}.sql", "--input", folder / f"{source}.csv"]
            patch.setattr(sys, "argv", ["tieline", *map(str, words)])
            with pytest.raises(SystemExit) as stop:
                tieline.main()
            assert not stop.value.code
    return folder / "home"


@pytest.fixture
def run(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("who", ...)`` over a copy of that home: (exit code, stdout, stderr)."""
    shutil.copytree(lived, tmp_path / "home")
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TIELINE_SECRET", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        code, out, err = command(*words)
        assert not [name for name in NAMES if name in out + err]
        assert "Traceback" not in err
        return code, out, err

    return call


def answer(run: Run, *words: object) -> dict:
    code, out, _ = run("who", *words, "--json")
    assert code == 0
    return json.loads(out.splitlines()[-1])


def test_a_number_is_its_owners_of_the_time_and_the_evidence_is_named(run: Run) -> None:
    code, out, _ = run("who", "msisdn:+32471000001", "--at", "2025-02-01", "--is", "customer:C1")
    assert code == 0
    assert "holds this msisdn at 2025-02-01T00:00:00+00:00" in out
    assert "evidence his: linked at 2025-01-01T00:00:00+00:00, known 2025-01-01T01:00:00+00:00" in out
    assert "the customer asked about: yes" in out
    assert "newer link" not in out
    later = answer(run, "msisdn:+32471000001", "--at", "2025-02-01", "--seen", "2025-03-15", "--is", "customer:C2")
    (holder,) = later["holders"]
    assert (later["is"], holder["steps"][0]["ended"]) == (False, "newer link")
    assert holder["at_to"] == "2025-03-01T00:00:00+00:00"
    assert holder["known_to"] is None
    assert answer(run, "msisdn:+32471000001", "--is", "customer:C2")["is"] is True


def test_the_history_of_a_number_has_both_owners_as_known_when(run: Run) -> None:
    held = answer(run, "msisdn:+32471000001", "--history")["history"]
    bounds = [(h["at_to"], h["known_from"], h["known_to"]) for h in held]
    handed, told = "2025-03-01T00:00:00+00:00", "2025-03-02T00:00:00+00:00"
    first = "2025-01-01T01:00:00+00:00"
    assert sorted(bounds, key=str) == sorted([(None, first, told), (handed, told, None), (None, told, None)], key=str)
    code, out, _ = run("who", "msisdn:+32471000001", "--history")
    assert code == 0
    assert out.count("2025-03-02T00:00:00+00:00") >= 3


def test_a_cookie_before_its_login_says_when_that_became_known(run: Run) -> None:
    code, out, _ = run("who", "cookie:secret-cookie", "--at", "2025-02-01")
    assert code == 0
    assert "no customer is known to hold this cookie" in out
    assert "became known later" in out
    assert "2025-02-10T00:05:00+00:00; evidence login" in out
    code, out, _ = run("who", "cookie:secret-cookie", "--at", "2025-02-01", "--seen", "2025-03-01")
    assert "seen together only afterwards, and such a link holds 90d back" in out
    assert "(and 1 more between them)" in out


def test_a_candidate_is_no_holder_and_an_alias_is_explained(run: Run) -> None:
    told = answer(run, "loyalty:card-7", "--at", "2025-03-01")
    assert (told["holders"], told["reasons"][0]["what"]) == ([], "candidate")
    assert 0.5 < told["candidates"][0]["probability"] < 0.9
    code, out, _ = run("who", "line:L3", "--at", "2025-03-01", "--is", "customer:C1")
    assert code == 0
    assert "is an alias of" in out
    assert "evidence same: linked" in out
    assert "the customer asked about: yes" in out
    assert answer(run, "line:L3", "--at", "2025-03-01", "--is", "customer:C3")["is"] is True


def test_a_key_may_come_from_the_input_and_for_accounts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("cookie:secret-cookie\n"))
    assert answer(run, "-", "--at", "2025-02-20")["holders"]
    assert answer(run, "cookie:secret-cookie", "--of", "account")["reasons"][0]["what"] == "never"
    assert answer(run, "cookie:unheard of")["reasons"][0]["what"] == "unheard"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("who", "msisdn:secret-cookie"), "TYPE:VALUE: msisdn: "),
        (("who", "ship:secret-cookie"), "that is not a type of key (there are: customer, account,"),
        (("who", "secret-cookie"), "a key is written TYPE:VALUE"),
        (("who", "market:another"), "no link leads from 'market' to 'customer'"),
        (("who", "cookie:another", "--of", "ship"), "'ship' is not a type of key"),
        (("who", "cookie:another", "--is", "line:secret-cookie"), "--is: write customer:VALUE"),
        (("who", "cookie:another", "--at", "2024-01-01"), "nothing was known at 2024-01-01T00:00:00+00:00"),
        (("link", "--at", "2024-01-01"), "the lake covers 2025-01-01T00:00:00+00:00 to 2025-03-20T00:10:00+00:00"),
        (("link", "--of", "ship"), "'ship' is not a type of key"),
        (("link", "--plot", "x.doc"), "the name must end in .png or .svg or .pdf"),
        (("link", "--plot", "nowhere/x.png"), "there is no folder nowhere"),
        (("link", "--at", "soon"), "'soon' is not a date"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_one_clear_error(run: Run, words: tuple[str, ...], says: str) -> None:
    code, _, err = run(*words)
    assert code != 0
    assert says in " ".join(err.replace("│", " ").split())


def test_an_empty_lake_and_a_lost_secret_say_what_to_do(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "secret.key").unlink()
    code, _, err = run("who", "cookie:another")
    assert code == 1
    assert "put secret.key back" in err
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "new"))
    for words in (("who", "cookie:another"), ("link",)):
        code, _, err = run(*words)
        assert (code, "is empty: run `tieline ingest`" in err) == (1, True)
    assert not (tmp_path / "new").exists()


def test_the_report_counts_what_was_joined_and_draws_it(run: Run, tmp_path: Path) -> None:
    code, out, err = run("link", "--json", "--plot", tmp_path / "p.png")
    told = json.loads(out.splitlines()[-1])
    assert code == 0
    assert (tmp_path / "p.png").stat().st_size > 5_000
    explore = next(t for t in told["phases"] if t["name"] == "explore")
    assert (explore["identified"], explore["anonymous_first"], explore["stitched"]) == (0.5, 1.0, 0.5)
    assert explore["stitched_days"] == pytest.approx(9, abs=0.05)
    assert (told["entities"], told["merges"][0]["aliases"]) == (2, 1)
    assert set(told["seconds"]) == {"joining", "all"}
    assert "derived from the evidence, not stored" in err
    early = json.loads(run("link", "--json", "--at", "2025-02-05")[1].splitlines()[-1])
    assert early["phases"][0]["identified"] == 0
    code, out, err = run("link", "--at", "2030-01-01")
    assert (code, "covers no more than up to 2025-03-20" in err) == (0, True)
    assert "1 keys that nobody holds have candidates" in out
