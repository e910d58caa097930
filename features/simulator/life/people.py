"""Who the customers are: the base as it stands at first, those who join, and their lines."""

from dataclasses import fields

import numpy as np

from features.simulator.clock import DAY, FAR, MONTH_DAYS, YEAR_DAYS
from features.simulator.draws import derived, gamma, lanes
from features.simulator.life.accounts import ENTERPRISE, HOUSEHOLD, SINGLE
from features.simulator.scenario import NEEDS, Scenario
from features.simulator.state import Accounts, Lines, People
from features.simulator.vocabulary import PLAN_PRICES, SEGMENTS
from features.simulator.world import World

SINGLE_SHARES = {"consumer": 0.68, "youth": 0.17, "senior": 0.15}
NEWCOMER_SHARES = {"consumer": 0.63, "youth": 0.27, "senior": 0.10}
HOUSEHOLD_YOUTH_SHARE = 0.25
"""Of the members of a household after the first."""

NEWCOMER_PREPAID = 1.7
"""Those who soon leave must come more often for the base to keep its mix: more youths, 1.7 times the prepaid."""

PLAN_SHARES = (0.3, 0.4, 0.2, 0.1)
TENURE_MONTHS = 40.0
PAST_HAZARD_MONTHLY = 0.018
CONTRACT_DAYS = (365, 730)
FREE_MONTHS = 14.0

_MEMORIES = (
    "downtime",
    "breaches",
    "shocks",
    "rises",
    "enquiries",
    "offers",
    "mood",
    "complaints",
    "kin",
    "contacts",
    "sway",
    "pull",
)


def stock(scenario: Scenario, rng: np.random.Generator, accounts: Accounts, sites: int, now: int) -> People:
    """The customers of accounts that joined before ``now``, as a base that has long been stable would hold them."""
    months = np.minimum(rng.exponential(TENURE_MONTHS, len(accounts)), 180.0)
    joined = now - (months * MONTH_DAYS * DAY).astype(np.int64)
    people = _drawn(scenario, rng, accounts, joined, sites, SINGLE_SHARES)
    # Those who stayed long are less prone to leave: after a cumulative hazard H the survivors of a gamma frailty of
    # mean 1 and variance v are again gamma, of the same shape and 1 / (1 + v H) times the scale.
    people.frailty /= 1 + scenario.frailty_variance * PAST_HAZARD_MONTHLY * months[people.account]
    people.contract_end = _as_decider(people, _contracts(rng, people, now))
    return people


def newcomers(
    scenario: Scenario, rng: np.random.Generator, accounts: Accounts, joined: np.ndarray, sites: int
) -> People:
    """The customers of new accounts, one joining instant per account."""
    people = _drawn(scenario, rng, accounts, joined, sites, NEWCOMER_SHARES, NEWCOMER_PREPAID)
    term = rng.choice(CONTRACT_DAYS, len(people), p=(0.3, 0.7)) * DAY
    people.contract_end = _as_decider(people, np.where(people.prepaid, -1, people.joined + term))
    return people


def _as_decider(people: People, values: np.ndarray) -> np.ndarray:
    return values[people.decider - people.decider.min()] if len(people) else values


def _contracts(rng: np.random.Generator, people: People, now: int) -> np.ndarray:
    """When contracts end or ended: bound for two years, then free until renewed, seen at a random moment."""
    n = len(people)
    age = (now - people.joined) / DAY
    free = (age > CONTRACT_DAYS[1]) & (rng.random(n) < 0.4)
    left = rng.uniform(0, CONTRACT_DAYS[1], n)
    first = np.where(age < CONTRACT_DAYS[1], CONTRACT_DAYS[1] - age, left)
    past = -np.minimum(rng.exponential(FREE_MONTHS * MONTH_DAYS, n), np.maximum(age - CONTRACT_DAYS[1], 0))
    ends = now + (np.where(free, past, first) * DAY).astype(np.int64)
    return np.where(people.prepaid, -1, ends)


def _segments(rng: np.random.Generator, kind: np.ndarray, is_first: np.ndarray, shares: dict[str, float]) -> np.ndarray:
    single = rng.choice([SEGMENTS.index(name) for name in shares], len(kind), p=list(shares.values()))
    young = ~is_first & (rng.random(len(kind)) < HOUSEHOLD_YOUTH_SHARE)
    home = np.where(young, SEGMENTS.index("youth"), SEGMENTS.index("family"))
    return np.select([kind == SINGLE, kind == HOUSEHOLD], [single, home], SEGMENTS.index("enterprise")).astype(np.int8)


