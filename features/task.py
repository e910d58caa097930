"""What a task is: for whom, when it is asked, what counts as the answer and when the answer is known."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from features.conditions import DeclarationError, Event, column_of, duration, once
from features.feature import Feature

Operator = Literal["is", "is_not", "at_least", "below", "missing", "present"]


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

    ``together``: the type of key whose members decide together, a household or a firm: they are kept on one side of
    every fold, and counted as one where it is asked how sure a figure is.

    What a reviewer holds a model against: ``ceiling``, an AUC nobody believes; ``lead``, the shortest time before an
    ending at which it can credibly be foreseen (within it, a near certain prediction means that the answer had already
    begun to show); ``slices``, features by whose values quality is reported apart; ``live``, the event just after which
    live calls ask, where quality is reported apart too.
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
    ceiling: float = 0.95
    lead: str = "1d"
    together: str | None = None
    slices: tuple[str, ...] = ()
    live: Event | None = None

    def __post_init__(self) -> None:
        edges = [duration(p) for p in self.periods]
        if not edges or any(a >= b for a, b in pairwise(edges)) or edges[0] <= 0:
            raise DeclarationError(f"task '{self.name}': periods must be rising durations, not {self.periods}")
        if not self.labels:
            raise DeclarationError(f"task '{self.name}': no label")
        if not 0.5 < self.ceiling <= 1:
            raise DeclarationError(
                f"task '{self.name}': the ceiling is an AUC above 0.5, at most 1; not {self.ceiling}"
            )
        duration(self.lead)
        once(f"task '{self.name}', label", [label.name for label in self.labels])
        if self.open_ended and any(label.competing is None for label in self.labels):
            raise DeclarationError(f"task '{self.name}': an open-ended task needs a competing ending for every label")

    @property
    def events(self) -> tuple[Event, ...]:
        """What its labels wait for, and its cutoffs and live calls come after."""
        found = [e for label in self.labels for e in (label.event, label.competing) if e is not None]
        fired = self.cutoffs.event if isinstance(self.cutoffs, Triggered) else None
        return (*found, *(event for event in (fired, self.live) if event is not None))
