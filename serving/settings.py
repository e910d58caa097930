"""What can be set from outside (``TIELINE_...``), read once and frozen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.errors import StartError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _as_of(text: str) -> str:
    if text not in ("lake", "now") and _instant(text) is None:
        raise ValueError("write 'lake', 'now' or an instant with its zone such as 2026-01-31T12:00:00Z")
    return text


def _instant(text: str) -> datetime | None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo else None


class Settings(BaseSettings):
    """How this instance serves.

    ``home`` holds lakes, secret and API keys; ``tracking_uri`` is the MLflow store, ``store`` the live one (by default
    files in ``home``).
    ``as_of``: which instant is now. ``lake``: the last instant the lake covers (right for a lake that does not grow
    while it is served); ``now``: the clock; or an instant with its zone.
    """

    model_config = SettingsConfigDict(env_prefix="TIELINE_", env_ignore_empty=True, frozen=True, extra="forbid")

    home: Path = Path(".tieline")
    tracking_uri: str | None = None
    workspace: Path | None = None
    store: str | None = None
    as_of: Annotated[str, AfterValidator(_as_of)] = "lake"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    body_limit: int = Field(default=65_536, ge=1_024, description="bytes of a request's body")
    events_limit: int = Field(default=1_048_576, ge=1_024, description="the same of a route that takes many things")
    waiting: int = Field(default=256, ge=1, description="requests answered at once; more are turned away")
    rate: float = Field(default=0, ge=0, le=1e6, description="requests a second of each API key; 0: any number")
    burst: int = Field(default=100, ge=1, description="requests of a key at once, where the rate is limited")
    log_format: Literal["auto", "json", "console"] = "auto"
    time_limit: float = Field(default=2.0, gt=0, le=60, description="seconds a request waits for the live store")
    threads: int = Field(default=4, ge=1, le=64, description="readings at once of a live store on a server")
    follow: float = Field(default=5.0, gt=0, description="seconds between two looks at the registry")
    shadow: bool = Field(default=False, description="score challengers beside the champions")

    @property
    def models(self) -> str:
        """The model store's URI: as set, else the SQLite file in `home`."""
        return self.tracking_uri or f"sqlite:///{(self.home / 'mlflow.db').resolve()}"

    def live(self, workspace: str) -> str:
        """The live store's URI of a workspace: as set, else a SQLite file in `home`."""
        return self.store or f"sqlite:///{(self.home / 'live' / f'{workspace}.db').resolve()}"

    def now(self, lake_end: int) -> int:
        """The instant decisions are taken at, in UTC microseconds; ``lake_end``: the last instant the lake covers."""
        if self.as_of == "lake":
            return lake_end
        instant = datetime.now(UTC) if self.as_of == "now" else _instant(self.as_of)
        assert instant is not None
        return micros(instant)


def read_settings(**given: Any) -> Settings:
    """The settings, with what is ``given`` (not ``None``) before the environment; `StartError` says what is wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise StartError("; ".join(_wrong(dict(e)) for e in error.errors(include_input=False))) from None


def _wrong(error: dict[str, Any]) -> str:
    name = ".".join(map(str, error["loc"]))
    words = error["msg"].removeprefix("Value error, ")
    return f"--{name.replace('_', '-')} or TIELINE_{name.upper()}: {words}"


def micros(instant: datetime) -> int:
    """UTC microseconds since 1970, exactly."""
    since = instant - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def instant(micros: int) -> datetime:
    """The UTC instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)
