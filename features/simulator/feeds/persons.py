"""Who customers are to people rather than to systems: names, birth dates, addresses, the e-mail address they chose."""

import numpy as np

from features.simulator.draws import derived, lanes, pick, whole
from features.simulator.feeds import mails
from features.simulator.life.accounts import HOUSEHOLD
from features.simulator.vocabulary import SEGMENTS
from features.simulator.world import World

SAME_NAME_SHARE = 0.8
"""Of the members of a household: they bear the name of the first."""

BORN = {"senior": (1936, 1958), "youth": (1998, 2010)}
BORN_ELSE = (1959, 1998)
STREETS, CITIES, HOUSES = 240, 40, 120
_DOMAINS = (0.55, 0.25, 0.15, 0.05)


def chance(world: World, topic: str, who: np.ndarray) -> np.ndarray:
    """(n,) numbers in (0, 1) of these customers that stay the same for their whole life."""
    return world.draws.uniform(topic, 0, world.people.lane[who])


def names(world: World, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) which first name and (n,) which last name; a few are common, most are rare."""
    people, accounts = world.people, world.accounts
    first_member = accounts.first[people.account[who]]
    home = accounts.kind[people.account[who]] == HOUSEHOLD
    shares = home & (chance(world, "family name", who) < SAME_NAME_SHARE)
    return _common(chance(world, "first name", who), len(mails.FIRST_NAMES)), _common(
        chance(world, "last name", np.where(shares, first_member, who)), len(mails.LAST_NAMES)
    )


def stranger_names(world: World, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of people who are no customers."""
    drawn = [world.draws.uniform(topic, 0, lanes("stranger", number)) for topic in ("first name", "last name")]
    return _common(drawn[0], len(mails.FIRST_NAMES)), _common(drawn[1], len(mails.LAST_NAMES))


def _common(u: np.ndarray, size: int) -> np.ndarray:
    return (u**1.6 * size).astype(np.int64)


def birth_days(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) days since 1970 (before it: negative), as old as their segment is."""
    low, high = (np.full(len(who), year) for year in BORN_ELSE)
    for segment, years in BORN.items():
        here = world.people.segment[who] == SEGMENTS.index(segment)
        low[here], high[here] = years
    span = (high - low) * 365.25
    return ((low - 1970) * 365.25 + chance(world, "born", who) * span).astype(np.int64)


def addresses(world: World, account_lanes: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, ...]:
    """(street, house number, postcode, city), (n,) each: one home per account and site."""
    lane = derived(account_lanes, site)
    u = world.draws.uniform("street", 0, lane)
    house = whole(world.draws.uniform("house", 0, lane), 1, HOUSES + 1)
    return whole(u, 0, STREETS), house, 1000 + site * 37 % 8999, site % CITIES


def home_lanes(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) lanes that stand for where each customer's account lives."""
    return world.people.lane[world.accounts.first[world.people.account[who]]]


def new_mails(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) an e-mail address of their own for customers who have none yet."""
    first, last = names(world, who)
    return mails.address(world.keys.next("mails", len(who)), first, last, pick(chance(world, "mail at", who), _DOMAINS))
