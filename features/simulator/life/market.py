"""The world outside: seasons, announced price rises and the campaigns of rivals, as the calendar tells them."""

import numpy as np

from features.simulator.draws import between, derived, lanes
from features.simulator.state import Markets
from features.simulator.vocabulary import REGIONS
from features.simulator.world import World

CAMPAIGN_DAYS = 21
ANNOUNCED_DAYS = 40
"""So long before it takes effect a price rise is announced."""

RISE_BY = (1.03, 1.07)
_NEVER = -(10**6)


def outside(realms: int) -> Markets:
    """Markets in which nothing has happened yet."""
    return Markets(
        lane=lanes("market", np.arange(realms)),
        rival=np.full((realms, len(REGIONS)), _NEVER),
        rise=np.full(realms, -1),
        raise_by=np.ones(realms),
    )


def turn(world: World) -> None:
    """Note the season on the first of each month; let rivals begin and end campaigns, and price rises be announced."""
    if world.clock.date(world.day).day == 1:
        _note(world, "season", world.clock.season(world.day))
    _rivals(world)
    _announce(world)


def _rivals(world: World) -> None:
    markets = world.markets
    for region in range(len(REGIONS)):
        if markets.rival[0, region] == world.day - 1:
            _note(world, "rival_campaign", 0.0, region)
        chance = world.scenario.rival_campaigns_yearly / 365.25
        starts = world.roll_lanes("rivals", derived(markets.lane, region)) < chance
        starts &= markets.rival[:, region] < world.day
        markets.rival[starts, region] = world.day + CAMPAIGN_DAYS - 1
        if starts[0]:
            _note(world, "rival_campaign", 1.0, region)


def _announce(world: World) -> None:
    """A general price rise, announced to everyone who will not be bound when it comes."""
    markets, scenario = world.markets, world.scenario
    chance = scenario.general_rises_yearly / 365.25
    starts = (markets.rise < world.day) & (world.roll_lanes("general rise", markets.lane) < chance)
    if scenario.surge and world.clock.days - world.day == scenario.surge_days + ANNOUNCED_DAYS // 2:
        starts[:] = True
    markets.rise[starts] = world.day + ANNOUNCED_DAYS
    if scenario.surge and world.clock.days - world.day == scenario.surge_days:
        markets.rise[:] = world.day
    markets.raise_by[starts] = between(world.roll_lanes("general rise by", markets.lane[starts]), *RISE_BY)
    if starts[0]:
        _note(world, "price_rise", float(100 * (markets.raise_by[0] - 1)))


def rivals_active(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) whether a rival's campaign runs today where each of them lives."""
    people = world.people
    region = world.sites.region[people.site[who]]
    return world.markets.rival[people.realm[who], region] >= world.day


def rise_due(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) whether a general price rise takes effect today."""
    return world.markets.rise[world.people.realm[who]] == world.day


def _note(world: World, kind: str, value: float, region: int | None = None) -> None:
    """In the calendar of a region's market, or of every one's."""
    market = np.arange(len(REGIONS)) if region is None else np.array([region])
    at = np.full(len(market), world.now)
    world.ledger.add("calendar", "market", market, at, None, kind=kind, value=round(value, 4), region=market)
