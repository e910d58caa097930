"""Outages of sites and faults of lines: what breaks, for how long, who feels it and what is written down."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.journeys import touch, voice
from features.simulator.promises import resolved
from features.simulator.state import Sites
from features.simulator.vocabulary import REGIONS, words
from features.simulator.world import World

DUE = "felt"
SEVERITY_HOURS = (2.0, 12.0, 36.0)
"""A case is a warning below the first, critical from the last."""

OWN_FAULT_WEIGHT, SITE_FAULT_WEIGHT, PLANNED_WEIGHT = 1.0, 1.0, 0.1


def build(rng: np.random.Generator, n: int) -> Sites:
    """``n`` sites of differing quality; ``quality`` multiplies the rate of outages."""
    return Sites(
        region=rng.integers(0, len(REGIONS), n).astype(np.int8),
        quality=rng.gamma(1.5, 1 / 1.5, n),
        bad=rng.random(n) < 0.15,
        lost=np.zeros(n),
    )


def break_down(world: World) -> None:
    """Today's troubles, and the downtime of those that end today."""
    _change_spells(world)
    _site_outages(world)
    _planned_work(world)
    _line_faults(world)
    felt = world.agenda.take(DUE, world.day)
    if felt is not None:
        np.add.at(world.people.downtime, felt["who"], felt["hours"])
        np.add.at(world.people.mood, felt["who"], np.minimum(felt["hours"] / 12, 1.0))


def _change_spells(world: World) -> None:
    rng, sites, scenario = world.streams["spells"], world.sites, world.scenario
    draw = rng.random(len(sites))
    ends = sites.bad & (draw < 1 / scenario.bad_spell_days)
    begins = ~sites.bad & (draw < 1 / scenario.good_spell_days)
    sites.bad ^= ends | begins


def _site_outages(world: World) -> None:
    rng, sites, scenario = world.streams["outages"], world.sites, world.scenario
    rate = scenario.site_outages_yearly * sites.quality * np.where(sites.bad, scenario.bad_spell_factor, 1.0)
    broken = world.happens(rng, np.arange(len(sites)), rate)
    hours = rng.lognormal(np.log(scenario.site_outage_hours), 0.9, len(broken))
    opened = world.now + rng.integers(0, DAY, len(broken))
    category = rng.choice(3, len(broken), p=(0.55, 0.25, 0.2))
    _record(world, "site", broken, opened, hours, None, category, np.zeros(len(broken), bool), planned=False)
    _strike(world, broken, opened, hours, SITE_FAULT_WEIGHT)
    _call_about(world, broken, opened, hours, rng)


def _planned_work(world: World) -> None:
    rng, sites = world.streams["planned"], world.sites
    chosen = world.happens(rng, np.arange(len(sites)), world.scenario.planned_work_yearly)
    hours = rng.uniform(1, 4, len(chosen))
    opened = world.now + rng.integers(HOUR, 3 * HOUR, len(chosen))
    category = np.full(len(chosen), words("faults", "category").index("planned_work"))
    _record(world, "site", chosen, opened, hours, None, category, np.zeros(len(chosen), bool), planned=True)
    _strike(world, chosen, opened, hours, PLANNED_WEIGHT)


def _line_faults(world: World) -> None:
    rng, lines, scenario = world.streams["faults"], world.lines, world.scenario
    live = np.flatnonzero(np.isin(lines.owner, world.alive))
    broken = world.happens(rng, live, scenario.line_faults_yearly * lines.quality[live])
    hours = rng.lognormal(np.log(scenario.line_fault_hours), 0.85, len(broken))
    opened = world.waking(rng, len(broken))
    owner = lines.owner[broken]
    truck = (hours > 16) & (rng.random(len(broken)) < 0.7)
    category = rng.choice(3, len(broken), p=(0.4, 0.35, 0.25))
    _record(world, "line", broken, opened, hours, owner, category, truck, planned=False)
    cleared = opened + (hours * HOUR).astype(np.int64)
    world.agenda.put(DUE, world.clock.day_of(cleared), who=owner, hours=hours * OWN_FAULT_WEIGHT)
    lines.lost[broken] += hours * 60
    resolved(world, broken, cleared, hours)
    _report(world, owner, opened, cleared, truck, rng)


def _record(
    world: World,
    key_type: str,
    keys: np.ndarray,
    opened: np.ndarray,
    hours: np.ndarray,
    owner: np.ndarray | None,
    category: np.ndarray,
    truck: np.ndarray,
    planned: bool,
) -> None:
    """Two facts per case: opened, and cleared with the minutes lost."""
    case = world.next_cases(len(keys))
    severity = np.zeros(len(keys), int) if planned else np.digitize(hours, SEVERITY_HOURS)
    shared = {"case": case, "severity": severity, "category": category, "planned": np.full(len(keys), planned)}
    world.ledger.add("faults", key_type, keys, opened, owner, state="opened", **shared)
    cleared = opened + (hours * HOUR).astype(np.int64)
    minutes = np.round(hours * 60)
    world.ledger.add(
        "faults", key_type, keys, cleared, owner, state="cleared", minutes=minutes, truck_roll=truck, **shared
    )


def _strike(world: World, sites: np.ndarray, opened: np.ndarray, hours: np.ndarray, weight: float) -> None:
    """Let everyone at the sites feel it when it ends."""
    if len(sites) == 0:
        return
    np.add.at(world.sites.lost, sites, hours * 60)
    who, which = _at_sites(world, sites)
    ends = world.clock.day_of(opened + (hours * HOUR).astype(np.int64))
    world.agenda.put(DUE, ends[which], who=who, hours=hours[which] * weight)


def _at_sites(world: World, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The customers at each of the sites, and which of ``sites`` each is at."""
    home = world.people.site[world.alive]
    parts = [world.alive[home == site] for site in sites]
    return np.concatenate(parts), np.repeat(np.arange(len(sites)), [len(part) for part in parts])


def _call_about(
    world: World, sites: np.ndarray, opened: np.ndarray, hours: np.ndarray, rng: np.random.Generator
) -> None:
    """Some of those affected call while it lasts, the more the longer."""
    if len(sites) == 0:
        return
    who, which = _at_sites(world, sites)
    calls = rng.random(len(who)) < 0.04 * np.minimum(hours[which], 8) ** 0.5
    who, which = who[calls], which[calls]
    at = opened[which] + (rng.random(len(who)) * np.minimum(hours[which], 8) * HOUR).astype(np.int64)
    channel = voice(world, who, rng, ("app", "chat", "ivr"), ("call_center", "ivr"))
    touch(world, who, at, phase="ask", channel=channel, action="call", topic="outage", outcome="solved")


def _report(
    world: World,
    owner: np.ndarray,
    opened: np.ndarray,
    cleared: np.ndarray,
    truck: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Most own faults are reported by a call before the case opens; a truck roll is a visit before it clears."""
    called = rng.random(len(owner)) < 0.7
    who = owner[called]
    before = opened[called] - rng.integers(1, 60, len(who)) * (HOUR // 60)
    channel = voice(world, who, rng, ("chat", "app"), ("call_center",))
    touch(world, who, before, phase="ask", channel=channel, action="call", topic="outage", outcome="handed_off")
    touch(
        world,
        owner[truck],
        cleared[truck],
        phase="ask",
        channel="field",
        action="visit",
        topic="outage",
        outcome="solved",
    )
