"""Customers come, move house and are made known to the operator's systems."""

from dataclasses import fields

import numpy as np

from features.simulator.clock import DAY, FAR, MONTH_DAYS, YEAR_DAYS
from features.simulator.scenario import NEEDS, Scenario
from features.simulator.state import Cookies, Lines, People
from features.simulator.vocabulary import PLAN_PRICES, SEGMENTS, code
from features.simulator.world import World

SEGMENT_SHARES = (0.5, 0.15, 0.2, 0.15)
PLAN_SHARES = (0.3, 0.4, 0.2, 0.1)
TENURE_MONTHS = 40.0
CONTRACT_DAYS = (365, 730)
FREE_MONTHS = 9.0

_MEMORIES = ("downtime", "breaches", "shocks", "rises", "enquiries", "offers", "mood", "complaints", "pull")


def stock(scenario: Scenario, rng: np.random.Generator, n: int, sites: int, now: int) -> People:
    """``n`` customers who joined before ``now``, as a base that has long been stable would hold them."""
    months = np.minimum(rng.exponential(TENURE_MONTHS, n), 180.0)
    people = _drawn(scenario, rng, now - (months * MONTH_DAYS * DAY).astype(np.int64), sites)
    # Those who stayed long are less prone to leave: after a cumulative hazard H the survivors of a gamma frailty with
    # shape and rate k are gamma with shape k and rate k + H.
    shape = 1 / scenario.frailty_variance
    people.frailty *= shape / (shape + 0.018 * months)
    people.contract_end = _contracts(rng, people, now)
    return people


def newcomers(scenario: Scenario, rng: np.random.Generator, joined: np.ndarray, sites: int) -> People:
    """One new customer per joining instant."""
    people = _drawn(scenario, rng, joined, sites)
    term = rng.choice(CONTRACT_DAYS, len(joined), p=(0.3, 0.7)) * DAY
    people.contract_end = np.where(people.prepaid, -1, joined + term)
    return people


def _contracts(rng: np.random.Generator, people: People, now: int) -> np.ndarray:
    """When contracts end or ended: bound for two years, then free until renewed, seen at a random moment."""
    n = len(people)
    age = (now - people.joined) / DAY
    free = (age > CONTRACT_DAYS[1]) & (rng.random(n) < 0.28)
    left = rng.uniform(0, CONTRACT_DAYS[1], n)
    first = np.where(age < CONTRACT_DAYS[1], CONTRACT_DAYS[1] - age, left)
    past = -np.minimum(rng.exponential(FREE_MONTHS * MONTH_DAYS, n), np.maximum(age - CONTRACT_DAYS[1], 0))
    ends = now + (np.where(free, past, first) * DAY).astype(np.int64)
    return np.where(people.prepaid, -1, ends)


