"""The simulation from its first day to its last."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from features.simulator import (
    arrivals,
    billing,
    browsers,
    complaints,
    contracts,
    habits,
    hazards,
    market,
    needs,
    network,
    people,
    promises,
    registers,
)
from features.simulator.clock import DAY, Clock, clock
from features.simulator.ledger import Batch, Ledger
from features.simulator.names import NUMBERS
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.state import Cookies, Lines
from features.simulator.streams import Streams
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
    days = run(world)
    bounds = world.clock.bounds
    for done, (begin, end) in enumerate(pairwise(bounds), start=1):
        last = (end - world.clock.start) // DAY - 1
        while world.day < last:
            next(days)
        yield from world.ledger.deliver(world.people.joined, world.people.ended, begin, end)
        if progress:
            progress(done, len(bounds) - 1)


def run(world: World) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Live day after day, the warm-up first; gives after each who could give notice and with which probability."""
    for day in range(-world.scenario.warm_up_days, world.clock.days):
        world.day = day
        world.alive = world.people.living(world.now)
        if day == 0:
            world.ledger.open = True
            registers.open_books(world)
        yield live(world)


def live(world: World) -> tuple[np.ndarray, np.ndarray]:
    """One day; returns who could give notice and with which probability."""
    if world.clock.date(world.day).day == 1:
        promises.measure_month(world)
    market.turn(world)
    arrivals.first_orders(world, arrivals.join(world))
    arrivals.attract(world)
    browsers.passers_by(world)
    arrivals.move_house(world)
    network.break_down(world)
    promises.feel_breaches(world)
    billing.charge(world)
    contracts.renewals(world)
    contracts.campaigns(world)
    needs.live(world)
    habits.live_on(world)
    complaints.complain(world)
    complaints.settle_complaints(world)
    complaints.enquire(world)
    risk = hazards.leave(world)
    hazards.fade(world)
    return risk


def found(customers: int, time: Clock, seed: int, scenario: Scenario) -> World:
    """The operator as it stands at the beginning of the warm-up."""
    if not 1 <= customers <= MOST_CUSTOMERS:
        raise ValueError(f"customers must be between 1 and {MOST_CUSTOMERS} (the numbering plan); got {customers}")
    if seed < 0:
        raise ValueError(f"seed must be zero or more; got {seed}")
    streams = Streams(seed)
    ledger = Ledger(streams, scenario.revised_share, scenario.void_share)
    sites = network.build(streams["sites"], scenario.site_count(customers))
    begin = time.midnight(-scenario.warm_up_days)
    base = people.stock(scenario, streams["people"], customers, len(sites), begin)
    nothing = np.zeros(0, np.int64)
    world = World(
        scenario,
        time,
        streams,
        ledger,
        people=people.nobody(base),
        lines=Lines(nothing, np.zeros(0, bool), nothing, np.zeros(0), np.zeros(0)),
        cookies=Cookies(nothing, nothing, nothing),
        sites=sites,
        target=customers,
        day=-scenario.warm_up_days,
    )
    people.settle(world, base)
    return world
