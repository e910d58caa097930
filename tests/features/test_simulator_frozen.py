"""The default operator is frozen: what leans on it would shift unseen. A change is a decision (docs/decisions/006)."""

from functools import cache

import pandas as pd
import pyarrow as pa
import pytest

from features.simulator import DEFAULT, fingerprint, simulate
from features.simulator.pinned import BARS, Bar, pins

ROWS = {
    "calendar": 23,
    "contact": 1211,
    "evidence": 1986,
    "faults": 51,
    "journey": 2499,
    "profile": 277,
    "sla": 878,
    "usage": 2695,
}
BILLED = {"bill": 16517.0, "gigabytes": 15692.0, "late_days": 759.0, "minutes": 96290.0, "payment": 19564.0}


@cache
def facts() -> dict[str, pd.DataFrame]:
    batches = list(simulate(200, 3, 7))
    names = {batch.source for batch in batches}
    return {name: pa.concat_tables([b.rows for b in batches if b.source == name]).to_pandas() for name in names}


def test_a_small_run_of_the_default_has_the_rows_it_always_had() -> None:
    assert {name: len(rows) for name, rows in facts().items()} == ROWS


def test_what_the_rows_say_is_what_they_always_said() -> None:
    usage, contact, journey = (facts()[name] for name in ("usage", "contact", "journey"))
    assert usage.groupby("metric").value.sum().round(0).to_dict() == BILLED
    assert contact.propensity.sum() == pytest.approx(134.644760, rel=1e-6)
    assert journey.sentiment.sum() == pytest.approx(45.556624, rel=1e-6)


def test_the_pinned_figures_are_of_the_default_as_it_is() -> None:
    assert pins().fingerprint == fingerprint(DEFAULT)


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.name)
def test_every_pinned_figure_keeps_its_bounds(bar: Bar) -> None:
    assert bar.low <= pins().figures[bar.name] <= bar.high


def test_the_pins_come_from_enough() -> None:
    assert pins().measured_on["customer_cutoffs"] >= 100_000
