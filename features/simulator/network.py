"""Outages of sites and faults of lines: what breaks, for how long, who feels it and what is written down."""

from dataclasses import dataclass

import numpy as np

from features.simulator.clock import DAY, HOUR, MINUTE
from features.simulator.journeys import touch, voice
from features.simulator.promises import resolved
from features.simulator.state import Sites
from features.simulator.vocabulary import REGIONS, code
from features.simulator.world import World

DUE = "felt"
SEVERITY_HOURS = (2.0, 12.0, 36.0)
"""A case is a warning below the first, critical from the last."""

PLANNED_WEIGHT = 0.1
"""How much of planned downtime is felt."""

TRUCK_HOURS, CALLING_HOURS = 16.0, 8.0


@dataclass(frozen=True)
class Trouble:
    """Cases that opened today: where, whose (``None``: a site's), since when, for how many hours."""

    key_type: str
    keys: np.ndarray
    opened: np.ndarray
    hours: np.ndarray
    category: np.ndarray
    owner: np.ndarray | None = None
    truck: np.ndarray | bool = False
    planned: bool = False

    @property
    def cleared(self) -> np.ndarray:
        """When each case ends, UTC microseconds."""
        return self.opened + (self.hours * HOUR).astype(np.int64)


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
    trouble = Trouble("site", broken, opened, hours, category)
    _record(world, trouble)
    _strike(world, trouble, weight=1.0)
    _call_about(world, trouble)


def _planned_work(world: World) -> None:
    rng, sites = world.streams["planned"], world.sites
    chosen = world.happens(rng, np.arange(len(sites)), world.scenario.planned_work_yearly)
    hours = rng.uniform(1, 4, len(chosen))
    opened = world.now + rng.integers(HOUR, 3 * HOUR, len(chosen))
    category = np.full(len(chosen), code("faults", "category", "planned_work"))
    trouble = Trouble("site", chosen, opened, hours, category, planned=True)
    _record(world, trouble)
    _strike(world, trouble, weight=PLANNED_WEIGHT)


def _line_faults(world: World) -> None:
    rng, lines, scenario = world.streams["faults"], world.lines, world.scenario
    live = np.flatnonzero(np.isin(lines.owner, world.alive))
    broken = world.happens(rng, live, scenario.line_faults_yearly * lines.quality[live])
    hours = rng.lognormal(np.log(scenario.line_fault_hours), 0.85, len(broken))
    opened = world.waking(rng, len(broken))
    category = rng.choice(3, len(broken), p=(0.4, 0.35, 0.25))
    truck = (hours > TRUCK_HOURS) & (rng.random(len(broken)) < 0.7)
    owner = lines.owner[broken]
    trouble = Trouble("line", broken, opened, hours, category, owner, truck)
    _record(world, trouble)
    world.agenda.put(DUE, world.clock.day_of(trouble.cleared), who=owner, hours=hours)
    lines.lost[broken] += hours * 60
    resolved(world, broken, trouble.cleared, hours)
    _report(world, trouble, owner)
    _visit(world, broken[truck], owner[truck], trouble.cleared[truck])


def _record(world: World, trouble: Trouble) -> None:
    """Two facts per case: opened with a first guess of how bad it is, and cleared with the minutes lost."""
    rng, hours = world.streams["records"], trouble.hours
    shared = {
        "case": world.next_cases(len(hours)),
        "category": trouble.category,
        "planned": np.full(len(hours), trouble.planned),
    }
    guessed = np.digitize(hours * rng.lognormal(0, 0.8, len(hours)), SEVERITY_HOURS)
    for state, at, severity in (
        ("opened", trouble.opened, guessed),
        ("cleared", trouble.cleared, np.digitize(hours, SEVERITY_HOURS)),
    ):
        told = {"minutes": np.round(hours * 60), "truck_roll": trouble.truck} if state == "cleared" else {}
        severity = np.zeros_like(severity) if trouble.planned else severity
        world.ledger.add(
            "faults",
            trouble.key_type,
            trouble.keys,
            at,
            trouble.owner,
            state=state,
            severity=severity,
            **shared,
            **told,
        )


def _strike(world: World, trouble: Trouble, weight: float) -> None:
    """Let everyone at the sites feel it when it ends."""
    np.add.at(world.sites.lost, trouble.keys, trouble.hours * 60)
    who, which = _at_sites(world, trouble.keys)
    ends = world.clock.day_of(trouble.cleared)
    world.agenda.put(DUE, ends[which], who=who, hours=trouble.hours[which] * weight)


def _at_sites(world: World, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The customers at each of the sites, and which of ``sites`` each is at."""
    home = world.people.site[world.alive]
    which, place = np.nonzero(sites[:, None] == home[None, :])
    return world.alive[place], which


def _call_about(world: World, trouble: Trouble) -> None:
    """Some of those affected call while it lasts, the more the longer."""
    rng = world.streams["outage_calls"]
    who, which = _at_sites(world, trouble.keys)
    hours = np.minimum(trouble.hours[which], CALLING_HOURS)
    calls = rng.random(len(who)) < 0.04 * hours**0.5
    who, hours = who[calls], hours[calls]
    at = trouble.opened[which[calls]] + (rng.random(len(who)) * hours * HOUR).astype(np.int64)
    channel = voice(world, who, rng, ("app", "chat", "ivr"), ("call_center", "ivr"))
    touch(world, who, at, phase="ask", channel=channel, action="call", topic="outage", outcome="solved")


def _report(world: World, trouble: Trouble, owner: np.ndarray) -> None:
    """Most own faults are reported by a call, within the hour before the case opens."""
    rng = world.streams["reports"]
    called = rng.random(len(owner)) < 0.7
    who = owner[called]
    at = trouble.opened[called] - rng.integers(1, 60, len(who)) * MINUTE
    channel = voice(world, who, rng, ("chat", "app"), ("call_center",))
    touch(world, who, at, phase="ask", channel=channel, action="call", topic="outage", outcome="handed_off")


def _visit(world: World, lines: np.ndarray, owner: np.ndarray, at: np.ndarray) -> None:
    """A technician comes; the field force knows the line."""
    words = {"phase": "ask", "channel": "field", "action": "visit", "topic": "outage", "outcome": "solved"}
    world.ledger.add("journey", "line", lines, at, owner, **words)
