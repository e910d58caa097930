"""By which key each channel's system knows who is in touch: seldom the customer's number, sometimes nobody's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from features.simulator.draws import pick
from features.simulator.feeds import mails, phones
from features.simulator.feeds.browsers import at_tablet, browse
from features.simulator.life.accounts import SINGLE
from features.simulator.world import World

CHAT_BY_COOKIE_SHARE = 0.5
NUMBER_GIVEN, MAIL_GIVEN = 0.3, 0.15
"""In a shop, of those without a card or a tablet: they tell their number or their e-mail address."""

STYLES = (phones.SPACED, phones.DOUBLE_ZERO, phones.SLASHED)
STYLE_SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class Known:
    """Touches known by keys of one type. ``rows``: which touches; ``holder``: whose time as a customer bounds them."""

    key_type: str
    keys: np.ndarray
    rows: np.ndarray
    holder: np.ndarray


def known_by(world: World, channel: str, who: np.ndarray, at: np.ndarray) -> Iterator[Known]:
    """Every one of these touches once."""
    return _CHANNELS.get(channel, _by_customer)(world, who, at, np.arange(len(who)))


def _by_customer(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    yield Known("customer", who[rows], rows, who[rows])


def _by_cookie(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    yield Known("cookie", browse(world, who[rows], at[rows]), rows, who[rows])


def _by_mail(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    yield Known("email", world.keys.people.email[who[rows]], rows, who[rows])


def _by_line(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    yield Known("line", world.people.line[who[rows]], rows, who[rows])


def _in_chat(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    nameless = world.draws.stream("touch").random(len(who)) < CHAT_BY_COOKIE_SHARE
    yield from _by_cookie(world, who, at, rows[nameless])
    yield from _by_customer(world, who, at, rows[~nameless])


def _in_app(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    """By the handset where nobody logged in, else by customer."""
    lines = world.keys.lines
    mobile = world.people.mobile[who]
    by_device = (mobile >= 0) & (lines.device_at[mobile] <= at)
    by_device &= world.draws.stream("app").random(len(who)) < world.scenario.keys.app_by_device_share
    yield Known("device", lines.device[mobile[by_device]], rows[by_device], who[by_device])
    yield from _by_customer(world, who, at, rows[~by_device])


def _by_own_number(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    """By the number called from: a mobile line of theirs, else a fixed one; by customer if it is not active yet."""
    line = np.where(world.people.mobile[who[rows]] >= 0, world.people.mobile[who[rows]], world.people.line[who[rows]])
    active = world.lines.activated[line] <= at[rows]
    yield Known("msisdn", world.keys.lines.number[line[active]], rows[active], who[rows[active]])
    yield from _by_customer(world, who, at, rows[~active])


def _by_number(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    """Some call from the line of their household or enterprise, whoever's it is; the others from their own."""
    landline = world.keys.accounts.landline[world.people.account[who]]
    holder = world.lines.owner[landline]
    shared = (landline >= 0) & (world.accounts.kind[world.people.account[who]] != SINGLE)
    shared &= (world.lines.activated[landline] <= at) & (world.people.ended[holder] > at)
    shared &= world.draws.stream("landline").random(len(who)) < world.scenario.keys.home_line_share
    yield Known("msisdn", world.keys.lines.number[landline[shared]], rows[shared], holder[shared])
    yield from _by_own_number(world, who, at, rows[~shared])


def _in_call(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    for known in _by_number(world, who, at, rows):
        yield from _written_down(world, known, at)


def _in_shop(world: World, who: np.ndarray, at: np.ndarray, rows: np.ndarray) -> Iterator[Known]:
    """By the loyalty card that is shown, by a tablet, by a number or an address that is told, else by customer."""
    rng, keys, habits = world.draws.stream("shop"), world.keys, world.scenario.keys
    card = keys.people.card[who]
    shown = (card >= 0) & (rng.random(len(who)) < habits.card_shown_share)
    shown[shown] &= keys.cards.since[card[shown]] <= at[shown]
    yield Known("loyalty", card[shown], rows[shown], who[shown])
    tablet = ~shown & (rng.random(len(who)) < habits.tablet_share)
    yield Known("cookie", at_tablet(world, who[tablet], at[tablet]), rows[tablet], who[tablet])
    rest = rows[~shown & ~tablet]
    told = pick(rng.random(len(rest)), (NUMBER_GIVEN, MAIL_GIVEN, 1 - NUMBER_GIVEN - MAIL_GIVEN))
    for way, choice in ((_by_own_number, 0), (_by_mail, 1)):
        for known in way(world, who, at, rest[told == choice]):
            yield from _written_down(world, known, at)
    yield from _by_customer(world, who, at, rest[told == 2])


def _written_down(world: World, known: Known, at: np.ndarray) -> Iterator[Known]:
    """The same touches as somebody types their keys: in other styles, with typos, now and then somebody else's."""
    if known.key_type not in _MISTYPED or not len(known.rows):
        yield known
        return
    rng, habits = world.draws.stream("writing"), world.scenario.keys
    by_hand = rng.random(len(known.rows)) < habits.written_share
    keys, holder = known.keys.copy(), known.holder.copy()
    wrong = by_hand & (rng.random(len(keys)) < habits.typo_share)
    keys[wrong] = _MISTYPED[known.key_type](keys[wrong], rng.random(wrong.sum()))
    mixed = wrong & (rng.random(len(keys)) < habits.mixed_up_share)
    if mixed.any():
        _mix_up(world, known, mixed, at, keys, holder, rng)
    keys[by_hand] = _styled(world, known.key_type, keys[by_hand], rng)
    yield Known(known.key_type, keys, known.rows, holder)


def _mix_up(
    world: World,
    known: Known,
    mixed: np.ndarray,
    at: np.ndarray,
    keys: np.ndarray,
    holder: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Put the key of any other customer where ``mixed``, unless that customer or line is too new to have one."""
    other = world.alive[rng.integers(0, len(world.alive), mixed.sum())]
    line = world.people.line[other]
    here = (world.people.joined[other] <= at[known.rows[mixed]]) & (
        world.lines.activated[line] <= at[known.rows[mixed]]
    )
    theirs = world.keys.people.email[other] if known.key_type == "email" else world.keys.lines.number[line]
    place = np.flatnonzero(mixed)[here]
    keys[place], holder[place] = theirs[here], other[here]


def _styled(world: World, key_type: str, keys: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if key_type == "email":
        return mails.written(keys, np.full(len(keys), mails.CAPITALS))
    style = np.asarray(STYLES)[pick(rng.random(len(keys)), STYLE_SHARES)]
    national = rng.random(len(keys)) < world.scenario.keys.national_share
    return phones.written(keys, np.where(national, phones.NATIONAL, style))


_MISTYPED = {"msisdn": phones.mistyped, "email": mails.mistyped}
_CHANNELS: dict[str, Callable[[World, np.ndarray, np.ndarray, np.ndarray], Iterator[Known]]] = {
    "web": _by_cookie,
    "chat": _in_chat,
    "app": _in_app,
    "email": _by_mail,
    "social": _by_mail,
    "field": _by_line,
    "call_center": _in_call,
    "ivr": _by_number,
    "sms": _by_own_number,
    "retail": _in_shop,
}
