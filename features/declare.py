"""What a feature, a link and a task are: frozen data that validates itself, apart from how it is computed.

Names are derived from the declaration, never typed: ``Feature("faults", "sum", "minutes", "30d")`` is
``faults_minutes_sum_30d``. Every window is closed at its older end and open at the cutoff: ``[c - w, c)``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from features.conditions import Condition, DeclarationError, Event, column_of, declared, duration, where
from features.link import Link
from features.purposes import Narrowed, check_narrowed, check_use
from features.unnamed import Visitors

Aggregate = Literal["count", "sum", "mean", "last", "since_last", "distinct", "open", "open_age"]
Operator = Literal["is", "is_not", "at_least", "below", "missing", "present"]

_AGGREGATE_KINDS: dict[str, tuple[str, ...]] = {
    "count": (),
    "sum": ("number", "flag"),
    "mean": ("number", "flag"),
    "last": ("number", "flag", "category", "time"),
    "since_last": (),
    "distinct": ("category", "flag"),
    "open": (),
    "open_age": (),
}
_MAX_DISTINCT = 64
_EVER = ("last", "since_last")


def _once(what: str, names: Sequence[str]) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise DeclarationError(f"{what} declared twice: {', '.join(twice)}")


def _pairs_cases(source_name: str) -> bool:
    columns = declared(source_name).columns
    return any(c.kind == "case" for c in columns) and any(c.values == ("opened", "cleared") for c in columns)


@dataclass(frozen=True)
class Feature:
    """One number (or category) known about an entity at a cutoff.

    ``of`` reads the present parent's own history (its site's, its account's); ``via`` reads what happened at any
    such parent while the entity was there. Without either, the entity's own keys are read. ``window`` is needed by
    count, sum, mean, distinct, open and open_age; ``last`` and ``since_last`` may look back for ever.
    """

    source: str
    aggregate: Aggregate
    column: str | None = None
    window: str | None = None
    where: Mapping[str, object] | tuple[Condition, ...] = ()
    of: str | None = None
    via: str | None = None
    group: str = ""
    meaning: str = ""

    def __post_init__(self) -> None:
        kinds = _AGGREGATE_KINDS.get(self.aggregate)
        if kinds is None:
            raise DeclarationError(f"unknown aggregate '{self.aggregate}' (known: {', '.join(_AGGREGATE_KINDS)})")
        if isinstance(self.where, Mapping):
            object.__setattr__(self, "where", where(self.source, self.where))
        if self.of and self.via:
            raise DeclarationError(f"{self.name}: choose of='{self.of}' or via='{self.via}', not both")
        if self.window is None and self.aggregate not in _EVER:
            raise DeclarationError(
                f"{self.name}: {self.aggregate} needs a window such as '30d' (last and since_last do not)"
            )
        if self.window is not None and duration(self.window) <= 0:
            raise DeclarationError(f"{self.name}: the window must be longer than nothing")
        check_use(f"feature {self.name}", "profiling", self.source)
        self._check_column(kinds)

    def _check_column(self, kinds: tuple[str, ...]) -> None:
        if self.aggregate in ("open", "open_age") and not _pairs_cases(self.source):
            raise DeclarationError(
                f"{self.name}: {self.aggregate} needs a source whose cases open and clear; {self.source} has none"
            )
        if self.column is None:
            if kinds:
                raise DeclarationError(f"{self.name}: {self.aggregate} needs a column ({' or '.join(kinds)})")
            return
        column = column_of(self.source, self.column)
        if column.kind not in kinds:
            wanted = " or ".join(kinds) or "no column"
            raise DeclarationError(
                f"{self.name}: {self.aggregate} works on {wanted}, and {self.source}.{self.column} is a {column.kind}"
            )
        countable = column.kind == "flag" or (column.values is not None and len(column.values) <= _MAX_DISTINCT)
        if self.aggregate == "distinct" and not countable:
            raise DeclarationError(
                f"{self.name}: distinct needs at most {_MAX_DISTINCT} declared values of {self.column}"
            )

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """``where``, checked."""
        assert isinstance(self.where, tuple)
        return self.where

    @property
    def name(self) -> str:
        """Derived from the declaration: source, conditions, column, aggregate, window, reach."""
        parts = [self.source, *(c.label for c in self.conditions), self.column or "", self.aggregate, self.window or ""]
        parts += [f"of_{self.of}" if self.of else "", f"via_{self.via}" if self.via else ""]
        return "_".join(p for p in parts if p)

    @property
    def window_micros(self) -> int:
        """The window's length; raises `DeclarationError` for one that looks back for ever."""
        return duration(self.window or "ever")

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
        """The unit of the value, derived from the aggregate and the column."""
        if self.aggregate in ("since_last", "open_age"):
            return "days"
        if self.aggregate in ("count", "distinct", "open"):
            return "count"
        column = column_of(self.source, self.column or "")
        return "days from the cutoff" if column.kind == "time" else column.unit


