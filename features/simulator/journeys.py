"""Touches: what customers and visitors do on the ten channels, and by which key each channel knows them."""

from dataclasses import dataclass

import numpy as np

from features.facts import CHANNELS
from features.simulator.clock import DAY, HOUR, MINUTE
from features.simulator.people import link, visitors
from features.simulator.state import Cookies
from features.simulator.vocabulary import code
from features.simulator.world import World

Word = str | np.ndarray

DIGITAL = ("web", "app", "chat", "social", "email")
SPOKEN = ("call_center", "chat", "email", "social", "retail")
COOKIE_DAYS = 90
CHAT_BY_COOKIE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Habit:
    """Something customers do of their own accord so many times a year; ``lean`` 1 is digital people, -1 the others."""

    phase: str
    channel: str
    action: str
    topic: str
    yearly: float
    lean: float = 0.0
    outcome: str = "none"


HABITS = (
    Habit("discover", "web", "view", "plans", 3.6, 0.6),
    Habit("discover", "web", "view", "device", 1.6, 0.6),
    Habit("discover", "email", "view", "plans", 2.0, 0.2),
    Habit("discover", "social", "view", "device", 0.7, 0.8),
    Habit("discover", "retail", "visit", "device", 0.3, -0.5),
    Habit("explore", "web", "search", "coverage", 1.2, 0.5),
    Habit("explore", "web", "compare", "plans", 1.6, 0.6),
    Habit("explore", "web", "search", "help", 1.6, 0.4),
    Habit("explore", "app", "view", "plans", 1.2, 0.9),
    Habit("explore", "retail", "visit", "plans", 0.3, -0.5),
    Habit("use", "app", "view", "billing", 9.0, 1.0),
    Habit("use", "app", "view", "speed", 3.0, 1.0),
    Habit("use", "ivr", "view", "billing", 1.0, -0.6, "solved"),
    Habit("ask", "call_center", "call", "billing", 0.7, -0.5, "solved"),
    Habit("ask", "chat", "chat", "help", 0.7, 0.5, "solved"),
    Habit("ask", "ivr", "call", "help", 0.6, -0.4, "handed_off"),
    Habit("ask", "call_center", "call", "help", 0.6, -0.5, "solved"),
    Habit("buy", "web", "order", "device", 0.12, 0.5, "abandoned"),
    Habit("buy", "app", "order", "plans", 0.1, 0.8, "abandoned"),
    Habit("engage", "sms", "survey", "plans", 1.0, 0.0),
    Habit("engage", "email", "view", "contract", 2.0, 0.2),
    Habit("engage", "social", "share", "plans", 0.3, 0.8),
)
MEASURED = ("call", "complain", "chat", "survey", "share", "cancel_enquiry")
"""Actions whose words are heard or read, so that a sentiment can be measured."""


def touch(
    world: World,
    who: np.ndarray,
    at: np.ndarray,
    *,
    phase: Word,
    channel: Word,
    action: str,
    topic: Word,
    outcome: Word = "none",
) -> None:
    """Journey facts of customers, one each: keyed as the channel knows them, with the sentiment if it is heard."""
    if len(who) == 0:
        return
    rng = world.streams["touch"]
    channels = np.full(len(who), code("journey", "channel", channel)) if isinstance(channel, str) else channel
    feeling = _sentiment(world, who, rng) if action in MEASURED else np.full(len(who), np.nan)
    columns = {"phase": phase, "topic": topic, "outcome": outcome, "sentiment": feeling}
    for number in np.unique(channels):
        here = np.flatnonzero(channels == number)
        chosen = {name: value if isinstance(value, str) else value[here] for name, value in columns.items()}
        for key_type, keys, part in _keyed(world, CHANNELS[number], who[here], at[here], rng):
            given = {name: value if isinstance(value, str) else value[part] for name, value in chosen.items()}
            owner = who[here][part]
            world.ledger.add(
                "journey", key_type, keys, at[here][part], owner, channel=CHANNELS[number], action=action, **given
            )


def _sentiment(world: World, who: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mood = world.people.mood[who]
    return np.round(np.clip(0.25 - 0.3 * mood + rng.normal(0, 0.3, len(who)), -1, 1), 2)


def _keyed(
    world: World, channel: str, who: np.ndarray, at: np.ndarray, rng: np.random.Generator
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(key type, keys, positions in ``who``) by which a channel's system knows these customers."""
    everyone = np.arange(len(who))
    if channel == "web":
        return [("cookie", browse(world, who, at), everyone)]
    if channel == "chat":
        nameless = rng.random(len(who)) < CHAT_BY_COOKIE_SHARE
        named = everyone[~nameless]
        unnamed = everyone[nameless]
        return [("cookie", browse(world, who[unnamed], at[unnamed]), unnamed), ("customer", who[named], named)]
    if channel in ("email", "social"):
        return [("email", who, everyone)]
    if channel == "field":
        return [("line", world.people.line[who], everyone)]
    if channel in ("call_center", "ivr", "sms"):
        mobile = world.people.mobile[who]
        return [
            ("msisdn", mobile[mobile >= 0], everyone[mobile >= 0]),
            ("customer", who[mobile < 0], everyone[mobile < 0]),
        ]
    return [("customer", who, everyone)]


def browse(world: World, who: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The browsers customers use now, new where the old are worn out; some visits end in a login."""
    rng, people, cookies = world.streams["browsers"], world.people, world.cookies
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


def habits(world: World) -> None:
    """Today's touches that have no particular cause."""
    rng, people = world.streams["habits"], world.people
    for habit in HABITS:
        lean = 1 + habit.lean * (2 * people.digital[world.alive] - 1)
        who = world.happens(rng, world.alive, habit.yearly * world.scenario.touches * lean)
        touch(
            world,
            who,
            world.waking(rng, len(who)),
            phase=habit.phase,
            channel=habit.channel,
            action=habit.action,
            topic=habit.topic,
            outcome=habit.outcome,
        )


def passers_by(world: World) -> None:
    """Visitors who are nobody's and stay so, and the first visits of those who will join."""
    rng = world.streams["visitors"]
    n = int(rng.poisson(world.scenario.visitors_yearly * world.target / 365.25))
    cookies = visitors(world, world.waking(rng, n))
    window_shop(world, cookies, world.cookies.born[cookies])


def window_shop(world: World, cookies: np.ndarray, at: np.ndarray) -> None:
    """One to three nameless visits per browser, some days apart."""
    rng = world.streams["window"]
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


def first_orders(world: World, who: np.ndarray) -> None:
    """New customers order, on the web with a login or in a shop."""
    rng, joined = world.streams["orders"], world.people.joined[who]
    online = rng.random(len(who)) < 0.3 + 0.6 * world.people.digital[who]
    log_in(world, who[online], joined[online] + MINUTE)
    channel = np.where(online, code("journey", "channel", "web"), code("journey", "channel", "retail"))
    after = joined + rng.uniform(0.05, 0.5, len(who)) * HOUR
    touch(
        world,
        who,
        after.astype(np.int64),
        phase="buy",
        channel=channel,
        action="order",
        topic="plans",
        outcome="ordered",
    )


def voice(
    world: World, who: np.ndarray, rng: np.random.Generator, digital: tuple[str, ...], spoken: tuple[str, ...]
) -> np.ndarray:
    """Channel codes: one of ``digital`` for digital people, else one of ``spoken``."""
    online = rng.random(len(who)) < world.people.digital[who]
    codes = [np.array([code("journey", "channel", name) for name in group]) for group in (digital, spoken)]
    return np.where(online, rng.choice(codes[0], len(who)), rng.choice(codes[1], len(who)))
