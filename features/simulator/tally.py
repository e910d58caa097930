"""Running sums of probabilities, for each customer of a fork."""

from collections import defaultdict

import numpy as np


class Tally:
    """Adds up, for each customer of a fork, the chances of the events it watches.

    The sum over days of the chance that an event happens on that day, taken as long as it has not happened, has the
    probability of the event as its mean (it is the event's compensator). It varies far less than counting whether the
    event came, so that few replays are enough.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._days: dict[str, dict[int, np.ndarray]] = defaultdict(dict)
        self.met: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(n, bool))
        """(n,) by topic: the event came, so that nothing more is added."""

    def add(self, topic: str, day: int, who: np.ndarray, amount: np.ndarray | float) -> None:
        """Note what may happen on a day to each of ``who`` (no one twice)."""
        days = self._days[topic]
        if day not in days:
            days[day] = np.zeros(self._n, np.float32)
        days[day][who] += amount

    def within(self, topic: str, begin: int, end: int) -> np.ndarray:
        """(n,) the chance that the topic's event comes on one of the days ``begin <= day < end``."""
        total = np.zeros(self._n)
        for day, amounts in self._days[topic].items():
            if begin <= day < end:
                total += amounts
        return total