def _drawn(scenario: Scenario, rng: np.random.Generator, joined: np.ndarray, sites: int) -> People:
    n = len(joined)
    segment = rng.choice(len(SEGMENTS), n, p=SEGMENT_SHARES).astype(np.int8)
    senior, youth = segment == SEGMENTS.index("senior"), segment == SEGMENTS.index("youth")
    plan = rng.choice(len(PLAN_PRICES), n, p=PLAN_SHARES).astype(np.int8)
    shape = 1 / scenario.frailty_variance
    return People(
        joined=joined,
        noticed=np.full(n, FAR),
        ended=np.full(n, FAR),
        reason=np.full(n, -1, np.int8),
        site=rng.integers(0, sites, n),
        segment=segment,
        prepaid=rng.random(n) < scenario.prepaid_share * np.where(youth, 2.0, 0.82),
        plan=plan,
        price=np.round(np.asarray(PLAN_PRICES)[plan] * rng.uniform(0.9, 1.1, n), 2),
        contract_end=np.full(n, -1),
        bill_day=rng.integers(1, 29, n),
        marketing=rng.random(n) < scenario.marketing_consent_share,
        profiling=rng.random(n) < scenario.profiling_consent_share,
        frailty=rng.gamma(shape, 1 / shape, n),
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
    second = rng.random(len(who)) < np.where(family, 0.6, 0.32)
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


def introduce(world: World, who: np.ndarray, profile_at: np.ndarray) -> None:
    """Make customers known: who belongs to what, and their first profile."""
    people, ledger = world.people, world.ledger
    since = people.joined[who]
    link(world, "customer", who, "account", who, since, who)
    link(world, "email", who, "customer", who, since, who)
    link(world, "customer", who, "site", people.site[who], since, who)
    lines = np.flatnonzero(np.isin(world.lines.owner, who))
    introduce_lines(world, lines)
    ends = people.contract_end[who]
    ledger.add(
        "profile",
        "customer",
        who,
        profile_at,
        who,
        plan=people.plan[who],
        monthly_value=people.price[who],
        active_since=since,
        contract_end=ends,
        segment=people.segment[who],
        region=world.sites.region[people.site[who]],
        payment=np.where(
            people.prepaid[who], code("profile", "payment", "prepaid"), code("profile", "payment", "postpaid")
        ),
        consent_marketing=people.marketing[who],
        consent_profiling=people.profiling[who],
        status="active",
    )


def introduce_lines(world: World, lines: np.ndarray) -> None:
    """Make lines and their numbers known as their owners'."""
    owner, at = world.lines.owner[lines], world.lines.activated[lines]
    link(world, "line", lines, "customer", owner, at, owner)
    mobile = world.lines.mobile[lines]
    link(world, "msisdn", lines[mobile], "customer", owner[mobile], at[mobile], owner[mobile])


def link(
    world: World, child: str, key: np.ndarray, parent: str, other: np.ndarray, at: np.ndarray, owner: np.ndarray
) -> None:
    """Evidence that each ``key`` belongs to its ``other`` from an instant on."""
    world.ledger.add("evidence", child, key, at, owner, other_type=parent, other=other, state="linked")


def open_books(world: World) -> None:
    """The first deliveries: every present customer, and every browser whose owner is already known."""
    living = world.people.living(world.now)
    introduce(world, living, np.full(len(living), world.now))
    cookies = world.cookies
    known = np.flatnonzero((cookies.linked >= 0) & np.isin(cookies.owner, living))
    link(world, "cookie", known, "customer", cookies.owner[known], cookies.linked[known], cookies.owner[known])
    leaving = living[world.people.noticed[living] < world.now]
    world.ledger.add(
        "profile",
        "customer",
        leaving,
        np.full(len(leaving), world.now + 1),
        leaving,
        status="notice",
        reason="voluntary",
    )


def attract(world: World) -> np.ndarray:
    """Replace those who left: prospects come by today and join one to three weeks later; returns their browsers."""
    rng = world.streams["attract"]
    vacancies = max(0, world.target - len(world.alive) - world.waiting)
    n = int(rng.poisson(vacancies / 5))
    cookies = visitors(world, world.waking(rng, n))
    world.agenda.put("join", world.day + rng.integers(5, 22, n), cookie=cookies)
    world.waiting += n
    return cookies


def visitors(world: World, born: np.ndarray) -> np.ndarray:
    """New browsers that belong to nobody known; returns their indices."""
    made = np.arange(len(world.cookies), len(world.cookies) + len(born))
    nobody = np.full(len(born), -1)
    world.cookies.extend(Cookies(owner=nobody, born=born, linked=nobody.copy()))
    return made


def join(world: World) -> np.ndarray:
    """Today's new customers, known to the systems, each with the browser they came with; returns their indices."""
    due = world.agenda.take("join", world.day)
    if due is None:
        return np.zeros(0, np.int64)
    rng = world.streams["join"]
    cookie = due["cookie"]
    world.waiting -= len(cookie)
    fresh = newcomers(world.scenario, rng, world.waking(rng, len(cookie)), len(world.sites))
    who = settle(world, fresh)
    world.people.cookie[who] = cookie
    world.cookies.owner[cookie] = who
    introduce(world, who, world.people.joined[who])
    return who


def move_house(world: World) -> None:
    """Some customers move within the country: another site serves them from now on."""
    rng, people = world.streams["moves"], world.people
    who = world.happens(rng, world.alive, world.scenario.moves_yearly)
    if len(world.sites) < 2 or len(who) == 0:
        return
    at = world.waking(rng, len(who))
    people.site[who] = (people.site[who] + rng.integers(1, len(world.sites), len(who))) % len(world.sites)
    link(world, "customer", who, "site", people.site[who], at, who)
    world.ledger.add("profile", "customer", who, at, who, region=world.sites.region[people.site[who]])


def tenure_years(world: World, who: np.ndarray) -> np.ndarray:
    """How long customers have been with the operator, in years."""
    return (world.now - world.people.joined[who]) / (DAY * YEAR_DAYS)
