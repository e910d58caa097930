"""Outages of sites and faults of lines: what breaks, for how long, who feels it and what is written down."""

from dataclasses import dataclass

import numpy as np

from features.simulator.clock import DAY, HOUR, MINUTE, YEAR_DAYS
from features.simulator.draws import between, lanes, lognormal, pick
from features.simulator.life.journeys import touch, voice
from features.simulator.life.loops import ask
from features.simulator.life.promises import resolved
from features.simulator.state import Sites
from features.simulator.vocabulary import REGIONS, code
from features.simulator.world import World

DUE = "felt"
SEVERITY_HOURS = (2.0, 12.0, 36.0)
"""A case is a warning below the first, critical from the last."""

PLANNED_WEIGHT = 0.1
"""How much of planned downtime is felt."""

TRUCK_HOURS, CALLING_HOURS = 16.0, 8.0
OUTAGE_KINDS, FAULT_KINDS = (0.55, 0.25, 0.2), (0.4, 0.35, 0.25)
"""Shares of no service, slow, and drops."""

WEAR_DAILY, MOST_WEAR = 1 / 240, 1.5
SICK_FACTOR, BADLY_MENDED_SHARE = 9.0, 0.3
"""A fault that was badly mended comes back ten times as often at first."""


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
        lane=lanes("site", np.arange(n)),
        realm=np.zeros(n, np.int64),
        region=rng.integers(0, len(REGIONS), n).astype(np.int8),
        quality=rng.gamma(1.5, 1 / 1.5, n),
        bad=rng.random(n) < 0.15,
        wear=rng.uniform(0, MOST_WEAR / 2, n),
        lost=np.zeros(n),
    )


def break_down(world: World) -> None:
    """Today's troubles, and the downtime of those that end today."""
    _degrade(world)
    _site_outages(world)
    _planned_work(world)
    _line_faults(world)
    felt = world.agenda.take(DUE, world.day)
    if felt is not None:
        np.add.at(world.people.downtime, felt["who"], felt["hours"])
        np.add.at(world.people.mood, felt["who"], np.minimum(felt["hours"] / 12, 1.0))


def _degrade(world: World) -> None:
    """Spells of many outages come and go; wear grows slowly until a site is worked on."""
    sites, scenario = world.sites, world.scenario
    draw = world.roll_lanes("spells", sites.lane)
    ends = sites.bad & (draw < 1 / scenario.bad_spell_days)
    begins = ~sites.bad & (draw < 1 / scenario.good_spell_days)
    sites.bad ^= ends | begins
    sites.wear = np.minimum(sites.wear + sites.quality * WEAR_DAILY, MOST_WEAR)


def _stormy(world: World) -> bool:
    """Whether the scenario's bad network month is now; its days are counted from the end."""
    begin, end = world.scenario.storm_days
    return begin >= world.clock.days - world.day > end


def _site_outages(world: World) -> None:
    sites, scenario = world.sites, world.scenario
    rate = scenario.site_outages_yearly * sites.quality * np.where(sites.bad, scenario.bad_spell_factor, 1.0)
    storm = scenario.storm_factor if _stormy(world) else 1.0
    struck = world.roll_lanes("outages", sites.lane) < rate * (1 + sites.wear) * storm / YEAR_DAYS
    broken = np.flatnonzero(struck)
    lane = sites.lane[broken]
    hours = lognormal(world.roll_lanes("outage hours", lane), scenario.site_outage_hours * storm**0.4, 0.9)
    opened = world.now + (world.roll_lanes("outage begins", lane) * DAY).astype(np.int64)
    category = pick(world.roll_lanes("outage kind", lane), OUTAGE_KINDS)
    trouble = Trouble("site", broken, opened, hours, category)
    _record(world, trouble)
    _strike(world, trouble, weight=1.0)
    _call_about(world, trouble)


def _planned_work(world: World) -> None:
    """Announced work in the small hours; a site is as good as new after it."""
    sites = world.sites
    rate = world.scenario.planned_work_yearly * (0.5 + sites.wear)
    chosen = np.flatnonzero(world.roll_lanes("planned", sites.lane) < rate / YEAR_DAYS)
    lane = sites.lane[chosen]
    hours = between(world.roll_lanes("planned hours", lane), 1, 4)
    opened = world.now + (between(world.roll_lanes("planned begins", lane), 1, 3) * HOUR).astype(np.int64)
    category = np.full(len(chosen), code("faults", "category", "planned_work"))
    trouble = Trouble("site", chosen, opened, hours, category, planned=True)
    sites.wear[chosen] = 0.0
    _record(world, trouble)
    _strike(world, trouble, weight=PLANNED_WEIGHT)


