"""Customers come, from their first nameless visit to their first order, and move house."""

import numpy as np

from features.simulator.browsers import log_in, visitors, window_shop
from features.simulator.clock import HOUR, MINUTE
from features.simulator.journeys import touch
from features.simulator.people import newcomers, settle
from features.simulator.registers import introduce, link
from features.simulator.vocabulary import code
from features.simulator.world import World


def attract(world: World) -> None:
    """Replace those who left: prospects come by today and join one to three weeks later."""
    rng = world.streams["attract"]
    vacancies = max(0, world.target - len(world.alive) - world.waiting)
    n = int(rng.poisson(vacancies / 5))
    cookies = visitors(world, world.waking(rng, n))
    world.agenda.put("join", world.day + rng.integers(5, 22, n), cookie=cookies)
    world.waiting += n
    window_shop(world, cookies, world.cookies.born[cookies])


def join(world: World) -> np.ndarray:
    """Today's new customers, known to the systems, each with the browser they came with; returns their indices."""
    due = world.agenda.take("join", world.day)
    if due is None:
        return np.zeros(0, np.int64)
    rng = world.streams["join"]
    cookie = due["cookie"]
    world.waiting -= len(cookie)
    fresh = newcomers(world.scenario, rng, world.waking(rng, len(cookie)), len(world.sites))
    who = settle(world, fresh)
    world.people.cookie[who] = cookie
    world.cookies.owner[cookie] = who
    introduce(world, who, world.people.joined[who])
    return who


def move_house(world: World) -> None:
    """Some customers move within the country: another site serves them from now on."""
    rng, people = world.streams["moves"], world.people
    who = world.happens(rng, world.alive, world.scenario.moves_yearly)
    if len(world.sites) < 2 or len(who) == 0:
        return
    at = world.waking(rng, len(who))
    people.site[who] = (people.site[who] + rng.integers(1, len(world.sites), len(who))) % len(world.sites)
    link(world, "customer", who, "site", people.site[who], at, who)
    world.ledger.add("profile", "customer", who, at, who, region=world.sites.region[people.site[who]])


def first_orders(world: World, who: np.ndarray) -> None:
    """New customers order, on the web with a login or in a shop."""
    rng, joined = world.streams["orders"], world.people.joined[who]
    online = rng.random(len(who)) < 0.3 + 0.6 * world.people.digital[who]
    log_in(world, who[online], joined[online] + MINUTE)
    channel = np.where(online, code("journey", "channel", "web"), code("journey", "channel", "retail"))
    after = joined + rng.uniform(0.05, 0.5, len(who)) * HOUR
    touch(
        world,
        who,
        after.astype(np.int64),
        phase="buy",
        channel=channel,
        action="order",
        topic="plans",
        outcome="ordered",
    )
