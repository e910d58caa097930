"""Who leaves: the voluntary hazard of every customer and day, and the ends that compete with it."""

import numpy as np

from features.facts import REASONS
from features.simulator.clock import DAY, MONTH_DAYS
from features.simulator.contracts import contract_state
from features.simulator.market import rivals_active
from features.simulator.people import tenure_years
from features.simulator.vocabulary import SEGMENTS
from features.simulator.world import World

NOTICE_DAYS = (14, 31)
MISSED_BILLS = 3
"""After so many unpaid bills the operator ends the contract."""


def fade(world: World) -> None:
    """One day passes over every memory."""
    people, scenario = world.people, world.scenario
    for name, days in (
        ("downtime", scenario.downtime_memory_days),
        ("breaches", scenario.breach_memory_days),
        ("shocks", scenario.shock_memory_days),
        ("rises", scenario.price_memory_days),
        ("enquiries", scenario.enquiry_memory_days),
        ("offers", scenario.offer_memory_days),
        ("mood", scenario.mood_memory_days),
    ):
        getattr(people, name)[:] *= 0.5 ** (1 / days)


def pulls(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the log of the voluntary hazard relative to the base, without the frailty nobody can see."""
    people = world.people
    bound, ending, free = contract_state(world, who)
    segment = people.segment[who]
    parts = {
        "bound": bound,
        "contract_ending": ending,
        "out_of_contract": free,
        "newcomer": tenure_years(world, who) < 0.5,
        "downtime": np.log1p(people.downtime[who] / 6),
        "breach": np.minimum(people.breaches[who], 3),
        "open_complaint": np.minimum(people.complaints[who], 2),
        "bill_shock": np.minimum(people.shocks[who], 2),
        "price_rise": np.minimum(people.rises[who], 1.5),
        "enquiry": np.minimum(people.enquiries[who], 2),
        "unmet_need": np.minimum(people.voiced[who].sum(axis=1), 2),
        "mood": np.minimum(people.mood[who], 3),
        "extra_line": np.minimum(people.lines[who] - 1, 2),
        "accepted_offer": np.minimum(people.offers[who], 1),
        "youth": segment == SEGMENTS.index("youth"),
        "family": segment == SEGMENTS.index("family"),
        "senior": segment == SEGMENTS.index("senior"),
        "rival": np.full(len(who), rivals_active(world)),
        "season": np.full(len(who), world.clock.season(world.day)),
    }
    effects = world.scenario.effects
    return np.sum([getattr(effects, name) * part for name, part in parts.items()], axis=0)


def daily(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the probability of giving notice today."""
    base = world.scenario.churn_monthly / MONTH_DAYS
    return -np.expm1(-base * world.people.frailty[who] * np.exp(world.people.pull[who]))


def leave(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Let the day's endings come; returns who could give notice today and with which probability."""
    people = world.people
    at_risk = world.alive[people.noticed[world.alive] > world.now]
    people.pull[at_risk] = pulls(world, at_risk)
    chance = daily(world, at_risk)
    rng = world.streams["voluntary"]
    _give_notice(world, at_risk[rng.random(len(at_risk)) < chance])
    _compete(world)
    _report_ends(world)
    return at_risk, chance


def _give_notice(world: World, who: np.ndarray) -> None:
    rng, people = world.streams["notices"], world.people
    at = world.waking(rng, len(who))
    people.noticed[who] = at
    people.ended[who] = at + rng.integers(*NOTICE_DAYS, len(who)) * DAY
    people.reason[who] = REASONS.index("voluntary")
    world.ledger.add("profile", "customer", who, at, who, status="notice", reason="voluntary")


def _compete(world: World) -> None:
    """Ends without notice: unpaid bills, moves out of reach, deaths."""
    rng, people, scenario = world.streams["competing"], world.people, world.scenario
    ruined = world.alive[people.missed[world.alive] >= MISSED_BILLS]
    moved = world.happens(rng, world.alive, scenario.moved_away_yearly)
    senior = people.segment[world.alive] == SEGMENTS.index("senior")
    died = world.happens(rng, world.alive, scenario.deaths_yearly * np.where(senior, 5.0, 0.3))
    for who, reason in ((ruined, "involuntary"), (moved, "moved"), (died, "deceased")):
        ending = who[people.ended[who] > world.now + DAY]
        people.ended[ending] = world.waking(rng, len(ending))
        people.reason[ending] = REASONS.index(reason)


def _report_ends(world: World) -> None:
    people = world.people
    today = world.alive[people.ended[world.alive] < world.now + DAY]
    world.ledger.add(
        "profile", "customer", today, people.ended[today], today, status="left", reason=people.reason[today]
    )
