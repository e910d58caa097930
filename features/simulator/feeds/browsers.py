"""Browsers: the cookies by which the web knows customers and visitors, until a login names them."""

import numpy as np

from features.simulator.clock import DAY, MINUTE
from features.simulator.feeds.registers import link
from features.simulator.state import Cookies
from features.simulator.world import World

COOKIE_DAYS = 90
"""After so long a browser's cookie is lost and a new one given."""


def visitors(world: World, born: np.ndarray) -> np.ndarray:
    """New browsers that belong to nobody known; returns their indices."""
    made = np.arange(len(world.cookies), len(world.cookies) + len(born))
    nobody = np.full(len(born), -1)
    world.cookies.extend(Cookies(owner=nobody, born=born, linked=nobody.copy()))
    return made


def browse(world: World, who: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The browsers customers use now, new where the old are worn out; some visits end in a login."""
    rng, people, cookies = world.draws.stream("browsers"), world.people, world.cookies
    once, first = np.unique(who, return_index=True)
    held = people.cookie[once]
    worn = held < 0
    worn[~worn] = at[first][~worn] - cookies.born[held[~worn]] > COOKIE_DAYS * DAY
    made = np.arange(len(cookies), len(cookies) + worn.sum())
    nobody = np.full(len(made), -1)
    cookies.extend(Cookies(owner=once[worn], born=at[first][worn], linked=nobody))
    people.cookie[once[worn]] = made
    _maybe_log_in(world, once, at[first], rng)
    return people.cookie[who]


def _maybe_log_in(world: World, who: np.ndarray, at: np.ndarray, rng: np.random.Generator) -> None:
    chosen = rng.random(len(who)) < world.scenario.login_share
    log_in(world, who[chosen], at[chosen] + rng.integers(1, 15, chosen.sum()) * MINUTE)


def log_in(world: World, who: np.ndarray, at: np.ndarray) -> None:
    """A login on the web: a journey fact by cookie, and, the first time, the evidence of whose browser it is."""
    cookie = world.people.cookie[who]
    world.ledger.add(
        "journey", "cookie", cookie, at, who, phase="use", channel="web", action="login", topic="plans", outcome="none"
    )
    first = world.cookies.linked[cookie] < 0
    world.cookies.linked[cookie[first]] = at[first]
    link(world, "cookie", cookie[first], "customer", who[first], at[first], who[first])


def window_shop(world: World, cookies: np.ndarray, at: np.ndarray) -> None:
    """One to three nameless visits per browser, some days apart."""
    rng = world.draws.stream("window")
    visits = rng.integers(1, 4, len(cookies))
    for k, (phase, action, topic) in enumerate(
        (("discover", "view", "plans"), ("explore", "search", "price"), ("explore", "compare", "plans"))
    ):
        again = visits > k
        when = at[again] + (rng.uniform(0, 2, again.sum()) * k * DAY).astype(np.int64)
        world.ledger.add(
            "journey",
            "cookie",
            cookies[again],
            when,
            None,
            phase=phase,
            channel="web",
            action=action,
            topic=topic,
            outcome="none",
        )


def passers_by(world: World) -> None:
    """Visitors who are nobody's and stay so."""
    rng = world.draws.stream("visitors")
    n = int(rng.poisson(world.scenario.visitors_yearly * world.target / 365.25))
    cookies = visitors(world, world.waking_stream(rng, n))
    window_shop(world, cookies, world.cookies.born[cookies])
