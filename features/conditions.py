"""What rows are meant: durations, tests of columns, and the events they make; checked when they are declared."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from features.facts import Column, Source, UnknownNameError, source

MICROS = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
DAY = MICROS["d"]
_LONGEST = 1000 * 366 * DAY
MAX_FILTERS = 64
"""So many different filters the features of one source may have: each is one bit of a row."""


class DeclarationError(ValueError):
    """A declaration that cannot mean anything; the message names the field and what would be right."""


def duration(text: str) -> int:
    """Microseconds of ``"30d"``, ``"12h"``, ``"90m"`` or ``"5s"`` (fractions allowed: ``"5.5d"``).

    >>> duration("1d")
    86400000000
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text) if isinstance(text, str) else None
    if not match:
        raise DeclarationError(f"{text!r} is not a duration; write for example '30d', '12h' or '90m'")
    micros = round(float(match[1]) * MICROS[match[2]])
    if micros > _LONGEST:
        raise DeclarationError(f"'{text}' is longer than 1000 years")
    return micros


def once(what: str, names: Sequence[str]) -> None:
    """Raise `DeclarationError` naming the names that come more than once; ``what`` says whose they are."""
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DeclarationError(f"{what} declared twice: {', '.join(twice)}")


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one column. ``values`` for categories and flags, ``[low, high)`` for numbers."""

    column: str
    values: tuple[str, ...] | None = None
    low: float | None = None
    high: float | None = None

    @property
    def label(self) -> str:
        """How the condition reads inside a feature's name."""
        if self.values is not None:
            return f"{self.column}_{'_or_'.join(self.values)}"
        parts = [f"from_{self.low:.12g}"] if self.low is not None else []
        parts += [f"below_{self.high:.12g}"] if self.high is not None else []
        return "_".join([self.column, *parts])


def at_least(low: float, below: float | None = None) -> Condition:
    """A condition for ``where``: ``{"minutes": at_least(30)}`` keeps numbers in ``[low, below)``."""
    return Condition("", low=low, high=below)


def below(high: float) -> Condition:
    """A condition for ``where``: ``{"value": below(3)}`` keeps smaller numbers."""
    return Condition("", high=high)


def where(source_name: str, conditions: Mapping[str, object]) -> tuple[Condition, ...]:
    """The conditions of a ``where`` mapping, checked against the source's columns and sorted by column.

    A value is a string, a bool, a tuple of strings, or `at_least` / `below` for numbers.
    """
    checked = []
    for name, wanted in conditions.items():
        column = column_of(source_name, name)
        if isinstance(wanted, Condition):
            if any(bound is not None and not math.isfinite(bound) for bound in (wanted.low, wanted.high)):
                raise DeclarationError(f"{source_name}.{name}: a bound must be a finite number")
            if column.kind != "number":
                raise DeclarationError(f"{source_name}.{name} is a {column.kind}; at_least/below need a number")
            if _bounds(wanted)[0] >= _bounds(wanted)[1]:
                raise DeclarationError(
                    f"{source_name}.{name}: no number is at least {wanted.low:g}, below {wanted.high:g}"
                )
            checked.append(Condition(name, low=wanted.low, high=wanted.high))
            continue
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if not all(isinstance(v, str | bool) for v in values):
            raise DeclarationError(
                f"{source_name}.{name} cannot equal {wanted!r}; write a text, a tuple of texts or at_least/below"
            )
        texts = tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
        if column.kind not in ("category", "flag"):
            raise DeclarationError(f"{source_name}.{name} is a {column.kind}; it cannot equal {wanted!r}")
        allowed = ("true", "false") if column.kind == "flag" else column.values
        if not texts:
            raise DeclarationError(f"{source_name}.{name}: no value given, so no row could match")
        unknown = [t for t in texts if allowed is not None and t not in allowed]
        if unknown:
            raise DeclarationError(
                f"{source_name}.{name} is never {unknown[0]!r} (it is one of: {', '.join(allowed or ())})"
            )
        checked.append(Condition(name, values=tuple(dict.fromkeys(texts))))
    return tuple(sorted(checked, key=lambda c: c.column))


def together(left: tuple[Condition, ...], right: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """One condition a column, met by the rows that meet both sides; ``values`` is empty where no row can."""
    met = {condition.column: condition for condition in right}
    for condition in left:
        other = met.get(condition.column)
        met[condition.column] = condition if other is None else _both(condition, other)
    return tuple(sorted(met.values(), key=lambda c: c.column))


def never_both(left: tuple[Condition, ...], right: tuple[Condition, ...]) -> bool:
    """Whether no row can meet both sides."""
    return any(c.values == () or _bounds(c)[0] >= _bounds(c)[1] for c in together(left, right))


def _both(left: Condition, right: Condition) -> Condition:
    if left.values is not None and right.values is not None:
        return replace(left, values=tuple(v for v in left.values if v in right.values))
    low, high = max(_bounds(left)[0], _bounds(right)[0]), min(_bounds(left)[1], _bounds(right)[1])
    return replace(left, low=None if low == -math.inf else low, high=None if high == math.inf else high)


def _bounds(condition: Condition) -> tuple[float, float]:
    low = -math.inf if condition.low is None else condition.low
    return low, math.inf if condition.high is None else condition.high


def column_of(source_name: str, name: str) -> Column:
    """The declared column; raises `DeclarationError` naming the sources or columns there are."""
    try:
        return declared(source_name).column(name)
    except UnknownNameError as error:
        raise DeclarationError(str(error)) from None


def declared(source_name: str) -> Source:
    """The source; raises `DeclarationError` naming the sources there are."""
    try:
        return source(source_name)
    except UnknownNameError as error:
        raise DeclarationError(str(error)) from None


@dataclass(frozen=True)
class Event:
    """Rows of one source that meet every condition: what a label waits for or a trigger fires on."""

    source: str
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, source_name: str, **conditions: object) -> "Event":
        """``Event.of("profile", status="left", reason="voluntary")``."""
        return cls(source_name, where(source_name, conditions))
