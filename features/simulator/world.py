"""What every part of the simulation shares: the scenario, the clock, the state, the ledger and the random streams."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from features.simulator.clock import DAY, HOUR, Clock
from features.simulator.ledger import Ledger
from features.simulator.scenario import Scenario
from features.simulator.state import Cookies, Lines, People, Sites
from features.simulator.streams import Streams

Record = dict[str, np.ndarray]


class Agenda:
    """What is due on later days, by topic."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, int], list[Record]] = defaultdict(list)

    def put(self, topic: str, days: np.ndarray, **columns: np.ndarray) -> None:
        """Remember rows for the day each is due."""
        for day in np.unique(days):
            chosen = days == day
            self._due[topic, int(day)].append({name: values[chosen] for name, values in columns.items()})

    def take(self, topic: str, day: int) -> Record | None:
        """The rows due on a day, in the order they were put; ``None`` if there are none."""
        parts = self._due.pop((topic, day), None)
        if parts is None:
            return None
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass
class World:
    """The operator on one day. ``alive``: indices of today's customers; ``target``: how many there should be."""

    scenario: Scenario
    clock: Clock
    streams: Streams
    ledger: Ledger
    people: People
    lines: Lines
    cookies: Cookies
    sites: Sites
    target: int
    agenda: Agenda = field(default_factory=Agenda)
    day: int = 0
    alive: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    rivals: int = -(10**6)
    """The last day of the rival campaign that runs or ran last."""
    waiting: int = 0
    """Prospects who will join on a later day."""
    cases: int = 0
    """Fault cases opened so far."""

    def next_cases(self, n: int) -> np.ndarray:
        """(n,) new case numbers."""
        self.cases += n
        return np.arange(self.cases - n, self.cases)

    @property
    def now(self) -> int:
        """The first instant of today."""
        return self.clock.midnight(self.day)

    def waking(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """(n,) instants of today between half past seven and ten in the evening."""
        return self.now + (rng.uniform(7.5, 22.0, n) * HOUR).astype(np.int64)

    def happens(self, rng: np.random.Generator, who: np.ndarray, yearly: float | np.ndarray) -> np.ndarray:
        """Those among ``who`` to whom something of that yearly rate happens today."""
        return who[rng.random(len(who), dtype=np.float32) < np.asarray(yearly) / 365.25]

    def remaining(self) -> np.ndarray:
        """(people,) days until each contract ends; negative after its end, -1e6 without a contract."""
        ends = self.people.contract_end
        return np.where(ends < 0, -1e6, (ends - self.now) / DAY)
