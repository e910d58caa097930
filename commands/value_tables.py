"""What `tieline describe` and `tieline explain` show: tables, sentences and JSON."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Column, Table

from commands.identity_tables import instant_words

if TYPE_CHECKING:
    import pandas as pd

    from features.told.explain import Explanation

_BOUNDS = ("at_from", "at_to", "known_from", "known_to")


def described_table(described: "pd.DataFrame", groups: Mapping[str, str]) -> Table:
    """A line per feature, group by group; with figures where they were asked for."""
    told = "missing" in described.columns
    table = Table(Column("feature", overflow="fold"), "unit", "meaning", *(("missing", "says") if told else ()))
    for group, features in described.groupby("group", sort=False):
        words = f"[bold]{escape(str(group))}[/bold] {escape(groups.get(str(group), ''))}"
        table.add_row(words.strip() or "(no group)")
        for name, row in features.iterrows():
            figures = (f"{row['missing']:.1%}", says(row)) if told else ()
            table.add_row(f"  {name}", row["unit"], escape(row["meaning"]), *figures)
        table.add_section()
    return table


def says(row: "pd.Series") -> str:
    """The mean and the range of a number, the most frequent word of a category."""
    if isinstance(row["most_frequent"], str):
        return escape(row["most_frequent"])
    if row["mean"] != row["mean"]:
        return "-"
    return f"{row['mean']:.4g} ({row['min']:.4g} to {row['max']:.4g})"


def as_records(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """A dictionary per row, of what JSON can say: null for missing, ISO text in UTC for instants."""
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
    return records


def explained_lines(found: "Explanation") -> list[str]:
    """The value or why there is none, what the feature means, and what was read."""
    feature = found.feature
    lines = [escape(found.words)]
    if feature.meaning:
        lines.append(f"  {escape(feature.meaning)}")
    if found.seen != found.cutoff:
        lines.append(f"  as known at {instant_words(found.seen)}")
    if found.parent is not None:
        lines.append(f"  read of {feature.of} {found.parent}, their present one")
    types = found.reach["key_type"].value_counts()
    if len(types):
        lines.append(f"  through {', '.join(f'{n} {name}' for name, n in types.items())}")
    if found.note:
        lines.append(f"  {found.note}")
    if len(found.facts):
        meeting = int(found.facts["met"].sum())
        lines.append(f"  {len(found.facts):,} facts of {feature.source} count in time, {meeting:,} meet its conditions")
    return lines


def facts_table(found: "Explanation", limit: int) -> Table:
    """The latest facts, a line each."""
    shown = found.facts.tail(limit).drop(columns=[*_BOUNDS, "until", "key_type"])
    table = Table(*shown.columns)
    kinds = found.facts["key_type"].tail(limit)
    for (_, row), kind in zip(shown.iterrows(), kinds, strict=True):
        cells = {**row.to_dict(), "key_id": f"{kind} {row['key_id']}"}
        table.add_row(*(escape(_cell(value)) for value in cells.values()))
    return table


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if hasattr(value, "isoformat"):
        return str(value.isoformat(sep=" ", timespec="seconds"))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def explained_record(found: "Explanation") -> dict[str, Any]:
    """Everything of it, as JSON can say it."""
    return {
        "feature": found.feature.name,
        "unit": found.feature.unit,
        "meaning": found.feature.meaning,
        "entity_type": found.entity_type,
        "entity": found.entity,
        "cutoff": instant_words(found.cutoff),
        "seen": instant_words(found.seen),
        "value": found.value,
        "why_missing": found.why or None,
        "note": found.note or None,
        "parent": found.parent,
        "reach": as_records(found.reach),
        "facts": as_records(found.facts),
    }
