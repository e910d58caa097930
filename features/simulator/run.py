"""The simulation from its first day to its last."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum, auto

import numpy as np

from features.simulator.clock import Clock, clock
from features.simulator.draws import Draws
from features.simulator.feeds import browsers, equip, registers
from features.simulator.feeds.ledger import Batch, Ledger
from features.simulator.feeds.names import NUMBERS
from features.simulator.life import (
    accounts,
    arrivals,
    billing,
    complaints,
    contracts,
    decisions,
    habits,
    hazards,
    loops,
    market,
    needs,
    network,
    people,
    promises,
)
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.state import Cookies, Lines
from features.simulator.world import World

START = datetime(2025, 1, 1, tzinfo=UTC)
MOST_CUSTOMERS = NUMBERS // 10
"""Every customer who ever joins needs numbers for several lines out of the operator's range."""


def simulate(
    customers: int,
    months: int,
    seed: int,
    *,
    start: datetime = START,
    scenario: Scenario = DEFAULT,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Batch]:
    """What every system of the operator delivered, one batch per source and month, in order of time.

    ``customers``: how many there are at any one time; those who leave are replaced. Rows that become known after the
    last month are never delivered. ``progress(done, months)`` is called after each month. The same arguments give the
    same rows. Raises `ValueError` at once, before any work, for arguments that make no sense.
    """
    world = found(customers, clock(start, months), seed, scenario)
    return _months(world, progress)


def _months(world: World, progress: Callable[[int, int], None] | None) -> Iterator[Batch]:
    bounds, done = world.clock.bounds, 0
    for part in run(world):
        tomorrow = world.clock.midnight(world.day + 1)
        if part is Part.NIGHT and tomorrow == bounds[done + 1]:
            yield from world.ledger.deliver(world.people.joined, world.people.ended, bounds[done], tomorrow)
            done += 1
            if progress:
                progress(done, len(bounds) - 1)


class Part(Enum):
    """Where in a day the world stands: before anything happened, when all contacts were made, at its end."""

    MORNING = auto()
    CONTACTED = auto()
    NIGHT = auto()


def run(world: World) -> Iterator[Part]:
    """Live day after day, the warm-up first, halting at each part of each day."""
    for day in range(-world.scenario.warm_up_days, world.clock.days):
        world.wake(day)
        if day == 0:
            world.ledger.open = True
            registers.open_books(world)
        yield Part.MORNING
        live(world)
        yield Part.CONTACTED
        end(world)
        yield Part.NIGHT


def live(world: World) -> None:
    """The day until its decisions."""
    if world.clock.date(world.day).day == 1:
        promises.measure_month(world)
    market.turn(world)
    if not world.fork:
        equip.morning(world)
        arrivals.first_orders(world, arrivals.join(world))
        arrivals.attract(world)
        browsers.passers_by(world)
    arrivals.move_house(world)
    network.break_down(world)
    promises.feel_breaches(world)
    billing.charge(world)
    contracts.renewals(world)
    contracts.campaigns(world)
    decisions.take_up(world)
    needs.live(world)
    habits.live_on(world)
    loops.ask_again(world)
    complaints.complain(world)
    complaints.settle_complaints(world)
    complaints.enquire(world)


def end(world: World, *, decided: bool = False) -> None:
    """The rest of the day: decisions unless they were ``decided`` already, endings, forgetting."""
    if not decided:
        decisions.decide(world)
    hazards.leave(world)
    if not world.fork:
        equip.night(world)
    hazards.fade(world)


def found(customers: int, time: Clock, seed: int, scenario: Scenario) -> World:
    """The operator as it stands at the beginning of the warm-up."""
    for name, number in (("customers", customers), ("seed", seed)):
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise ValueError(f"{name} must be a whole number; got {number!r}")
    if not 1 <= customers <= MOST_CUSTOMERS:
        raise ValueError(f"customers must be between 1 and {MOST_CUSTOMERS} (the numbering plan); got {customers}")
    if seed < 0:
        raise ValueError(f"seed must be zero or more; got {seed}")
    scenario.check_length(time.days)
    draws = Draws(seed)
    sites = network.build(draws.stream("sites"), scenario.site_count(customers))
    begin = time.midnight(-scenario.warm_up_days)
    kinds, sizes = accounts.form(scenario, draws.stream("accounts"), customers, customers)
    first = accounts.entered(0, kinds, sizes)
    base = people.stock(scenario, draws.stream("people"), first, len(sites), begin)
    nothing = np.zeros(0, np.int64)
    lines = {"lane": np.zeros(0, np.uint64), "mobile": np.zeros(0, bool)}
    world = World(
        scenario,
        time,
        draws,
        Ledger(draws, scenario.feeds, time.bounds[0], time.bounds[-1]),
        people=people.nobody(base),
        accounts=first.take(nothing),
        lines=Lines(**{item.name: lines.get(item.name, nothing) for item in fields(Lines)}),
        cookies=Cookies(nothing, nothing, nothing),
        sites=sites,
        markets=market.outside(1),
        target=customers,
        day=-scenario.warm_up_days,
    )
    people.settle(world, first, base)
    return world
