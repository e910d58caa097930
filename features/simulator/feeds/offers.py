"""Decisions and answers as the contact history writes them down."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.vocabulary import code
from features.simulator.world import Record, World

ANSWERED_SHARE, TWICE_SHARE = 0.35, 0.03
"""Of those who say no, how many are known to; of all answers, how many are reported twice."""

CONTACT_GAP = 2 * HOUR


def todays(world: World) -> Record | None:
    """The first contact of each customer today: who, when, on which channel; ``None`` if there was none."""
    if not world.contacts:
        return None
    every = {name: np.concatenate([part[name] for part in world.contacts]) for name in world.contacts[0]}
    order = np.lexsort((every["channel"], every["at"], every["who"]))
    first = order[np.unique(every["who"][order], return_index=True)[1]]
    return {name: values[first] for name, values in every.items()}


def record(
    world: World, who: np.ndarray, at: np.ndarray, channel: np.ndarray, order: np.ndarray, propensity: np.ndarray
) -> None:
    """One row per shown slot, and again where the contact went on elsewhere within two hours."""
    number = world.decisions + np.arange(len(who))
    origin = np.where(
        world.people.control[who], code("contact", "origin", "control"), code("contact", "origin", "tieline")
    )
    shown = code("contact", "response", "shown")
    again = _elsewhere(world, who, at)
    for slot in range(order.shape[1]):
        here = np.flatnonzero(order[:, slot] >= 0)
        told = propensity[here] if slot == 0 else np.nan
        shared = {
            "decision": number[here],
            "action": order[here, slot],
            "slot": float(slot + 1),
            "propensity": told,
            "origin": origin[here],
            "response": shown,
        }
        world.ledger.add("contact", "customer", who[here], at[here], who[here], channel=channel[here], **shared)
        if slot == 0 and again is not None:
            rows, when, where = again
            repeated = {name: value[rows] if isinstance(value, np.ndarray) else value for name, value in shared.items()}
            world.ledger.add("contact", "customer", who[rows], when, who[rows], channel=where, **repeated)


def _elsewhere(world: World, who: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(rows of ``who``, instants, channels) of further contacts of the same visit: the same decision is shown again."""
    every = {name: np.concatenate([part[name] for part in world.contacts]) for name in world.contacts[0]}
    place = np.full(len(world.people), -1)
    place[who] = np.arange(len(who))
    rows = place[every["who"]]
    since = np.where(rows >= 0, every["at"] - at[rows], -1)
    later = np.flatnonzero((rows >= 0) & (since > 0) & (since < CONTACT_GAP))
    return (rows[later], every["at"][later], every["channel"][later]) if len(later) else None


def record_answers(
    world: World, who: np.ndarray, at: np.ndarray, action: np.ndarray, yes: np.ndarray, days: np.ndarray
) -> None:
    """What came of slot 1, later or never: every yes, some of the noes, a few of both twice."""
    rng = world.draws.stream("answers")
    told = (action > 0) & (yes | (rng.random(len(who)) < ANSWERED_SHARE))
    number = world.decisions + np.arange(len(who))
    words = (code("contact", "response", "accepted"), code("contact", "response", "declined"))
    after = at + days * DAY + rng.integers(HOUR // 60, 5 * HOUR, len(who))
    for chosen in (told, told & (rng.random(len(who)) < TWICE_SHARE)):
        rows = np.flatnonzero(chosen)
        world.ledger.add(
            "contact",
            "customer",
            who[rows],
            after[rows],
            who[rows],
            decision=number[rows],
            action=action[rows],
            slot=1.0,
            response=np.where(yes[rows], *words),
            origin="tieline",
        )
        after = after + DAY
