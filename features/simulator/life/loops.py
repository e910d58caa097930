"""Questions to the operator: solved, handed from one channel to another, asked again, or left open."""

import numpy as np

from features.facts import CHANNELS
from features.simulator.clock import MINUTE
from features.simulator.draws import between, whole
from features.simulator.life.journeys import Word, touch
from features.simulator.vocabulary import code
from features.simulator.world import World

UNSOLVED = {"call_center": 0.22, "chat": 0.38, "ivr": 0.5, "app": 0.4, "retail": 0.18, "email": 0.4, "social": 0.45}
HANDED_OFF_SHARE = 0.55
"""Of what a machine or a chat could not solve: a call follows within the hour."""

AGAIN_SHARE, AGAIN_DAYS = 0.62, (1, 8)
"""Of what was left open: asked again, after so many days."""

ANNOYANCE = 0.12
_UNSOLVED = np.array([UNSOLVED.get(name, 0.3) for name in CHANNELS])
_BY_MACHINE = np.isin(CHANNELS, ("chat", "ivr", "app", "email", "social"))


def ask(
    world: World, label: str, who: np.ndarray, at: np.ndarray, channel: np.ndarray, action: Word, topic: np.ndarray
) -> None:
    """A question of each of ``who``; what is not solved is handed to a call, asked again later, or stays open."""
    if len(who) == 0:
        return
    unsolved = world.roll(f"{label} unsolved", who) < _UNSOLVED[channel]
    handed = unsolved & _BY_MACHINE[channel] & (world.roll(f"{label} handed", who) < HANDED_OFF_SHARE)
    left = unsolved & ~handed
    for chosen, outcome in ((~unsolved, "solved"), (handed, "handed_off"), (left, "open")):
        words = {"channel": channel[chosen], "topic": topic[chosen], "outcome": outcome}
        done = action if isinstance(action, str) else action[chosen]
        touch(world, who[chosen], at[chosen], phase="ask", action=done, **words)
    np.add.at(world.people.mood, who[unsolved], ANNOYANCE)
    again = left & (world.roll(f"{label} again", who) < AGAIN_SHARE)
    later = world.day + whole(world.roll(f"{label} when", who[again]), *AGAIN_DAYS)
    world.agenda.put("ask again", later, who=who[again], topic=topic[again])
    if handed.any():
        call = np.full(handed.sum(), code("journey", "channel", "call_center"))
        after = at[handed] + (between(world.roll(f"{label} after", who[handed]), 3, 45) * MINUTE).astype(np.int64)
        ask(world, f"{label} handed off", who[handed], after, call, "call", topic[handed])


def ask_again(world: World) -> None:
    """Today's repeated questions, by a call."""
    due = world.agenda.take("ask again", world.day)
    if due is None:
        return
    who, first = np.unique(due["who"], return_index=True)
    topic = due["topic"][first]
    here = np.isin(who, world.active)
    who, topic = who[here], topic[here]
    call = np.full(len(who), code("journey", "channel", "call_center"))
    ask(world, "again", who, world.waking("again", who), call, "call", topic)
