"""Who leaves: the voluntary hazard of every customer and day, and the ends that compete with it."""

import numpy as np

from features.facts import REASONS
from features.simulator.clock import DAY, MONTH_DAYS
from features.simulator.draws import whole
from features.simulator.life.contracts import contract_state
from features.simulator.life.market import rivals_active
from features.simulator.life.people import tenure_years
from features.simulator.vocabulary import SEGMENTS
from features.simulator.world import World

NOTICE_DAYS, ENTERPRISE_NOTICE_DAYS = (14, 31), (30, 61)
MISSED_BILLS = 3
"""After so many unpaid bills the operator ends the contract."""

SILENT_SHARE = 0.6
"""Of the prepaid who leave: no notice, no porting, they just stop."""

SILENT_DAYS = 30
"""After so long without any use the operator concludes that a prepaid customer has left."""

AWAY_YEARLY, AWAY_DAYS = 0.8, (4, 26)
MOST_HELP, MOST_HARM = -0.00100, 0.00050
"""What all decisions together can add to the daily chance of leaving. With a half-life of 45 days their sums over 60
days are -4 and +2 points. What an action brings about beside it (a need served) is not bounded by this."""

LEAST = 0.3
"""However well somebody is treated, so much of their daily chance of leaving remains."""

FADING = ("downtime", "breaches", "shocks", "rises", "enquiries", "offers", "mood", "kin", "contacts", "sway")
"""What customers carry with them and slowly forget."""

_ENTERPRISE = SEGMENTS.index("enterprise")


def fade(world: World) -> None:
    """One day passes over every memory."""
    people, lines, memory = world.people, world.lines, world.scenario.memory
    for name in FADING:
        getattr(people, name)[:] *= 0.5 ** (1 / getattr(memory, name))
    lines.sick *= 0.5 ** (1 / memory.sick_line)


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
        "enterprise": segment == _ENTERPRISE,
        "kin": np.minimum(people.kin[who], 1.5),
        "rival": rivals_active(world, who),
        "announced_rise": (world.markets.rise[people.realm[who]] > world.day) & ~bound,
        "season": np.full(len(who), world.clock.season(world.day)),
    }
    effects = world.scenario.effects
    total = np.sum([getattr(effects, name) * part for name, part in parts.items()], axis=0)
    if world.clock.days - world.day <= world.scenario.surge_days:
        total += world.scenario.surge
    return _decided(world, who, total)


