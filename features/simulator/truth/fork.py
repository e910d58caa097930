"""Copies of some customers, each with a future of its own, lived side by side in one world."""

from copy import copy
from dataclasses import replace

import numpy as np

from features.simulator.draws import Draws, derived
from features.simulator.life.market import outside
from features.simulator.state import Accounts, Lines, Markets, People, Sites
from features.simulator.tally import Tally
from features.simulator.world import Agenda, World


class Fork:
    """``arms`` x ``replays`` futures of customers as they stand in a world, which is left as it is.

    Everyone who shares an account with them is copied too. Replay r has the same luck in every arm (common random
    numbers): its customers, lines, sites and market draw from lanes of its own, whatever the arm.

    ``rows`` (arms, replays, n): where each customer's copies stand in ``world``.
    """

    def __init__(self, world: World, who: np.ndarray, arms: int, replays: int) -> None:
        crowd = _crowd(world, who)
        self._copies = arms * replays
        self._replay = np.tile(np.arange(replays), arms)
        place = _places(len(world.people), crowd)
        self.world = self._copied(world, crowd, place, replays)
        self.rows = (np.arange(self._copies)[:, None] * len(crowd) + place[who]).reshape(arms, replays, len(who))

    def _copied(self, world: World, crowd: np.ndarray, place: np.ndarray, replays: int) -> World:
        held = np.flatnonzero(place[world.lines.owner] >= 0)
        accounts = np.unique(world.people.account[crowd])
        people = self._people(world, crowd, place, _places(len(world.lines), held), accounts)
        ledger = copy(world.ledger)
        ledger.open = False
        fork = replace(
            world,
            draws=Draws(world.draws.seed),
            ledger=ledger,
            people=people,
            accounts=self._accounts(world.accounts.take(accounts), place, len(crowd)),
            lines=self._lines(world.lines.take(held), place, len(crowd)),
            cookies=world.cookies.take(np.zeros(0, np.int64)),
            sites=_sites(world.sites, replays),
            markets=_markets(world.markets, replays),
            agenda=self._agenda(world, place, len(crowd)),
            contacts=[],
            tally=Tally(len(people)),
        )
        fork.wake(world.day)
        fork.morning = world.morning.take(np.minimum(np.tile(crowd, self._copies), len(world.morning) - 1))
        return fork

    def _offset(self, values: np.ndarray, step: int, by_replay: bool = False) -> np.ndarray:
        """(copies x n,) indices of every copy, from those of the first; -1 stays."""
        number = self._replay if by_replay else np.arange(self._copies)
        return np.where(values >= 0, values + step * number[:, None], -1).ravel()

    def _luck(self, lanes: np.ndarray) -> np.ndarray:
        return derived(np.tile(lanes, self._copies), np.repeat(self._replay, len(lanes)) + 1)

    def _people(
        self, world: World, crowd: np.ndarray, place: np.ndarray, lines: np.ndarray, accounts: np.ndarray
    ) -> People:
        one = world.people.take(crowd)
        n, held = len(one), int((lines >= 0).sum())
        many = one.take(np.tile(np.arange(n), self._copies))
        many.lane = self._luck(one.lane)
        many.realm = np.repeat(self._replay, n)
        many.account = self._offset(np.searchsorted(accounts, one.account), len(accounts))
        many.decider = self._offset(place[one.decider], n)
        many.site = self._offset(one.site, len(world.sites), by_replay=True)
        many.line = self._offset(_mapped(lines, one.line), held)
        many.mobile = self._offset(_mapped(lines, one.mobile), held)
        return many

    def _accounts(self, one: Accounts, place: np.ndarray, n: int) -> Accounts:
        many = one.take(np.tile(np.arange(len(one)), self._copies))
        many.first = self._offset(place[one.first], n)
        return many

    def _lines(self, one: Lines, place: np.ndarray, n: int) -> Lines:
        many = one.take(np.tile(np.arange(len(one)), self._copies))
        many.lane, many.owner = self._luck(one.lane), self._offset(place[one.owner], n)
        return many

    def _agenda(self, world: World, place: np.ndarray, n: int) -> Agenda:
        """What is due for these customers; what is not somebody's (prospects) is left out."""
        agenda = Agenda()
        for topic, day, rows in world.agenda.waiting(world.day):
            if "who" not in rows:
                continue
            ours = np.flatnonzero(place[rows["who"]] >= 0)
            every = {name: np.tile(values[ours], self._copies) for name, values in rows.items()}
            every["who"] = self._offset(place[rows["who"][ours]], n)
            if len(ours):
                agenda.put(topic, np.full(len(every["who"]), day), **every)
        return agenda


def _crowd(world: World, who: np.ndarray) -> np.ndarray:
    """These customers, all present members of their accounts, and those who decide for them."""
    people = world.people
    ours = np.zeros(len(world.accounts), bool)
    ours[people.account[who]] = True
    members = world.alive[ours[people.account[world.alive]]]
    return np.unique(np.concatenate([who, members, people.decider[members], world.accounts.first[ours]]))


def _places(n: int, chosen: np.ndarray) -> np.ndarray:
    """(n,) position of each index among the chosen, -1 for the others."""
    place = np.full(n, -1)
    place[chosen] = np.arange(len(chosen))
    return place


def _mapped(place: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return np.where(indices >= 0, place[indices], -1)


def _sites(one: Sites, replays: int) -> Sites:
    many = one.take(np.tile(np.arange(len(one)), replays))
    many.realm = np.repeat(np.arange(replays), len(one))
    many.lane = derived(many.lane, many.realm + 1)
    return many


def _markets(one: Markets, replays: int) -> Markets:
    many = one.take(np.zeros(replays, np.int64))
    many.lane = derived(outside(replays).lane, 1)
    return many
