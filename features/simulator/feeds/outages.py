"""When a feed is down: what happens then is lost, or waits until the feed is back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.lake.intervals import Interval, less
from features.simulator.clock import DAY, HOUR, YEAR_DAYS
from features.simulator.scenario import Feeds

LOSING = ("journey", "faults", "sla", "usage", "contact")
"""Feeds that forget what they did not deliver; the others are registers, which still know it when they are back."""

CATCH_UP = 0.1
"""A feed that is back delivers what waited, in order, within this share of the time it was down."""


@dataclass(frozen=True)
class Outages:
    """``lost``: intervals of which nothing is ever delivered. ``held``: (k, 3) when the feed went down, when it came
    back and when the last waiting row was delivered. All in UTC microseconds, in order of time.
    """

    lost: tuple[Interval, ...]
    held: np.ndarray

    def sees(self, at: np.ndarray) -> np.ndarray:
        """(n,) whether what happened at these instants is ever delivered."""
        edges = np.array(self.lost, np.int64).ravel()
        return np.searchsorted(edges, at, side="right") % 2 == 0

    def delivered(self, known_at: np.ndarray) -> np.ndarray:
        """(n,) when rows become known that would have been known at these instants; their order stays.

        What waits is delivered faster than it came, and what comes meanwhile queues behind it: while a feed catches up
        ``[down, caught up)`` is mapped to ``[back, caught up)``, so that a correction never overtakes what it corrects.
        """
        down, back, caught_up = self.held.T
        place = np.searchsorted(down, known_at, side="right") - 1
        waits = np.flatnonzero(place >= 0)
        waits = waits[known_at[waits] < caught_up[place[waits]]]
        here = place[waits]
        pace = (caught_up[here] - back[here]) / (caught_up[here] - down[here])
        out = known_at.copy()
        out[waits] = back[here] + ((known_at[waits] - down[here]) * pace).astype(np.int64)
        return out

    def covered(self, start: int, end: int) -> tuple[Interval, ...]:
        """What the feed saw of ``[start, end)``."""
        return less([(start, end)], self.lost)


def drawn(rng: np.random.Generator, source: str, feeds: Feeds, begin: int, end: int) -> Outages:
    """A feed's outages that begin within ``[begin, end)``; a later ``end`` adds some and changes none."""
    lost: list[Interval] = []
    held: list[Sequence[int]] = []
    shortest, longest = feeds.outage_hours
    now = float(begin)
    while feeds.outages_yearly:
        wait, length, kind = rng.random(3)
        down = now - np.log1p(-wait) * YEAR_DAYS * DAY / feeds.outages_yearly
        if down >= end:
            break
        hours = shortest * (longest / shortest) ** length
        back, now = down + hours * HOUR, down + hours * HOUR * (1 + CATCH_UP)
        if source in LOSING and kind < feeds.loss_share:
            lost.append((int(down), int(back)))
        else:
            held.append((int(down), int(back), int(now) + 1))
    return Outages(tuple(lost), np.array(held, np.int64).reshape(-1, 3))
