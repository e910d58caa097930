"""The ids of proposals, which are made of the ids of their two keys: a new secret of the keys makes them anew."""

import re
from collections.abc import Callable

PREFIX = "proposed:"
_PROPOSED = re.compile(r"(proposed:[^\"]*:)([0-7][0-9a-f]{15})([0-7][0-9a-f]{15})")
_IN_JSON = re.compile(rf'("id": ?"){_PROPOSED.pattern}(?=")')


def proposal_id(right_type: str, left_type: str, key_id: int, other_id: int) -> str:
    """What a proposal is known by in all runs: that the right key belongs to the left one."""
    return f"{PREFIX}{right_type}:{left_type}:{key_id:016x}{other_id:016x}"


def renamed(text: str, new: Callable[[int], int]) -> str:
    """A row's id with ``new`` of both key ids in it, where it is a proposal's; other ids as they are."""
    found = _PROPOSED.fullmatch(text)
    return text if found is None else f"{found[1]}{_both(found[2], found[3], new)}"


def renamed_json(text: str, new: Callable[[int], int]) -> str:
    """The same for the ``id`` of a row that is written as JSON."""
    return _IN_JSON.sub(lambda m: f"{m[1]}{m[2]}{_both(m[3], m[4], new)}", text)


def _both(key: str, other: str, new: Callable[[int], int]) -> str:
    return f"{new(int(key, 16)):016x}{new(int(other, 16)):016x}"
