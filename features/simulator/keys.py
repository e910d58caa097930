"""Which keys everybody holds: what the operator's systems could know them by. Nothing here moves anybody."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from features.simulator.clock import FAR
from features.simulator.state import Rows


def _none() -> np.ndarray:
    return np.zeros(0, np.int64)


@dataclass
class OfPeople(Rows):
    """One row per customer. ``laptop``: their second browser; ``card``: their loyalty card; -1 where there is none.

    ``renewed``: `People.device_since` as it was when last looked at.
    """

    email: np.ndarray = field(default_factory=_none)
    laptop: np.ndarray = field(default_factory=_none)
    card: np.ndarray = field(default_factory=_none)
    renewed: np.ndarray = field(default_factory=_none)


@dataclass
class OfLines(Rows):
    """One row per line: its number, and of a mobile line the device in use since ``device_at``, else -1."""

    number: np.ndarray = field(default_factory=_none)
    device: np.ndarray = field(default_factory=_none)
    device_at: np.ndarray = field(default_factory=_none)


@dataclass
class OfAccounts(Rows):
    """One row per account: the browser all members use, and the fixed line all members call from; -1 without."""

    browser: np.ndarray = field(default_factory=_none)
    landline: np.ndarray = field(default_factory=_none)


@dataclass
class Cards(Rows):
    """Loyalty cards, some of people who are no customers (``holder`` -1), with the address given at ``since``."""

    holder: np.ndarray = field(default_factory=_none)
    site: np.ndarray = field(default_factory=_none)
    since: np.ndarray = field(default_factory=_none)


class Shelf:
    """Things given back, handed out again in the order in which they become free."""

    def __init__(self) -> None:
        self._things, self._free = _none(), _none()

    def put(self, things: np.ndarray, free: np.ndarray) -> None:
        """Things that are free from these instants on."""
        things, free = np.concatenate([self._things, things]), np.concatenate([self._free, free])
        order = np.argsort(free, kind="stable")
        self._things, self._free = things[order], free[order]

    def take(self, most: int, now: int) -> np.ndarray:
        """Up to so many things that are free at an instant."""
        ready = min(most, int(np.searchsorted(self._free, now, side="right")))
        taken, self._things, self._free = self._things[:ready], self._things[ready:], self._free[ready:]
        return taken


class Book:
    """Who used which key from when to when, for the truth: arrays by key type."""

    def __init__(self) -> None:
        self.used: dict[str, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        """(key, customer or -1, since, until, held) of each use."""
        self.ended: dict[str, list[tuple[np.ndarray, ...]]] = defaultdict(list)
        """(key, when) of each end that all users share."""


@dataclass
class Keys:
    """All keys of one operator; ``given`` counts what was handed out, by what it is. Futures leave it alone."""

    people: OfPeople = field(default_factory=OfPeople)
    lines: OfLines = field(default_factory=OfLines)
    accounts: OfAccounts = field(default_factory=OfAccounts)
    cards: Cards = field(default_factory=Cards)
    tablets: np.ndarray = field(default_factory=_none)
    numbers: Shelf = field(default_factory=Shelf)
    devices: Shelf = field(default_factory=Shelf)
    given: dict[str, int] = field(default_factory=dict)
    book: Book | None = None

    def next(self, what: str, n: int) -> np.ndarray:
        """(n,) running numbers of things never handed out before."""
        first = self.given.get(what, 0)
        self.given[what] = first + n
        return np.arange(first, first + n)

    def use(
        self,
        kind: str,
        key: np.ndarray,
        who: np.ndarray,
        since: np.ndarray,
        until: np.ndarray | None = None,
        held: bool = True,
    ) -> None:
        """Note for the truth that these use these keys from then on (-1: somebody who is no customer).

        ``held``: as their own; not so the other members' use of a household's line, or anybody's of a shop's tablet.
        """
        if self.book is not None and len(key):
            known = np.full(len(key), FAR) if until is None else until
            self.book.used[kind].append((key, who.copy(), since.copy(), known, np.full(len(key), held)))

    def end(self, kind: str, key: np.ndarray, at: np.ndarray) -> None:
        """Note for the truth that whoever used these keys does so no longer."""
        if self.book is not None and len(key):
            self.book.ended[kind].append((key, at.copy()))
