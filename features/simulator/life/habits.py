"""What customers do of their own accord, without a particular cause."""

from dataclasses import dataclass

import numpy as np

from features.simulator.life.journeys import OFFERING, touch
from features.simulator.life.loops import ask
from features.simulator.vocabulary import SEGMENTS, code
from features.simulator.world import World


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

    @property
    def matters(self) -> bool:
        """Whether it moves anything: a question may annoy, and at some channels an offer is made."""
        return self.phase == "ask" or self.channel in OFFERING


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
    Habit("ask", "call_center", "call", "billing", 0.7, -0.5),
    Habit("ask", "chat", "chat", "help", 0.7, 0.5),
    Habit("ask", "ivr", "call", "help", 0.6, -0.4),
    Habit("ask", "call_center", "call", "help", 0.6, -0.5),
    Habit("buy", "web", "order", "plans", 0.12, 0.5, "abandoned"),
    Habit("buy", "app", "order", "plans", 0.1, 0.8, "abandoned"),
    Habit("engage", "sms", "survey", "plans", 1.0, 0.0),
    Habit("engage", "email", "view", "contract", 2.0, 0.2),
    Habit("engage", "social", "share", "plans", 0.3, 0.8),
)


_YEARLY = np.array([habit.yearly for habit in HABITS])
_LEAN = np.array([habit.lean for habit in HABITS])
_MATTERS = np.array([habit.matters for habit in HABITS])
_CODES = {
    name: np.array([code("journey", name, getattr(habit, name)) for habit in HABITS])
    for name in ("phase", "channel", "action", "topic", "outcome")
}
_STEADY, _LEANING = float(_YEARLY.sum()), float((_YEARLY * _LEAN).sum())
ENTERPRISE_TOUCHES = 0.5
"""An enterprise's own desk answers the other half."""


def live_on(world: World) -> None:
    """Today's touches that have no particular cause, at most one per customer."""
    people, active = world.people, world.active
    lean = 2 * people.digital[active] - 1
    firm = np.where(people.segment[active] == SEGMENTS.index("enterprise"), ENTERPRISE_TOUCHES, 1.0)
    who = world.happens("habits", active, (_STEADY + _LEANING * lean) * world.scenario.touches * firm)
    which = _which(world, who)
    if world.fork:
        who, which = who[_MATTERS[which]], which[_MATTERS[which]]
    at, asked = world.waking("habits", who), _CODES["phase"][which] == code("journey", "phase", "ask")
    words = {name: codes[which] for name, codes in _CODES.items()}
    touch(world, who[~asked], at[~asked], **{name: values[~asked] for name, values in words.items()})
    question = {name: words[name][asked] for name in ("channel", "action", "topic")}
    ask(world, "habit", who[asked], at[asked], **question)


def _which(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the habit of each, by their rates."""
    rates = _YEARLY * (1 + _LEAN * (2 * world.people.digital[who, None] - 1))
    reached = np.cumsum(rates, axis=1)
    return np.argmax(reached > (world.roll("which habit", who) * reached[:, -1])[:, None], axis=1)
