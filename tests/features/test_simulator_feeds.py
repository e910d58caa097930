from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from features.facts import SOURCES
from features.simulator import SCENARIOS, Batch, Feeds, simulate
from features.simulator.clock import DAY
from features.simulator.feeds.outages import drawn

SMALL = SCENARIOS["small"]
PERFECT = Feeds(0.02, 0.005, late_share=0.0, outages_yearly=0.0)
FORGETFUL = replace(PERFECT, outages_yearly=20.0, loss_share=1.0)
PATIENT = replace(PERFECT, outages_yearly=20.0, loss_share=0.0)
LOSING = {"journey", "faults", "sla", "usage", "contact"}
HOUR = pd.Timedelta(hours=1)


@cache
def delivered(feeds: Feeds, months: int = 3) -> tuple[Batch, ...]:
    return tuple(simulate(300, months, 2, scenario=replace(SMALL, feeds=feeds)))


def rows(feeds: Feeds, source: str) -> pd.DataFrame:
    """All rows of a source, in the order of delivery."""
    return pd.concat([b.rows.to_pandas() for b in delivered(feeds) if b.source == source], ignore_index=True)


def gaps(feeds: Feeds, source: str) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """Between what the batches say they cover."""
    covered = [interval for b in delivered(feeds) if b.source == source for interval in b.covered]
    holes = [(low, high) for (_, low), (high, _) in pairwise(sorted(covered)) if low < high]
    return [(pd.Timestamp(low, unit="us", tz="UTC"), pd.Timestamp(high, unit="us", tz="UTC")) for low, high in holes]


def inside(at: pd.Series, holes: list[tuple[pd.Timestamp, pd.Timestamp]]) -> np.ndarray:
    return np.any([(low <= at) & (at < high) for low, high in holes] or [np.zeros(len(at), bool)], axis=0)


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_what_happens_while_a_losing_feed_is_down_never_comes_and_all_else_does(source: str) -> None:
    holes, perfect, lossy = gaps(FORGETFUL, source), rows(PERFECT, source), rows(FORGETFUL, source)
    assert bool(holes) == (source in LOSING)
    assert all(6 * HOUR <= high - low <= 48 * HOUR for low, high in holes)
    if source in LOSING:
        missed = inside(perfect["at"], holes)
        assert missed.any()
        pd.testing.assert_frame_equal(lossy, perfect[~missed].reset_index(drop=True))


@pytest.mark.parametrize("source", sorted(set(SOURCES) - {"calendar"}))
def test_what_a_patient_feed_held_back_comes_in_order_when_it_is_up_again(source: str) -> None:
    assert not gaps(PATIENT, source)
    perfect, held = rows(PERFECT, source), rows(PATIENT, source)
    pd.testing.assert_frame_equal(held.drop(columns="known_at"), perfect[: len(held)].drop(columns="known_at"))
    wait = held.known_at - perfect.known_at[: len(held)]
    assert (wait >= pd.Timedelta(0)).all()
    assert pd.Timedelta(0) < wait.max() <= 48 * HOUR
    assert (wait > pd.Timedelta(0)).mean() < 0.3
    assert (held.groupby("id").known_at.nunique() == held.groupby("id").size()).all()


@pytest.mark.parametrize("source", ["profile", "evidence", "calendar"])
def test_registers_lose_nothing(source: str) -> None:
    assert {b.covered for b in delivered(FORGETFUL) if b.source == source} == {
        b.covered for b in delivered(PERFECT) if b.source == source
    }


def test_a_share_of_rows_comes_days_late_and_a_few_come_weeks_late() -> None:
    late = rows(replace(PERFECT, late_share=0.1), "usage")
    wait = (late.known_at - late["at"])[~late.id.duplicated()]
    assert (wait > pd.Timedelta(days=2.25)).mean() == pytest.approx(0.1 * 0.63, rel=0.15)  # a day is the usual lag
    assert wait.max() > pd.Timedelta(days=15)
    usual = rows(PERFECT, "usage").drop_duplicates("id")
    assert (usual.known_at - usual["at"]).max() <= 30 * HOUR


def test_by_default_one_or_two_rows_in_a_hundred_are_late_and_a_feed_is_down_once_in_eighteen_months() -> None:
    usual = Feeds()
    assert 0.01 <= usual.late_share <= 0.02
    down = drawn(np.random.default_rng(5), "usage", usual, 0, int(150 * 365.25) * DAY)
    assert len(down.lost) + len(down.held) == pytest.approx(100, rel=0.3)
    assert len(down.lost) == pytest.approx(50, rel=0.4)


def test_rows_sent_twice_say_the_same() -> None:
    twice, once = rows(replace(PERFECT, resent_share=0.1), "journey"), rows(PERFECT, "journey")
    again = twice.duplicated()
    assert again.mean() == pytest.approx(0.1 / 1.1, rel=0.15)
    pd.testing.assert_frame_equal(twice[~again].reset_index(drop=True), once)


def test_bad_feeds_too_begin_the_same_however_long_they_run() -> None:
    dirty = SCENARIOS["dirty"].feeds
    longer = delivered(dirty, months=4)
    assert all(
        (one.source, one.covered) == (other.source, other.covered) and one.rows.equals(other.rows)
        for one, other in zip(delivered(dirty), longer[: len(delivered(dirty))], strict=True)
    )


def test_bad_feeds_change_no_ones_life() -> None:
    for source in ("journey", "profile"):
        good, bad = rows(PERFECT, source), rows(SCENARIOS["dirty"].feeds, source)
        same = bad.merge(good.drop_duplicates("id"), on="id", suffixes=("", "_good"))
        assert len(same) > 0.8 * len(bad)
        assert (same["at"] == same.at_good).mean() > 0.99
