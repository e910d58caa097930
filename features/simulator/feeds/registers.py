"""How customers, lines and browsers become known to the operator's systems: evidence and first profiles."""

import numpy as np

from features.simulator.vocabulary import code
from features.simulator.world import World


def introduce(world: World, who: np.ndarray, profile_at: np.ndarray) -> None:
    """Make customers known: who belongs to what, and their first profile."""
    people, ledger = world.people, world.ledger
    since = people.joined[who]
    link(world, "customer", who, "account", people.account[who], since, who)
    link(world, "email", who, "customer", who, since, who)
    link(world, "customer", who, "site", people.site[who], since, who)
    lines = np.flatnonzero(np.isin(world.lines.owner, who))
    introduce_lines(world, lines)
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
    """Make lines and their numbers known as their owners'."""
    owner, at = world.lines.owner[lines], world.lines.activated[lines]
    link(world, "line", lines, "customer", owner, at, owner)
    mobile = world.lines.mobile[lines]
    link(world, "msisdn", lines[mobile], "customer", owner[mobile], at[mobile], owner[mobile])


def link(
    world: World, child: str, key: np.ndarray, parent: str, other: np.ndarray, at: np.ndarray, owner: np.ndarray
) -> None:
    """Evidence that each ``key`` belongs to its ``other`` from an instant on."""
    world.ledger.add("evidence", child, key, at, owner, other_type=parent, other=other, state="linked")


def open_books(world: World) -> None:
    """The first deliveries: every present customer, and every browser whose owner is already known."""
    living = world.people.living(world.now)
    introduce(world, living, np.full(len(living), world.now))
    cookies = world.cookies
    known = np.flatnonzero((cookies.linked >= 0) & np.isin(cookies.owner, living))
    link(world, "cookie", known, "customer", cookies.owner[known], cookies.linked[known], cookies.owner[known])
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
