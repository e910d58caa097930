"""What customers do of their own accord, without a particular cause."""

from dataclasses import dataclass

from features.simulator.journeys import touch
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
    Habit("buy", "web", "order", "plans", 0.12, 0.5, "abandoned"),
    Habit("buy", "app", "order", "plans", 0.1, 0.8, "abandoned"),
    Habit("engage", "sms", "survey", "plans", 1.0, 0.0),
    Habit("engage", "email", "view", "contract", 2.0, 0.2),
    Habit("engage", "social", "share", "plans", 0.3, 0.8),
)


def live_on(world: World) -> None:
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
