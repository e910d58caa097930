"""What was promised and whether it was kept: the time to mend an own fault, and each month's availability."""

import numpy as np

from features.simulator.clock import MONTH_DAYS
from features.simulator.world import World

BROKEN = "breach"
AVAILABILITY_WEIGHT = 0.4


def resolved(world: World, lines: np.ndarray, cleared: np.ndarray, hours: np.ndarray) -> None:
    """Measure how long own faults took against the promise; what was broken is felt when the fault clears."""
    target, owner = world.scenario.resolution_target_hours, world.lines.owner[lines]
    broken = hours > target
    world.ledger.add(
        "sla",
        "line",
        lines,
        cleared,
        owner,
        metric="resolution_hours",
        target=target,
        actual=np.round(hours, 2),
        breached=broken,
        credit=np.where(broken, 5.0, 0.0),
    )
    _remember(world, world.clock.day_of(cleared[broken]), owner[broken], np.ones(broken.sum()))


def measure_month(world: World) -> None:
    """At the end of a month: the availability of every live line, its own faults and its site's outages together."""
    lines = np.flatnonzero(world.is_alive(world.lines.owner))
    owner = world.lines.owner[lines]
    lost = world.lines.lost[lines] + world.sites.lost[world.people.site[owner]]
    actual = 100 * (1 - np.minimum(lost / (MONTH_DAYS * 24 * 60), 1))
    broken = actual < world.scenario.availability_target
    world.ledger.add(
        "sla",
        "line",
        lines,
        np.full(len(lines), world.now - 1),
        owner,
        metric="availability",
        target=world.scenario.availability_target,
        actual=np.round(actual, 3),
        breached=broken,
        credit=np.where(broken, 2.0, 0.0),
    )
    weight = np.full(broken.sum(), AVAILABILITY_WEIGHT)
    _remember(world, np.full(broken.sum(), world.day), owner[broken], weight)
    world.lines.lost[:] = 0
    world.sites.lost[:] = 0


def _remember(world: World, days: np.ndarray, who: np.ndarray, weight: np.ndarray) -> None:
    world.agenda.put(BROKEN, days, who=who, weight=weight)


def feel_breaches(world: World) -> None:
    """Today's broken promises enter the memory of those they were made to."""
    due = world.agenda.take(BROKEN, world.day)
    if due is not None:
        np.add.at(world.people.breaches, due["who"], due["weight"])
