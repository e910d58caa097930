"""Why a key belongs to somebody at an instant, as known then: from link to link up to them, with the evidence of each.

The way up restates reach (`identity.reach`) for one key, so that every answer comes with its grounds; a test holds the
two together over random worlds.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Link
from features.engine.columns import EVER_AGO, FOREVER
from features.history import History
from features.identity.graph.evidence import APART, LINKED


@dataclass(frozen=True)
class Statement:
    """One row of evidence: ``id`` said that keys are linked, unlinked or perhaps linked (candidate).

    ``until``: when it was revised or withdrawn. Times are UTC microseconds.
    """

    id: str
    state: str
    at: int
    known_at: int
    until: int | None
    confidence: float | None


@dataclass(frozen=True)
class Step:
    """``child`` belonged to ``parent`` in ``[at_from, at_to)``, as known in ``(known_from, known_to]``.

    ``rule``: "link" (seen together before the instant asked for), "back" (only after it, but the link reaches back) or
    "alias" (the parent stands for the child, as the two are one). ``ended``: what ends it at ``at_to``, "newer link" or
    "apart". ``evidence``: what it holds by, in the order of ``at``. Ids are surrogates (`identity.keys`).
    """

    child_type: str
    child: int
    parent_type: str
    parent: int
    rule: str
    back: str | None
    at_from: int
    at_to: int
    known_from: int
    known_to: int
    ended: str | None
    evidence: tuple[Statement, ...]


@dataclass(frozen=True)
class Holding:
    """``entity`` holds the key by ``steps`` (none: it is its own key), and stands for ``aliases`` too.

    The bounds are those within which all steps hold.
    """

    entity: int
    aliases: tuple[int, ...]
    at_from: int
    at_to: int
    known_from: int
    known_to: int
    steps: tuple[Step, ...]


def holdings(
    history: History, evidence: pa.Table, key_type: str, key: int, at: int, seen: int, of: str
) -> tuple[Holding, ...]:
    """Who of type ``of`` holds a key at ``at``, as known at ``seen``: every way up, the shortest of each first.

    ``evidence``: the stored columns and ``until``, as `Lake.read` gives them.
    """
    if history.naming.type_of(key) != key_type:
        return ()
    ways = sorted(_ways(history, evidence, key_type, key, at, seen, of), key=len)
    found = [_holding(history, of, steps[-1].parent if steps else key, steps, seen) for steps in ways]
    return tuple(sorted(found, key=lambda h: h.entity))


def standing(history: History, key_type: str, key: int, seen: int) -> int:
    """The key that stands for this one as known at ``seen``: itself, unless the two were merged."""
    mine = _members(history, key_type, "child", key, seen)
    return int(mine["parent"].iloc[0]) if len(mine) else key


def same(history: History, key_type: str, key: int, seen: int) -> tuple[int, ...]:
    """All keys that are one with this, itself first."""
    group = _members(history, key_type, "parent", standing(history, key_type, key, seen), seen)
    return (key, *sorted(set(group["child"].tolist()) - {key}))


def links_up(history: History, key_type: str) -> tuple[Link, ...]:
    """The links by which facts of a type's keys belong to others, merges left out."""
    return tuple(link for link in history.graph.links if link.child == key_type and link.rolls_up)


def spoken(history: History, evidence: pa.Table, link: Link, child: int) -> pd.DataFrame:
    """All rows of evidence about a child by one link: id, other_id, state, confidence and times in microseconds."""
    said = history.graph.said[link]
    parents = pa.array(said.loc[said["child"] == child, "parent"].unique(), pa.int64())
    kept = pc.and_(pc.equal(evidence["key_id"], child), pc.is_in(evidence["other_id"], value_set=parents))
    return _frame(evidence.filter(kept))


def statements(rows: pd.DataFrame) -> tuple[Statement, ...]:
    """The rows of `spoken` as records."""
    return tuple(
        Statement(
            id=str(row["id"]),
            state=str(row["state"]),
            at=int(row["at"]),
            known_at=int(row["known_at"]),
            until=int(row["until"]) if row["until"] < FOREVER else None,
            confidence=None if row["confidence"] != row["confidence"] else float(row["confidence"]),
        )
        for row in rows.to_dict(orient="records")
    )


def known_at(rows: pd.DataFrame, seen: int) -> pd.DataFrame:
    """The rows of `spoken` believed at ``seen``, in the order in which they are taken (`identity.replay`)."""
    rows = rows[(rows["known_at"] < seen) & (seen <= rows["until"])]
    rows = rows.assign(linked=rows["state"] == LINKED)
    return rows.sort_values(["at", "known_at", "linked", "other_id"], kind="stable", ignore_index=True)


def ending(rows: pd.DataFrame, link: Link, parent: int, at_to: int) -> str | None:
    """What of the rows (`known_at`) ends a link to a parent at an instant."""
    if at_to >= FOREVER:
        return None
    then = rows[rows["at"] == at_to]
    newer = link.one_parent and ((then["state"] == LINKED) & (then["other_id"] != parent)).any()
    return "newer link" if newer else "apart"


def _ways(
    history: History, evidence: pa.Table, key_type: str, key: int, at: int, seen: int, of: str
) -> Iterator[tuple[Step, ...]]:
    if key_type == of:
        yield _merged(history, evidence, key_type, key, standing(history, key_type, key, seen), seen)
        return
    for one in same(history, key_type, key, seen):
        before = _merged(history, evidence, key_type, key, one, seen)
        for link in links_up(history, key_type):
            for rectangle in _holds(history.graph.links[link], one, at, seen).to_dict(orient="records"):
                step = _step(history, evidence, link, rectangle, at, seen)
                for after in _ways(history, evidence, link.parent, step.parent, at, seen, of):
                    yield (*before, step, *after)