def _line_faults(world: World) -> None:
    lines, scenario = world.lines, world.scenario
    live = np.flatnonzero(world.is_alive(lines.owner))
    rate = scenario.line_faults_yearly * lines.quality[live] * (1 + SICK_FACTOR * lines.sick[live])
    lane = lines.lane[live]
    chosen = world.roll_lanes("faults", lane) < rate / YEAR_DAYS
    broken, lane = live[chosen], lane[chosen]
    hours = lognormal(world.roll_lanes("fault hours", lane), scenario.line_fault_hours, 0.85)
    opened = world.now + (between(world.roll_lanes("fault begins", lane), 7.5, 22) * HOUR).astype(np.int64)
    category = pick(world.roll_lanes("fault kind", lane), FAULT_KINDS)
    truck = (hours > TRUCK_HOURS) & (world.roll_lanes("truck", lane) < 0.7)
    owner = lines.owner[broken]
    trouble = Trouble("line", broken, opened, hours, category, owner, truck)
    _record(world, trouble)
    world.agenda.put(DUE, world.clock.day_of(trouble.cleared), who=owner, hours=hours)
    lines.lost[broken] += hours * 60
    lines.sick[broken] += np.where(truck, 0.3, 1.0) * (world.roll_lanes("badly mended", lane) < BADLY_MENDED_SHARE)
    resolved(world, broken, trouble.cleared, hours)
    _report(world, trouble, owner)
    _visit(world, broken[truck], owner[truck], trouble.cleared[truck])


def _record(world: World, trouble: Trouble) -> None:
    """Two facts per case: opened with a first guess of how bad it is, and cleared with the minutes lost."""
    if world.fork:
        return
    rng, hours = world.draws.stream("records"), trouble.hours
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
        words = {"state": state, "severity": np.zeros_like(severity) if trouble.planned else severity, **shared, **told}
        world.ledger.add("faults", trouble.key_type, trouble.keys, at, trouble.owner, **words)


def _strike(world: World, trouble: Trouble, weight: float) -> None:
    """Let everyone at the sites feel it when it ends."""
    np.add.at(world.sites.lost, trouble.keys, trouble.hours * 60)
    who, which = _at_sites(world, trouble.keys)
    ends = world.clock.day_of(trouble.cleared)
    world.agenda.put(DUE, ends[which], who=who, hours=trouble.hours[which] * weight)


def _at_sites(world: World, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The customers at each of the sites (no site twice), and which of ``sites`` each is at."""
    place = np.full(len(world.sites), -1)
    place[sites] = np.arange(len(sites))
    which = place[world.people.site[world.alive]]
    here = which >= 0
    return world.alive[here], which[here]


def _call_about(world: World, trouble: Trouble) -> None:
    """Some of those affected call while it lasts, the more the longer."""
    who, which = _at_sites(world, trouble.keys)
    awake = np.isin(who, world.active)
    who, which = who[awake], which[awake]
    hours = np.minimum(trouble.hours[which], CALLING_HOURS)
    calls = world.roll("outage calls", who) < 0.04 * hours**0.5
    who, which, hours = who[calls], which[calls], hours[calls]
    at = trouble.opened[which] + (world.roll("outage called", who) * hours * HOUR).astype(np.int64)
    channel = voice(world, "outage calls", who, ("app", "chat", "ivr"), ("call_center", "ivr"))
    touch(world, who, at, phase="ask", channel=channel, action="call", topic="outage", outcome="solved")


def _report(world: World, trouble: Trouble, owner: np.ndarray) -> None:
    """Most own faults are reported by a call, within the hour before the case opens."""
    called = (world.roll("reports", owner) < 0.7) & np.isin(owner, world.active)
    who = owner[called]
    at = trouble.opened[called] - (between(world.roll("reported", who), 1, 60) * MINUTE).astype(np.int64)
    channel = voice(world, "reports", who, ("chat", "app"), ("call_center",))
    ask(world, "reports", who, at, channel, "call", np.full(len(who), code("journey", "topic", "outage")))


def _visit(world: World, lines: np.ndarray, owner: np.ndarray, at: np.ndarray) -> None:
    """A technician comes; the field force knows the line."""
    words = {"phase": "ask", "channel": "field", "action": "visit", "topic": "outage", "outcome": "solved"}
    world.ledger.add("journey", "line", lines, at, owner, **words)