def _drawn(
    scenario: Scenario,
    rng: np.random.Generator,
    accounts: Accounts,
    joined: np.ndarray,
    sites: int,
    shares: dict[str, float],
    prepaid: float = 1.0,
) -> People:
    """People numbered as their accounts say; ``account`` counts from the first of ``accounts``."""
    account = np.repeat(np.arange(len(accounts)), accounts.size)
    kind, n = accounts.kind[account], len(account)
    start = int(accounts.first[0]) if len(accounts) else 0
    number = start + np.arange(n)
    is_first = number == accounts.first[account]
    firm = kind == ENTERPRISE
    segment = _segments(rng, kind, is_first, shares)
    senior, youth = segment == SEGMENTS.index("senior"), segment == SEGMENTS.index("youth")
    plan = rng.choice(len(PLAN_PRICES), n, p=PLAN_SHARES).astype(np.int8)
    bill_day, site = rng.integers(1, 29, len(accounts)), rng.integers(0, sites, len(accounts))
    frailty = _frailty(rng, scenario.frailty_variance, n)
    return People(
        lane=lanes("customer", number),
        realm=np.zeros(n, np.int64),
        account=account,
        decider=np.where(firm, accounts.first[account], number),
        joined=joined[account],
        noticed=np.full(n, FAR),
        ended=np.full(n, FAR),
        reason=np.full(n, -1, np.int8),
        silent=np.zeros(n, bool),
        away=np.full(n, -1),
        site=site[account],
        segment=segment,
        prepaid=(rng.random(n) < prepaid * scenario.prepaid_share * np.where(youth, 2.1, 0.95)) & ~firm,
        plan=plan,
        price=np.round(np.asarray(PLAN_PRICES)[plan] * rng.uniform(0.9, 1.1, n), 2),
        contract_end=np.full(n, -1),
        bill_day=bill_day[account],
        marketing=rng.random(n) < scenario.marketing_consent_share,
        profiling=rng.random(n) < scenario.profiling_consent_share,
        control=(rng.random(len(accounts)) < scenario.control_share)[account],
        frailty=np.where(firm, frailty[accounts.first[account] - start], frailty),
        digital=np.clip(rng.beta(3, 2, n) - 0.25 * senior + 0.15 * youth, 0.05, 0.95),
        careless=rng.beta(1.0, 8.5, n),
        appetite=rng.lognormal(0.0, 0.6, n) * np.where(youth, 1.5, 1.0) * np.where(senior, 0.6, 1.0),
        traveller=rng.gamma(0.8, 1.25, n) * np.where(firm, 1.6, 1.0),
        asleep=rng.beta(1.2, 2.4, n),
        persuadable=rng.lognormal(-0.08, 0.4, n),
        line=np.full(n, -1),
        mobile=np.full(n, -1),
        lines=np.zeros(n, np.int64),
        cookie=np.full(n, -1),
        device_since=joined[account] - (rng.uniform(0, 500, n) * DAY).astype(np.int64),
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


def settle(world: World, accounts: Accounts, people: People) -> np.ndarray:
    """Take customers in with their first lines; returns their indices."""
    rng = world.draws.stream("lines")
    first = len(world.people)
    people.account += len(world.accounts)
    world.accounts.extend(accounts)
    world.people.extend(people)
    who = np.arange(first, len(world.people))
    _first_lines(world, who, rng)
    return who


def _first_lines(world: World, who: np.ndarray, rng: np.random.Generator) -> None:
    """A first line for everyone, then the household's own fixed line, then what people add."""
    people, accounts = world.people, world.accounts
    kind = accounts.kind[people.account[who]]
    is_first = accounts.first[people.account[who]] == who
    mobile = np.where(kind == ENTERPRISE, ~is_first, rng.random(len(who)) < 0.65) | ((kind == HOUSEHOLD) & ~is_first)
    drawn = rng.random(len(who))
    second = np.select(
        [kind == ENTERPRISE, kind == HOUSEHOLD], [drawn < 0.1, drawn < np.where(is_first, 0.9, 0.1)], drawn < 0.4
    )
    at = people.joined[who]
    connect(world, who, mobile, at)
    connect(world, who[second], np.where(is_first, ~mobile, mobile)[second], at[second])


def connect(world: World, who: np.ndarray, mobile: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Activate one line for each of ``who`` (no one twice); returns the lines' indices."""
    people = world.people
    lane = derived(people.lane[who], people.lines[who])
    made = np.arange(len(world.lines), len(world.lines) + len(who))
    nothing = np.zeros(len(who))
    quality = gamma(world.draws.uniform("line quality", 0, lane), 0.7)
    world.lines.extend(
        Lines(lane=lane, owner=who, mobile=mobile, activated=at, quality=quality, sick=nothing, lost=nothing.copy())
    )
    people.line[who] = np.where(people.line[who] < 0, made, people.line[who])
    people.mobile[who] = np.where((people.mobile[who] < 0) & mobile, made, people.mobile[who])
    people.lines[who] += 1
    return made


def tenure_years(world: World, who: np.ndarray) -> np.ndarray:
    """How long customers have been with the operator, in years."""
    return (world.now - world.people.joined[who]) / (DAY * YEAR_DAYS)
