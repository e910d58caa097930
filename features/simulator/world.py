"""What every part of the simulation shares: the scenario, the clock, the state, the ledger and the random numbers."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from features.simulator.clock import DAY, HOUR, Clock
from features.simulator.draws import Draws, between
from features.simulator.feeds.ledger import Ledger
from features.simulator.keys import Keys
from features.simulator.scenario import Scenario
from features.simulator.state import Accounts, Cookies, Lines, Markets, People, Seen, Sites
from features.simulator.tally import Tally

Record = dict[str, np.ndarray]


class Agenda:
    """What is due on later days, by topic."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, int], list[Record]] = defaultdict(list)

    def put(self, topic: str, days: np.ndarray, /, **columns: np.ndarray) -> None:
        """Remember rows for the day each is due."""
        for day in np.unique(days):
            chosen = days == day
            self._due[topic, int(day)].append({name: values[chosen] for name, values in columns.items()})

    def take(self, topic: str, day: int) -> Record | None:
        """The rows due on a day, in the order they were put; ``None`` if there are none."""
        return _together(self._due.pop((topic, day), None))

    def waiting(self, since: int) -> list[tuple[str, int, Record]]:
        """Everything due on a day or later: topic, day, rows."""
        found = [(topic, day, _together(parts)) for (topic, day), parts in self._due.items() if day >= since]
        return [(topic, day, rows) for topic, day, rows in found if rows is not None]


def _together(parts: list[Record] | None) -> Record | None:
    if not parts:
        return None
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass
class World:
    """The operator on one day, or a *fork*: many futures of some of its customers, lived side by side.

    ``alive``: indices of today's customers; ``active``: those of them who still use anything; ``target``: how many
    customers there should be.
    """

    scenario: Scenario
    clock: Clock
    draws: Draws
    ledger: Ledger
    people: People
    accounts: Accounts
    lines: Lines
    cookies: Cookies
    sites: Sites
    markets: Markets
    target: int
    keys: Keys = field(default_factory=Keys)
    agenda: Agenda = field(default_factory=Agenda)
    day: int = 0
    alive: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    active: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    morning: Seen = field(default_factory=Seen.nobody)
    """What decisions go by: everyone who was a customer when the day began, as they stood then."""
    contacts: list[Record] = field(default_factory=list)
    """Today's contacts with people or screens at which something could be offered."""
    waiting: int = 0
    """Prospects who will join on a later day."""
    cases: int = 0
    """Fault cases opened so far."""
    decisions: int = 0
    """Decisions made so far."""
    risk: tuple[np.ndarray, np.ndarray] = field(default_factory=lambda: (np.zeros(0, np.int64), np.zeros(0)))
    """Who could decide to leave on the last day lived, and with which probability."""
    tally: Tally | None = None
    """Where a fork adds up the probabilities of what it watches for."""

    @property
    def fork(self) -> bool:
        """Whether this is a future that is only lived for its probabilities: nobody comes, nothing is written down."""
        return self.tally is not None

    def wake(self, day: int) -> None:
        """Begin a day: who is a customer, who of them is active."""
        self.day = day
        self.contacts = []
        self.alive = self.people.living(self.now)
        self.morning = Seen.of(self.people)
        quiet = self.people.silent[self.alive] | (self.people.away[self.alive] > self.now)
        self.active = self.alive[~quiet]

    def next_cases(self, n: int) -> np.ndarray:
        """(n,) new case numbers."""
        self.cases += n
        return np.arange(self.cases - n, self.cases)

    @property
    def now(self) -> int:
        """The first instant of today."""
        return self.clock.midnight(self.day)

    def roll(self, topic: str, who: np.ndarray) -> np.ndarray:
        """(n,) today's numbers in (0, 1) of these customers for a topic; the same topic gives the same numbers."""
        return self.draws.uniform(topic, self.day, self.people.lane[who])

    def roll_lanes(self, topic: str, lanes: np.ndarray) -> np.ndarray:
        """(n,) today's numbers in (0, 1) of any lanes for a topic."""
        return self.draws.uniform(topic, self.day, lanes)

    def waking(self, topic: str, who: np.ndarray) -> np.ndarray:
        """(n,) instants of today between half past seven and ten in the evening."""
        # A number of its own: the one by which something happens says how likely it was, and must not show in the hour.
        return self.now + (between(self.roll(f"{topic} at", who), 7.5, 22.0) * HOUR).astype(np.int64)

    def waking_stream(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """(n,) such instants from a generator of its own, for those who have no lane yet."""
        return self.now + (rng.uniform(7.5, 22.0, n) * HOUR).astype(np.int64)

    def happens(self, topic: str, who: np.ndarray, yearly: float | np.ndarray) -> np.ndarray:
        """Those among ``who`` to whom something of that yearly rate happens today."""
        return who[self.roll(topic, who) < np.asarray(yearly) / 365.25]

    def remaining(self, who: np.ndarray) -> np.ndarray:
        """(n,) days until each contract ends; negative after its end, -1e6 without a contract."""
        ends = self.people.contract_end[who]
        return np.where(ends < 0, -1e6, (ends - self.now) / DAY)

    def is_alive(self, who: np.ndarray) -> np.ndarray:
        """(n,) which of these indices are customers today."""
        here = np.zeros(len(self.people), bool)
        here[self.alive] = True
        return here[who]
