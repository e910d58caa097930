"""Browsers: the cookies by which the web knows customers and visitors, until a login names somebody.

A customer has a browser of their own, some have a second one; a household has one that all use; every shop has a tablet
on which customers log in.
"""

import numpy as np

from features.simulator.clock import DAY, FAR, MINUTE
from features.simulator.feeds.evidence import link
from features.simulator.feeds.persons import chance
from features.simulator.life.accounts import HOUSEHOLD
from features.simulator.state import Cookies
from features.simulator.world import World

COOKIE_DAYS = 90
"""After so long a browser's cookie is lost and a new one given."""

SECOND_SHARE = 0.4
"""Of the visits of those who have a second browser: made with it."""

SITES_PER_SHOP = 10
AT_TABLET = 20 * MINUTE


def visitors(world: World, born: np.ndarray) -> np.ndarray:
    """New browsers that belong to nobody known; returns their indices."""
    made = _new(world, born)
    world.keys.use("cookie", made, np.full(len(made), -1), born)
    return made


def _new(world: World, born: np.ndarray) -> np.ndarray:
    made = np.arange(len(world.cookies), len(world.cookies) + len(born))
    nobody = np.full(len(born), -1)
    world.cookies.extend(Cookies(born=born, last=nobody, linked=nobody.copy()))
    return made


def adopt(world: World, cookie: np.ndarray, who: np.ndarray) -> None:
    """Visitors turn out to be these new customers, whose own browser theirs is."""
    world.people.cookie[who] = cookie
    world.keys.use("cookie", cookie, who, world.cookies.born[cookie])


def browse(world: World, who: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The browsers customers use now, new where the old are worn out; some visits end in a login."""
    people, keys = world.people, world.keys
    account = people.account[who]
    u = world.roll("browser", who)
    shared = (world.accounts.kind[account] == HOUSEHOLD) & (u < world.scenario.keys.home_browser_share)
    has = chance(world, "second browser", who) < world.scenario.keys.second_browser_share
    second = ~shared & has & (world.roll("second browser used", who) < SECOND_SHARE)
    own = ~shared & ~second
    cookie = np.empty(len(who), np.int64)
    for chosen, held, slot in (
        (shared, keys.accounts.browser, account),
        (second, keys.people.laptop, who),
        (own, people.cookie, who),
    ):
        cookie[chosen] = _current(world, held, slot[chosen], at[chosen])
    keys.use("cookie", cookie, who, at)
    _maybe_log_in(world, who, cookie, at)
    return cookie


def _current(world: World, held: np.ndarray, slot: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(n,) the cookies in these slots of ``held``, which is renewed where they are missing or worn out."""
    once, first = np.unique(slot, return_index=True)
    old = held[once]
    worn = old < 0
    worn[~worn] = at[first][~worn] - world.cookies.born[old[~worn]] > COOKIE_DAYS * DAY
    since = _earliest(slot, at, once)[worn]
    lost = old[worn][old[worn] >= 0]
    world.keys.end("cookie", lost, np.full(len(lost), world.now + DAY))
    held[once[worn]] = _new(world, since)
    return held[slot]


def _earliest(slot: np.ndarray, at: np.ndarray, once: np.ndarray) -> np.ndarray:
    first = np.full(len(once), FAR)
    np.minimum.at(first, np.searchsorted(once, slot), at)
    return first


def _maybe_log_in(world: World, who: np.ndarray, cookie: np.ndarray, at: np.ndarray) -> None:
    rng = world.draws.stream("browsers")
    chosen = rng.random(len(who)) < world.scenario.login_share
    log_in(world, who[chosen], cookie[chosen], at[chosen] + rng.integers(1, 15, chosen.sum()) * MINUTE)


def log_in(world: World, who: np.ndarray, cookie: np.ndarray, at: np.ndarray) -> None:
    """Logins on the web: journey facts by cookie, and evidence of whose browser it is whenever somebody new logs in."""
    words = {"phase": "use", "channel": "web", "action": "login", "topic": "plans", "outcome": "none"}
    world.ledger.add("journey", "cookie", cookie, at, who, **words)
    order = np.lexsort((at, cookie))
    who, cookie, at = who[order], cookie[order], at[order]
    before = np.where(np.diff(cookie, prepend=-1) != 0, world.cookies.last[cookie], np.roll(who, 1))
    other = before != who
    who, cookie, at = who[other], cookie[other], at[other]
    world.cookies.last[cookie], world.cookies.linked[cookie] = who, at
    link(world, "cookie", cookie, "customer", who, at, who)


def at_tablet(world: World, who: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The tablets of the shops these customers are in; they log in on them some minutes before ``at``."""
    keys = world.keys
    if not len(keys.tablets):
        shops = -(-len(world.sites) // SITES_PER_SHOP)
        keys.tablets = _new(world, np.full(shops, world.now))
    tablet = keys.tablets[world.people.site[who] // SITES_PER_SHOP]
    begun = np.maximum(at - 4 * MINUTE, world.people.joined[who])
    keys.use("cookie", tablet, who, begun, begun + AT_TABLET, held=False)
    log_in(world, who, tablet, begun)
    return tablet


def window_shop(world: World, cookies: np.ndarray, at: np.ndarray) -> None:
    """One to three nameless visits per browser, some days apart."""
    rng = world.draws.stream("window")
    visits = rng.integers(1, 4, len(cookies))
    for k, (phase, action, topic) in enumerate(
        (("discover", "view", "plans"), ("explore", "search", "price"), ("explore", "compare", "plans"))
    ):
        again = visits > k
        when = at[again] + (rng.uniform(0, 2, again.sum()) * k * DAY).astype(np.int64)
        words = {"phase": phase, "channel": "web", "action": action, "topic": topic, "outcome": "none"}
        world.ledger.add("journey", "cookie", cookies[again], when, None, **words)


def passers_by(world: World) -> None:
    """Visitors who are nobody's and stay so."""
    rng = world.draws.stream("visitors")
    n = int(rng.poisson(world.scenario.visitors_yearly * world.target / 365.25))
    cookies = visitors(world, world.waking_stream(rng, n))
    window_shop(world, cookies, world.cookies.born[cookies])
