"""``tieline load`` and ``tieline sync`` as whoever runs the service meets them."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Run
from live_people import HOUR, Live, key, make_lake

from features.lake import Lake
from serving.live.append import Fact
from serving.live.open import open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lake(tmp_path_factory.mktemp("loaded") / "telecom", customers=15, months=3).root


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lakes").mkdir()
    (tmp_path / "lakes" / "telecom").symlink_to(made)
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path))
    monkeypatch.delenv("TIELINE_STORE", raising=False)
    monkeypatch.setenv("TIELINE_SECRET", "a secret of these tests")
    monkeypatch.setenv("TIELINE_SUPPRESSION_SECRET", "suppression of these tests")
    monkeypatch.setenv("TIELINE_COUNTRY", "32")
    return tmp_path


def last(out: str) -> dict:
    return json.loads(out.splitlines()[-1])


def tell(home: Path) -> None:
    """Somebody new says something."""
    live = Live(Lake(home / "lakes" / "telecom"), open_store(str(home / "live" / "telecom.db")))
    body = {"phase": "use", "channel": "web"}
    live.tell(
        Fact(
            "journey",
            f"new-{np.random.default_rng(1).integers(99)}",
            key("customer", "C-NEW"),
            live.store.clock() - HOUR,
            body,
        )
    )
    live.store.close()


def test_it_fills_once_and_then_brings_only_what_is_new(home: Path, command: Run) -> None:
    code, out, _ = command("load", "--json")
    first = last(out)
    assert (code, first["first"], first["rows"]["journey"] > 0, first["keys"] > 0) == (0, True, True, True)
    code, out, _ = command("load", "--json")
    assert (code, last(out)["first"], set(last(out)["rows"].values()), last(out)["keys"]) == (0, False, {0}, 0)


def test_the_clock_is_the_one_asked_for(home: Path, command: Run) -> None:
    code, out, _ = command("load", "--as-of", "2031-05-01T12:00:00Z", "--json")
    assert (code, last(out)["now"][:16]) == (0, "2031-05-01T12:00")
    code, _, err = command("load", "--as-of", "soon")
    assert code == 1
    assert "--as-of" in err


def test_anew_does_not_throw_away_what_the_lake_lacks(home: Path, command: Run) -> None:
    command("load")
    tell(home)
    code, _, err = command("load", "--anew")
    assert code == 1
    assert "1 facts" in err
    assert "tieline sync" in err
    code, out, _ = command("sync", "--json")
    assert (code, last(out)["rows"]) == (0, {"journey": 1})
    assert last(command("sync", "--json")[1])["rows"] == {}
    code, out, _ = command("load", "--anew", "--json")
    assert (code, last(out)["first"]) == (0, True)
    tell(home)
    assert command("load", "--anew", "--discard")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("load", "--store", "mysql://root:secret@host/db"), "postgresql://"),
        (("load", "--store", "sqlite:relative"), "sqlite:///PATH"),
        (("load", "--discard"), "--anew"),
        (("sync",), "tieline load"),
    ],
)
def test_what_is_wrong_is_said_and_no_password(home: Path, command: Run, words: tuple[str, ...], says: str) -> None:
    code, _, err = command(*words)
    assert code != 0
    assert says in err
    assert "secret@" not in err
    assert "Traceback" not in err


def test_a_file_that_is_no_store_is_left_as_it_is(home: Path, command: Run) -> None:
    other = home / "other.db"
    other.write_bytes(b"not a database, but some text that is long enough for a header" * 20)
    code, _, err = command("load", "--store", other)
    assert (code, "cannot be used as a live store" in err) == (1, True)
    assert other.read_bytes().startswith(b"not a database")


def test_an_empty_lake_says_what_to_do(tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path))
    code, _, err = command("load")
    assert (code, "tieline ingest" in err) == (1, True)
    assert not (tmp_path / "live").exists()
