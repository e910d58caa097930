"""What really drove the customers: for tests, benchmarks and notebooks only, never for the pipeline."""

from datetime import datetime

import numpy as np
import pyarrow as pa

from features.simulator.clock import clock
from features.simulator.feeds import names
from features.simulator.run import START, Part, found, run
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.vocabulary import KEY_TYPES


def hazards(
    customers: int, months: int, seed: int, *, start: datetime = START, scenario: Scenario = DEFAULT
) -> pa.Table:
    """The voluntary hazards that `simulate` used with the same arguments, per customer and month.

    Columns: ``key`` (customer), ``month`` (its first instant), ``days`` at risk, ``hazard`` (sum over those days of the
    probability of giving notice that day), ``first`` (that probability on the first of them), ``frailty`` (the
    unseen factor in it) and ``noticed`` (whether notice was given in the month).
    """
    world = found(customers, clock(start, months), seed, scenario)
    books = _Books(world.clock.bounds)
    for part in run(world):
        if part is Part.NIGHT and world.day >= 0:
            books.note(world.now, *world.risk)
    return books.table(world.people.frailty, world.people.noticed)


class _Books:
    """Running sums per month; arrays grow with the customers."""

    def __init__(self, bounds: tuple[int, ...]) -> None:
        self._bounds = np.array(bounds)
        self._days = [np.zeros(0, np.int64) for _ in bounds[1:]]
        self._sums = [np.zeros(0) for _ in bounds[1:]]
        self._firsts = [np.zeros(0) for _ in bounds[1:]]

    def note(self, now: int, who: np.ndarray, chance: np.ndarray) -> None:
        month = int(np.searchsorted(self._bounds, now, side="right")) - 1
        size = int(who.max(initial=-1)) + 1
        for books in (self._days, self._sums, self._firsts):
            books[month] = np.pad(books[month], (0, max(0, size - len(books[month]))))
        fresh = self._days[month][who] == 0
        self._firsts[month][who[fresh]] = chance[fresh]
        self._sums[month][who] += chance
        self._days[month][who] += 1

    def table(self, frailty: np.ndarray, noticed: np.ndarray) -> pa.Table:
        parts = [self._month(k, frailty, noticed) for k in range(len(self._days))]
        return pa.concat_tables(parts)

    def _month(self, k: int, frailty: np.ndarray, noticed: np.ndarray) -> pa.Table:
        who = np.flatnonzero(self._days[k])
        begin, end = self._bounds[k], self._bounds[k + 1]
        kinds = np.full(len(who), KEY_TYPES.index("customer"))
        return pa.table(
            {
                "key": names.keys(kinds, who),
                "month": names.instants(np.full(len(who), begin)),
                "days": self._days[k][who],
                "hazard": self._sums[k][who],
                "first": self._firsts[k][who],
                "frailty": frailty[who],
                "noticed": (noticed[who] >= begin) & (noticed[who] < end),
            }
        )
