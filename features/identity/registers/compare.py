"""How two people registers are compared: declarations alone, in the SQL of Splink's comparison levels.

A comparison parts all pairs of rows into levels of agreement; `propose` learns how often each level occurs among
rows of one person (m) and of two (u). Levels are tried in order, the first that holds counts, and "anything else" is
always the last. ``x_l`` and ``x_r`` are the left and the right register's column ``x``; a value that is not known is
null, and a comparison with nothing to compare says nothing.
"""

import re
from dataclasses import dataclass, replace


class PlanError(ValueError):
    """A plan that could not be learned or carried out; the message says what it lacks."""


@dataclass(frozen=True, slots=True)
class Level:
    """One degree of agreement. ``rarity``: a column; the more frequent its value, the less such an agreement weighs."""

    label: str
    sql: str
    rarity: str | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared as one piece of evidence: columns whose agreement depends on one another belong together.

    ``silent``: the SQL of when it says nothing (default: one of the columns is null on either side).
    """

    name: str
    columns: tuple[str, ...]
    levels: tuple[Level, ...]
    silent: str = ""

    @property
    def says_nothing(self) -> str:
        """The SQL of when there is nothing to compare."""
        return self.silent or " OR ".join(unknown(column) for column in self.columns)


@dataclass(frozen=True)
class Plan:
    """What of two registers is compared, and which pairs.

    ``blocks``: pairs that agree in all columns (or SQL expressions over them) of at least one block are compared, no
    others. ``training``: the blocks among whose pairs m is learned; a comparison learns from those that do not use
    its columns. ``absent``: columns the registers need not have; they count as never known.
    """

    comparisons: tuple[Comparison, ...]
    blocks: tuple[tuple[str, ...], ...]
    training: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.blocks:
            raise PlanError("no block is left: which pairs should be compared?")
        for comparison in self.comparisons:
            if not _free_of(comparison.columns, self.training):
                raise PlanError(f"'{comparison.name}' could not be learned: every training block uses its columns")

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is compared, in order, also the absent ones."""
        return tuple(dict.fromkeys(column for c in self.comparisons for column in c.columns))

    def without(self, *columns: str) -> "Plan":
        """The same for registers without these columns: what needs one of them is left out, or does with the others.

        Raises `PlanError` for a column that is not compared, and where too little is left.
        """
        for column in columns:
            if column not in self.columns:
                raise PlanError(f"'{column}' is not compared (compared are: {', '.join(self.columns)})")
        return replace(
            self,
            comparisons=tuple(c for c in self.comparisons if not set(c.columns) <= {*self.absent, *columns}),
            blocks=_free_of(columns, self.blocks),
            training=_free_of(columns, self.training),
            absent=(*self.absent, *columns),
        )


def _free_of(columns: tuple[str, ...], blocks: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """The blocks that use none of the columns."""
    used = re.compile(rf"\b(?:{'|'.join(map(re.escape, columns))})\b")
    return tuple(block for block in blocks if not any(used.search(part) for part in block))


def same(column: str) -> str:
    """SQL: both are known and equal."""
    return f"coalesce({column}_l = {column}_r, false)"


def near(column: str) -> str:
    """SQL: both are known and at most one letter lost, added, changed or swapped with the next apart.

    One slip leaves one half of the shorter text as it was, at its end of the longer one: what fails that is not worth
    a distance, which costs many times more.
    """
    a, b = f"{column}_l", f"{column}_r"
    half = f"(least(length({a}), length({b})) - 1) // 2"
    halves = f"(left({a}, {half}) = left({b}, {half}) OR right({a}, {half}) = right({b}, {half}))"
    likely = f"abs(length({a}) - length({b})) <= 1 AND {halves}"
    return f"CASE WHEN {a} = {b} THEN true WHEN {likely} THEN damerau_levenshtein({a}, {b}) <= 1 ELSE false END"


def unknown(column: str) -> str:
    """SQL: one of the two is not known."""
    return f"({column}_l IS NULL OR {column}_r IS NULL)"


def _swapped(date: str) -> str:
    """SQL: the same ISO date with day and month the other way round."""
    turned = f"substr({date}_r, 1, 5) || substr({date}_r, 9, 2) || '-' || substr({date}_r, 6, 2)"
    return f"coalesce({date}_l = {turned}, false)"


def _home() -> Comparison:
    """Last name and address as one piece of evidence.

    Those who live together share both, so that their agreement, taken apart, would count twice against a family; the
    town and the postcode of one street are one thing too. ``house``: street and number; ``part``: what is known of
    the two agrees, and one is missing or the number has a slip; ``town``: postcode or city.
    """
    name, typo = same("last_name"), near("last_name")
    town = f"({same('postcode')} OR {near('city')})"
    house = f"({near('street')} AND {same('number')})"
    rest = f"({near('street')} AND ({unknown('number')} OR {near('number')}))"
    part = f"({rest} OR ({unknown('street')} AND {same('number')} AND {town}))"
    return Comparison(
        "home",
        ("last_name", "street", "number", "postcode", "city"),
        (
            Level("name and house", f"{name} AND {house}"),
            Level("name with a slip, and house", f"{typo} AND {house}"),
            Level("house", house),
            Level("name and part of the address", f"{name} AND {part}"),
            Level("name with a slip, and part of the address", f"{typo} AND {part}"),
            Level("name and town", f"{name} AND {town}"),
            Level("name with a slip, and town", f"{typo} AND {town}"),
            Level("name", name),
            Level("name with a slip", typo),
            Level("part of the address", part),
            Level("town", town),
        ),
        " AND ".join(unknown(column) for column in ("last_name", "street", "postcode", "city")),
    )


PERSONS = Plan(
    comparisons=(
        Comparison(
            "first name",
            ("first_name",),
            (
                Level("same", same("first_name"), rarity="first_name"),
                Level("a slip", near("first_name")),
                Level("first three letters", "substr(first_name_l, 1, 3) = substr(first_name_r, 1, 3)"),
            ),
        ),
        Comparison(
            "birth date",
            ("birth_date",),
            (
                Level("same", same("birth_date")),
                Level("day and month swapped", _swapped("birth_date")),
                Level("a slip", near("birth_date")),
            ),
        ),
        Comparison("email", ("email",), (Level("same", same("email")), Level("a slip", near("email")))),
        _home(),
    ),
    blocks=(
        ("birth_date",),
        ("email",),
        ("last_name", "first_name"),
        ("last_name", "street"),
        ("last_name", "postcode"),
        ("street", "number"),
        ("first_name", "postcode"),
        ("first_name", "street"),
        ("substr(last_name, 1, 3)", "substr(first_name, 1, 3)", "city"),
    ),
    training=(("birth_date",), ("last_name", "postcode"), ("first_name", "street")),
)
"""People: first and last name, street, number, postcode, city, birth date (ISO 8601) and e-mail address."""
