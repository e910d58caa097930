"""Running sums of probabilities, by lane of a fork and horizon."""

import numpy as np


class Tally:
    """Adds up, for each customer of a fork, the chances of the events it watches.

    The sum over days of the chance that an event happens on that day, taken as long as it has not happened, has the
    probability of the event as its mean (it is the event's compensator). It varies far less than counting whether the
    event came, so that few replays are enough.

    ``sums[topic]`` (n, horizons): the chance of the topic's event within the first so many days; ``met[topic]`` (n,): it
    came, so that nothing more is added.
    """

    def __init__(self, n: int, begin: int, horizons: tuple[int, ...], topics: tuple[str, ...]) -> None:
        self._begin, self._horizons = begin, np.array(horizons)
        self.met = {topic: np.zeros(n, bool) for topic in topics}
        self.sums = {topic: np.zeros((n, len(horizons))) for topic in topics}

    @property
    def last(self) -> int:
        """The first day that no horizon reaches."""
        return self._begin + int(self._horizons.max())

    def add(self, topic: str, day: int, who: np.ndarray, amount: np.ndarray) -> None:
        """Note what may happen on a day to each of ``who`` (no one twice)."""
        inside = day - self._begin < self._horizons
        if topic in self.sums and inside.any():
            self.sums[topic][who] += amount[:, None] * inside
