"""Why nobody is known to hold a key at an instant: what is said of it, and what keeps that from naming somebody."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from features.declare import Link
from features.history import History
from features.identity.graph.evidence import APART, CANDIDATE
from features.identity.told.chain import Statement, ending, known_at, links_up, spoken, statements
from features.identity.told.report import words
from features.identity.told.tallies import leads_to

WHAT = {
    "guarded": "too many share it",
    "ended": "it was linked before and no longer",
    "not_yet": "it was linked only afterwards",
    "later": "that it was linked became known later",
    "dropped": "it was believed to be linked, and no longer",
    "apart": "all that is known is whose it is not",
    "candidate": "it may belong to somebody",
    "never": "no evidence links it to anybody",
    "unheard": "no fact or evidence names it",
}
"""What a reason may be, the closest first, in words."""


@dataclass(frozen=True)
class Reason:
    """One of `WHAT`, of the key ``child`` by one link (None: by any). ``at``: when that began or ended; ``known``: when
    it became known; ``by``: what ended it; ``parents``: how many share the key. Times are UTC microseconds.
    """

    what: str
    child_type: str
    child: int
    link: str | None = None
    parent: int | None = None
    at: int | None = None
    known: int | None = None
    by: str | None = None
    parents: int | None = None
    evidence: tuple[Statement, ...] = ()


def reasons(
    history: History, evidence: pa.Table, key_type: str, key: int, at: int, seen: int, of: str
) -> tuple[Reason, ...]:
    """Why no ``of`` is known to hold the key at ``at``, as known at ``seen``; the closest reasons first."""
    if history.naming.type_of(key) != key_type:
        return (Reason("unheard", key_type, key),)
    order = list(WHAT)
    found = sorted(_reasons(history, evidence, key_type, key, at, seen, of), key=lambda r: order.index(r.what))
    return tuple(found) or (Reason("never", key_type, key),)


def _reasons(
    history: History, evidence: pa.Table, key_type: str, key: int, at: int, seen: int, of: str
) -> Iterator[Reason]:
    leading = leads_to(history.catalog, of)
    for link in links_up(history, key_type):
        if link.parent not in leading:
            continue
        frame = history.graph.links[link]
        mine = frame[frame["child"] == key]
        over = mine[(mine["at_from"] <= at) & (at < mine["at_to"])]
        held = _known(over, seen)
        for parent in held["parent"].tolist():
            yield from reasons(history, evidence, link.parent, parent, at, seen, of)
        if not len(held):
            rows = spoken(history, evidence, link, key)
            yield from _guarded(history, link, key, rows, seen)
            yield from _at_other_times(link, key, mine, rows, at, seen)
            yield from _then_or_later(link, key, over, rows, seen)
            yield from _said(link, key, rows, seen)


def _known(frame: pd.DataFrame, seen: int) -> pd.DataFrame:
    return frame[(frame["known_from"] < seen) & (seen <= frame["known_to"])]


def _guarded(history: History, link: Link, key: int, rows: pd.DataFrame, seen: int) -> Iterator[Reason]:
    frame = history.graph.guarded[link]
    for known in _known(frame[frame["child"] == key], seen)["known_from"].tolist():
        linked = known_at(rows, seen).query("linked")
        yield Reason("guarded", link.child, key, words(link), known=known, parents=int(linked["other_id"].nunique()))


def _at_other_times(
    link: Link, key: int, mine: pd.DataFrame, rows: pd.DataFrame, at: int, seen: int
) -> Iterator[Reason]:
    """The last parent before the instant and the first one after it, as known at ``seen``."""
    known, believed = _known(mine, seen), known_at(rows, seen)
    for row in known[known["at_to"] <= at].nlargest(1, "at_to").to_dict(orient="records"):
        by, parent = ending(believed, link, row["parent"], row["at_to"]), row["parent"]
        said = believed[believed["at"] == row["at_to"]]
        known_from = row["known_from"]
        yield Reason(
            "ended", link.child, key, words(link), parent, row["at_to"], known_from, by, evidence=statements(said)
        )
    for row in known[known["at_from"] > at].nsmallest(1, "at_from").to_dict(orient="records"):
        said = believed[(believed["other_id"] == row["parent"]) & believed["linked"]].head(1)
        times = {"at": row["at_from"], "known": row["known_from"]}
        yield Reason(
            "not_yet", link.child, key, words(link), row["parent"], **times, by=link.back, evidence=statements(said)
        )


def _then_or_later(link: Link, key: int, over: pd.DataFrame, rows: pd.DataFrame, seen: int) -> Iterator[Reason]:
    """Who held it at that instant by what was known before or became known after."""
    for row in over[over["known_from"] >= seen].nsmallest(1, "known_from").to_dict(orient="records"):
        said = rows[(rows["known_at"] == row["known_from"]) & (rows["other_id"] == row["parent"])]
        yield Reason(
            "later", link.child, key, words(link), row["parent"], known=row["known_from"], evidence=statements(said)
        )
    for row in over[over["known_to"] < seen].nlargest(1, "known_to").to_dict(orient="records"):
        changed = rows[(rows["known_at"] == row["known_to"]) | (rows["until"] == row["known_to"])]
        yield Reason(
            "dropped", link.child, key, words(link), row["parent"], known=row["known_to"],
            by="withdrawn" if (rows["until"] == row["known_to"]).any() else None, evidence=statements(changed),
        )  # fmt: skip


def _said(link: Link, key: int, rows: pd.DataFrame, seen: int) -> Iterator[Reason]:
    """What links nothing: candidates, and being apart from somebody."""
    believed = known_at(rows, seen)
    for row in believed[believed["state"] == CANDIDATE].to_dict(orient="records"):
        said = statements(believed[believed["id"] == row["id"]])
        yield Reason(
            "candidate", link.child, key, words(link), row["other_id"], row["at"], row["known_at"], evidence=said
        )
    apart, linked = believed[believed["state"] == APART], believed[believed["linked"]]
    if link.undone:
        of_each = believed[believed["state"] != CANDIDATE].drop_duplicates("other_id", keep="last")
        linked = of_each[of_each["linked"]]
    if len(apart) and not len(linked):
        last = apart.iloc[-1]
        yield Reason(
            "apart", link.child, key, words(link), int(last["other_id"]), int(last["at"]), int(last["known_at"]),
            evidence=statements(apart),
        )  # fmt: skip
