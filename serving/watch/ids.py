"""The id of the request under way: in its log lines, its answer's header, and the problem documents of our errors."""

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""``None`` outside a request."""

_WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def well_formed(given: bytes) -> bool:
    """Whether a caller's id may be taken: 1 to 64 letters, digits, dots, dashes and underscores."""
    return _WELL_FORMED.fullmatch(given) is not None


def numbering() -> Callable[[], str]:
    """Ids of one process: 64 random bits, then a number, in hex; anew at random, each would cost a system call."""
    start, numbers = secrets.token_hex(8), count(1)
    return lambda: f"{start}-{next(numbers):x}"
