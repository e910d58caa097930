"""Touches: what customers do on the ten channels, and at which of them the operator could offer something."""

import numpy as np

from features.facts import CHANNELS
from features.simulator.draws import whole
from features.simulator.feeds.touches import record
from features.simulator.vocabulary import code
from features.simulator.world import World

Word = str | np.ndarray

SPOKEN = ("call_center", "chat", "email", "social", "retail")
OFFERING = {"call_center": 1.0, "chat": 1.0, "retail": 1.0, "app": 0.2}
"""On which share of a channel's touches somebody, or the screen, asks what to offer."""


def touch(
    world: World,
    who: np.ndarray,
    at: np.ndarray,
    *,
    phase: Word,
    channel: Word,
    action: Word,
    topic: Word,
    outcome: Word = "none",
) -> None:
    """One touch of each of ``who``: written down, and a contact where something could be offered."""
    if len(who) == 0:
        return
    channels = np.full(len(who), code("journey", "channel", channel)) if isinstance(channel, str) else channel
    _note(world, who, at, channels)
    if not world.fork:
        record(world, who, at, channels, {"phase": phase, "action": action, "topic": topic, "outcome": outcome})


def _note(world: World, who: np.ndarray, at: np.ndarray, channels: np.ndarray) -> None:
    share = _OFFERING[channels]
    chosen = (share > 0) & (world.roll("screens", who) < share)
    if chosen.any():
        world.contacts.append({"who": who[chosen], "at": at[chosen], "channel": channels[chosen]})


_OFFERING = np.array([OFFERING.get(name, 0.0) for name in CHANNELS])


def voice(world: World, topic: str, who: np.ndarray, digital: tuple[str, ...], spoken: tuple[str, ...]) -> np.ndarray:
    """Channel codes: one of ``digital`` for digital people, else one of ``spoken``, by the numbers of a ``topic``."""
    online = world.roll(f"{topic} online", who) < world.people.digital[who]
    which = world.roll(f"{topic} channel", who)
    codes = [np.array([code("journey", "channel", name) for name in group]) for group in (digital, spoken)]
    return np.where(online, codes[0][whole(which, 0, len(digital))], codes[1][whole(which, 0, len(spoken))])
