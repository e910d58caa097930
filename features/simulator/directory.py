"""Two registers without a common key: the CRM's customers and the shops' card holders, as people typed them in."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from features.simulator.clock import FAR, clock
from features.simulator.draws import lanes, whole
from features.simulator.feeds import mails, names, persons
from features.simulator.feeds.registers import entered_mails
from features.simulator.run import START, found, run
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.vocabulary import KEY_TYPES
from features.simulator.world import World

_STREETS = tuple(
    f"{start}{end}{side}"
    for start in ("Berk", "Dijk", "Eik", "Hoog", "Kerk", "Linde", "Markt", "Molen", "Park", "School", "Station", "Tuin")
    for end in ("straat", "laan", "weg", "plein", "dreef", "pad", "steenweg", "hof", "kaai", "baan")
    for side in ("", " Noord")
)
_CITIES = tuple(
    start + end
    for start in ("Aster", "Bever", "Dender", "Ette", "Grim", "Hazel", "Koren", "Loven")
    for end in ("gem", "dorp", "beke", "hout", "stad")
)

SLIPS = {"first_name": 0.05, "last_name": 0.06, "street": 0.08, "number": 0.03, "postcode": 0.02, "city": 0.03}
"""In the shops' register: how often each field is mistyped."""

MISSING = {
    "first_name": 0.02,
    "street": 0.12,
    "number": 0.12,
    "postcode": 0.05,
    "city": 0.04,
    "birth_date": 0.25,
    "email": 0.8,
}
"""In the shops' register: how often each field is empty."""

NICKNAME_SHARE, DAY_MONTH_SHARE = 0.15, 0.04
_STRANGERS_BORN = (-11_000, 14_000)

Fields = dict[str, np.ndarray]


@dataclass(frozen=True)
class Registers:
    """``crm``: one row per customer; ``shops``: one per loyalty card, of customers and others.

    Beside the key both have the strings first_name, last_name, street, number, postcode, city, birth_date (ISO 8601)
    and email; null is not known. Which card is whose only `truth.owners` tells.
    """

    crm: pa.Table
    shops: pa.Table

    def write(self, folder: Path) -> None:
        """As ``crm.csv`` and ``shops.csv`` in a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("crm", "shops"):
            csv.write_csv(getattr(self, name), folder / f"{name}.csv")


def registers(
    customers: int, months: int, seed: int, *, start: datetime = START, scenario: Scenario = DEFAULT
) -> Registers:
    """The registers as they stand at the end of `simulate` with the same arguments."""
    world = found(customers, clock(start, months), seed, scenario)
    deque(run(world), maxlen=0)
    return Registers(_crm(world), _shops(world))


def _crm(world: World) -> pa.Table:
    """Everyone who ever was a customer, at the address they live at or last lived at."""
    who = np.flatnonzero(world.people.joined < world.clock.bounds[-1])
    first, last = persons.names(world, who)
    home = persons.addresses(world, persons.home_lanes(world, who), world.people.site[who])
    said = _said(first, last, home, persons.birth_days(world, who), entered_mails(world, who))
    return _table("customer", who, said)


def _shops(world: World) -> pa.Table:
    """Every card taken out so far, with what its holder said then and somebody typed."""
    keys = world.keys
    card = _taken_out(world)
    holder, site = keys.cards.holder[card], keys.cards.site[card]
    ours, lane = holder >= 0, lanes("card", card)
    someone = np.maximum(holder, 0)
    first, last = (
        np.where(ours, theirs, others)
        for theirs, others in zip(persons.names(world, someone), persons.stranger_names(world, card), strict=True)
    )
    home = persons.addresses(world, np.where(ours, persons.home_lanes(world, someone), lane), site)
    elsewhere = whole(world.draws.uniform("stranger born", 0, lane), *_STRANGERS_BORN)
    born = np.where(ours, persons.birth_days(world, someone), elsewhere)
    never_given = mails.address(keys.given.get("mails", 0) + np.arange(len(card)), first, last, np.zeros_like(first))
    said = _said(first, last, home, born, np.where(ours, keys.people.email[someone], never_given))
    return _table("loyalty", card, _mistold(world, said, lane))


def _taken_out(world: World) -> np.ndarray:
    """The cards there are: not those of whom the run or their time as customers ended before."""
    cards = world.keys.cards
    gone = np.where(cards.holder >= 0, world.people.ended[cards.holder], FAR)
    return np.flatnonzero((cards.since < world.clock.bounds[-1]) & (cards.since <= gone))


def _said(
    first: np.ndarray, last: np.ndarray, home: tuple[np.ndarray, ...], born: np.ndarray, mail: np.ndarray
) -> Fields:
    street, number, postcode, city = home
    return {
        "first_name": np.array(mails.FIRST_NAMES, object)[first],
        "last_name": np.array(mails.LAST_NAMES, object)[last],
        "street": np.array(_STREETS, object)[street],
        "number": number.astype(str).astype(object),
        "postcode": postcode.astype(str).astype(object),
        "city": np.array(_CITIES, object)[city],
        "birth_date": born.astype("datetime64[D]").astype(str).astype(object),
        "email": np.array(mails.spelled(mail).to_pylist(), object),
    }


def _mistold(world: World, said: Fields, lane: np.ndarray) -> Fields:
    """The same with nicknames, swapped days and months, slips of the keyboard, and fields left empty."""

    def chosen(topic: str, share: float) -> np.ndarray:
        return np.flatnonzero(world.draws.uniform(topic, 0, lane) < share)

    told = {name: values.copy() for name, values in said.items()}
    for row in chosen("nickname", NICKNAME_SHARE):
        told["first_name"][row] = told["first_name"][row][:3] + "y"
    for row in chosen("day and month", DAY_MONTH_SHARE):
        told["birth_date"][row] = _swapped(told["birth_date"][row])
    for name, share in SLIPS.items():
        where = world.draws.uniform(f"slip in {name}", 0, lane)
        for row in chosen(f"slips in {name}", share):
            told[name][row] = _slipped(told[name][row], where[row])
    for name, share in MISSING.items():
        told[name][chosen(f"{name} missing", share)] = None
    return told


def _swapped(date: str) -> str:
    """Day and month the other way round, where that is a date."""
    year, month, day = date.split("-")
    return f"{year}-{day}-{month}" if int(day) <= 12 else date


def _slipped(text: str, u: float) -> str:
    """One letter lost, doubled, or swapped with the next, where ``u`` in (0, 1) says."""
    place, kind = divmod(int(u * 3 * len(text)), 3)
    before, letter, after = text[:place], text[place], text[place + 1 :]
    return (before + after, before + 2 * letter + after, before + after[:1] + letter + after[1:])[kind]


def _table(kind: str, index: np.ndarray, said: Fields) -> pa.Table:
    key = names.keys(np.full(len(index), KEY_TYPES.index(kind)), index)
    table = pa.table({kind: key} | {name: pa.array(values, pa.string()) for name, values in said.items()})
    return table.sort_by(kind)
