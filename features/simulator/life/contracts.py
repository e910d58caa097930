"""Contracts are renewed around their end, and offers are made by systems other than this service."""

import numpy as np

from features.simulator.clock import DAY
from features.simulator.life.journeys import touch, voice
from features.simulator.vocabulary import CAMPAIGNS, code
from features.simulator.world import World

TERM_DAYS = 730
ENDING_DAYS = (-20.0, 45.0)
"""Days to the end of a contract, from and to, in which it is about to end or just ended."""

RENEWALS_YEARLY, LATER_RENEWALS_YEARLY = 3.0, 0.42


def contract_state(world: World, who: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three flags per customer: bound, ending, and out of contract (or never in one)."""
    return contract_phase(world.remaining(who))


def contract_phase(days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same, by the days that are left."""
    bound, free = days > ENDING_DAYS[1], days < ENDING_DAYS[0]
    return bound, ~bound & ~free, free


def renewals(world: World) -> None:
    """Customers whose contract is ending or has ended bind themselves again, the contented more often."""
    people = world.people
    deciders = world.active[people.decider[world.active] == world.active]
    _, ending, free = contract_state(world, deciders)
    able = ~people.prepaid[deciders] & (people.noticed[deciders] > world.now)
    rate = able * np.where(ending, RENEWALS_YEARLY, np.where(free, LATER_RENEWALS_YEARLY, 0.0))
    who = world.happens("renewals", deciders, rate * np.exp(-0.5 * people.mood[deciders]))
    channel = voice(world, "renewals", who, ("app", "web"), ("call_center", "retail"))
    at = world.waking("renewals", who)
    touch(world, who, at, phase="buy", channel=channel, action="renew", topic="contract", outcome="ordered")
    renew(world, world.alive[np.isin(people.decider[world.alive], who)])


def renew(world: World, who: np.ndarray) -> None:
    """Bind customers for two years from today, unless they have given notice."""
    people = world.people
    who = who[people.noticed[who] > world.now]
    people.contract_end[who] = world.now + TERM_DAYS * DAY
    people.rises[who] *= 0.5
    at = np.full(len(who), world.now + DAY - 1)
    world.ledger.add("profile", "customer", who, at, who, contract_end=people.contract_end[who])


def campaigns(world: World) -> None:
    """Offers that other systems send to those who consented; an accepted one is remembered for a while."""
    people = world.people
    who = world.happens("campaigns", world.active[people.marketing[world.active]], world.scenario.campaigns_yearly)
    accepted = world.roll("campaigns accepted", who) < 0.1
    people.offers[who[accepted]] += 1
    people.contacts[who] += 1
    if not world.fork:
        _record_campaign(world, who, accepted)


def _record_campaign(world: World, who: np.ndarray, accepted: np.ndarray) -> None:
    rng = world.draws.stream("campaigns")
    at = world.waking("campaigns", who)
    channel = rng.choice([code("contact", "channel", name) for name in ("sms", "email", "call_center")], len(who))
    action = rng.choice([code("contact", "action", name) for name in CAMPAIGNS], len(who))
    declined = (rng.random(len(who)) < 0.25) & ~accepted
    words = [code("contact", "response", word) for word in ("accepted", "declined", "none")]
    response = np.select([accepted, declined], words[:2], words[2])
    shared = {"action": action, "channel": channel, "response": response}
    world.ledger.add("contact", "customer", who, at, who, slot=1.0, origin="other", **shared)
