"""A lake of a few customers, made of evidence and touches that a test spells out."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from forgotten_person import add
from private_operator import Moved, Operator

from features.lake import Lake
from features.privacy.secrets import open_keyring


def few_people(folder: Path) -> Operator:
    """An operator who knows nobody yet."""
    lake = Lake(folder / "home" / "lakes" / "telecom")
    return Operator(folder / "home", lake, open_keyring(folder / "home", lake), {}, Moved("", "", ""))


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def link(key: str, other: str, at: str, state: str = "linked") -> dict:
    """Evidence about two keys, written TYPE:VALUE."""
    (key_type, name), (other_type, whose) = key.split(":", 1), other.split(":", 1)
    ends = {"key_type": key_type, "key": name, "other_type": other_type, "other": whose}
    return ends | {"id": f"{key}>{other}@{at}", "at": day(at), "known_at": day(at), "state": state}


def touch(key: str, at: str, **told: str) -> dict:
    """A fact of the journey on a key, written TYPE:VALUE; its id is the key and the day."""
    key_type, name = key.split(":", 1)
    told = {"id": f"{key}@{at}", "phase": "use", "channel": "web"} | told
    return {"key_type": key_type, "key": name, "at": day(at), "known_at": day(at)} | told


def say(operator: Operator, *links: dict):
    return add(operator, "evidence", pa.Table.from_pylist(list(links)))


def do(operator: Operator, *touches: dict):
    return add(operator, "journey", pa.Table.from_pylist(list(touches)))


def touches(operator: Operator) -> list[str]:
    """The ids of all touches."""
    return sorted(operator.lake.read("journey")["id"].to_pylist())


def holder(operator: Operator, key: str, at: str) -> list[int]:
    key_type, name = key.split(":", 1)
    now = int(day(at).timestamp() * 1e6)
    return operator.history().find(key_type, operator.ring.key_id(key_type, name), now, now).tolist()
