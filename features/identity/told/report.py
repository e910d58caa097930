"""What the key graph made of the evidence, as of an instant: whose facts are known, what merged, who is guarded."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.dataset import instant
from features.declare import Link
from features.facts import PHASES
from features.history import History
from features.identity.graph.merges import CONTRADICTION, NEVER_MERGED, TOO_MANY
from features.identity.told.tallies import Tally, count_facts, distinct, leads_to


class ReportError(ValueError):
    """Nothing can be said as asked; the message says why."""


@dataclass(frozen=True)
class KeyCount:
    """Of one key type: ``heard`` of in facts or evidence; ``held``: by somebody at the instant, None where
    keys of that type never are; ``guarded``: shared by too many.
    """

    key_type: str
    heard: int
    held: int | None
    guarded: int


@dataclass(frozen=True)
class Spread:
    """Keys a customer holds at the instant, of the ``some`` who hold any beside their own; ``none``: who do not."""

    some: int
    none: int
    median: float
    p99: float
    most: int


@dataclass(frozen=True)
class SaidCount:
    """Evidence of one link known at the instant, in rows: ``withdrawn`` ones were believed before. ``doubtful``:
    keys of the candidates that nobody holds.
    """

    link: str
    linked: int
    unlinked: int
    candidates: int
    doubtful: int
    withdrawn: int


@dataclass(frozen=True)
class GuardCount:
    """Keys of one link that more than ``shared`` parents were seen with. ``parents``: how many keys have how many."""

    link: str
    shared: int | None
    keys: int
    median: float | None
    most: int | None
    parents: dict[str, int]


@dataclass(frozen=True)
class MergeCount:
    """Of one key type: ``aliases`` for which another of the ids ``standing`` stands at the instant; ``ever`` so until
    then, of which ``restored`` are themselves again. ``contradictory`` merges and those of ``too_many`` were said and
    not made, ``never_merged`` ids were said to be apart though nobody had said that they were one.
    """

    key_type: str
    aliases: int
    standing: int
    ever: int
    restored: int
    contradictory: int
    too_many: int
    never_merged: int


@dataclass(frozen=True)
class LinkReport:
    """Who of type ``of`` is known to stand behind which facts at the instant ``at`` (ISO 8601, UTC).

    ``facts`` of keys that lead to them; the tallies by source, type of key, and of the touches of the journey by phase,
    channel and the month they took place in. ``elsewhere``: facts of other keys, such as a site's. ``unconnected``:
    rows of evidence between two types that no link connects.
    """

    of: str
    at: str
    fingerprint: str
    entities: int
    facts: tuple[Tally, ...]
    sources: tuple[Tally, ...]
    key_types: tuple[Tally, ...]
    touches: tuple[Tally, ...]
    phases: tuple[Tally, ...]
    channels: tuple[Tally, ...]
    months: tuple[Tally, ...]
    elsewhere: int
    keys: tuple[KeyCount, ...]
    keys_each: Spread
    merges: tuple[MergeCount, ...]
    guarded: tuple[GuardCount, ...]
    evidence: tuple[SaidCount, ...]
    unconnected: int


def link_report(
    history: History, tables: Iterable[tuple[str, pa.Table]], at: int | None = None, of: str = "customer"
) -> LinkReport:
    """The report at an instant (default: the last that is covered), over the facts of ``tables`` (`fact_tables`).

    Raises `ReportError` for an instant before the first one covered, and for a type of key that is not declared.
    """
    at = history.end if at is None else at
    check_asked(history, at, of)
    counted = count_facts(history, tables, at, of)
    heard = distinct([counted.heard, *_spoken_of(history, at)])
    held = _held(history, at, of)
    aliases = _known(history.graph.members(of), at).query("child != parent")["child"]
    known = heard[pd.Series(heard).isin(history.entities_of[of])]
    entities = known[~pd.Series(known).isin(aliases)]
    evidence = tuple(_said(history, link, at) for link in history.graph.said)
    rows = sum(s.linked + s.unlinked + s.candidates for s in evidence)
    touches = counted.touches
    return LinkReport(
        of=of,
        at=instant(at),
        fingerprint=history.fingerprint,
        entities=len(entities),
        facts=counted.by(None),
        sources=counted.by("source"),
        key_types=counted.by("key_type"),
        touches=touches.by(None),
        phases=tuple(sorted(touches.by("phase"), key=lambda tally: PHASES.index(tally.name))),
        channels=touches.by("channel"),
        months=touches.by("month"),
        elsewhere=counted.elsewhere,
        keys=tuple(_key_count(history, name, at, heard, held, of) for name in history.catalog.key_types),
        keys_each=_spread(held, entities),
        merges=tuple(_merge_count(history, name, at) for name in history.graph.merges),
        guarded=tuple(_guard_count(history, link, at) for link in history.graph.guarded if link.shared),
        evidence=evidence,
        unconnected=max(0, counted.said - rows),
    )


def check_asked(history: History, seen: int, of: str) -> None:
    """Raise `ReportError` where no key of a type is declared, or nothing can have been known at an instant."""
    if of not in history.catalog.key_types:
        raise ReportError(f"'{of}' is not a type of key (there are: {', '.join(history.catalog.key_types)})")
    if seen <= history.start:
        raise ReportError(
            f"nothing was known at {instant(seen)}: the lake covers {instant(history.start)} to {instant(history.end)}"
        )


def _known(frame: pd.DataFrame, at: int) -> pd.DataFrame:
    return frame[(frame["known_from"] < at) & (at <= frame["known_to"])]


def _believed(rows: pd.DataFrame, at: int) -> pd.DataFrame:
    return rows[(rows["known"] < at) & (at <= rows["until"])]


def _spoken_of(history: History, at: int) -> list[np.ndarray]:
    """Ids of the keys that evidence known at the instant names."""
    said = [rows[rows["known"] < at] for rows in history.graph.said.values()]
    return [rows[end].to_numpy(np.int64) for rows in said for end in ("child", "parent")]


def _held(history: History, at: int, of: str) -> pd.DataFrame:
    """Columns entity, key: who holds which keys at the instant, as known then; ids of type ``of`` left out."""
    reach = history.reach(of)
    now = (reach.at_from <= at) & (at < reach.at_to) & (reach.known_from < at) & (at <= reach.known_to)
    held = pd.DataFrame({"entity": reach.entity[now], "key": reach.key[now]})
    return held[~held["key"].isin(history.entities_of[of])].drop_duplicates()


def _key_count(history: History, name: str, at: int, heard: np.ndarray, held: pd.DataFrame, of: str) -> KeyCount:
    ids, leading = pd.Series(history.entities_of[name]), leads_to(history.catalog, of)
    guarded = [_known(f, at)["child"] for link, f in history.graph.guarded.items() if link.child == name]
    known = int(ids.isin(heard).sum())
    return KeyCount(
        key_type=name,
        heard=known,
        held=(known if name == of else int(ids.isin(held["key"]).sum())) if name in leading else None,
        guarded=int(pd.concat(guarded).nunique()) if guarded else 0,
    )


def _spread(held: pd.DataFrame, entities: np.ndarray) -> Spread:
    each = held["entity"].value_counts().to_numpy()
    if not len(each):
        return Spread(0, len(entities), 0.0, 0.0, 0)
    median, p99 = np.quantile(each, [0.5, 0.99])
    return Spread(len(each), len(entities) - len(each), float(median), float(p99), int(each.max()))


def _said(history: History, link: Link, at: int) -> SaidCount:
    rows = history.graph.said[link]
    believed = _believed(rows, at)
    counts = believed["linked"].value_counts()
    doubtful = believed[(believed["linked"] < 0) & (believed["at"] < at)]["child"].unique()
    if not link.is_merge:
        held = _known(history.graph.links[link], at)
        doubtful = np.setdiff1d(doubtful, held[(held["at_from"] <= at) & (at < held["at_to"])]["child"].unique())
    return SaidCount(
        link=words(link),
        linked=int(counts.get(1, 0)),
        unlinked=int(counts.get(0, 0)),
        candidates=int(counts.get(-1, 0)),
        doubtful=len(doubtful),
        withdrawn=int((rows["until"] < at).sum()),
    )


def _guard_count(history: History, link: Link, at: int) -> GuardCount:
    keys = _known(history.graph.guarded[link], at)["child"].unique()
    rows = _believed(history.graph.said[link], at)
    rows = rows[rows["linked"] == 1]
    if link.is_merge:
        rows = pd.concat([rows, rows.rename(columns={"child": "parent", "parent": "child"})])
    parents = rows[rows["child"].isin(keys)].groupby("child")["parent"].nunique()
    return GuardCount(
        link=words(link),
        shared=link.shared,
        keys=len(keys),
        median=float(parents.median()) if len(parents) else None,
        most=int(parents.max()) if len(parents) else None,
        parents=_doubling(parents.to_numpy()),
    )


def _doubling(counts: np.ndarray) -> dict[str, int]:
    """How many of the counts lie in 1, 2, 3-4, 5-8, 9-16, ...; only ranges in which some do."""
    powers = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64)
    return {_range(power): int((powers == power).sum()) for power in np.unique(powers).tolist()}


def _range(power: int) -> str:
    low, high = 2 ** (power - 1) + 1, 2**power
    return str(high) if power == 0 or low == high else f"{low}-{high}"


def _merge_count(history: History, name: str, at: int) -> MergeCount:
    found = history.graph.merges[name]
    members = found.members[found.members["child"] != found.members["parent"]]
    ever, now = members[members["known_from"] < at]["child"].nunique(), _known(members, at)
    problems = found.problems[found.problems["known"] < at]["problem"]
    return MergeCount(
        key_type=name,
        aliases=int(now["child"].nunique()),
        standing=int(now["parent"].nunique()),
        ever=int(ever),
        restored=int(ever - now["child"].nunique()),
        contradictory=int((problems == CONTRADICTION).sum()),
        too_many=int((problems == TOO_MANY).sum()),
        never_merged=int((problems == NEVER_MERGED).sum()),
    )


def words(link: Link) -> str:
    """A link as people read it."""
    return f"{link.child} = {link.parent}" if link.is_merge else f"{link.child} -> {link.parent}"
