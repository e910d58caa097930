"""Complaints, which are solved or stay open for a while, and enquiries about cancelling."""

import numpy as np

from features.simulator.clock import HOUR
from features.simulator.life.journeys import SPOKEN, touch, voice
from features.simulator.vocabulary import code
from features.simulator.world import World

SOLVED_DAILY = 1 / 30


def complain(world: World) -> None:
    """Customers in a bad mood complain about what troubles them most."""
    people, active = world.people, world.active
    who = world.happens("complaints", active, world.scenario.complaints_yearly * people.mood[active])
    left_open = world.roll("left open", who) < world.scenario.complaint_open_share
    at = world.waking("complaints", who)
    channel = voice(world, "complaints", who, ("chat", "email", "social"), SPOKEN)
    topic = _cause(world, who)
    for chosen, outcome in ((left_open, "open"), (~left_open, "solved")):
        words = {"channel": channel[chosen], "topic": topic[chosen]}
        touch(world, who[chosen], at[chosen], phase="ask", action="complain", outcome=outcome, **words)
    people.complaints[who[left_open]] += 1
    people.mood[who[~left_open]] *= 0.7


def _cause(world: World, who: np.ndarray) -> np.ndarray:
    people = world.people
    weights = np.stack([people.shocks[who], people.rises[who], np.log1p(people.downtime[who] / 3)])
    codes = np.array([code("journey", "topic", word) for word in ("billing", "price", "outage")])
    return codes[np.argmax(weights, axis=0)]


def settle_complaints(world: World) -> None:
    """Open complaints are solved after a month or so, by a call."""
    people = world.people
    unhappy = world.active[people.complaints[world.active] > 0]
    who = world.happens("settlements", unhappy, SOLVED_DAILY * 365.25)
    at = world.waking("settlements", who)
    channel = voice(world, "settlements", who, ("chat",), ("call_center",))
    touch(world, who, at, phase="ask", channel=channel, action="call", topic="help", outcome="solved")
    people.complaints[who] = 0
    people.mood[who] *= 0.7


def enquire(world: World) -> None:
    """Some ask what it would take to leave; the discontented more often, and many of them stay."""
    people, active = world.people, world.active
    who = world.happens("enquiries", active, world.scenario.enquiries_yearly * np.exp(0.5 * people.pull[active]))
    at = world.waking("enquiries", who)
    channel = voice(world, "enquiries", who, ("web", "chat", "app"), ("call_center", "retail"))
    touch(world, who, at, phase="ask", channel=channel, action="cancel_enquiry", topic="contract", outcome="none")
    people.enquiries[who] += 1
    looked = who[world.roll("looked", who) < 0.5]
    begun = world.now + 7 * HOUR
    then = at[np.isin(who, looked)]
    # The same day: what is known at midnight must not tell of tomorrow.
    before = then - (world.roll("looked when", looked) * (then - begun)).astype(np.int64)
    touch(world, looked, before, phase="explore", channel="web", action="compare", topic="price")
