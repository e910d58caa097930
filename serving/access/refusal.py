"""A request that is turned away before it is answered."""

from collections.abc import Mapping
from typing import Literal, get_args

from serving.errors import Problem

Reason = Literal[
    "no_key", "unknown_key", "expired", "scope", "rate", "full", "too_large", "too_slow", "too_deep", "not_utf8"
]
REASONS: tuple[Reason, ...] = get_args(Reason)


class Refusal(Problem):
    """A `Problem` that knows under which of `REASONS` it is counted."""

    def __init__(self, reason: Reason, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, headers=headers)
        self.reason = reason
