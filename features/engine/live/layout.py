"""What of a key's rows is packed: for each source the filters and columns that any declared feature asks for.

It depends on the catalogue alone, not on what a model happens to read, so that another model finds the same bytes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.conditions import MAX_FILTERS, Condition, DeclarationError, Event
from features.declare import Catalog
from features.engine.decode import FLAG_VALUES
from features.engine.matching import by_code, by_interval
from features.engine.plan import emission, filters_of, read_by
from features.facts import source
from features.feature import Feature

VERSION = 1
"""Of the bytes `packed` writes; another one makes every cache anew."""


@dataclass(frozen=True)
class Section:
    """What is packed of one source. ``numbers``: columns kept as float64 (times as microseconds); ``codes``: as int32;
    ``case``: the column cases are paired by, "" where there are none.
    """

    source: str
    filters: tuple[tuple[Condition, ...], ...]
    numbers: tuple[str, ...]
    codes: tuple[str, ...]
    case: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a row's content is read from."""
        tested = {c.column for conditions in self.filters for c in conditions}
        return tuple(sorted({*self.numbers, *self.codes, *tested, *([self.case] if self.case else [])}))

    def place(self, column: str) -> int:
        """Where a column stands among the packed ones: numbers first, then codes."""
        return (*self.numbers, *self.codes).index(column)

    def declared(self, column: str) -> tuple[str, ...] | None:
        """The few values a coded column may have, in the order of their codes; ``None``: any."""
        found = source(self.source).column(column)
        return FLAG_VALUES if found.kind == "flag" else found.values

    @cached_property
    def tests(self) -> "tuple[Test, ...]":
        """The test of each column any filter looks at."""
        names = sorted({c.column for conditions in self.filters for c in conditions})
        return tuple(Test.of(self, name) for name in names)


@dataclass(frozen=True)
class Test:
    """Which filters a value of one column leaves standing, a bit each, by the tables `matching` is done with."""

    column: str
    coded: bool
    tests: tuple[tuple[Condition, ...], ...]
    bounds: np.ndarray
    table: np.ndarray

    @classmethod
    def of(cls, section: Section, name: str) -> "Test":
        """The test of a column over the section's filters."""
        tests = [[c for c in conditions if c.column == name] for conditions in section.filters]
        coded = source(section.source).column(name).kind in ("category", "flag", "case")
        bounds, table = (np.empty(0), np.empty(0, np.uint64)) if coded else by_interval(tests)
        return cls(name, coded, tuple(tuple(t) for t in tests), bounds, table)

    def standing(self, value: object) -> int:
        """The filters that a row's value (a word, a number or ``None``) does not rule out."""
        if self.coded:
            word = FLAG_VALUES[value] if isinstance(value, bool) else value
            table = by_code([list(t) for t in self.tests], () if word is None else (str(word),))
            return int(table[-1] if word is None else table[0])
        number = np.nan if value is None else float(value)  # type: ignore[arg-type]
        place = len(self.table) - 1 if np.isnan(number) else int(np.searchsorted(self.bounds, number, "right"))
        return int(self.table[place])


@dataclass(frozen=True)
class Layout:
    """The sections of a key's packed history, in the order in which they are packed: the first ``customers`` are those
    the catalogue's features are read from, the others those of its visitors.
    """

    sections: tuple[Section, ...]
    customers: int

    @classmethod
    def of(cls, catalog: Catalog) -> "Layout":
        """The layout a catalogue asks for: of its features first, then of what is read of visitors."""
        own = _sections(catalog.features)
        visitors = catalog.visitors
        return cls((*own, *(_sections(visitors.features, visitors.asked) if visitors else ())), len(own))

    @cached_property
    def digest(self) -> str:
        """What stands for the layout: bytes packed by another one are not read."""
        return hashlib.sha256(repr((VERSION, self.sections)).encode()).hexdigest()[:16]

    @property
    def of_visitors(self) -> range:
        """The places of the sections read of visitors."""
        return range(self.customers, len(self.sections))

    @property
    def of_customers(self) -> range:
        """The places of the sections the catalogue's features are read from."""
        return range(self.customers)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources anything is packed of."""
        return tuple(dict.fromkeys(section.source for section in self.sections))


def _sections(features: Sequence[Feature], asked: Event | None = None) -> tuple[Section, ...]:
    """``asked``: an event whose rows are told apart too."""
    names = sorted({f.source for f in features} | ({asked.source} if asked else set()))
    return tuple(_section(name, [f for f in features if f.source == name], asked) for name in names)


def _section(name: str, features: Sequence[Feature], asked: Event | None) -> Section:
    """Which columns are aggregated: those only tested are in the filters' bits."""
    declared = source(name)
    emissions = [emission(f) for f in features]
    kept = sorted({e.column for e in emissions if e.column})
    coded = [n for n in kept if declared.column(n).kind in ("category", "flag", "case")]
    paired = "state" in read_by(features).get(name, ()) and any(c.kind == "case" for c in declared.columns)
    case = next((c.name for c in declared.columns if c.kind == "case"), "") if paired else ""
    if case:
        coded = sorted({*coded, "state"})
    filters = filters_of(name, emissions)
    if asked is not None and asked.source == name and asked.conditions not in filters:
        filters = (*filters, asked.conditions)
    if len(filters) > MAX_FILTERS:
        raise DeclarationError(f"source '{name}': {len(filters)} distinct filters, at most {MAX_FILTERS} fit")
    return Section(name, filters, tuple(n for n in kept if n not in coded), tuple(coded), case)
