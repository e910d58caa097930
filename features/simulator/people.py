"""Who the customers are: the base as it stands at first, those who join, and their lines."""

from dataclasses import fields

import numpy as np

from features.simulator.clock import DAY, FAR, MONTH_DAYS, YEAR_DAYS
from features.simulator.scenario import NEEDS, Scenario
from features.simulator.state import Lines, People
from features.simulator.vocabulary import PLAN_PRICES, SEGMENTS
from features.simulator.world import World

SEGMENT_SHARES = (0.5, 0.15, 0.2, 0.15)
NEWCOMER_SEGMENT_SHARES = (0.48, 0.24, 0.175, 0.105)
NEWCOMER_PREPAID = 1.7
"""Those who soon leave must come more often for the base to keep its mix: more youths, 1.7 times the prepaid."""

PLAN_SHARES = (0.3, 0.4, 0.2, 0.1)
TENURE_MONTHS = 40.0
PAST_HAZARD_MONTHLY = 0.018
CONTRACT_DAYS = (365, 730)
FREE_MONTHS = 6.0

_MEMORIES = ("downtime", "breaches", "shocks", "rises", "enquiries", "offers", "mood", "complaints", "pull")


def stock(scenario: Scenario, rng: np.random.Generator, n: int, sites: int, now: int) -> People:
    """``n`` customers who joined before ``now``, as a base that has long been stable would hold them."""
    months = np.minimum(rng.exponential(TENURE_MONTHS, n), 180.0)
    people = _drawn(scenario, rng, now - (months * MONTH_DAYS * DAY).astype(np.int64), sites)
    # Those who stayed long are less prone to leave: after a cumulative hazard H the survivors of a gamma frailty of
    # mean 1 and variance v are again gamma, of the same shape and 1 / (1 + v H) times the scale.
    people.frailty /= 1 + scenario.frailty_variance * PAST_HAZARD_MONTHLY * months
    people.contract_end = _contracts(rng, people, now)
    return people


def newcomers(scenario: Scenario, rng: np.random.Generator, joined: np.ndarray, sites: int) -> People:
    """One new customer per joining instant."""
    people = _drawn(scenario, rng, joined, sites, NEWCOMER_SEGMENT_SHARES, NEWCOMER_PREPAID)
    term = rng.choice(CONTRACT_DAYS, len(joined), p=(0.3, 0.7)) * DAY
    people.contract_end = np.where(people.prepaid, -1, joined + term)
    return people


def _contracts(rng: np.random.Generator, people: People, now: int) -> np.ndarray:
    """When contracts end or ended: bound for two years, then free until renewed, seen at a random moment."""
    n = len(people)
    age = (now - people.joined) / DAY
    free = (age > CONTRACT_DAYS[1]) & (rng.random(n) < 0.18)
    left = rng.uniform(0, CONTRACT_DAYS[1], n)
    first = np.where(age < CONTRACT_DAYS[1], CONTRACT_DAYS[1] - age, left)
    past = -np.minimum(rng.exponential(FREE_MONTHS * MONTH_DAYS, n), np.maximum(age - CONTRACT_DAYS[1], 0))
    ends = now + (np.where(free, past, first) * DAY).astype(np.int64)
    return np.where(people.prepaid, -1, ends)


def _drawn(
    scenario: Scenario,
    rng: np.random.Generator,
    joined: np.ndarray,
    sites: int,
    segment_shares: tuple[float, ...] = SEGMENT_SHARES,
    prepaid: float = 1.0,
) -> People:
    n = len(joined)
    segment = rng.choice(len(SEGMENTS), n, p=segment_shares).astype(np.int8)
    senior, youth = segment == SEGMENTS.index("senior"), segment == SEGMENTS.index("youth")
    plan = rng.choice(len(PLAN_PRICES), n, p=PLAN_SHARES).astype(np.int8)
    return People(
        joined=joined,
        noticed=np.full(n, FAR),
        ended=np.full(n, FAR),
        reason=np.full(n, -1, np.int8),
        site=rng.integers(0, sites, n),
        segment=segment,
        prepaid=rng.random(n) < prepaid * scenario.prepaid_share * np.where(youth, 2.0, 0.82),
        plan=plan,
        price=np.round(np.asarray(PLAN_PRICES)[plan] * rng.uniform(0.9, 1.1, n), 2),
        contract_end=np.full(n, -1),
        bill_day=rng.integers(1, 29, n),
        marketing=rng.random(n) < scenario.marketing_consent_share,
        profiling=rng.random(n) < scenario.profiling_consent_share,
        frailty=_frailty(rng, scenario.frailty_variance, n),
        digital=np.clip(rng.beta(3, 2, n) - 0.25 * senior + 0.15 * youth, 0.05, 0.95),
        careless=rng.beta(1.2, 7, n),
        appetite=rng.lognormal(0.0, 0.6, n) * np.where(youth, 1.5, 1.0) * np.where(senior, 0.6, 1.0),
        traveller=rng.gamma(0.8, 1.25, n),
        line=np.full(n, -1),
        mobile=np.full(n, -1),
        lines=np.zeros(n, np.int64),
        cookie=np.full(n, -1),
        device_since=joined - (rng.uniform(0, 500, n) * DAY).astype(np.int64),
        insolvent=np.zeros(n, bool),
        missed=np.zeros(n, np.int64),
        needs=np.full((n, len(NEEDS)), -1),
        voiced=np.zeros((n, len(NEEDS)), bool),
        **{name: np.zeros(n) for name in _MEMORIES},
    )


def _frailty(rng: np.random.Generator, variance: float, n: int) -> np.ndarray:
    return rng.gamma(1 / variance, variance, n) if variance > 0 else np.ones(n)


def nobody(like: People) -> People:
    """No customers, in arrays of the same kinds."""
    return People(**{item.name: getattr(like, item.name)[:0] for item in fields(like)})


def settle(world: World, people: People) -> np.ndarray:
    """Take customers in with their first lines; returns their indices."""
    rng = world.streams["lines"]
    first = len(world.people)
    world.people.extend(people)
    who = np.arange(first, len(world.people))
    family = people.segment == SEGMENTS.index("family")
    mobile = rng.random(len(who)) < 0.65
    second = rng.random(len(who)) < np.where(family, 0.65, 0.36)
    third = rng.random(len(who)) < np.where(family, 0.35, 0.06)
    connect(world, who, mobile, people.joined)
    connect(world, who[second], ~mobile[second], people.joined[second])
    connect(world, who[third], np.ones(third.sum(), bool), people.joined[third])
    return who


def connect(world: World, who: np.ndarray, mobile: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Activate one line for each of ``who``; returns the lines' indices."""
    rng, people = world.streams["lines"], world.people
    quality = rng.gamma(0.7, 1 / 0.7, len(who))
    made = np.arange(len(world.lines), len(world.lines) + len(who))
    world.lines.extend(Lines(owner=who, mobile=mobile, activated=at, quality=quality, lost=np.zeros(len(who))))
    people.line[who] = np.where(people.line[who] < 0, made, people.line[who])
    people.mobile[who] = np.where((people.mobile[who] < 0) & mobile, made, people.mobile[who])
    people.lines[who] += 1
    return made


def tenure_years(world: World, who: np.ndarray) -> np.ndarray:
    """How long customers have been with the operator, in years."""
    return (world.now - world.people.joined[who]) / (DAY * YEAR_DAYS)
