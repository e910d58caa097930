"""The fact tables: what each source's rows look like, column by column.

A *fact* is one row that some system knows: whose (``key_id``), what, ``at`` (when it happened), ``known_at``
(when it could be known) and ``id``. A later row with the same ``id`` is a *revision*: from its ``known_at`` it
replaces the earlier one, and ``void`` revisions withdraw it. Nothing here reads or writes; `ingest` checks rows
against these declarations and `lake` stores them.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

Purpose = Literal["service", "billing", "identification", "profiling", "marketing"]

PURPOSES: dict[Purpose, str] = {
    "service": "deliver and repair what was ordered, and tell and answer the customer about it",
    "billing": "charge, collect and credit",
    "identification": "know which keys are one person's, and which are not",
    "profiling": "judge or predict what a person needs or will do: features, labels, scores",
    "marketing": "choose, send and count offers",
}
"""What an operator may declare the rows of a source to be used for; `Source.purposes` says which of these it is."""

Kind = Literal["category", "number", "flag", "time", "case", "key"]

_ARROW: dict[str, pa.DataType] = {
    "category": pa.string(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "time": TIME,
    "case": pa.string(),
    "key": pa.int64(),
}


class UnknownNameError(KeyError):
    """No source or column of that name; the message names those there are."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a source: its kind, the values it may take (``None``: any) and what it means."""

    name: str
    kind: Kind
    meaning: str
    values: tuple[str, ...] | None = None
    required: bool = False
    unit: str = ""

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type a stored value has."""
        return _ARROW[self.kind]


@dataclass(frozen=True, slots=True)
class Source:
    """One fact table, and what its rows may be used for. Every source also has `COMMON`."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    purposes: tuple[Purpose, ...]

    def column(self, name: str) -> Column:
        """The declared column; raises `UnknownNameError` naming the columns there are."""
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(c.name for c in self.columns)
        raise UnknownNameError(f"source '{self.name}' has no column '{name}' (it has: {known})")

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the stored rows: `COMMON`, then the source's own columns."""
        return pa.schema([*COMMON, *(pa.field(c.name, c.arrow) for c in self.columns)])


COMMON = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("key_id", pa.int64(), nullable=False),
    pa.field("at", TIME, nullable=False),
    pa.field("known_at", TIME, nullable=False),
    pa.field("void", pa.bool_(), nullable=False),
)

PHASES = ("discover", "explore", "buy", "use", "ask", "engage")
CHANNELS = ("retail", "web", "app", "call_center", "chat", "ivr", "sms", "email", "field", "social")
SEVERITIES = ("warning", "minor", "major", "critical")
STATUSES = ("active", "notice", "left")
REASONS = ("voluntary", "involuntary", "moved", "deceased")


def _category(name: str, meaning: str, *values: str, required: bool = False) -> Column:
    return Column(name, "category", meaning, values or None, required)


def _number(name: str, meaning: str, unit: str = "", required: bool = False) -> Column:
    return Column(name, "number", meaning, unit=unit, required=required)


def _flag(name: str, meaning: str, required: bool = False) -> Column:
    return Column(name, "flag", meaning, required=required)


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            "journey",
            "one touch of a customer (or a visitor nobody can name) with the operator, on any channel",
            (
                _category("phase", "which of the six phases of the journey", *PHASES, required=True),
                _category("channel", "where it took place", *CHANNELS, required=True),
                _category("action", "what was done: view, search, order, call, complain, ..."),
                _category("topic", "what it was about: billing, outage, upgrade, ..."),
                _category("outcome", "how it ended: solved, open, handed_off, abandoned, ..."),
                _number("sentiment", "how the customer sounded", "-1..1"),
                _number("value", "worth of the touch (an order's value, a page's weight)"),
            ),
            ("service", "profiling", "marketing"),
        ),
        Source(
            "faults",
            "something broke, or was announced to break, for a line, a customer or a site",
            (
                Column("case", "case", "the case id that pairs opened with cleared", required=True),
                _category("state", "what became known of the case", "opened", "cleared", required=True),
                _category("severity", "how bad", *SEVERITIES),
                _category("category", "what kind: no_service, slow, drops, ..."),
                _number("minutes", "how long service was lost (known when cleared)", "minutes"),
                _flag("truck_roll", "a technician was sent"),
                _flag("planned", "announced work, not a failure"),
            ),
            ("service", "profiling"),
        ),
        Source(
            "sla",
            "one measurement of a promise",
            (
                _category("metric", "what was promised: resolution_hours, availability, ...", required=True),
                _number("target", "the promise, in the metric's unit"),
                _number("actual", "what was measured, in the metric's unit"),
                _flag("breached", "the promise was not kept", required=True),
                _number("credit", "paid back to the customer", "currency"),
            ),
            ("service", "billing", "profiling"),
        ),
        Source(
            "usage",
            "one metered or billed amount",
            (
                _category("metric", "bill, payment, late_days, gigabytes, minutes, ...", required=True),
                _number("value", "the amount, in the metric's unit", required=True),
            ),
            ("service", "billing", "profiling"),
        ),
        Source(
            "profile",
            "what became true of a line or customer; a missing value says nothing about that column",
            (
                _category("plan", "the tariff"),
                _number("monthly_value", "recurring charge", "currency per month"),
                Column("active_since", "time", "when the relationship began"),
                Column("contract_end", "time", "until when the customer is bound"),
                _category("segment", "consumer, household, enterprise, ..."),
                _category("region", "where"),
                _category("payment", "how they pay", "prepaid", "postpaid"),
                _flag("consent_marketing", "may be contacted with offers"),
                _flag("consent_profiling", "may be profiled"),
                _category(
                    "status", "of the relationship as a whole; one line of several that ends is not a status", *STATUSES
                ),
                _category("reason", "why it ended or was given notice", *REASONS),
            ),
            ("service", "billing", "profiling", "marketing"),
        ),
        Source(
            "contact",
            "an action shown to someone, or what came of it",
            (
                Column("decision", "case", "the decision that showed it"),
                _category("action", "which action", required=True),
                _category("channel", "where", *CHANNELS),
                _number("slot", "position in the list, 1 first"),
                _number("propensity", "probability with which slot 1 was drawn", "probability"),
                _category("response", "what came of it", "shown", "accepted", "declined", "already_fixed", "none"),
                _category("origin", "who made the contact", "tieline", "control", "other"),
            ),
            ("profiling", "marketing"),
        ),
        Source(
            "calendar",
            "what the operator knows of the world",
            (
                _category("kind", "price_rise, rival_campaign, season, ...", required=True),
                _category("region", "where"),
                _number("value", "how much"),
            ),
            ("service", "profiling"),
        ),
        Source(
            "evidence",
            "two keys seen together: `key_id` belongs to (or stopped belonging to) `other_id`",
            (
                Column("other_id", "key", "the key it was seen with", required=True),
                _category(
                    "state",
                    "seen together, known to be apart, or perhaps together (a candidate links nothing)",
                    *("linked", "unlinked", "candidate"),
                    required=True,
                ),
                _number("confidence", "how probable the statement is; missing: as good as its kind", "probability"),
            ),
            ("identification",),
        ),
    )
}


def source(name: str) -> Source:
    """The source of that name; raises `UnknownNameError` naming the sources there are."""
    try:
        return SOURCES[name]
    except KeyError:
        raise UnknownNameError(f"unknown source '{name}' (known: {', '.join(SOURCES)})") from None
