"""Settings: from the environment, checked, and which instant is now."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.settings import Settings, instant, micros


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path))
    monkeypatch.setenv("TIELINE_PORT", "9000")
    settings = Settings()
    assert (settings.home, settings.port) == (tmp_path, 9000)
    assert settings.models == f"sqlite:///{tmp_path}/mlflow.db"


def test_now_is_the_end_of_the_lake_a_given_instant_or_the_clock() -> None:
    assert Settings(as_of="lake").now(7) == 7
    assert Settings(as_of="1970-01-01T01:00:01+01:00").now(7) == 1_000_000
    before = micros(datetime.now(UTC))
    assert before <= Settings(as_of="now").now(7) <= micros(datetime.now(UTC))


@pytest.mark.parametrize("as_of", ["yesterday", "2026-01-31T12:00:00", "", "2026-13-01T00:00:00Z"])
def test_an_instant_without_zone_or_sense_is_refused(as_of: str) -> None:
    with pytest.raises(ValidationError, match="with its zone"):
        Settings(as_of=as_of)


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.timezones()))
def test_instants_keep_every_microsecond(moment: datetime) -> None:
    utc = moment.astimezone(UTC)
    assert instant(micros(moment)) == utc
    assert instant(micros(moment) + 1) - utc == timedelta(microseconds=1)
