"""Whose keys are these? One customer's, several customers', or nobody's that is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.history import History
from features.identity.keys import KeyRing
from serving.errors import FieldError, Problem
from serving.schemas import Key


@dataclass(frozen=True)
class Match:
    """``entities``: (c,) int64 the candidates; ``keys``: type of each key asked with, and whether it is anyone's."""

    entities: np.ndarray
    keys: tuple[tuple[str, bool], ...]

    @property
    def state(self) -> Literal["identified", "ambiguous", "unidentified"]:
        """One candidate, several, or none."""
        if len(self.entities) == 1:
            return "identified"
        return "ambiguous" if len(self.entities) else "unidentified"


def key_ids(keyring: KeyRing, key_types: Sequence[str], keys: Sequence[Key]) -> list[tuple[str, int]]:
    """(type, id) of each key; a 422 `Problem` names every key of an unknown type or a malformed value."""
    found: list[tuple[str, int]] = []
    wrong: list[FieldError] = []
    for index, key in enumerate(keys):
        place = f"body.keys.{index}"
        if key.type not in key_types:
            allowed = ", ".join(key_types)
            wrong.append(
                FieldError(field=f"{place}.type", message=f"there is no such key type; it is one of: {allowed}")
            )
            continue
        try:
            found.append((key.type, keyring.key_id(key.type, key.value)))
        except ValueError as error:
            wrong.append(FieldError(field=f"{place}.value", message=str(error)))
    if wrong:
        raise Problem(422, "a key cannot be read; see errors", wrong)
    return found


def match(history: History, entity_type: str, keys: Sequence[tuple[str, int]], now: int, seen: int) -> Match:
    """Who held the keys at ``now``, as known at ``seen`` (UTC microseconds). A key nobody is known by is no error."""
    holders = [history.find(key_type, key_id, now, seen, entity_type) for key_type, key_id in keys]
    entities = np.unique(np.concatenate(holders))
    return Match(entities, tuple((key_type, bool(len(h))) for (key_type, _), h in zip(keys, holders, strict=True)))
