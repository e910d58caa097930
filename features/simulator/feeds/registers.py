"""How customers, lines and browsers become known to the operator's systems: evidence and first profiles."""

import numpy as np

from features.simulator.clock import DAY, HOUR
from features.simulator.draws import between
from features.simulator.feeds import cards, mails, phones
from features.simulator.feeds.equip import equip
from features.simulator.feeds.evidence import link
from features.simulator.feeds.persons import chance
from features.simulator.vocabulary import code
from features.simulator.world import World

NOTICED_DAYS = (5.0, 60.0)
"""After how long a wrong entry is noticed."""


def introduce(world: World, who: np.ndarray, profile_at: np.ndarray) -> None:
    """Make customers known: who belongs to what, and their first profile."""
    equip(world)
    people, ledger = world.people, world.ledger
    since = people.joined[who]
    link(world, "customer", who, "account", people.account[who], since, who)
    _introduce_mails(world, who)
    _introduce_contact_numbers(world, who)
    link(world, "customer", who, "site", people.site[who], since, who)
    lines = np.flatnonzero(np.isin(world.lines.owner, who))
    introduce_lines(world, lines)
    cards.introduce(world, who)
    ends = people.contract_end[who]
    ledger.add(
        "profile",
        "customer",
        who,
        profile_at,
        who,
        plan=people.plan[who],
        monthly_value=people.price[who],
        active_since=since,
        contract_end=ends,
        segment=people.segment[who],
        region=world.sites.region[people.site[who]],
        payment=np.where(
            people.prepaid[who], code("profile", "payment", "prepaid"), code("profile", "payment", "postpaid")
        ),
        consent_marketing=people.marketing[who],
        consent_profiling=people.profiling[who],
        status="active",
    )


def introduce_lines(world: World, lines: np.ndarray) -> None:
    """Make lines, their numbers and the handsets seen in them known as their owners'."""
    if world.fork:
        return
    equip(world)
    owner, at, keys = world.lines.owner[lines], world.lines.activated[lines], world.keys.lines
    link(world, "line", lines, "customer", owner, at, owner)
    link(world, "msisdn", keys.number[lines], "customer", owner, at, owner)
    held = keys.device[lines] >= 0
    link(world, "device", keys.device[lines[held]], "customer", owner[held], keys.device_at[lines[held]], owner[held])


def _introduce_mails(world: World, who: np.ndarray) -> None:
    """Each address as it was typed, sometimes wrong; what is wrong is corrected later, or never."""
    right, wrong = world.keys.people.email[who], _mistyped(world, who)
    at = world.people.joined[who]
    capitals = chance(world, "mail written", who) < world.scenario.keys.written_share
    link(world, "email", mails.written(right, capitals)[~wrong], "customer", who[~wrong], at[~wrong], who[~wrong])
    _enter_wrong(world, "email", who[wrong], right[wrong], _wrong_mails(world, who[wrong]))
    _mix_up(world, who)


def entered_mails(world: World, who: np.ndarray) -> np.ndarray:
    """(n,) the addresses in the CRM, those that were typed wrong and never corrected among them."""
    wrong = _mistyped(world, who) & ~_noticed(world, who)
    return np.where(wrong, _wrong_mails(world, who), world.keys.people.email[who])


def _mistyped(world: World, who: np.ndarray) -> np.ndarray:
    return chance(world, "mail typed", who) < world.scenario.keys.typo_share


def _wrong_mails(world: World, who: np.ndarray) -> np.ndarray:
    return mails.mistyped(world.keys.people.email[who], chance(world, "slip", who))


def _noticed(world: World, who: np.ndarray) -> np.ndarray:
    return chance(world, "noticed", who) < world.scenario.keys.corrected_share


def _introduce_contact_numbers(world: World, who: np.ndarray) -> None:
    """A number to call back, typed wrong: nobody has it."""
    who = who[chance(world, "contact number", who) < world.scenario.keys.typo_share / 2]
    right = world.keys.lines.number[world.people.line[who]]
    _enter_wrong(world, "msisdn", who, right, phones.mistyped(right, chance(world, "slip", who)))


def _enter_wrong(world: World, kind: str, who: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> None:
    """Evidence of a wrong key; where it is noticed, some weeks later, that is taken back and the right one entered."""
    at = world.people.joined[who]
    link(world, kind, wrong, "customer", who, at, who)
    noticed = _noticed(world, who)
    who, right, wrong = who[noticed], right[noticed], wrong[noticed]
    later = at[noticed] + (between(chance(world, "noticed after", who), *NOTICED_DAYS) * DAY).astype(np.int64)
    link(world, kind, wrong, "customer", who, later, who, "unlinked")
    link(world, kind, right, "customer", who, later, who)


def _mix_up(world: World, who: np.ndarray) -> None:
    """A few customers get somebody else's address beside their own; some of that is noticed and put right."""
    habits, people = world.scenario.keys, world.people
    who = who[chance(world, "mixed up", who) < habits.typo_share * habits.mixed_up_share]
    other = world.alive[(chance(world, "mixed up with", who) * len(world.alive)).astype(np.int64)]
    who, other = who[other != who], other[other != who]
    mail, at = world.keys.people.email[other], np.maximum(people.joined[who], people.joined[other])
    link(world, "email", mail, "customer", who, at + HOUR, who)
    noticed = _noticed(world, who)
    who, other, mail, at = who[noticed], other[noticed], mail[noticed], at[noticed]
    later = at + (between(chance(world, "noticed after", who), *NOTICED_DAYS) * DAY).astype(np.int64)
    link(world, "email", mail, "customer", who, later, who, "unlinked")
    link(world, "email", mail, "customer", other, later + HOUR, other)


def open_books(world: World) -> None:
    """The first deliveries: where every site lies, every present customer, every browser whose owner is known."""
    sites = np.arange(len(world.sites))
    lies_in = world.sites.region
    world.ledger.state("evidence", "site", sites, world.now, other_type="market", other=lies_in, state="linked")
    living = world.people.living(world.now)
    introduce(world, living, np.full(len(living), world.now))
    cookies = world.cookies
    known = np.flatnonzero(np.isin(cookies.last, living))
    link(world, "cookie", known, "customer", cookies.last[known], cookies.linked[known], cookies.last[known])
    leaving = living[world.people.noticed[living] < world.now]
    world.ledger.add(
        "profile",
        "customer",
        leaving,
        np.full(len(leaving), world.now + 1),
        leaving,
        status="notice",
        reason="voluntary",
    )
