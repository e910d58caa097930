"""Probabilities given everything there is to know: many futures of the same customers, lived by the same code."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from features.simulator.clock import DAY, FAR, MONTH_DAYS, Clock, clock
from features.simulator.feeds import names, offers
from features.simulator.life.decisions import chance_of_yes, eligible, show
from features.simulator.life.people import PAST_HAZARD_MONTHLY
from features.simulator.run import START, Part, end, found, live, run
from features.simulator.scenario import DEFAULT, NEEDS, Scenario
from features.simulator.truth.fork import Fork
from features.simulator.vocabulary import ACTIONS, KEY_TYPES
from features.simulator.world import World

HORIZONS = (30, 60, 90)
MOST_ROWS = 120_000
"""Copies of customers lived at once: what fits into the processor's cache lives fastest."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Operator:
    """Which simulation the truth is about: the arguments of `simulate`."""

    customers: int
    months: int
    seed: int
    start: datetime = START
    scenario: Scenario = DEFAULT

    def world(self) -> tuple[World, Clock]:
        """The operator before its first day."""
        time = clock(self.start, self.months)
        return found(self.customers, time, self.seed, self.scenario), time


def futures(
    operator: Operator,
    cutoffs: Sequence[datetime],
    *,
    replays: int = 16,
    horizons: Sequence[int] = HORIZONS,
    share: float = 1.0,
    unseen: bool = False,
    progress: Progress | None = None,
) -> pa.Table:
    """P(leave) and P(each need is voiced) within the horizons, given the full state at each cutoff.

    Columns: ``customer``, ``cutoff``, ``leave_<days>``, ``<need>_<days>`` (float), ``frailty``, ``noticed`` (when the
    notice was really given, null if never in the run); with ``unseen`` also ``blind_<days>``: P(leave) for someone of
    the mean frailty of those who stayed as long. Rows: the customers not known to be leaving at the cutoff, or a
    ``share`` of them, whole accounts. ``cutoffs`` are midnights UTC within the run; raises `ValueError` otherwise.
    ``progress(done, cutoffs)``.
    """
    _check(replays, horizons, share)
    world, time = operator.world()
    days = _days(cutoffs, time)
    tables = []
    for part in run(world):
        if part is Part.MORNING and world.day in days:
            who = _present(world, share)
            parts = [
                _future(world, block, replays, horizons, unseen)
                for block in _blocks(world, who, replays * (1 + unseen))
            ]
            tables += parts
            if progress:
                progress(days.index(world.day) + 1, len(days))
    return _with_notices(_together(tables), world)


def effects(
    operator: Operator,
    cutoffs: Sequence[datetime],
    *,
    replays: int = 16,
    horizons: Sequence[int] = HORIZONS,
    share: float = 1.0,
    at_contact: bool = False,
    progress: Progress | None = None,
) -> pa.Table:
    """What each action would do: one row per customer, cutoff and action, `do_nothing` among them.

    Columns: ``customer``, ``cutoff``, ``action``, ``eligible`` (by the logging policy's rules), ``accept`` (probability
    of a yes), ``leave_<days>``, ``<need>_<days>``, ``value_share`` (monthly value when the last horizon ends, over that
    at the cutoff). The action is shown once, later contacts are decided as usual; arms share their luck. Rows: one
    member of each account (or of a ``share`` of them), since what is done to one is felt by the others; or, with
    ``at_contact``, those whom the operator decided about on that day, as at that moment.
    """
    _check(replays, horizons, share)
    world, time = operator.world()
    days = _days(cutoffs, time)
    tables = []
    for part in run(world):
        if world.day in days and part is (Part.CONTACTED if at_contact else Part.MORNING):
            who = _in_contact(world) if at_contact else _one_each(world, _present(world, share))
            for block in _blocks(world, who, replays * len(ACTIONS)):
                tables.append(_acted(world, block, replays, horizons, begun=at_contact))
            if progress:
                progress(days.index(world.day) + 1, len(days))
    return _together(tables)


def _together(tables: list[pa.Table]) -> pa.Table:
    if not tables:
        raise ValueError("nobody is there to ask about at these cutoffs: a larger share, or other days")
    return pa.concat_tables(tables)


def _check(replays: int, horizons: Sequence[int], share: float) -> None:
    if replays < 1:
        raise ValueError(f"replays must be at least 1; got {replays}")
    if not horizons or min(horizons) < 1:
        raise ValueError(f"horizons are days, one or more of them, each at least 1; got {tuple(horizons)}")
    if not 0 < share <= 1:
        raise ValueError(f"share must be above 0 and at most 1; got {share}")


