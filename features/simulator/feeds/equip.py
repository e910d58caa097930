"""Everybody gets their keys, and gives them back."""

import numpy as np

from features.simulator.clock import DAY
from features.simulator.feeds import cards, devices, numbers, persons
from features.simulator.feeds.evidence import link
from features.simulator.keys import OfAccounts, OfPeople
from features.simulator.world import World


def equip(world: World) -> None:
    """Keys for every account, customer and line that has none yet."""
    keys, people = world.keys, world.people
    nothing = np.full(len(world.accounts) - len(keys.accounts), -1)
    keys.accounts.extend(OfAccounts(nothing, nothing.copy()))
    who = np.arange(len(keys.people), len(people))
    mail = persons.new_mails(world, who)
    keys.use("email", mail, who, people.joined[who])
    keys.people.extend(OfPeople(mail, np.full(len(who), -1), cards.give(world, who), people.device_since[who]))
    devices.give(world, numbers.give(world))


def morning(world: World) -> None:
    """What became of keys since yesterday."""
    equip(world)
    devices.renew(world)


def night(world: World) -> None:
    """The lines of those who leave today end: usually, not always, somebody notes that their keys are free."""
    people, keys = world.people, world.keys
    leaving = np.zeros(len(people), bool)
    leaving[world.alive] = people.ended[world.alive] < world.now + DAY
    lines = np.flatnonzero(leaving[world.lines.owner])
    numbers.take_back(world, lines)
    devices.retire(world, lines)
    told = lines[world.draws.uniform("unlinked", 0, world.lines.lane[lines]) < world.scenario.keys.unlinked_share]
    owner = world.lines.owner[told]
    at = people.ended[owner]
    for kind, key in (("line", told), ("msisdn", keys.lines.number[told])):
        link(world, kind, key, "customer", owner, at, owner, "unlinked")
