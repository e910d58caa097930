"""Nine needs: they arise unseen, show in what customers do, are voiced, and are fulfilled, refused or forgotten."""

from dataclasses import astuple

import numpy as np

from features.simulator.clock import DAY, YEAR_DAYS
from features.simulator.contracts import renew
from features.simulator.journeys import touch, voice
from features.simulator.people import connect, tenure_years
from features.simulator.registers import introduce_lines
from features.simulator.scenario import NEEDS
from features.simulator.vocabulary import PLAN_PRICES, SEGMENTS, code
from features.simulator.world import World

SIGN_DAILY, VOICE_DAILY, FORGET_DAILY = 0.045, 0.02, 0.008
ORDER_SHARE, MET_SHARE = 0.35, 0.55


def live(world: World) -> None:
    """One day in the life of every need."""
    _arise(world)
    _show(world)
    _be_voiced(world)
    _be_fulfilled(world)
    _be_forgotten(world)


def drivers(world: World) -> np.ndarray:
    """(alive, 9) by how much each customer's circumstances multiply the rate at which each need arises."""
    people, who = world.people, world.alive
    senior = people.segment[who] == SEGMENTS.index("senior")
    family = people.segment[who] == SEGMENTS.index("family")
    device_age = (world.now - people.device_since[who]) / (DAY * YEAR_DAYS)
    top_plan = people.plan[who] == len(PLAN_PRICES) - 1
    return np.stack(
        [
            np.where(top_plan, 0.2, people.appetite[who] ** 1.2),
            0.4 + 1.2 * np.log1p(people.downtime[who] / 4),
            (0.6 + 2.5 * np.minimum(people.rises[who], 1) + 0.8 * people.shocks[who]) * people.price[who] / 30,
            0.4 + 5 * np.minimum(people.shocks[who], 2),
            np.clip(device_age - 0.8, 0.05, 3),
            people.traveller[who] * np.exp(1.2 * world.clock.season(world.day)),
            np.where(family, 2.2, 0.7) / people.lines[who] ** 2,
            np.where(senior, 2.0, 0.8)
            * np.where(tenure_years(world, who) < 0.5, 3.0, 1.0)
            * (1.5 - people.digital[who]),
            0.5 + people.digital[who],
        ],
        axis=1,
    )


def _arise(world: World) -> None:
    rng, people = world.streams["needs"], world.people
    rate = np.array(astuple(world.scenario.needs)) * drivers(world) / YEAR_DAYS
    fresh = (rng.random(rate.shape, dtype=np.float32) < rate) & (people.needs[world.alive] < 0)
    row, need = np.nonzero(fresh)
    people.needs[world.alive[row], need] = world.now


def _open(world: World, rng: np.random.Generator, daily: float) -> tuple[np.ndarray, np.ndarray]:
    """(customers, needs) drawn from those open today with a daily probability."""
    row, need = np.nonzero(world.people.needs[world.alive] >= 0)
    drawn = rng.random(len(row)) < daily
    return world.alive[row[drawn]], need[drawn]


def _show(world: World) -> None:
    """Searches and views about the need, before it is voiced."""
    rng = world.streams["signs"]
    who, need = _open(world, rng, SIGN_DAILY * world.scenario.touches)
    channel = voice(world, who, rng, ("web", "web", "app"), ("web", "retail", "ivr"))
    searched = rng.random(len(who)) < 0.5
    for chosen, phase, action in ((searched, "explore", "search"), (~searched, "discover", "view")):
        at = world.waking(rng, chosen.sum())
        touch(world, who[chosen], at, phase=phase, channel=channel[chosen], action=action, topic=_topics(need[chosen]))


def _topics(need: np.ndarray) -> np.ndarray:
    return np.array([code("journey", "topic", name) for name in NEEDS])[need]


def _be_voiced(world: World) -> None:
    rng, people = world.streams["voices"], world.people
    who, need = _open(world, rng, VOICE_DAILY)
    at = world.waking(rng, len(who))
    channel = voice(world, who, rng, ("web", "app", "chat"), ("call_center", "retail", "call_center"))
    ordered = rng.random(len(who)) < ORDER_SHARE
    met = ordered | (rng.random(len(who)) < MET_SHARE)
    _tell(world, who, at, channel, need, ordered, phase="buy", action="order", outcome="ordered")
    _tell(world, who, at, channel, need, ~ordered & met, phase="ask", action="request", outcome="solved")
    _tell(world, who, at, channel, need, ~met, phase="ask", action="request", outcome="open")
    people.voiced[who[~met], need[~met]] = True
    people.mood[who[~met]] += 0.2
    people.needs[who[met], need[met]] = -1
    people.voiced[who[met], need[met]] = False
    world.agenda.put("fulfil", world.day + rng.integers(1, 6, met.sum()), who=who[met], need=need[met])


def _tell(
    world: World,
    who: np.ndarray,
    at: np.ndarray,
    channel: np.ndarray,
    need: np.ndarray,
    chosen: np.ndarray,
    **words: str,
) -> None:
    phase, action, outcome = words["phase"], words["action"], words["outcome"]
    where, topic = channel[chosen], _topics(need[chosen])
    touch(world, who[chosen], at[chosen], phase=phase, channel=where, action=action, topic=topic, outcome=outcome)


def _be_forgotten(world: World) -> None:
    who, need = _open(world, world.streams["forgetting"], FORGET_DAILY)
    world.people.needs[who, need] = -1
    world.people.voiced[who, need] = False


def _be_fulfilled(world: World) -> None:
    due = world.agenda.take("fulfil", world.day)
    if due is None:
        return
    present = np.isin(due["who"], world.alive)
    who, need = due["who"][present], due["need"][present]
    for name, change in (
        ("faster_line", _upgrade),
        ("lower_price", _discount),
        ("device", _new_device),
        ("extra_line", _extra_line),
    ):
        chosen = np.unique(who[need == NEEDS.index(name)])
        if len(chosen):
            change(world, chosen)
    world.people.mood[who] *= 0.6


def _upgrade(world: World, who: np.ndarray) -> None:
    people = world.people
    people.plan[who] = np.minimum(people.plan[who] + 1, len(PLAN_PRICES) - 1)
    people.price[who] = np.round(np.maximum(people.price[who], np.asarray(PLAN_PRICES)[people.plan[who]]), 2)
    at = world.waking(world.streams["changes"], len(who))
    world.ledger.add("profile", "customer", who, at, who, plan=people.plan[who], monthly_value=people.price[who])


def _discount(world: World, who: np.ndarray) -> None:
    people = world.people
    people.price[who] = np.round(people.price[who] * 0.9, 2)
    people.rises[who] = 0
    at = world.waking(world.streams["changes"], len(who))
    world.ledger.add("profile", "customer", who, at, who, monthly_value=people.price[who])


def _new_device(world: World, who: np.ndarray) -> None:
    world.people.device_since[who] = world.now
    renew(world, who[~world.people.prepaid[who]])


def _extra_line(world: World, who: np.ndarray) -> None:
    at = world.waking(world.streams["changes"], len(who))
    introduce_lines(world, connect(world, who, np.ones(len(who), bool), at))
    world.people.price[who] = np.round(world.people.price[who] + 8.0, 2)
    world.ledger.add("profile", "customer", who, at, who, monthly_value=world.people.price[who])
