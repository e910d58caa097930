"""Contracts are renewed around their end, and offers are made by systems other than this service."""

import numpy as np

from features.simulator.clock import DAY
from features.simulator.journeys import touch, voice
from features.simulator.vocabulary import OFFERS, code
from features.simulator.world import World

TERM_DAYS = 730
ENDING_DAYS = (-20.0, 45.0)
"""Days to the end of a contract, from and to, in which it is about to end or just ended."""

RENEWALS_YEARLY, LATER_RENEWALS_YEARLY = 4.2, 0.75


def contract_state(world: World, who: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three flags per customer: bound, ending, and out of contract (or never in one)."""
    days = world.remaining()[who]
    bound, free = days > ENDING_DAYS[1], days < ENDING_DAYS[0]
    return bound, ~bound & ~free, free


def renewals(world: World) -> None:
    """Customers whose contract is ending or has ended bind themselves again, the contented more often."""
    rng, people = world.streams["renewals"], world.people
    _, ending, free = contract_state(world, world.alive)
    able = ~people.prepaid[world.alive] & (people.noticed[world.alive] > world.now)
    rate = able * np.where(ending, RENEWALS_YEARLY, np.where(free, LATER_RENEWALS_YEARLY, 0.0))
    who = world.happens(rng, world.alive, rate * np.exp(-0.5 * people.mood[world.alive]))
    channel = voice(world, who, rng, ("app", "web"), ("call_center", "retail"))
    touch(
        world,
        who,
        world.waking(rng, len(who)),
        phase="buy",
        channel=channel,
        action="renew",
        topic="contract",
        outcome="ordered",
    )
    renew(world, who)


def renew(world: World, who: np.ndarray) -> None:
    """Bind customers for two years from today, unless they have given notice."""
    people = world.people
    who = who[people.noticed[who] > world.now]
    people.contract_end[who] = world.now + TERM_DAYS * DAY
    people.rises[who] *= 0.5
    at = np.full(len(who), world.now + DAY - 1)
    world.ledger.add("profile", "customer", who, at, who, contract_end=people.contract_end[who])


def campaigns(world: World) -> None:
    """Outbound offers to those who consented; an accepted one is remembered for a while."""
    rng, people = world.streams["campaigns"], world.people
    who = world.happens(rng, world.alive[people.marketing[world.alive]], world.scenario.campaigns_yearly)
    at = world.waking(rng, len(who))
    offer = rng.integers(0, len(OFFERS), len(who))
    channel = rng.choice([code("contact", "channel", name) for name in ("sms", "email", "call_center")], len(who))
    accepted = (rng.random(len(who)) < 0.12) & (offer > 0)
    declined = (rng.random(len(who)) < 0.25) & ~accepted
    words = [code("contact", "response", word) for word in ("accepted", "declined", "none")]
    response = np.select([accepted, declined], words[:2], words[2])
    shared = {"action": offer, "channel": channel, "response": response}
    world.ledger.add("contact", "customer", who, at, who, slot=1.0, origin="other", **shared)
    people.offers[who[accepted]] += 1
