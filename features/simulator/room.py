"""Whether the disk has room for a simulation, told before it begins."""

import shutil
from pathlib import Path

from features.simulator.scenario import Scenario

ROWS_MONTHLY, ROWS_ONCE = 16.0, 6.0
"""Rows per customer and month, and rows that make each known."""

BYTES = 120.0
"""Of disk per row."""


def rows_expected(customers: int, months: int, scenario: Scenario) -> int:
    """About how many rows a simulation delivers."""
    feeds = scenario.feeds
    again = 1 + feeds.revised_share + feeds.void_share + feeds.resent_share
    return round(customers * (ROWS_ONCE + ROWS_MONTHLY * months * max(1.0, scenario.touches)) * again)


def check_room(folder: Path, customers: int, months: int, scenario: Scenario) -> None:
    """Raises `ValueError` naming what is needed and what is free where the folder's disk has too little room."""
    needed = rows_expected(customers, months, scenario) * BYTES
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise ValueError(
            f"too many customers for the disk: {customers:,} for {months:,} months need about {needed / 1e9:,.1f} GB, "
            f"and {free / 1e9:,.1f} GB are free in {there}"
        )
