"""Telephone numbers change hands: given out, brought along, carried away, and given out again after a while."""

import numpy as np

from features.facts import REASONS
from features.simulator.clock import DAY
from features.simulator.feeds import phones
from features.simulator.keys import OfLines
from features.simulator.life.accounts import SINGLE
from features.simulator.world import World


def give(world: World) -> np.ndarray:
    """A number for every line that has none yet; returns those lines."""
    keys, lines = world.keys, world.lines
    new = np.arange(len(keys.lines), len(lines))
    number = _chosen(world, new)
    nothing = np.full(len(new), -1)
    keys.lines.extend(OfLines(number, nothing, nothing.copy()))
    keys.use("line", new, lines.owner[new], lines.activated[new])
    keys.use("msisdn", number, lines.owner[new], lines.activated[new])
    _share_landlines(world, new[~lines.mobile[new]])
    return new


def _chosen(world: World, lines: np.ndarray) -> np.ndarray:
    """(n,) numbers: fixed, brought from another operator, given back by somebody, or never used before."""
    keys, habits, lane = world.keys, world.scenario.keys, world.lines.lane[lines]
    mobile = world.lines.mobile[lines]
    brought = mobile & (world.draws.uniform("ported in", 0, lane) < habits.ported_in_share)
    number = np.full(len(lines), -1)
    number[~mobile] = phones.number(phones.FIXED, keys.next("fixed", int((~mobile).sum())))
    number[brought] = phones.number(phones.PORTED, keys.next("ported", int(brought.sum())))
    again = mobile & ~brought & (world.draws.uniform("reassigned", 0, lane) < habits.reassigned_share)
    old = keys.numbers.take(int(again.sum()), world.now)
    number[np.flatnonzero(again)[: len(old)]] = old
    fresh = number < 0
    number[fresh] = phones.number(phones.OWN, keys.next("numbers", int(fresh.sum())))
    return number


def _share_landlines(world: World, lines: np.ndarray) -> None:
    """The first fixed line of an account's first customer is everybody's: the household's, or the switchboard."""
    people, accounts, keys = world.people, world.accounts, world.keys
    owner = world.lines.owner[lines]
    account = people.account[owner]
    shared = (accounts.first[account] == owner) & (accounts.kind[account] != SINGLE)
    shared &= keys.accounts.landline[account] < 0
    lines, account = lines[shared], account[shared]
    keys.accounts.landline[account] = lines
    others = accounts.size[account] - 1
    which = np.repeat(np.arange(len(lines)), others)
    member = accounts.first[account][which] + 1 + np.arange(len(which)) - np.repeat(np.cumsum(others) - others, others)
    since = np.maximum(people.joined[member], world.lines.activated[lines][which])
    keys.use("line", lines[which], member, since, held=False)
    keys.use("msisdn", keys.lines.number[lines][which], member, since, held=False)


def take_back(world: World, lines: np.ndarray) -> None:
    """The numbers of lines that end: some are carried to another operator, the others rest for a while."""
    keys, habits, people = world.keys, world.scenario.keys, world.people
    owner, number = world.lines.owner[lines], keys.lines.number[lines]
    ended = people.ended[owner]
    keys.end("line", lines, ended)
    keys.end("msisdn", number, ended)
    chose = (people.reason[owner] == REASONS.index("voluntary")) & ~people.silent[owner]
    carried = chose & (world.draws.uniform("ported out", 0, world.lines.lane[lines]) < habits.ported_out_share)
    stays = phones.is_own(number) & ~carried
    keys.numbers.put(number[stays], ended[stays] + int(habits.number_ageing_days * DAY))
