"""The world outside: seasons and the campaigns of rivals, as the calendar tells them."""

import numpy as np

from features.simulator.world import World

CAMPAIGN_DAYS = 14
_ALL = np.zeros(1, np.int64)


def turn(world: World) -> None:
    """Note the season on the first of each month, and the beginnings and ends of rival campaigns."""
    rng = world.streams["rivals"]
    if world.clock.date(world.day).day == 1:
        _note(world, "season", world.clock.season(world.day))
    starts = rng.random() < world.scenario.rival_campaigns_yearly / 365.25
    if world.rivals == world.day - 1:
        _note(world, "rival_campaign", 0.0)
    if starts and not rivals_active(world):
        world.rivals = world.day + CAMPAIGN_DAYS - 1
        _note(world, "rival_campaign", 1.0)


def rivals_active(world: World) -> bool:
    """Whether a rival's campaign runs today."""
    return world.rivals >= world.day


def _note(world: World, kind: str, value: float) -> None:
    world.ledger.add("calendar", "market", _ALL, np.full(1, world.now), None, kind=kind, value=round(value, 4))