def _holds(frame: pd.DataFrame, child: int, at: int, seen: int) -> pd.DataFrame:
    mine = frame[frame["child"] == child]
    now = (mine["at_from"] <= at) & (at < mine["at_to"])
    return mine[now & (mine["known_from"] < seen) & (seen <= mine["known_to"])]


def _step(history: History, evidence: pa.Table, link: Link, rectangle: dict, at: int, seen: int) -> Step:
    child, parent = int(rectangle["child"]), int(rectangle["parent"])
    rows = known_at(spoken(history, evidence, link, child), seen)
    held = _standing_rows(rows, link, parent)
    held = held[(held["at"] >= rectangle["at_from"]) & (held["at"] < rectangle["at_to"])]
    return Step(
        child_type=link.child,
        child=child,
        parent_type=link.parent,
        parent=parent,
        rule="link" if (held["at"] <= at).any() else "back",
        back=link.back,
        at_from=int(rectangle["at_from"]),
        at_to=int(rectangle["at_to"]),
        known_from=int(rectangle["known_from"]),
        known_to=int(rectangle["known_to"]),
        ended=ending(rows, link, parent, int(rectangle["at_to"])),
        evidence=statements(held),
    )


def _standing_rows(rows: pd.DataFrame, link: Link, parent: int) -> pd.DataFrame:
    """What links the parent; where being apart undoes what was said before, only what was said after."""
    mine = rows[rows["other_id"] == parent]
    if link.undone and (mine["state"] == APART).any():
        mine = mine.loc[mine.index > mine.index[mine["state"] == APART].max()]
    return mine[mine["linked"]]


def _merged(history: History, evidence: pa.Table, key_type: str, key: int, other: int, seen: int) -> tuple[Step, ...]:
    """From a key to another that is one with it: one step, or none where they are the same id."""
    if key == other:
        return ()
    link = next(link for link in history.graph.said if link.is_merge and link.child == key_type)
    spans = [_members(history, key_type, "child", one, seen).iloc[0] for one in (key, other)]
    return (
        Step(
            child_type=key_type,
            child=key,
            parent_type=key_type,
            parent=other,
            rule="alias",
            back=None,
            at_from=max(int(span["at_from"]) for span in spans),
            at_to=min(int(span["at_to"]) for span in spans),
            known_from=max(int(span["known_from"]) for span in spans),
            known_to=min(int(span["known_to"]) for span in spans),
            ended=None,
            evidence=statements(_between(history, evidence, link, key, other, seen)),
        ),
    )


def _between(history: History, evidence: pa.Table, link: Link, key: int, other: int, seen: int) -> pd.DataFrame:
    """The statements that make two keys one, over as few others as they allow."""
    group = pa.array(same(history, link.child, key, seen), pa.int64())
    inside = pc.and_(*(pc.is_in(evidence[end], value_set=group) for end in ("key_id", "other_id")))
    rows = known_at(_frame(evidence.filter(inside)), seen)
    rows = rows[rows["state"].isin([LINKED, APART]) & (rows["key_id"] != rows["other_id"])]
    pairs = [frozenset(pair) for pair in rows[["key_id", "other_id"]].itertuples(index=False)]
    last = dict(zip(pairs, rows["linked"], strict=True))
    path = _shortest({pair for pair, linked in last.items() if linked}, key, other)
    return rows[[pair in path and linked for pair, linked in zip(pairs, rows["linked"], strict=True)]]


def _shortest(pairs: set[frozenset[int]], start: int, end: int) -> set[frozenset[int]]:
    """The pairs on a shortest way from one key to another."""
    came: dict[int, int] = {start: start}
    level = [start]
    while level and end not in came:
        reached = [(here, next(iter(pair - {here}))) for here in level for pair in pairs if here in pair]
        level = [there for _, there in reached if there not in came]
        came |= {there: here for here, there in reached if there not in came}
    path, here = set(), end
    while here in came and here != start:
        path.add(frozenset((here, came[here])))
        here = came[here]
    return path


def _holding(history: History, of: str, entity: int, steps: tuple[Step, ...], seen: int) -> Holding:
    return Holding(
        entity=entity,
        aliases=same(history, of, entity, seen)[1:],
        at_from=max((step.at_from for step in steps), default=EVER_AGO),
        at_to=min((step.at_to for step in steps), default=FOREVER),
        known_from=max((step.known_from for step in steps), default=EVER_AGO),
        known_to=min((step.known_to for step in steps), default=FOREVER),
        steps=steps,
    )


def _members(history: History, key_type: str, end: str, key: int, seen: int) -> pd.DataFrame:
    members = history.graph.members(key_type)
    mine = members[members[end] == key]
    return mine[(mine["known_from"] < seen) & (seen <= mine["known_to"])]


def _frame(rows: pa.Table) -> pd.DataFrame:
    times = {name: rows[name].cast(pa.int64()) for name in ("at", "known_at", "until")}
    times["until"] = pc.fill_null(times["until"], FOREVER)
    columns = {name: rows[name].to_numpy().astype(np.int64) for name in ("key_id", "other_id")}
    confidence = rows["confidence"].to_pandas() if "confidence" in rows.column_names else np.nan
    words = {name: rows[name].to_pandas().astype(object) for name in ("id", "state")}
    return pd.DataFrame({**words, **columns, **{name: t.to_numpy() for name, t in times.items()}}).assign(
        confidence=confidence
    )
