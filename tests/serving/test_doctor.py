"""``tieline doctor``: each thing that can be wrong is told, with what helps."""

import json
from pathlib import Path

import pytest
from command_line import Run
from small_operator import Operator, home_of

from serving.access import stored
from serving.doctor import examine, sync_time
from serving.settings import Settings


@pytest.fixture
def settings(operator: Operator, tmp_path: Path) -> Settings:
    settings = home_of(operator, tmp_path)
    (settings.home / "secret.key").chmod(0o600)
    return settings


def states(settings: Settings) -> dict[str, str]:
    return {found.about: found.state for found in examine(settings)}


def helps(settings: Settings, about: str) -> str:
    return next(found.help for found in examine(settings) if found.about == about)


def test_a_served_operator_is_well(settings: Settings, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stored.make_first(settings.home)
    monkeypatch.setenv("TIELINE_HOME", str(settings.home))
    monkeypatch.setenv("TIELINE_TRACKING_URI", settings.models)
    assert command("load")[0] == 0
    code, out, _ = command("doctor", "--json")
    told = json.loads(out.splitlines()[-1])
    assert (code, told["well"]) == (0, True), told
    told = {found["about"]: found["state"] for found in told["findings"]}
    for about in ("home", "secret", "lake", "live store", "live store: rows", "models", "actions", "API keys"):
        assert told[about] == "ok", about


def test_before_the_first_load_and_key_it_says_what_to_run(settings: Settings) -> None:
    told = states(settings)
    assert (told["live store"], told["API keys"]) == ("warn", "warn")
    assert helps(settings, "live store") == "run `tieline load`"
    assert not (settings.home / "live").exists()


def test_files_that_are_cut_or_gone_are_found(settings: Settings) -> None:
    victim = next((settings.home / "lakes" / "telecom" / "data" / "journey").glob("*.parquet"))
    victim.write_bytes(victim.read_bytes()[:-10])
    assert states(settings)["lake"] == "bad"


def test_a_secret_others_may_read_is_bad(settings: Settings) -> None:
    (settings.home / "secret.key").chmod(0o644)
    assert states(settings)["secret"] == "bad"
    assert "chmod 600" in helps(settings, "secret")


def test_a_home_with_nothing_in_it_fails(tmp_path: Path, command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "none"))
    code, out, _ = command("doctor")
    assert code == 1
    assert "tieline simulate" in out
    assert not (tmp_path / "none").exists()


def test_a_model_store_that_is_away_or_changed_is_bad(settings: Settings, operator: Operator, tmp_path: Path) -> None:
    away = settings.model_copy(update={"tracking_uri": f"sqlite:///{tmp_path}/none.db"})
    assert states(away)["models"] == "bad"
    assert not (tmp_path / "none.db").exists()


def test_keys_without_the_scope_to_decide_are_bad(settings: Settings) -> None:
    stored.add(settings.home, "events only", ["events"])
    assert states(settings)["API keys"] == "bad"
    assert "--scope decide" in helps(settings, "API keys")


def test_a_sync_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    assert 0 < sync_time(tmp_path) < 10
    assert list(tmp_path.iterdir()) == []
