"""Bills, payments, late days and metered use; bill shocks, price rises and those who can no longer pay."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.draws import between, exponential, geometric
from features.simulator.life.journeys import touch
from features.simulator.life.market import rise_due
from features.simulator.scenario import NEEDS
from features.simulator.vocabulary import SEGMENTS
from features.simulator.world import World

PAYMENT_DUE_DAYS = 14
GIGABYTES, MINUTES = 14.0, 90.0
TOP_UPS_YEARLY = 14.0
SHARED_RESENTMENT = 0.5
"""How much less a price rise is resented that everybody gets: churn rises by about a fifth, as AT&T's did in 2025."""

DRIFT = 0.06
"""By how much less those use the service who are drawn away from it, per unit of the log of their hazard."""

_ENTERPRISE = SEGMENTS.index("enterprise")
_FASTER = NEEDS.index("faster_line")


def charge(world: World) -> None:
    """Today's bills with the use they are for, the payments that are due, top-ups and price rises."""
    who = _payers(world, world.alive)
    world.people.insolvent[world.happens("insolvency", who, world.scenario.insolvencies_yearly)] = True
    _price_rises(world)
    _pay(world)
    billed = world.alive[world.people.bill_day[world.alive] == world.clock.date(world.day).day]
    if not world.fork:
        _meter(world, billed[np.isin(billed, world.active)])
        _bill_enterprises(world, billed)
    _bill(world, _payers(world, billed[~world.people.prepaid[billed]]))
    _top_up(world)


def _payers(world: World, who: np.ndarray) -> np.ndarray:
    """Those who get a bill of their own: the end users of an enterprise do not."""
    return who[world.people.segment[who] != _ENTERPRISE]


def _bill(world: World, who: np.ndarray) -> None:
    people = world.people
    shock = world.roll("bill shock", who) < world.scenario.bill_shocks_yearly / 12
    more = between(world.roll("shocked by", who), 0.4, 1.5)
    extra = exponential(world.roll("extras", who), 1.5) + shock * people.price[who] * more
    amount = np.round(people.price[who] + extra, 2)
    at = np.full(len(who), world.now + 3 * HOUR)
    world.ledger.add("usage", "customer", who, at, who, metric="bill", value=amount)
    people.shocks[who[shock]] += 1
    people.mood[who[shock]] += 0.6
    _plan_payment(world, who, amount)


def _plan_payment(world: World, who: np.ndarray, amount: np.ndarray) -> None:
    """Pay on time, late, or not at all; whoever cannot pay is a month late with every bill, and one more is missed."""
    people = world.people
    fails = people.insolvent[who]
    late = (world.roll("late", who) < people.careless[who]) & ~fails
    delay = np.where(late, 1 + geometric(world.roll("late by", who), 0.12).clip(max=45), 0)
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
    here = world.is_alive(due["who"])
    who, late = due["who"][here], due["late"][here]
    at = world.waking("payments", who)
    world.ledger.add("usage", "customer", who, at, who, metric="payment", value=due["value"][here])
    tardy = late > 0
    world.ledger.add(
        "usage", "customer", who[tardy], at[tardy], who[tardy], metric="late_days", value=late[tardy].astype(float)
    )
    by_hand = world.roll("by hand", who) < 0.3 * world.people.digital[who]
    touch(world, who[by_hand], at[by_hand], phase="use", channel="app", action="pay", topic="billing", outcome="solved")


def _meter(world: World, who: np.ndarray) -> None:
    """The month's gigabytes and call minutes of each line."""
    rng, people = world.draws.stream("meters"), world.people
    chosen = np.zeros(len(people), bool)
    chosen[who] = True
    lines = np.flatnonzero(chosen[world.lines.owner])
    owner = world.lines.owner[lines]
    hungry = np.where(people.needs[owner, _FASTER] >= 0, 1.5, 1.0)
    season = 1 - 0.08 * world.clock.season(world.day)
    drifting = 1 - DRIFT * np.clip(people.pull[owner], 0, 3)
    gigabytes = GIGABYTES * people.appetite[owner] * hungry * season * drifting * rng.lognormal(0, 0.25, len(lines))
    at = np.full(len(lines), world.now + 2 * HOUR)
    world.ledger.add("usage", "line", lines, at, owner, metric="gigabytes", value=np.round(gigabytes, 2))
    spoken = np.round(MINUTES * rng.lognormal(0, 0.7, len(lines)))
    world.ledger.add("usage", "line", lines, at, owner, metric="minutes", value=spoken)


def _bill_enterprises(world: World, billed: np.ndarray) -> None:
    """One bill per enterprise for all its end users, and its payment a month later."""
    people = world.people
    members = billed[people.segment[billed] == _ENTERPRISE]
    account, place = np.unique(people.account[members], return_inverse=True)
    total = np.round(np.bincount(place, people.price[members], len(account)), 2)
    at = np.full(len(account), world.now + 3 * HOUR)
    first = world.accounts.first[account]
    world.ledger.add("usage", "account", account, at, first, metric="bill", value=total)
    world.ledger.add("usage", "account", account, at + 30 * DAY, first, metric="payment", value=total)


def _top_up(world: World) -> None:
    people = world.people
    who = world.happens("top ups", world.active[people.prepaid[world.active]], TOP_UPS_YEARLY)
    at = world.waking("top ups", who)
    world.ledger.add("usage", "customer", who, at, who, metric="payment", value=np.round(people.price[who], 2))
    touch(world, who, at, phase="use", channel="app", action="top_up", topic="billing", outcome="ordered")


def _price_rises(world: World) -> None:
    """Prices are raised for customers who are not bound: when their own promotion ends, or for all at once."""
    free = world.alive[world.remaining(world.alive) < 60]
    own = world.happens("own rise", free, world.scenario.price_rises_yearly)
    _raise(world, own, between(world.roll("raised by", own), 1.05, 1.12), 1.0)
    everyone = free[rise_due(world, free)]
    _raise(world, everyone, world.markets.raise_by[world.people.realm[everyone]], SHARED_RESENTMENT)


def _raise(world: World, who: np.ndarray, by: np.ndarray, resentment: float) -> None:
    people = world.people
    people.price[who] = np.round(people.price[who] * by, 2)
    people.rises[who] += resentment * np.minimum((by - 1) / 0.08, 1.2)
    people.mood[who] += 0.4 * resentment
    at = np.full(len(who), world.now + DAY // 2)
    world.ledger.add("profile", "customer", who, at, who, monthly_value=people.price[who])
