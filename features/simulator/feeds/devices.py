"""Handsets: one in every mobile line, replaced, handed on in the household, sold to strangers."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.draws import between
from features.simulator.feeds.evidence import link
from features.simulator.world import World

SOLD_WITHIN_DAYS = (2.0, 30.0)


def give(world: World, lines: np.ndarray) -> None:
    """A handset for each new mobile line, in use from its activation."""
    lines = lines[world.lines.mobile[lines]]
    _plug_in(world, lines, _bought(world, world.lines.lane[lines]), world.lines.activated[lines])


def _bought(world: World, lane: np.ndarray) -> np.ndarray:
    """(n,) handsets: some second-hand, as far as there are any."""
    second = world.draws.uniform("second-hand", world.day, lane) < world.scenario.keys.secondhand_share
    device = np.full(len(lane), -1)
    old = world.keys.devices.take(int(second.sum()), world.now)
    device[np.flatnonzero(second)[: len(old)]] = old
    fresh = device < 0
    device[fresh] = world.keys.next("devices", int(fresh.sum()))
    return device


def _plug_in(world: World, lines: np.ndarray, device: np.ndarray, at: np.ndarray) -> None:
    world.keys.lines.device[lines], world.keys.lines.device_at[lines] = device, at
    world.keys.use("device", device, world.lines.owner[lines], at)


def renew(world: World) -> None:
    """New handsets for those who got one since yesterday; the old ones are handed on, sold or kept in a drawer."""
    people, keys = world.people, world.keys
    changed = np.flatnonzero(people.device_since[: len(keys.people)] != keys.people.renewed)
    keys.people.renewed[changed] = people.device_since[changed]
    changed = changed[world.is_alive(changed) & (people.mobile[changed] >= 0)]
    lines = people.mobile[changed]
    at = world.now + (between(world.roll("handset at", changed), 0, 6) * HOUR).astype(np.int64)
    fate = world.roll("old handset", changed)
    habits = world.scenario.keys
    handed = fate < habits.handed_on_share
    old = _replace(world, lines, _bought(world, world.lines.lane[lines]), at)
    sold = ~handed & (fate < habits.handed_on_share + habits.sold_on_share)
    _sell(world, old[sold], at[sold])
    _hand_on(world, changed[handed], old[handed], at[handed] + HOUR)


def _replace(world: World, lines: np.ndarray, device: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Other handsets in lines that have one; returns the old ones."""
    old = world.keys.lines.device[lines]
    world.keys.end("device", old, at)
    _plug_in(world, lines, device, at)
    link(world, "device", device, "customer", world.lines.owner[lines], at, world.lines.owner[lines])
    return old


def _hand_on(world: World, who: np.ndarray, device: np.ndarray, at: np.ndarray) -> None:
    """To the next member of the account, whose own goes into a drawer."""
    people, accounts = world.people, world.accounts
    first, size = accounts.first[people.account[who]], accounts.size[people.account[who]]
    heir = first + (who - first + 1) % size
    able = (heir != who) & world.is_alive(heir) & (people.mobile[heir] >= 0) & ~np.isin(heir, who)
    _replace(world, people.mobile[heir[able]], device[able], at[able])


def _sell(world: World, device: np.ndarray, at: np.ndarray) -> None:
    u = world.draws.uniform("sold", world.day, device.astype(np.uint64))
    world.keys.devices.put(device, at + (between(u, *SOLD_WITHIN_DAYS) * DAY).astype(np.int64))


def retire(world: World, lines: np.ndarray) -> None:
    """The handsets of lines that end; some are sold."""
    lines = lines[world.lines.mobile[lines]]
    device, ended = world.keys.lines.device[lines], world.people.ended[world.lines.owner[lines]]
    world.keys.end("device", device, ended)
    sold = world.draws.uniform("sold at the end", 0, world.lines.lane[lines]) < world.scenario.keys.sold_on_share
    _sell(world, device[sold], ended[sold])
