"""The simulation's calendar: whole UTC days, grouped into the months in which batches are delivered."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from features.conditions import DAY, MICROS

HOUR = MICROS["h"]
MINUTE = MICROS["m"]
YEAR_DAYS = 365.25
MONTH_DAYS = YEAR_DAYS / 12
FAR = np.iinfo(np.int64).max
"""An instant that never comes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """``bounds``: first instant of each month and the end, UTC microseconds, all at midnight."""

    bounds: tuple[int, ...]

    @property
    def start(self) -> int:
        """The first simulated instant."""
        return self.bounds[0]

    @property
    def days(self) -> int:
        """How many whole days are simulated."""
        return (self.bounds[-1] - self.bounds[0]) // DAY

    def midnight(self, day: int) -> int:
        """The first instant of a day, counted from the start (negative: before it)."""
        return self.start + day * DAY

    def day_of(self, instants: np.ndarray) -> np.ndarray:
        """Days since the start in which the instants fall."""
        return (instants - self.start) // DAY

    def date(self, day: int) -> datetime:
        """The calendar date of a day."""
        return datetime.fromtimestamp(self.midnight(day) // 10**6, UTC)

    def season(self, day: int) -> float:
        """Where the year stands: -1 in mid January, 1 in mid July."""
        return float(-np.cos(2 * np.pi * (self.date(day).timetuple().tm_yday - 15) / YEAR_DAYS))


def clock(start: datetime, months: int) -> Clock:
    """The months from ``start``; raises `ValueError` unless it is midnight UTC on a first and ``months`` > 0."""
    if isinstance(months, bool) or not isinstance(months, int | np.integer) or months < 1:
        raise ValueError(f"months must be a whole number, at least 1; got {months!r}")
    if start.tzinfo is None or start.utcoffset() != _EPOCH.utcoffset():
        raise ValueError(f"start must be a time in UTC; got {start.isoformat()}")
    if (start.day, start.hour, start.minute, start.second, start.microsecond) != (1, 0, 0, 0, 0):
        raise ValueError(f"start must be midnight on the first of a month; got {start.isoformat()}")
    first = start.year * 12 + start.month - 1
    firsts = [datetime((first + k) // 12, (first + k) % 12 + 1, 1, tzinfo=UTC) for k in range(months + 1)]
    return Clock(tuple(int((moment - _EPOCH).total_seconds()) * 10**6 for moment in firsts))
