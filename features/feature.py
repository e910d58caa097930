"""What a feature is: one aggregate of some rows of one source, read through one reach. Declared, not computed.

Its name is derived, never typed: ``Feature("faults", "sum", "minutes", "30d")`` is ``faults_minutes_sum_30d``. What
each aggregate says, at every edge, stands in ``docs/features.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from features.conditions import (
    Condition,
    DeclarationError,
    column_of,
    declared,
    duration,
    never_both,
    together,
    where,
)
from features.purposes import check_use

Aggregate = Literal[
    "count",
    "sum",
    "mean",
    "min",
    "max",
    "distinct",
    "repeats",
    "last",
    "since_last",
    "share",
    "rate_change",
    "open",
    "open_age",
]

MAX_DISTINCT = 64
"""So many declared values a column may have whose different values are counted."""

_EVER: tuple[Aggregate, ...] = ("last", "since_last")
_CASES: tuple[Aggregate, ...] = ("open", "open_age")
_COUNTED: tuple[Aggregate, ...] = ("distinct", "repeats")


class _Takes(NamedTuple):
    """Which kinds of column an aggregate works on, and whether it may do without one."""

    kinds: tuple[str, ...] = ()
    optional: bool = False


_TAKES: dict[str, _Takes] = {
    "count": _Takes(),
    "sum": _Takes(("number", "flag")),
    "mean": _Takes(("number", "flag")),
    "min": _Takes(("number",)),
    "max": _Takes(("number",)),
    "distinct": _Takes(("category", "flag")),
    "repeats": _Takes(("category", "flag")),
    "last": _Takes(("number", "flag", "category", "time")),
    "since_last": _Takes(),
    "share": _Takes(),
    "rate_change": _Takes(("number",), optional=True),
    "open": _Takes(),
    "open_age": _Takes(),
}

_UNITS: dict[str, str] = {
    "count": "count",
    "distinct": "count",
    "repeats": "count",
    "open": "count",
    "since_last": "days",
    "open_age": "days",
    "share": "share",
    "rate_change": "relative change",
}


@dataclass(frozen=True)
class Feature:
    """One number (or category) known about an entity at a cutoff.

    ``where`` says which rows are meant; ``among`` (only for ``share``) of which rows they are a part. ``of`` reads the
    present parent's own history (its site's, its account's); ``via`` reads what happened at any such parent while the
    entity was there. Without either, the entity's own keys are read. Every aggregate needs a window, but ``last`` and
    ``since_last``, which may look back for ever. ``measured`` is the unit of a column that has none of its own, because
    it depends on the row what its numbers are (`usage.value`).
    """

    source: str
    aggregate: Aggregate
    column: str | None = None
    window: str | None = None
    where: Mapping[str, object] | tuple[Condition, ...] = ()
    among: Mapping[str, object] | tuple[Condition, ...] = ()
    of: str | None = None
    via: str | None = None
    group: str = ""
    meaning: str = ""
    measured: str = ""

    def __post_init__(self) -> None:
        takes = _TAKES.get(self.aggregate)
        if takes is None:
            raise DeclarationError(f"unknown aggregate '{self.aggregate}' (known: {', '.join(_TAKES)})")
        for side in ("where", "among"):
            object.__setattr__(self, side, self._checked(side, getattr(self, side)))
        if self.of and self.via:
            raise DeclarationError(f"{self.name}: choose of='{self.of}' or via='{self.via}', not both")
        self._check_window()
        check_use(f"feature {self.name}", "profiling", self.source)
        self._check_share()
        self._check_column(takes)

    def _checked(self, side: str, said: object) -> tuple[Condition, ...]:
        """Conditions as declared, or as they were checked before when a feature is declared like another."""
        if isinstance(said, Mapping):
            return where(self.source, said)
        if not (isinstance(said, tuple) and all(isinstance(condition, Condition) for condition in said)):
            raise DeclarationError(f"{self.source} {self.aggregate}: {side} maps columns to values, unlike {said!r}")
        for condition in said:
            column_of(self.source, condition.column)
        return said

    def _check_window(self) -> None:
        if self.window is None and self.aggregate not in _EVER:
            raise DeclarationError(
                f"{self.name}: {self.aggregate} needs a window such as '30d' (last and since_last do not)"
            )
        if self.window is not None and duration(self.window) <= 0:
            raise DeclarationError(f"{self.name}: the window must be longer than nothing")

    def _check_share(self) -> None:
        if self.aggregate != "share":
            if self.among:
                raise DeclarationError(f"{self.name}: among is for share alone; {self.aggregate} has where")
            return
        if not self.conditions:
            raise DeclarationError(f"{self.name}: share needs where, the rows whose share it is")
        if together(self.among_conditions, self.conditions) == self.among_conditions:
            raise DeclarationError(f"{self.name}: every row among them meets where, so the share is always 1")
        if never_both(self.conditions, self.among_conditions):
            raise DeclarationError(f"{self.name}: no row among them can meet where, so the share is always 0")

    def _check_column(self, takes: _Takes) -> None:
        if self.aggregate in _CASES and not _pairs_cases(self.source):
            raise DeclarationError(
                f"{self.name}: {self.aggregate} needs a source whose cases open and clear; {self.source} has none"
            )
        if self.column is None:
            if takes.kinds and not takes.optional:
                raise DeclarationError(f"{self.name}: {self.aggregate} needs a column ({' or '.join(takes.kinds)})")
            if self.measured:
                raise DeclarationError(f"{self.name}: measured='{self.measured}' is a column's unit; there is none")
            return
        column = column_of(self.source, self.column)
        if column.kind not in takes.kinds:
            wanted = " or ".join(takes.kinds) or "no column"
            raise DeclarationError(
                f"{self.name}: {self.aggregate} works on {wanted}, and {self.source}.{self.column} is a {column.kind}"
            )
        if self.measured and (column.kind != "number" or column.unit):
            raise DeclarationError(
                f"{self.name}: {self.source}.{self.column} is {column.unit or 'no number'}, not '{self.measured}'"
            )
        countable = column.kind == "flag" or (column.values is not None and len(column.values) <= MAX_DISTINCT)
        if self.aggregate in _COUNTED and not countable:
            raise DeclarationError(
                f"{self.name}: {self.aggregate} needs at most {MAX_DISTINCT} declared values of {self.column}"
            )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """``where``, checked."""
        assert isinstance(self.where, tuple)
        return self.where

    @property
    def among_conditions(self) -> tuple[Condition, ...]:
        """``among``, checked."""
        assert isinstance(self.among, tuple)
        return self.among

    @property
    def filters(self) -> tuple[tuple[Condition, ...], ...]:
        """The tests a row is put to: ``where``; for a share ``where`` and ``among`` together, then ``among`` alone."""
        if self.aggregate == "share":
            return together(self.conditions, self.among_conditions), self.among_conditions
        return (self.conditions,)

    @property
    def name(self) -> str:
        """Derived from the declaration: source, conditions, column, aggregate, among what, window, reach."""
        parts = [self.source, *(c.label for c in self.conditions), self.column or "", self.aggregate]
        parts += ["among", *(c.label for c in self.among_conditions)] if self.among else []
        parts += [self.window or "", f"of_{self.of}" if self.of else "", f"via_{self.via}" if self.via else ""]
        return "_".join(p for p in parts if p)

    @property
    def window_micros(self) -> int:
        """The window's length; raises `DeclarationError` for one that looks back for ever."""
        return duration(self.window or "ever")

    @property
    def look_back(self) -> int | None:
        """How far before the cutoff it reads, in microseconds, and so what must be covered: the window; for a rate
        change also the window before it. ``None``: for ever.
        """
        if self.window is None:
            return None
        return self.window_micros * (2 if self.aggregate == "rate_change" else 1)

    @property
    def may_read_for_ever(self) -> bool:
        """Whether the aggregate does without a window."""
        return self.aggregate in _EVER

    @property
    def kind(self) -> str:
        """``"category"`` when the value is one of a vocabulary, else ``"number"``."""
        if self.aggregate == "last" and self.column and column_of(self.source, self.column).kind == "category":
            return "category"
        return "number"

    @property
    def is_flag(self) -> bool:
        """Whether the value is the last 0 or 1 of a flag."""
        return self.aggregate == "last" and column_of(self.source, self.column or "").kind == "flag"

    @property
    def unit(self) -> str:
        """The unit of the value, derived from the aggregate and the column; "" where a column has none."""
        if self.aggregate in _UNITS:
            return _UNITS[self.aggregate]
        column = column_of(self.source, self.column or "")
        match column.kind:
            case "time":
                return "days from the cutoff"
            case "category":
                return "category"
            case "flag":
                return {"sum": "count", "mean": "share"}.get(self.aggregate, "0 or 1")
        return column.unit or self.measured


def _pairs_cases(source_name: str) -> bool:
    columns = declared(source_name).columns
    return any(c.kind == "case" for c in columns) and any(c.values == ("opened", "cleared") for c in columns)
