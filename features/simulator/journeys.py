"""Touches: what customers do on the ten channels, by which key each channel knows them, and how they sound."""

import numpy as np

from features.facts import CHANNELS
from features.simulator.browsers import browse
from features.simulator.vocabulary import code
from features.simulator.world import World

Word = str | np.ndarray

SPOKEN = ("call_center", "chat", "email", "social", "retail")
CHAT_BY_COOKIE_SHARE = 0.5
MEASURED = ("call", "complain", "chat", "survey", "share", "cancel_enquiry")
"""Actions whose words are heard or read, so that a sentiment can be measured."""

PAID = ("order", "renew", "pay", "top_up")
"""Actions worth money: a month's price."""


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
    """Journey facts of customers, one each, keyed as the channel knows them, with sentiment and worth."""
    if len(who) == 0:
        return
    rng = world.streams["touch"]
    channels = np.full(len(who), code("journey", "channel", channel)) if isinstance(channel, str) else channel
    feeling = _sentiment(world, who, rng) if action in MEASURED else np.full(len(who), np.nan)
    worth = world.people.price[who] if action in PAID else np.full(len(who), np.nan)
    columns = {"phase": phase, "topic": topic, "outcome": outcome, "sentiment": feeling, "value": worth}
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


def voice(
    world: World, who: np.ndarray, rng: np.random.Generator, digital: tuple[str, ...], spoken: tuple[str, ...]
) -> np.ndarray:
    """Channel codes: one of ``digital`` for digital people, else one of ``spoken``."""
    online = rng.random(len(who)) < world.people.digital[who]
    codes = [np.array([code("journey", "channel", name) for name in group]) for group in (digital, spoken)]
    return np.where(online, rng.choice(codes[0], len(who)), rng.choice(codes[1], len(who)))
