"""Loyalty cards of the shops: a register of its own, joined to the customers' only here and there."""

import numpy as np

from features.simulator.clock import DAY
from features.simulator.draws import between, exponential, lanes, whole
from features.simulator.feeds.evidence import link
from features.simulator.feeds.persons import chance
from features.simulator.keys import Cards
from features.simulator.life.accounts import ENTERPRISE
from features.simulator.world import World

SINCE_DAYS = 200.0
"""So long after joining, at most, the card is taken out."""

MEMBERS, END_USERS = 0.3, 0.2
"""How much rarer cards are among the other members of an account, and the end users of an enterprise."""

STRANGERS_SHARE = 0.18
"""Cards of people who are no customers, per card of one who is."""

LATER_SHARE, LATER_DAYS = 0.4, 60.0
"""Of the cards that are linked: so many are not at once."""


def give(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the card of each new customer, -1 for most."""
    people, accounts, keys = world.people, world.accounts, world.keys
    first = accounts.first[people.account[who]] == who
    firm = accounts.kind[people.account[who]] == ENTERPRISE
    share = world.scenario.keys.card_share * np.where(first, 1.0, MEMBERS) * np.where(firm, END_USERS, 1.0)
    holder = who[chance(world, "card", who) < share]
    since = people.joined[holder] + (between(chance(world, "card since", holder), 0, SINCE_DAYS) * DAY).astype(np.int64)
    made = _issued(world, Cards(holder, people.site[holder], since))
    _to_strangers(world, holder[chance(world, "card of a stranger", holder) < STRANGERS_SHARE])
    card = np.full(len(who), -1)
    card[np.searchsorted(who, holder)] = made
    keys.use("loyalty", made, holder, since)
    return card


def _to_strangers(world: World, beside: np.ndarray) -> None:
    """One card each for as many people who are no customers, taken out when these joined."""
    number = len(world.keys.cards) + np.arange(len(beside))
    site = whole(world.draws.uniform("stranger at", 0, lanes("stranger", number)), 0, len(world.sites))
    cards = Cards(np.full(len(beside), -1), site, world.people.joined[beside])
    world.keys.use("loyalty", _issued(world, cards), cards.holder, cards.since)


def _issued(world: World, cards: Cards) -> np.ndarray:
    first = len(world.keys.cards)
    world.keys.cards.extend(cards)
    return np.arange(first, first + len(cards))


def introduce(world: World, who: np.ndarray) -> None:
    """Evidence of some cards: the holder gave a customer number or an e-mail address, then or later."""
    keys = world.keys
    who = who[keys.people.card[who] >= 0]
    card = keys.people.card[who]
    later = np.where(chance(world, "card later", who) < LATER_SHARE, LATER_DAYS, 0.0)
    at = keys.cards.since[card] + (exponential(chance(world, "card linked", who), later) * DAY).astype(np.int64)
    u, share = chance(world, "card linked by", who), world.scenario.keys.card_linked_share
    mail, number = u < share / 2, (u >= share / 2) & (u < share)
    link(world, "loyalty", card[mail], "email", keys.people.email[who[mail]], at[mail], who[mail])
    link(world, "loyalty", card[number], "customer", who[number], at[number], who[number])
