"""Touches as the channels' systems write them down: by which key each knows the customer, and how they sound."""

import numpy as np

from features.facts import CHANNELS
from features.simulator.feeds.known_by import known_by
from features.simulator.vocabulary import code
from features.simulator.vocabulary import words as vocabulary
from features.simulator.world import World

MEASURED = ("call", "complain", "chat", "survey", "share", "cancel_enquiry")
"""Actions whose words are heard or read, so that a sentiment can be measured."""

PAID = ("order", "renew", "pay", "top_up")
"""Actions worth money: a month's price."""

_MEASURED, _PAID = (np.isin(vocabulary("journey", "action"), group) for group in (MEASURED, PAID))


def record(
    world: World,
    who: np.ndarray,
    at: np.ndarray,
    channels: np.ndarray,
    words: dict[str, str | np.ndarray],
) -> None:
    """Journey facts, one for each of ``who``, keyed as the channel knows them, with sentiment and worth.

    ``words``: phase, action, topic and outcome, each a word for all or (n,) codes.
    """
    rng = world.draws.stream("touch")
    given_action = words["action"]
    action = code("journey", "action", given_action) if isinstance(given_action, str) else given_action
    feeling = np.where(_MEASURED[action], _sentiment(world, who, rng), np.nan)
    worth = np.where(_PAID[action], world.people.price[who], np.nan)
    columns = {**words, "sentiment": feeling, "value": worth}
    for number in np.unique(channels):
        here = np.flatnonzero(channels == number)
        chosen = {name: value if isinstance(value, str) else value[here] for name, value in columns.items()}
        for known in known_by(world, CHANNELS[number], who[here], at[here]):
            given = {name: value if isinstance(value, str) else value[known.rows] for name, value in chosen.items()}
            when = at[here][known.rows]
            world.ledger.add(
                "journey", known.key_type, known.keys, when, known.holder, channel=CHANNELS[number], **given
            )


def _sentiment(world: World, who: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    mood = world.people.mood[who]
    return np.round(np.clip(0.25 - 0.3 * mood + rng.normal(0, 0.3, len(who)), -1, 1), 2)