@dataclass(frozen=True, slots=True)
class Rule:
    """A test of one feature, by name: eligibility as a plain (feature, operator, value) list."""

    feature: str
    operator: Operator
    value: str | float | None = None

    def check(self, feature: Feature, place: str) -> None:
        """Raise `DeclarationError` where the operator or the value does not fit the feature."""
        where = f"{place}: rule {self.feature} {self.operator} {self.value!r}"
        if self.operator not in get_args(Operator):
            raise DeclarationError(f"{where}: the operator is one of {', '.join(get_args(Operator))}")
        if self.operator in ("missing", "present"):
            return
        is_text, ordered = isinstance(self.value, str), self.operator in ("at_least", "below")
        if (feature.kind == "category") != is_text or (ordered and is_text):
            wanted = "text, and is or is_not" if feature.kind == "category" else "a number"
            raise DeclarationError(f"{where}: {self.feature} is a {feature.kind}; it takes {wanted}")
        allowed = column_of(feature.source, feature.column).values if is_text and feature.column else None
        if allowed is not None and self.value not in allowed:
            raise DeclarationError(f"{where}: it is one of {', '.join(allowed)}")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Cutoffs at fixed instants for every eligible entity: the first of each month, or every so many days."""

    every: str = "month"

    def __post_init__(self) -> None:
        if self.every != "month" and duration(self.every) <= 0:
            raise DeclarationError("Calendar: cutoffs must be some time apart, such as '7d', or 'month'")


@dataclass(frozen=True, slots=True)
class Triggered:
    """Cutoffs just after an event became known (one microsecond after its ``known_at``)."""

    event: Event


@dataclass(frozen=True, slots=True)
class Label:
    """What may happen after the cutoff.

    With ``competing`` the label is a race to an end: any competing ending stops the clock, of two at the same instant
    the event counts, and who had already ended before the follow-up begins, though nobody knew, is not asked about.
    Without it the event may come again and again.
    """

    name: str
    event: Event
    competing: Event | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A prediction: for whom, when it is asked for, what counts as the answer and when the answer is known.

    ``periods`` are the upper edges of the follow-up periods after ``cutoff + gap``; with ``open_ended`` one more
    period follows the last edge and ends when the ending comes. A period teaches iff its end + ``label_delay``
    has passed at the training instant.
    """

    name: str
    entity: str
    cutoffs: Calendar | Triggered
    labels: tuple[Label, ...]
    periods: tuple[str, ...]
    eligible: tuple[Rule, ...] = ()
    open_ended: bool = False
    gap: str = "0s"
    label_delay: str = "0s"
    features: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        edges = [duration(p) for p in self.periods]
        if not edges or any(a >= b for a, b in pairwise(edges)) or edges[0] <= 0:
            raise DeclarationError(f"task '{self.name}': periods must be rising durations, not {self.periods}")
        if not self.labels:
            raise DeclarationError(f"task '{self.name}': no label")
        _once(f"task '{self.name}', label", [label.name for label in self.labels])
        if self.open_ended and any(label.competing is None for label in self.labels):
            raise DeclarationError(f"task '{self.name}': an open-ended task needs a competing ending for every label")

    @property
    def events(self) -> tuple[Event, ...]:
        """What its labels wait for and its cutoffs fire on."""
        found = [e for label in self.labels for e in (label.event, label.competing) if e is not None]
        return (*found, self.cutoffs.event) if isinstance(self.cutoffs, Triggered) else tuple(found)