def _days(cutoffs: Sequence[datetime], time: Clock) -> list[int]:
    days = []
    if not cutoffs:
        raise ValueError("cutoffs: name at least one midnight UTC")
    for cutoff in cutoffs:
        micros = int(cutoff.timestamp()) * 10**6 if cutoff.tzinfo else None
        if micros is None or (micros - time.start) % DAY or not 0 <= (micros - time.start) // DAY < time.days:
            raise ValueError(f"cutoffs are midnights UTC within the simulated months; got {cutoff.isoformat()}")
        days.append((micros - time.start) // DAY)
    return days


def _present(world: World, share: float) -> np.ndarray:
    """Customers nobody knows to be leaving; the silent ones are among them."""
    people = world.people
    who = world.alive[people.noticed[world.alive] > world.now]
    first = world.accounts.first[people.account[who]]
    return who[world.roll("asked for the truth", first) < share]


def _one_each(world: World, who: np.ndarray) -> np.ndarray:
    """One of them from every account, any member as likely; whom no action can reach any more is left out."""
    who = who[~world.people.silent[who]]
    order = np.argsort(world.roll("which member", who))
    return np.sort(who[order[np.unique(world.people.account[who[order]], return_index=True)[1]]])


def _in_contact(world: World) -> np.ndarray:
    contacts = offers.todays(world)
    who = np.zeros(0, np.int64) if contacts is None else contacts["who"]
    people = world.people
    return who[(people.noticed[who] > world.now) & (people.ended[who] > world.now) & (who < len(world.morning))]


def _blocks(world: World, who: np.ndarray, copies: int) -> Iterator[np.ndarray]:
    """Customers in parts of whole accounts, small enough to be lived at once."""
    order = who[np.argsort(world.people.account[who], kind="stable")]
    size = max(1, MOST_ROWS // copies)
    starts = np.flatnonzero(np.diff(world.people.account[order], prepend=-1))
    begin = 0
    while begin < len(order):
        fits = starts[(starts > begin) & (starts <= begin + size)]
        stop = (
            len(order)
            if begin + size >= len(order)
            else int(fits.max(initial=starts[starts > begin].min(initial=len(order))))
        )
        yield order[begin:stop]
        begin = stop


def _future(world: World, who: np.ndarray, replays: int, horizons: Sequence[int], unseen: bool) -> pa.Table:
    fork = Fork(world, who, 1 + unseen, replays)
    if unseen:
        _blind(fork)
    _live(fork.world, max(horizons))
    columns = _told(fork, 0, world.day, horizons)
    columns["frailty"] = world.people.frailty[who]
    if unseen:
        blind = _told(fork, 1, world.day, horizons)
        columns |= {f"blind_{days}": blind[f"leave_{days}"] for days in horizons}
    return pa.table(_head(world, who) | columns)


def _blind(fork: Fork) -> None:
    """In the second arm nobody's frailty is their own: everyone has the mean of those who stayed as long."""
    world, rows = fork.world, fork.rows[1].ravel()
    half = len(world.people) // 2
    everyone = np.arange(half, 2 * half)
    months = (world.now - world.people.joined[everyone]) / (DAY * MONTH_DAYS)
    world.people.frailty[everyone] = 1 / (1 + world.scenario.frailty_variance * PAST_HAZARD_MONTHLY * months)
    assert rows.min(initial=half) >= half


def _acted(world: World, who: np.ndarray, replays: int, horizons: Sequence[int], begun: bool) -> pa.Table:
    fork = Fork(world, who, len(ACTIONS), replays)
    before = world.people.price[who]
    accept = []
    for number in range(len(ACTIONS)):
        rows = fork.rows[number].ravel()
        action = np.full(len(rows), number)
        accept.append(chance_of_yes(world, who, np.full(len(who), number)))
        show(fork.world, rows, action)
    _live(fork.world, max(horizons), decided=True, begun=begun)
    may = eligible(world, who)
    tables = []
    for number, action_id in enumerate(ACTIONS):
        price = fork.world.people.price[fork.rows[number]].mean(axis=0) / before
        columns = {"action": [action_id] * len(who), "eligible": may[:, number], "accept": accept[number]}
        columns |= _told(fork, number, world.day, horizons) | {"value_share": price}
        tables.append(pa.table(_head(world, who) | columns))
    return pa.concat_tables(tables)


def _live(fork: World, days: int, *, decided: bool = False, begun: bool = False) -> None:
    """So many days of the fork; on the first one the decisions, or all until then, may have been made already."""
    _watch_silent(fork)
    for day in range(fork.day, fork.day + days):
        first = day == fork.day
        if not (first and begun):
            fork.wake(day)
            live(fork)
        end(fork, decided=decided and first)


def _watch_silent(fork: World) -> None:
    """Those who fell silent before are sure to be concluded to have left."""
    silent = fork.alive[fork.people.silent[fork.alive]]
    days = fork.clock.day_of(fork.people.noticed[silent])
    for day in np.unique(days):
        fork.tally.add("leave", int(day), silent[days == day], 1.0)  # type: ignore[union-attr]


def _told(fork: Fork, arm: int, begin: int, horizons: Sequence[int]) -> dict[str, np.ndarray]:
    tally = fork.world.tally
    assert tally is not None
    found = {}
    for topic in ("leave", *NEEDS):
        for days in horizons:
            chance = tally.within(topic, begin, begin + days)[fork.rows[arm]].mean(axis=0)
            found[f"{topic}_{days}"] = np.minimum(chance, 1.0)
    return found


def _head(world: World, who: np.ndarray) -> dict[str, pa.Array]:
    kinds = np.full(len(who), KEY_TYPES.index("customer"))
    return {
        "customer": names.keys(kinds, who),
        "number": pa.array(who),
        "cutoff": names.instants(np.full(len(who), world.now)),
    }


def _with_notices(told: pa.Table, world: World) -> pa.Table:
    """What really came, as far as the run went."""
    noticed = world.people.noticed[told["number"].to_numpy()]
    seen = np.where((noticed < FAR) & (noticed < world.clock.bounds[-1]), noticed, -1)
    return told.drop_columns("number").append_column("noticed", names.instants(seen))
