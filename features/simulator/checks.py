"""What the numbers of a scenario may be, by their names."""

import math
from dataclasses import fields

_POSITIVE = ("_days", "_hours", "_factor", "_target", "_per_site")
"""Endings of the names of what cannot be zero."""


def check_numbers(record: object, group: str = "", signed: bool = False) -> None:
    """Raises `ValueError` naming the first number of a declaration that cannot be what its name says."""
    for item in fields(record):  # type: ignore[arg-type]
        if item.type in (int, float):
            _check_number(group + item.name, getattr(record, item.name), whole=item.type is int, signed=signed)


def _check_number(name: str, value: object, whole: bool = False, signed: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise ValueError(f"scenario: {name} must be a {'whole ' if whole else ''}number; got {value!r}")
    if not math.isfinite(value) or (value < 0 and not signed):
        wanted = "a finite number" if signed else "a finite number, zero or more"
        raise ValueError(f"scenario: {name} must be {wanted}; got {value}")
    if name.endswith("_share") and value > 1:
        raise ValueError(f"scenario: {name} is a share and must lie in 0..1; got {value}")
    if name.endswith(_POSITIVE):
        check_positive(name, value)


def check_positive(name: str, value: float) -> None:
    """Raises `ValueError` naming a number that is not greater than zero."""
    if value <= 0:
        raise ValueError(f"scenario: {name} must be greater than zero; got {value}")


def check_pair(name: str, pair: object, whole: bool = False) -> None:
    """Raises `ValueError` naming what is not two numbers, each zero or more."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ValueError(f"scenario: {name} must be a tuple of two numbers; got {pair!r}")
    for place, value in enumerate(pair):
        _check_number(f"{name}[{place}]", value, whole)
