"""Bills, payments, late days and metered use; bill shocks, price rises and those who can no longer pay."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.journeys import touch
from features.simulator.scenario import NEEDS
from features.simulator.world import World

PAYMENT_DUE_DAYS = 14
GIGABYTES, MINUTES = 14.0, 90.0
TOP_UPS_YEARLY = 14.0
_FASTER = NEEDS.index("faster_line")


def charge(world: World) -> None:
    """Today's bills with the use they are for, the payments that are due, top-ups and price rises."""
    world.people.insolvent[
        world.happens(world.streams["insolvency"], world.alive, world.scenario.insolvencies_yearly)
    ] = True
    _price_rises(world)
    _pay(world)
    billed = world.alive[world.people.bill_day[world.alive] == world.clock.date(world.day).day]
    _meter(world, billed)
    _bill(world, billed[~world.people.prepaid[billed]])
    _top_up(world)


def _bill(world: World, who: np.ndarray) -> None:
    rng, people = world.streams["bills"], world.people
    shock = rng.random(len(who)) < world.scenario.bill_shocks_yearly / 12
    extra = rng.exponential(1.5, len(who)) + shock * people.price[who] * rng.uniform(0.4, 1.5, len(who))
    amount = np.round(people.price[who] + extra, 2)
    at = np.full(len(who), world.now + 3 * HOUR)
    world.ledger.add("usage", "customer", who, at, who, metric="bill", value=amount)
    people.shocks[who[shock]] += 1
    people.mood[who[shock]] += 0.6
    _plan_payment(world, who, amount, rng)


def _plan_payment(world: World, who: np.ndarray, amount: np.ndarray, rng: np.random.Generator) -> None:
    """Pay on time, late, or not at all; whoever cannot pay is a month late with every bill, and one more is missed."""
    people = world.people
    fails = people.insolvent[who]
    late = (rng.random(len(who)) < people.careless[who]) & ~fails
    delay = np.where(late, 1 + rng.geometric(0.12, len(who)).clip(max=45), 0)
    world.agenda.put(
        "pay", world.day + PAYMENT_DUE_DAYS + delay[~fails], who=who[~fails], value=amount[~fails], late=delay[~fails]
    )
    overdue = people.missed[who[fails]] * 30.0
    people.missed[who[fails]] += 1
    told = overdue > 0
    at = np.full(told.sum(), world.now + 6 * HOUR)
    world.ledger.add(
        "usage", "customer", who[fails][told], at, who[fails][told], metric="late_days", value=overdue[told]
    )


def _pay(world: World) -> None:
    due = world.agenda.take("pay", world.day)
    if due is None:
        return
    rng = world.streams["payments"]
    who, late = due["who"], due["late"]
    at = world.waking(rng, len(who))
    world.ledger.add("usage", "customer", who, at, who, metric="payment", value=due["value"])
    tardy = late > 0
    world.ledger.add(
        "usage", "customer", who[tardy], at[tardy], who[tardy], metric="late_days", value=late[tardy].astype(float)
    )
    by_hand = rng.random(len(who)) < 0.3 * world.people.digital[who]
    touch(world, who[by_hand], at[by_hand], phase="use", channel="app", action="pay", topic="billing", outcome="solved")


def _meter(world: World, who: np.ndarray) -> None:
    """The month's gigabytes and call minutes of each line."""
    rng, people = world.streams["meters"], world.people
    chosen = np.zeros(len(people), bool)
    chosen[who] = True
    lines = np.flatnonzero(chosen[world.lines.owner])
    owner = world.lines.owner[lines]
    hungry = np.where(people.needs[owner, _FASTER] >= 0, 1.5, 1.0)
    season = 1 - 0.08 * world.clock.season(world.day)
    gigabytes = GIGABYTES * people.appetite[owner] * hungry * season * rng.lognormal(0, 0.25, len(lines))
    at = np.full(len(lines), world.now + 2 * HOUR)
    world.ledger.add("usage", "line", lines, at, owner, metric="gigabytes", value=np.round(gigabytes, 2))
    spoken = np.round(MINUTES * rng.lognormal(0, 0.7, len(lines)))
    world.ledger.add("usage", "line", lines, at, owner, metric="minutes", value=spoken)


def _top_up(world: World) -> None:
    rng, people = world.streams["top_ups"], world.people
    who = world.happens(rng, world.alive[people.prepaid[world.alive]], TOP_UPS_YEARLY)
    at = world.waking(rng, len(who))
    world.ledger.add("usage", "customer", who, at, who, metric="payment", value=np.round(people.price[who], 2))
    touch(world, who, at, phase="use", channel="app", action="top_up", topic="billing", outcome="ordered")


def _price_rises(world: World) -> None:
    """Prices are raised for customers who are not bound."""
    rng, people = world.streams["prices"], world.people
    free = world.alive[world.remaining()[world.alive] < 60]
    who = world.happens(rng, free, world.scenario.price_rises_yearly)
    people.price[who] = np.round(people.price[who] * rng.uniform(1.05, 1.12, len(who)), 2)
    people.rises[who] += 1
    people.mood[who] += 0.4
    at = np.full(len(who), world.now + DAY // 2)
    world.ledger.add("profile", "customer", who, at, who, monthly_value=people.price[who])
