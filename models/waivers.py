"""Decisions that a check of the gate shall not refuse a model: who took them, why, and until when they hold.

They stand as tags on the registered model, one per check, so that whoever reviews it sees them.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from models.registry import RegistryError, shown, speaking

_TAG = "waiver."


class WaiverError(ValueError):
    """A decision that cannot be recorded; the message says why."""


@dataclass(frozen=True)
class Waiver:
    """``check``: as the gate names it; ``when``: UTC, ISO 8601; ``until``: the last day it holds, empty for ever."""

    check: str
    who: str
    when: str
    why: str
    until: str = ""

    @property
    def words(self) -> str:
        """Who decided so, why and for how long."""
        return f"waived by {self.who} on {self.when[:10]}{f' until {self.until}' if self.until else ''}: {self.why}"


def waive(uri: str, name: str, check: str, *, who: str, why: str, until: date | None = None) -> Waiver:
    """Record that ``check`` shall not refuse models registered as ``name``; a later decision replaces an earlier one.

    Raises `RegistryError` for a name that is not registered, `WaiverError` for no reason or a day that has passed.
    """
    if not why.strip():
        raise WaiverError("a waiver needs a reason")
    if until is not None and until < datetime.now(UTC).date():
        raise WaiverError(f"a waiver until {until} has already ended")
    waiver = Waiver(
        check, who, datetime.now(UTC).isoformat(timespec="seconds"), why, until.isoformat() if until else ""
    )
    with speaking(uri):
        _client(uri).set_registered_model_tag(name, _TAG + check, json.dumps(asdict(waiver)))
    return waiver


def revoke(uri: str, name: str, check: str) -> None:
    """Let a check refuse again. Raises `RegistryError` where it was not waived."""
    if check not in {waiver.check for waiver in recorded(uri, name)}:
        raise RegistryError(f"'{check}' is not waived for '{name}' in {shown(uri)}")
    with speaking(uri):
        _client(uri).delete_registered_model_tag(name, _TAG + check)


def recorded(uri: str, name: str) -> list[Waiver]:
    """All waivers of a registered model, also those that have ended; none where it is not registered."""
    try:
        tags = _client(uri).get_registered_model(name).tags
    except MlflowException:
        return []
    return [Waiver(**json.loads(value)) for key, value in sorted(tags.items()) if key.startswith(_TAG)]


def waivers(uri: str, name: str) -> dict[str, str]:
    """Check -> words, of the waivers that hold today."""
    today = datetime.now(UTC).date().isoformat()
    return {w.check: w.words for w in recorded(uri, name) if not w.until or w.until >= today}


def _client(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