def _decided(world: World, who: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """The mean over all end users for an enterprise, their own for everyone else."""
    firm = np.flatnonzero(world.people.segment[who] == _ENTERPRISE)
    if len(firm):
        _, group = np.unique(world.people.decider[who[firm]], return_inverse=True)
        pull[firm] = (np.bincount(group, pull[firm]) / np.bincount(group))[group]
    return pull


def daily(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the probability of deciding today to leave."""
    people = world.people
    base = world.scenario.churn_monthly / MONTH_DAYS
    chance = -np.expm1(-base * people.frailty[who] * np.exp(people.pull[who]))
    return np.maximum(LEAST * chance, chance + _decided(world, who, people.sway[who]))


def leave(world: World) -> None:
    """Let the day's endings come."""
    people = world.people
    np.clip(people.sway, MOST_HELP, MOST_HARM, out=people.sway)
    at_risk = world.alive[(people.noticed[world.alive] > world.now) & ~people.silent[world.alive]]
    people.pull[at_risk] = pulls(world, at_risk)
    chance = daily(world, at_risk)
    world.risk = (at_risk, chance)
    _watch(world, at_risk, chance)
    leaving = at_risk[world.roll("voluntary", people.decider[at_risk]) < chance]
    quiet = people.prepaid[leaving] & (world.roll("quietly", leaving) < SILENT_SHARE)
    _fall_silent(world, leaving[quiet])
    _give_notice(world, leaving[~quiet])
    _leave_alone(world, leaving[~quiet])
    _go_away(world)
    _compete(world)
    _report_ends(world)


def _watch(world: World, who: np.ndarray, chance: np.ndarray) -> None:
    """Where a fork watches: the chance that today brings the notice, or the silence that is concluded later."""
    if world.tally is not None:
        silent = SILENT_SHARE * world.people.prepaid[who]
        world.tally.add("leave", world.day, who, chance * (1 - silent))
        world.tally.add("leave", world.day + SILENT_DAYS, who, chance * silent)


def _fall_silent(world: World, who: np.ndarray) -> None:
    people = world.people
    people.silent[who] = True
    people.noticed[who] = people.ended[who] = world.waking("concluded", who) + SILENT_DAYS * DAY
    people.reason[who] = REASONS.index("voluntary")


def _give_notice(world: World, who: np.ndarray) -> None:
    people = world.people
    at = _after_contact(world, who)
    firm = people.segment[who] == _ENTERPRISE
    decider = people.decider[who]
    days = np.where(
        firm,
        whole(world.roll("notice days", decider), *ENTERPRISE_NOTICE_DAYS),
        whole(world.roll("notice days", decider), *NOTICE_DAYS),
    )
    people.noticed[who] = at
    people.ended[who] = at + days * DAY
    people.reason[who] = REASONS.index("voluntary")
    world.ledger.add("profile", "customer", who, at, who, status="notice", reason="voluntary")


def _after_contact(world: World, who: np.ndarray) -> np.ndarray:
    """Instants of today, for everyone later than their last contact; one for all end users of an enterprise."""
    last = np.full(len(world.people), world.now)
    for contact in world.contacts:
        np.maximum.at(last, world.people.decider[contact["who"]], contact["at"])
    decider = world.people.decider[who]
    at = world.waking("notices", decider)
    late = last[decider] + (world.roll("notices late", decider) * (world.now + DAY - 1 - last[decider])).astype(
        np.int64
    )
    return np.where(at > last[decider], at, late)


def _leave_alone(world: World, who: np.ndarray) -> None:
    """Those who stay behind in a household notice that someone left."""
    people = world.people
    home = who[people.segment[who] != _ENTERPRISE]
    left = np.bincount(people.account[home], minlength=len(world.accounts))
    behind = world.alive[left[people.account[world.alive]] > 0]
    people.kin[behind] += left[people.account[behind]]


def _go_away(world: World) -> None:
    """Some use nothing for a while and come back."""
    who = world.happens("away", world.active, AWAY_YEARLY)
    world.people.away[who] = world.now + whole(world.roll("away days", who), *AWAY_DAYS) * DAY


def _compete(world: World) -> None:
    """Ends without notice: unpaid bills, moves out of reach (of end users: another employer), deaths."""
    people, scenario = world.people, world.scenario
    free = world.alive[~people.silent[world.alive]]
    free = free[(people.segment[free] != _ENTERPRISE) | (people.decider[free] != free)]
    ruined = free[people.missed[free] >= MISSED_BILLS]
    firm = people.segment[free] == _ENTERPRISE
    moved = world.happens("moved away", free, scenario.moved_away_yearly * np.where(firm, 4.0, 1.0))
    senior = people.segment[free] == SEGMENTS.index("senior")
    died = world.happens("deaths", free, scenario.deaths_yearly * np.where(senior, 5.0, 0.3))
    for who, reason in ((ruined, "involuntary"), (moved, "moved"), (died, "deceased")):
        ending = who[people.ended[who] > world.now + DAY]
        people.ended[ending] = world.waking("ends", ending)
        people.reason[ending] = REASONS.index(reason)


def _report_ends(world: World) -> None:
    people = world.people
    today = world.alive[people.ended[world.alive] < world.now + DAY]
    world.ledger.add(
        "profile", "customer", today, people.ended[today], today, status="left", reason=people.reason[today]
    )
