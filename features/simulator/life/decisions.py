"""What is offered at a contact: drawn once per contact with a known probability, never to the control group."""

from collections.abc import Mapping, Sequence

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.draws import derived, lognormal
from features.simulator.feeds import offers
from features.simulator.life.actions import CATALOGUE, POINT, circumstances, eligible, weighed
from features.simulator.life.needs import meet
from features.simulator.scenario import NEEDS
from features.simulator.world import World

ANSWER_HOURS, LATEST_DAYS = 5.0, 14
"""Half of the answers come within so many hours; none later than so many days."""

_NEED = np.array([NEEDS.index(action.need) if action.need else -1 for action in CATALOGUE])
_DISCOUNT = np.array([action.discount for action in CATALOGUE])


def decide(world: World) -> None:
    """One decision for everyone who had a contact today, at the first one; later ones repeat it."""
    contacts = offers.todays(world)
    if contacts is None:
        return
    who, at = contacts["who"], contacts["at"]
    people = world.people
    # Whoever came today has no morning to go by; whoever left has no decision to come to.
    may = (people.noticed[who] > world.now) & (people.ended[who] > world.now) & (who < len(world.morning))
    who, at, channel = who[may], at[may], contacts["channel"][may]
    if len(who) == 0:
        return
    order, propensity = choose(world, who)
    show(world, who, order[:, 0])
    if not world.fork:
        offers.record(world, who, at, channel, order, propensity)
        offers.record_answers(world, who, at, order[:, 0], *_answers(world, who, order[:, 0]))
        world.decisions += len(who)


def choose(world: World, who: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) actions by slot, -1 for an empty one, and (n,) the probability with which slot 1 was drawn.

    Slots are drawn one after the other without replacement (Plackett and Luce), by Gumbel numbers.
    """
    weights = policy(world, who)
    lanes = derived(np.repeat(world.people.lane[who], len(CATALOGUE)), np.tile(np.arange(len(CATALOGUE)), len(who)))
    gumbel = -np.log(-np.log(world.roll_lanes("policy", lanes))).reshape(weights.shape)
    with np.errstate(divide="ignore"):
        order = np.argsort(-(np.log(weights) + gumbel), axis=1)[:, :3]
    rows = np.arange(len(who))
    propensity = weights[rows, order[:, 0]]
    held = world.people.control[who]
    order[held], propensity[held] = (0, -1, -1), 1.0
    shown = np.take_along_axis(weights, np.maximum(order, 0), axis=1) > 0
    return np.where(shown, order, -1), propensity


def policy(world: World, who: np.ndarray) -> np.ndarray:
    """(n, actions) probabilities of slot 1 outside the control group: partly random, partly the operator's rules."""
    may = eligible(world, who)
    given = circumstances(world, who)
    tilt = np.stack([1 + 2 * weighed(action.tilt, given) for action in CATALOGUE], axis=1) * may
    explore = world.scenario.explore_share
    return explore * may / may.sum(axis=1, keepdims=True) + (1 - explore) * tilt / tilt.sum(axis=1, keepdims=True)


def show(world: World, who: np.ndarray, action: np.ndarray) -> None:
    """Let the shown actions work: at once, and from the day after their answer for those who say yes."""
    if len(who) == 0:
        return
    people, given = world.people, circumstances(world, who)
    at_once = _effects(action, given, [item.shown for item in CATALOGUE])
    people.sway[who] += at_once * POINT * people.persuadable[who]
    people.contacts[who] += action > 0
    yes, days = _answers(world, who, action)
    then = _effects(action, given, [item.accepted for item in CATALOGUE]) * POINT * people.persuadable[who]
    world.agenda.put("accepted", world.day + 1 + days[yes], who=who[yes], action=action[yes], sway=then[yes])


def _effects(action: np.ndarray, given: dict[str, np.ndarray], effects: Sequence[Mapping[str, float]]) -> np.ndarray:
    """(n,) of each customer's own action, its effects weighed by their circumstances."""
    every = np.stack([weighed(item, given) for item in effects], axis=1)
    return every[np.arange(len(action)), action]


def chance_of_yes(world: World, who: np.ndarray, action: np.ndarray) -> np.ndarray:
    """(n,) the probability that each accepts the action shown."""
    given = circumstances(world, who)
    return 1 / (1 + np.exp(-_effects(action, given, [item.yes for item in CATALOGUE])))


def _answers(world: World, who: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) whether each says yes to what was shown, and (n,) after how many days."""
    yes = world.roll("answers", who) < chance_of_yes(world, who, action)
    hours = lognormal(world.roll("answer after", who), ANSWER_HOURS, 1.6)
    return yes, np.minimum(hours * HOUR / DAY, LATEST_DAYS).astype(np.int64)


def take_up(world: World) -> None:
    """What was accepted comes into force today: it sways, serves its need, and costs its discount."""
    due = world.agenda.take("accepted", world.day)
    if due is None:
        return
    here = world.is_alive(due["who"])
    who, action, sway = due["who"][here], due["action"][here], due["sway"][here]
    people = world.people
    np.add.at(people.sway, who, sway)
    np.multiply.at(people.price, who, 1 - _DISCOUNT[action])
    people.price[who] = np.round(people.price[who], 2)
    cheaper = np.unique(who[_DISCOUNT[action] > 0])
    at = np.full(len(cheaper), world.now + HOUR)
    world.ledger.add("profile", "customer", cheaper, at, cheaper, monthly_value=people.price[cheaper])
    serves = (_NEED[action] >= 0) & (people.needs[who, _NEED[action]] >= 0)
    chosen, need = who[serves], _NEED[action[serves]]
    people.device_since[chosen[need == NEEDS.index("device")]] = world.now
    meet(world, chosen, need, np.full(len(chosen), world.day + 1), offered=True)
