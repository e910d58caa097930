"""Evidence -> reach: through which keys an entity's history is read, since when, and since when that was known.

A row of reach is a rectangle: the entity reached the key for facts with ``at`` in ``[at_from, at_to)``, as known to
cuts in ``(known_from, known_to]``. Rectangles of one (entity, key) never overlap, so no fact is folded twice. Facts
never move: linking, unlinking, reassigning a number and moving house change rectangles and nothing else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.columns import EVER_AGO, FOREVER
from features.conditions import DeclarationError, duration
from features.declare import Link

_BOUNDS = ["at_from", "at_to", "known_from", "known_to"]
_COLUMNS = ["child", "parent", *_BOUNDS]

Rectangle = tuple[int, ...]
"""The interval that was believed, then since when and until when."""


@dataclass(frozen=True)
class Reach:
    """r rectangles ordered by (entity, key, at_from, known_from), all (r,) int64."""

    entity: np.ndarray
    key: np.ndarray
    at_from: np.ndarray
    at_to: np.ndarray
    known_from: np.ndarray
    known_to: np.ndarray

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "Reach":
        """From a frame with columns child (the key), parent (the entity) and the four bounds."""
        frame = frame.sort_values(["parent", "child", "at_from", "known_from"], kind="stable")
        arrays = {name: frame[name].to_numpy(np.int64) for name in _BOUNDS}
        return cls(frame["parent"].to_numpy(np.int64), frame["child"].to_numpy(np.int64), **arrays)

    def inverted(self) -> "Reach":
        """The same rectangles looked up from the other end: ``entity`` and ``key`` swapped."""
        bounds = {name: getattr(self, name) for name in _BOUNDS}
        return Reach.of(pd.DataFrame({"child": self.entity, "parent": self.key, **bounds}))

    def counts(self, entities: np.ndarray) -> np.ndarray:
        """(p,) how many rectangles each entity has, known or not."""
        return np.searchsorted(self.entity, entities, "right") - np.searchsorted(self.entity, entities, "left")

    def rows(self, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(pair, row) for every rectangle of every ``entities[pair]``, ordered by pair, then as stored."""
        low = np.searchsorted(self.entity, entities, "left")
        count = np.searchsorted(self.entity, entities, "right") - low
        pair = np.repeat(np.arange(len(entities)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        return pair, np.repeat(low, count) + within


def links_from_evidence(
    evidence: pa.Table, key_types: dict[int, str], links: Sequence[Link]
) -> dict[Link, pd.DataFrame]:
    """One frame of rectangles (columns child, parent, bounds) per declared link.

    ``evidence`` has the stored columns plus ``until``. Evidence between two key types that no link connects says
    nothing here (ingestion refuses it, but a catalogue may have changed since).
    """
    frame = pd.DataFrame(
        {
            "child": evidence["key_id"].to_numpy(),
            "parent": evidence["other_id"].to_numpy(),
            "candidate": np.array([s == "candidate" for s in evidence["state"].to_pylist()], bool),
            "linked": np.array([s == "linked" for s in evidence["state"].to_pylist()], bool),
            "at": evidence["at"].cast(pa.int64()).to_numpy(),
            "known": evidence["known_at"].cast(pa.int64()).to_numpy(),
            "until": evidence["until"].cast(pa.int64()).fill_null(FOREVER).to_numpy(),
        }
    )
    frame = frame[~frame["candidate"]].drop(columns="candidate")
    frame["child_type"] = frame["child"].map(key_types)
    frame["parent_type"] = frame["parent"].map(key_types)
    links = [link for link in links if not link.is_merge]
    declared = {(link.child, link.parent): link for link in links}
    result = {link: pd.DataFrame({name: np.empty(0, np.int64) for name in _COLUMNS}) for link in links}
    for ends, rows in frame.groupby(["child_type", "parent_type"], sort=True, dropna=False):
        if ends in declared:
            result[declared[ends]] = _rectangles(rows, declared[ends])
    return result


def _rectangles(rows: pd.DataFrame, link: Link) -> pd.DataFrame:
    """Children with one parent ever in one go; the others by replaying what was known when."""
    by = ["child"] if link.one_parent else ["child", "parent"]
    rows = rows.sort_values([*by, "known", "at"], kind="stable", ignore_index=True)
    simple = _simple(rows, by)
    single = rows[simple & ~rows.duplicated(by)]
    single = single.assign(
        at_from=EVER_AGO if link.back is None else np.maximum(single["at"] - duration(link.back), EVER_AGO),
        at_to=FOREVER,
        known_from=single["known"],
        known_to=FOREVER,
    )
    # Of two things said about the same instant, "linked" holds: it stands last.
    several = rows[~simple].sort_values([*by, "at", "known", "linked", "parent"], kind="stable")
    back = None if link.back is None else duration(link.back)
    replayed = [
        (group["child"].iloc[0], *rectangle)
        for _, group in several.groupby(by, sort=False)
        for rectangle in _replay(group, back)
    ]
    return pd.concat([single[_COLUMNS], pd.DataFrame(replayed, columns=_COLUMNS)], ignore_index=True).astype(np.int64)


def _simple(rows: pd.DataFrame, by: list[str]) -> np.ndarray:
    """(n,) bool: rows of children that were linked to one parent only, never unlinked, never revised, and whose first
    known evidence is also the earliest: what was said later adds nothing. ``rows`` are ordered by (by, known, at).
    """
    begins = ~rows.duplicated(by).to_numpy()
    group = np.cumsum(begins) - 1
    parent, at = rows["parent"].to_numpy(), rows["at"].to_numpy()
    plain = rows["linked"].to_numpy() & (rows["until"].to_numpy() == FOREVER)
    plain &= (parent == parent[begins][group]) & (at >= at[begins][group])
    return (np.bincount(group, weights=~plain, minlength=begins.sum()) == 0)[group]


def _replay(group: pd.DataFrame, back: int | None) -> list[Rectangle]:
    """(parent, at_from, at_to, known_from, known_to) of one child, evidence in order of ``at``."""
    parent, linked, at, known, until = (group[n].to_numpy() for n in ("parent", "linked", "at", "known", "until"))

    def believed(instant: int) -> Iterable[tuple[int, ...]]:
        visible = (known <= instant) & (instant < until)
        return _intervals(parent[visible], linked[visible], at[visible], back)

    return _over_time(np.concatenate([known, until]), believed)


def _over_time(instants: np.ndarray, believed: Callable[[int], Iterable[tuple[int, ...]]]) -> list[Rectangle]:
    """Each interval that was believed at some instant, with since when and until when it was."""
    since: dict[tuple[int, ...], int] = {}
    rectangles = []
    for instant in np.unique(instants).tolist():
        now = set(believed(instant))
        rectangles += [(*gone, since.pop(gone), instant) for gone in sorted(set(since) - now)]
        since |= dict.fromkeys(now - set(since), instant)
    return rectangles + [(*interval, begun, FOREVER) for interval, begun in sorted(since.items())]


def _intervals(parent: np.ndarray, linked: np.ndarray, at: np.ndarray, back: int | None) -> list[tuple[int, int, int]]:
    """(parent, at_from, at_to): a link holds until the next evidence that names another parent, or none.

    It reaches ``back`` before its first evidence (``None``: since ever), never into a former parent's time.
    """
    intervals: list[tuple[int, int, int]] = []
    free_since = EVER_AGO
    current: tuple[int, int] | None = None
    for p, is_linked, instant in zip(parent.tolist(), linked.tolist(), at.tolist(), strict=True):
        if current is None and not is_linked:
            free_since = instant
        elif current is not None and (p == current[0]) != is_linked:
            intervals.append((*current, instant))
            free_since, current = instant, None
        if is_linked and current is None:
            current = (p, free_since if back is None else max(instant - back, free_since))
    if current is not None:
        intervals.append((*current, FOREVER))
    return [i for i in intervals if i[1] < i[2]]


def compose(lower: pd.DataFrame, upper: pd.DataFrame) -> pd.DataFrame:
    """``lower`` (child -> middle) and ``upper`` (middle -> parent) give child -> parent, where both hold."""
    joined = lower.merge(upper, left_on="parent", right_on="child", suffixes=("", "_upper"))
    bounds = {
        name: np.maximum(joined[name], joined[f"{name}_upper"])
        if name.endswith("from")
        else np.minimum(joined[name], joined[f"{name}_upper"])
        for name in _BOUNDS
    }
    frame = pd.DataFrame({"child": joined["child"], "parent": joined["parent_upper"], **bounds})
    return frame[(frame["at_from"] < frame["at_to"]) & (frame["known_from"] < frame["known_to"])]


def own_reach(entity_type: str, entities: np.ndarray, links: dict[Link, pd.DataFrame]) -> Reach:
    """Every key whose facts roll up to an entity: the entity's own key for ever, and all that belongs to it.

    ``entities`` (m,) key ids of that type. Follows links downwards through any number of levels.
    """
    itself = pd.DataFrame({"child": entities, "parent": entities})
    itself = itself.assign(at_from=EVER_AGO, at_to=FOREVER, known_from=EVER_AGO, known_to=FOREVER)
    frames, level = [itself], {entity_type: itself}
    while level:
        deeper: dict[str, pd.DataFrame] = {}
        for link, frame in links.items():
            if link.rolls_up and link.parent in level:
                found = compose(frame, level[link.parent])
                deeper[link.child] = pd.concat([deeper[link.child], found]) if link.child in deeper else found
        frames += list(deeper.values())
        level = {t: f for t, f in deeper.items() if len(f)}
    return Reach.of(disjoint(pd.concat(frames, ignore_index=True).astype(np.int64)))


def disjoint(frame: pd.DataFrame) -> pd.DataFrame:
    """The same reach with no two rectangles of one (parent, child) overlapping.

    A key may be reached over several paths (a cookie that two members of a household use); its facts count once.
    """
    several = frame.duplicated(["parent", "child"], keep=False)
    rows = [
        (child, parent, *rectangle)
        for (parent, child), group in frame[several].groupby(["parent", "child"], sort=False)
        for rectangle in _merged(group)
    ]
    return pd.concat([frame[~several], pd.DataFrame(rows, columns=_COLUMNS)], ignore_index=True).astype(np.int64)


def _merged(group: pd.DataFrame) -> list[Rectangle]:
    """(at_from, at_to, known_from, known_to) that cover what the rectangles of one (parent, child) cover, once."""
    low, high, known, until = (group[name].to_numpy() for name in _BOUNDS)

    def believed(instant: int) -> Iterable[tuple[int, ...]]:
        held = (known <= instant) & (instant < until)
        union: list[tuple[int, int]] = []
        for begin, end in sorted(zip(low[held].tolist(), high[held].tolist(), strict=True)):
            if union and begin <= union[-1][1]:
                union[-1] = (union[-1][0], max(end, union[-1][1]))
            else:
                union.append((begin, end))
        return union

    return _over_time(np.concatenate([known, until]), believed)


def parents(entity_type: str, parent_type: str, links: dict[Link, pd.DataFrame]) -> Reach:
    """The parents of each entity of a type, as `Reach` with the parent as ``key``.

    Where no link leads there directly, the fewest that do are followed one after the other: a line is where the
    customer who holds it is. Raises `DeclarationError` where none leads there.
    """
    frame = next((f for link, f in links.items() if (link.child, link.parent) == (entity_type, parent_type)), None)
    if frame is None:
        frame = disjoint(_upwards(entity_type, parent_type, links))
    return Reach.of(frame.rename(columns={"child": "parent", "parent": "child"}))


def _upwards(entity_type: str, parent_type: str, links: dict[Link, pd.DataFrame]) -> pd.DataFrame:
    """Rectangles child -> parent over the fewest links that lead from one type to the other."""
    level = {link.parent: [frame] for link, frame in links.items() if link.child == entity_type}
    passed = {entity_type}
    while level and parent_type not in level:
        passed |= set(level)
        higher: dict[str, list[pd.DataFrame]] = {}
        for link, frame in links.items():
            if link.parent not in passed:
                higher.setdefault(link.parent, []).extend(compose(f, frame) for f in level.get(link.child, ()))
        level = {parent: frames for parent, frames in higher.items() if frames}
    if parent_type not in level:
        raise DeclarationError(f"no link leads from '{entity_type}' to '{parent_type}'")
    return pd.concat(level[parent_type], ignore_index=True)
