"""Customers come, from their first nameless visit to their first order, and move house."""

import numpy as np

from features.simulator.clock import HOUR, MINUTE
from features.simulator.draws import between, whole
from features.simulator.feeds.browsers import adopt, log_in, visitors, window_shop
from features.simulator.feeds.evidence import link
from features.simulator.feeds.registers import introduce
from features.simulator.life.accounts import draw, entered, mean_size
from features.simulator.life.journeys import touch
from features.simulator.life.people import newcomers, settle
from features.simulator.vocabulary import code
from features.simulator.world import World


def attract(world: World) -> None:
    """Replace those who left: prospects come by today and join one to three weeks later, some with others."""
    rng = world.draws.stream("attract")
    vacancies = max(0, world.target - len(world.alive) - world.waiting)
    coming = rng.poisson(vacancies / 5 / mean_size(world.scenario, world.target))
    kinds, sizes = draw(world.scenario, rng, int(coming), world.target)
    cookies = visitors(world, world.waking_stream(rng, len(kinds)))
    world.agenda.put("join", world.day + rng.integers(5, 22, len(kinds)), cookie=cookies, kind=kinds, size=sizes)
    world.waiting += int(sizes.sum())
    window_shop(world, cookies, world.cookies.born[cookies])


def join(world: World) -> np.ndarray:
    """Today's new customers, known to the systems; the first of each account with the browser they came with."""
    due = world.agenda.take("join", world.day)
    if due is None:
        return np.zeros(0, np.int64)
    rng, cookie = world.draws.stream("join"), due["cookie"]
    world.waiting -= int(due["size"].sum())
    accounts = entered(len(world.people), due["kind"], due["size"])
    joined = world.waking_stream(rng, len(cookie))
    who = settle(world, accounts, newcomers(world.scenario, rng, accounts, joined, len(world.sites)))
    adopt(world, cookie, accounts.first)
    introduce(world, who, world.people.joined[who])
    return who


def move_house(world: World) -> None:
    """Some accounts move within the country: another site serves all their members from now on."""
    people, realms = world.people, len(world.markets)
    sites = len(world.sites) // realms
    first = world.accounts.first[np.unique(people.account[world.alive])]
    movers = world.happens("moves", first, world.scenario.moves_yearly)
    if sites < 2 or len(movers) == 0:
        return
    step = np.zeros(len(world.accounts), np.int64)
    step[people.account[movers]] = whole(world.roll("moves to", movers), 1, sites)
    who = world.alive[step[people.account[world.alive]] > 0]
    at = world.waking("moves", world.accounts.first[people.account[who]])
    realm, place = np.divmod(people.site[who], sites)
    people.site[who] = realm * sites + (place + step[people.account[who]]) % sites
    link(world, "customer", who, "site", people.site[who], at, who)
    world.ledger.add("profile", "customer", who, at, who, region=world.sites.region[people.site[who]])


def first_orders(world: World, who: np.ndarray) -> None:
    """New customers order, on the web with a login or in a shop."""
    joined = world.people.joined[who]
    came = world.people.cookie[who] >= 0
    online = came & (world.roll("ordered online", who) < 0.3 + 0.6 * world.people.digital[who])
    log_in(world, who[online], world.people.cookie[who[online]], joined[online] + MINUTE)
    channel = np.where(online, code("journey", "channel", "web"), code("journey", "channel", "retail"))
    after = joined + (between(world.roll("ordered at", who), 0.05, 0.5) * HOUR).astype(np.int64)
    touch(world, who, after, phase="buy", channel=channel, action="order", topic="plans", outcome="ordered")
