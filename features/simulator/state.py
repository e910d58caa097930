"""The state of the operator: one array per attribute, one element per customer, line, cookie or site."""

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


@dataclass
class People(Rows):
    """Customers. Instants are UTC microseconds; memories are fading counts, see `hazards.fade`.

    ``noticed`` and ``ended`` are `clock.FAR` while nothing is planned; ``contract_end`` is -1 without a contract.
    ``needs`` (n, 9): when each need arose, -1 where there is none; ``voiced`` (n, 9): it was asked for, in vain so far.
    """

    joined: np.ndarray
    noticed: np.ndarray
    ended: np.ndarray
    reason: np.ndarray
    site: np.ndarray
    segment: np.ndarray
    prepaid: np.ndarray
    plan: np.ndarray
    price: np.ndarray
    contract_end: np.ndarray
    bill_day: np.ndarray
    marketing: np.ndarray
    profiling: np.ndarray
    # traits
    frailty: np.ndarray
    digital: np.ndarray
    careless: np.ndarray
    appetite: np.ndarray
    traveller: np.ndarray
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
    pull: np.ndarray
    """Log of the visible part of the hazard, as of yesterday."""

    def living(self, now: int) -> np.ndarray:
        """Indices of those who are customers at an instant, under notice or not."""
        return np.flatnonzero((self.joined <= now) & (self.ended > now))


@dataclass
class Lines(Rows):
    """Services. ``lost``: minutes without service this month, by the line's own faults."""

    owner: np.ndarray
    mobile: np.ndarray
    activated: np.ndarray
    quality: np.ndarray
    lost: np.ndarray


@dataclass
class Cookies(Rows):
    """Browsers. ``owner`` is -1 for visitors who are nobody's; ``linked`` is -1 until a login names the owner."""

    owner: np.ndarray
    born: np.ndarray
    linked: np.ndarray


@dataclass
class Sites(Rows):
    """Where lines are served from. ``bad``: in a spell of many outages; ``lost``: minutes this month."""

    region: np.ndarray
    quality: np.ndarray
    bad: np.ndarray
    lost: np.ndarray