@dataclass(frozen=True)
class Catalog:
    """Everything a workspace declares: key types, links, features and tasks."""

    key_types: tuple[str, ...]
    links: tuple[Link, ...]
    features: tuple[Feature, ...]
    tasks: tuple[Task, ...]
    groups: Mapping[str, str] = field(default_factory=dict)
    """Group of features -> words a call-centre agent can say, for reasons."""
    purposes: Narrowed = field(default_factory=dict)
    """Source -> what is left of its declared purposes, where this operator may use its rows for less."""
    visitors: Visitors | None = None
    """Which keys may be asked about before anybody knows whose they are."""
    objection: Rule | None = None
    """When somebody objects to profiling: no score is made of them and no model learns from them (see `objection`)."""

    def __post_init__(self) -> None:
        names = [f.name for f in self.features]
        _once("feature", names)
        _once("task", [task.name for task in self.tasks])
        _once("link", [f"{link.child} -> {link.parent}" for link in self.links])
        self._no_cycle()
        for link in self.links:
            for end in (link.child, link.parent):
                self._known_type(end, f"link {link.child} -> {link.parent}")
        parents = {link.parent for link in self.links}
        for feature in self.features:
            reached = feature.of or feature.via
            if reached and reached not in parents:
                raise DeclarationError(f"{feature.name}: no link leads to '{reached}'")
        for task in self.tasks:
            self._known_type(task.entity, f"task '{task.name}'")
            for name in [rule.feature for rule in task.eligible] + list(task.features or ()):
                if name not in names:
                    raise DeclarationError(f"task '{task.name}': no feature '{name}'")
            for rule in task.eligible:
                rule.check(self.features[names.index(rule.feature)], f"task '{task.name}'")
        if self.visitors:
            self.visitors.check(self.key_types, self.purposes)
        self._check_purposes()
        self._check_objection()

    def _check_purposes(self) -> None:
        check_narrowed(self.purposes)
        for feature in self.features:
            check_use(f"feature {feature.name}", "profiling", feature.source, self.purposes)
        for task in self.tasks:
            for event in task.events:
                check_use(f"task '{task.name}'", "profiling", event.source, self.purposes)
        if self.links:
            check_use("reading links", "identification", "evidence", self.purposes)

    def _check_objection(self) -> None:
        if self.objection is None:
            return
        feature = next((f for f in self.features if f.name == self.objection.feature), None)
        if feature is None:
            raise DeclarationError(f"objection: no feature '{self.objection.feature}'")
        if feature.window is not None:
            raise DeclarationError(f"objection: {feature.name} forgets after {feature.window}; an objection holds")
        self.objection.check(feature, "objection")

    def _known_type(self, key_type: str, place: str) -> None:
        if key_type not in self.key_types:
            raise DeclarationError(f"{place}: unknown key type '{key_type}' (declared: {', '.join(self.key_types)})")

    def _no_cycle(self) -> None:
        """Reach follows links downwards through any number of levels, so none may lead back."""
        children = {
            t: {link.child for link in self.links if link.rolls_up and link.parent == t and not link.is_merge}
            for t in self.key_types
        }
        for start in self.key_types:
            reached: set[str] = set()
            level = children[start]
            while level - reached:
                reached |= level
                level = set().union(*(children[t] for t in level))
            if start in reached:
                raise DeclarationError(f"links lead from '{start}' back to itself; make one of them rolls_up=False")

    def task(self, name: str) -> Task:
        """The task of that name; raises `DeclarationError` naming the tasks there are."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise DeclarationError(
            f"no task '{name}' (this workspace has: {', '.join(t.name for t in self.tasks) or 'none'})"
        )

    def task_features(self, task: Task) -> tuple[Feature, ...]:
        """The features a task's models read, in declared order."""
        return tuple(f for f in self.features if task.features is None or f.name in task.features)
