"""Nine needs: they arise unseen, show in what customers do, are voiced, and are fulfilled, refused or forgotten."""

from dataclasses import astuple

import numpy as np

from features.simulator.clock import DAY, YEAR_DAYS
from features.simulator.draws import derived, whole
from features.simulator.feeds.registers import introduce_lines
from features.simulator.life.contracts import renew
from features.simulator.life.journeys import touch, voice
from features.simulator.life.people import connect, tenure_years
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
    people, who = world.people, world.active
    senior = people.segment[who] == SEGMENTS.index("senior")
    family = people.segment[who] == SEGMENTS.index("family")
    device_age = (world.now - people.device_since[who]) / (DAY * YEAR_DAYS)
    top_plan = people.plan[who] == len(PLAN_PRICES) - 1
    return (
        np.stack(
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
        * np.where(people.segment[who] == SEGMENTS.index("enterprise"), 0.6, 1.0)[:, None]
    )


def _arise(world: World) -> None:
    """At most one new need per customer and day, each by its own rate."""
    people, active = world.people, world.active
    rate = np.array(astuple(world.scenario.needs)) * drivers(world) / YEAR_DAYS
    reached = np.cumsum(rate, axis=1)
    u = world.roll("needs", active)
    fresh = np.flatnonzero(u < reached[:, -1])
    who, need = active[fresh], np.argmax(reached[fresh] > u[fresh, None], axis=1)
    new = people.needs[who, need] < 0
    people.needs[who[new], need[new]] = world.now


def _open(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(customers, needs, lanes) of all needs open today."""
    row, need = np.nonzero(world.people.needs[world.active] >= 0)
    who = world.active[row]
    return who, need, derived(world.people.lane[who], need)


def _show(world: World) -> None:
    """Searches and views about the need, before it is voiced; some are contacts at which something is offered."""
    who, need, lanes = _open(world)
    chosen = world.roll_lanes("signs", lanes) < SIGN_DAILY * world.scenario.touches
    who, need = who[chosen], need[chosen]
    channel = voice(world, "signs", who, ("web", "web", "app"), ("web", "retail", "ivr"))
    searched = world.roll("searched", who) < 0.5
    at = world.waking("signs", who)
    for part, phase, action in ((searched, "explore", "search"), (~searched, "discover", "view")):
        touch(
            world,
            who[part],
            at[part],
            phase=phase,
            channel=channel[part],
            action=action,
            topic=_topics(need[part]),
        )


def _topics(need: np.ndarray) -> np.ndarray:
    return np.array([code("journey", "topic", name) for name in NEEDS])[need]


def _be_voiced(world: World) -> None:
    people = world.people
    open_who, open_need, lanes = _open(world)
    watch_needs(world, open_who, open_need)
    spoken = world.roll_lanes("voices", lanes) < VOICE_DAILY
    who, need = open_who[spoken], open_need[spoken]
    mark_needs(world, who, need)
    at = world.waking("voices", who)
    channel = voice(world, "voices", who, ("web", "app", "chat"), ("call_center", "retail", "call_center"))
    ordered = world.roll_lanes("ordered", lanes[spoken]) < ORDER_SHARE
    met = ordered | (world.roll_lanes("met", lanes[spoken]) < MET_SHARE)
    _tell(world, who, at, channel, need, ordered, phase="buy", action="order", outcome="ordered")
    _tell(world, who, at, channel, need, ~ordered & met, phase="ask", action="request", outcome="solved")
    _tell(world, who, at, channel, need, ~met, phase="ask", action="request", outcome="open")
    people.voiced[who[~met], need[~met]] = True
    np.add.at(people.mood, who[~met], 0.2)
    meet(world, who[met], need[met], world.day + whole(world.roll_lanes("fulfilled", lanes[spoken][met]), 1, 6))


def watch_needs(world: World, who: np.ndarray, need: np.ndarray) -> None:
    """Where a fork watches: the chance that each open need is voiced today, unless it was since the fork began."""
    if world.tally is None:
        return
    for number, name in enumerate(NEEDS):
        here = who[need == number]
        here = here[~world.tally.met[name][here]]
        world.tally.add(name, world.day, here, np.full(len(here), VOICE_DAILY))


def mark_needs(world: World, who: np.ndarray, need: np.ndarray) -> None:
    """Where a fork watches: these needs were voiced."""
    if world.tally is not None:
        for number, name in enumerate(NEEDS):
            world.tally.met[name][who[need == number]] = True


def meet(world: World, who: np.ndarray, need: np.ndarray, days: np.ndarray, *, offered: bool = False) -> None:
    """Needs are served from now on, and fulfilled on the given days; what was ``offered`` has terms of its own."""
    world.people.needs[who, need] = -1
    world.people.voiced[who, need] = False
    world.agenda.put("fulfil", days, who=who, need=need, offered=np.full(len(who), offered))


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
    who, need, lanes = _open(world)
    forgotten = world.roll_lanes("forgetting", lanes) < FORGET_DAILY
    who, need = who[forgotten], need[forgotten]
    world.people.needs[who, need] = -1
    world.people.voiced[who, need] = False


def _be_fulfilled(world: World) -> None:
    due = world.agenda.take("fulfil", world.day)
    if due is None:
        return
    present = world.is_alive(due["who"])
    who, need, offered = due["who"][present], due["need"][present], due["offered"][present]
    for name, change, both in (
        ("faster_line", _upgrade, True),
        ("lower_price", _discount, False),
        ("device", _new_device, False),
        ("extra_line", _extra_line, True),
    ):
        chosen = np.unique(who[(need == NEEDS.index(name)) & (both | ~offered)])
        if len(chosen):
            change(world, chosen)
    world.people.mood[who] *= 0.6


def _upgrade(world: World, who: np.ndarray) -> None:
    people = world.people
    people.plan[who] = np.minimum(people.plan[who] + 1, len(PLAN_PRICES) - 1)
    people.price[who] = np.round(np.maximum(people.price[who], np.asarray(PLAN_PRICES)[people.plan[who]]), 2)
    at = world.waking("changes", who)
    world.ledger.add("profile", "customer", who, at, who, plan=people.plan[who], monthly_value=people.price[who])


def _discount(world: World, who: np.ndarray) -> None:
    people = world.people
    people.price[who] = np.round(people.price[who] * 0.9, 2)
    people.rises[who] = 0
    at = world.waking("changes", who)
    world.ledger.add("profile", "customer", who, at, who, monthly_value=people.price[who])


def _new_device(world: World, who: np.ndarray) -> None:
    world.people.device_since[who] = world.now
    renew(world, who[~world.people.prepaid[who]])


def _extra_line(world: World, who: np.ndarray) -> None:
    at = world.waking("changes", who)
    introduce_lines(world, connect(world, who, np.ones(len(who), bool), at))
    world.people.price[who] = np.round(world.people.price[who] + 8.0, 2)
    world.ledger.add("profile", "customer", who, at, who, monthly_value=world.people.price[who])
