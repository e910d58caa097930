"""The state of the operator: one array per attribute, one element per customer, account, line, cookie or site."""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

T = TypeVar("T", bound="Rows")


@dataclass
class Rows:
    """Arrays of equal length along their first axis."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def extend(self: T, more: T) -> None:
        """Append the rows of another table of the same kind."""
        for item in fields(self):
            both = (getattr(self, item.name), getattr(more, item.name))
            setattr(self, item.name, np.concatenate(both))

    def take(self: T, rows: np.ndarray) -> T:
        """A copy of some rows, in that order."""
        return type(self)(**{item.name: getattr(self, item.name)[rows] for item in fields(self)})


@dataclass
class People(Rows):
    """Customers. Instants are UTC microseconds; memories are fading counts, see `hazards.fade`.

    ``noticed`` and ``ended`` are `clock.FAR` while nothing is planned; ``contract_end`` is -1 without a contract.
    ``decider``: who decides to stay or leave, the customer or, for end users of an enterprise, its first customer.
    ``needs`` (n, 9): when each need arose, -1 where there is none; ``voiced`` (n, 9): it was asked for, in vain so far.
    """

    lane: np.ndarray
    """Which random numbers are theirs."""
    realm: np.ndarray
    """Which market they live in: 0 in the operator's history, one per replay in its futures."""
    account: np.ndarray
    decider: np.ndarray
    joined: np.ndarray
    noticed: np.ndarray
    ended: np.ndarray
    reason: np.ndarray
    silent: np.ndarray
    """Prepaid, gone without a word: nothing is heard of them until `noticed`, when the operator concludes it."""
    away: np.ndarray
    """Until when someone who will come back uses nothing."""
    site: np.ndarray
    segment: np.ndarray
    prepaid: np.ndarray
    plan: np.ndarray
    price: np.ndarray
    contract_end: np.ndarray
    bill_day: np.ndarray
    marketing: np.ndarray
    profiling: np.ndarray
    control: np.ndarray
    """Their account never gets an action: what would have happened anyway is seen in them."""
    # traits
    frailty: np.ndarray
    digital: np.ndarray
    careless: np.ndarray
    appetite: np.ndarray
    traveller: np.ndarray
    asleep: np.ndarray
    """0..1: stays because leaving never comes to mind; an offer may wake them."""
    persuadable: np.ndarray
    """By how much what the operator does works on them; 1 is usual."""
    # holdings
    line: np.ndarray
    mobile: np.ndarray
    lines: np.ndarray
    cookie: np.ndarray
    device_since: np.ndarray
    insolvent: np.ndarray
    missed: np.ndarray
    # needs
    needs: np.ndarray
    voiced: np.ndarray
    # memories
    downtime: np.ndarray
    breaches: np.ndarray
    shocks: np.ndarray
    rises: np.ndarray
    enquiries: np.ndarray
    offers: np.ndarray
    mood: np.ndarray
    complaints: np.ndarray
    kin: np.ndarray
    """Members of the household who left."""
    contacts: np.ndarray
    """How often the operator contacted them."""
    sway: np.ndarray
    """What decisions added to the daily chance of leaving, in absolute terms; below zero where they helped."""
    pull: np.ndarray
    """Log of the visible part of the hazard, as of yesterday."""

    def living(self, now: int) -> np.ndarray:
        """Indices of those who are customers at an instant, under notice or not."""
        return np.flatnonzero((self.joined <= now) & (self.ended > now))


@dataclass
class Seen(Rows):
    """What a decision may go by: columns of `People`, copied when the day began."""

    plan: np.ndarray
    price: np.ndarray
    contract_end: np.ndarray
    needs: np.ndarray
    downtime: np.ndarray
    breaches: np.ndarray
    shocks: np.ndarray
    rises: np.ndarray
    enquiries: np.ndarray
    mood: np.ndarray
    complaints: np.ndarray
    contacts: np.ndarray

    @classmethod
    def of(cls, people: People) -> "Seen":
        """Everyone as they stand now."""
        return cls(**{item.name: getattr(people, item.name).copy() for item in fields(cls)})

    @classmethod
    def nobody(cls) -> "Seen":
        """Before the first day."""
        return cls(**{item.name: np.zeros(0) for item in fields(cls)})


@dataclass
class Accounts(Rows):
    """Who pays: ``kind`` is 0 for a single person, 1 for a household, 2 for an enterprise."""

    kind: np.ndarray
    first: np.ndarray
    """The customer who came first, and who decides for an enterprise."""
    size: np.ndarray
    """How many customers it had when it joined."""


@dataclass
class Lines(Rows):
    """Services. ``lost``: minutes without service this month, by the line's own faults.

    ``sick``: faults whose cause may not have been mended, fading.
    """

    lane: np.ndarray
    owner: np.ndarray
    mobile: np.ndarray
    activated: np.ndarray
    quality: np.ndarray
    sick: np.ndarray
    lost: np.ndarray


@dataclass
class Cookies(Rows):
    """Browsers. ``born``: first seen; ``last``: the customer who logged in last, -1 before any login; ``linked``: when
    that customer first did, since somebody else had, -1 before any login.
    """

    born: np.ndarray
    last: np.ndarray
    linked: np.ndarray


@dataclass
class Sites(Rows):
    """Where lines are served from. ``bad``: in a spell of many outages; ``lost``: minutes this month.

    ``wear``: degradation since it was last worked on, 0 when new.
    """

    lane: np.ndarray
    realm: np.ndarray
    region: np.ndarray
    quality: np.ndarray
    bad: np.ndarray
    wear: np.ndarray
    lost: np.ndarray


@dataclass
class Markets(Rows):
    """The world outside, one row per realm. Days are counted from the start.

    ``rival``: last day of the rival campaign that runs or ran last, by region (realms, regions); ``rise``: day on which
    the announced price rise takes effect, -1 while none is announced; ``raise_by``: its factor.
    """

    lane: np.ndarray
    rival: np.ndarray
    rise: np.ndarray
    raise_by: np.ndarray
