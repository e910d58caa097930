"""Whose keys are these? One customer's, several customers', or nobody's that is known."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from features.identity.candidates import judged
from features.identity.keys import KeyRing
from serving.errors import FieldError, Problem
from serving.schemas import Key

CERTAIN = 0.9
"""From this weight on a candidate is taken for who it is: what a browser that somebody logged in with is trusted."""

_ROUNDING = 1e-9


class Match(NamedTuple):
    """``entities``, ``weights``: the c candidates and how likely each is; what they leave of 1 is none of them.

    ``keys``: type of each key asked with, and whether it may be anyone's; ``ids`` their ids, in the same order.
    """

    entities: tuple[int, ...]
    weights: tuple[float, ...]
    keys: tuple[tuple[str, bool], ...]
    ids: tuple[int, ...]

    @property
    def state(self) -> Literal["identified", "ambiguous", "unidentified"]:
        """One certain candidate, others, or none."""
        if not self.entities:
            return "unidentified"
        return "identified" if len(self.entities) == 1 and self.weights[0] >= CERTAIN - _ROUNDING else "ambiguous"


def key_ids(
    keyring: KeyRing, key_types: Sequence[str], keys: Sequence[Key], where: str = "body.keys"
) -> list[tuple[str, int]]:
    """(type, id) of each key; a 422 `Problem` names every key of an unknown type or a malformed value."""
    found: list[tuple[str, int]] = []
    wrong: list[FieldError] = []
    for index, key in enumerate(keys):
        if key.type not in key_types:
            allowed = ", ".join(key_types)
            message = f"there is no such key type; it is one of: {allowed}"
            wrong.append(FieldError(field=f"{where}.{index}.type", message=message))
            continue
        try:
            found.append((key.type, keyring.key_id(key.type, key.value)))
        except ValueError as error:
            wrong.append(FieldError(field=f"{where}.{index}.value", message=str(error)))
    if wrong:
        raise Problem(422, "a key cannot be read; see errors", wrong)
    return found


def match(keys: Sequence[tuple[str, int]], named: Sequence[Mapping[int, float]], people: int) -> Match:
    """Who may come with (type, id) keys that name somebody each on its own, of so many people there are; who is
    `CERTAIN` stands alone. A key nobody is known by is no error, and the same key twice says no more than once.
    """
    once = dict(zip(keys, named, strict=True))
    entities, weights = judged(list(once.values()), people)
    if weights and max(weights) >= CERTAIN - _ROUNDING:
        first = weights.index(max(weights))
        entities, weights = (entities[first],), (weights[first],)
    told = tuple([(kind, bool(said)) for (kind, _), said in zip(keys, named, strict=True)])
    return Match(entities, weights, told, tuple([key_id for _, key_id in keys]))
