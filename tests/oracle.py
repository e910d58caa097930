"""The slow and obvious twin of the feature engine: plain Python over plain facts, one feature of one pair at a time.

It restates the rule of time and the meaning of links from the words of the design, sharing no code with the engine
but the declarations and the tie-break hash of an id.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from features.conditions import Condition, duration
from features.declare import Feature, Link
from features.facts import source

DAY = 86_400_000_000


@dataclass(frozen=True)
class Fact:
    """One stored row; times are integers in microseconds."""

    id: str
    key: int
    at: int
    known_at: int
    void: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


def tie(fact: Fact) -> tuple[int, int, int]:
    rank = pd.util.hash_array(np.array([fact.id], dtype=object)).view(np.int64)[0]
    return fact.at, fact.known_at, int(rank)


def visible(facts: Sequence[Fact], seen: int) -> list[Fact]:
    """The latest revision of each id among those known before ``seen``, unless it is void."""
    latest: dict[str, Fact] = {}
    for fact in facts:
        if fact.known_at < seen and (fact.id not in latest or fact.known_at > latest[fact.id].known_at):
            latest[fact.id] = fact
    return [f for f in latest.values() if not f.void]


def spoken(evidence: Sequence[Fact], link: Link, types: Mapping[int, str], seen: int) -> list[Fact]:
    """What is said of one link type, as known at ``seen``: no candidates, nothing of keys too many share."""
    rows = [e for e in visible(evidence, seen) if (types[e.key], types[e.values["other"]]) == (link.child, link.parent)]
    rows = [e for e in rows if e.values["state"] != "candidate"]
    with_whom: dict[int, set[int]] = {}
    for e in rows:
        if e.values["state"] == "linked" and e.key != e.values["other"]:
            with_whom.setdefault(e.key, set()).add(e.values["other"])
            if link.is_merge:
                with_whom.setdefault(e.values["other"], set()).add(e.key)
    guarded = {key for key, others in with_whom.items() if link.shared is not None and len(others) > link.shared}
    return [e for e in rows if e.key not in guarded and not (link.is_merge and e.values["other"] in guarded)]


def holdings(
    evidence: Sequence[Fact], link: Link, types: Mapping[int, str], seen: int
) -> list[tuple[int, int, float, float]]:
    """(child, parent, at_from, at_to) of one link type, as known at ``seen``."""
    rows = spoken(evidence, link, types, seen)
    if link.undone:
        order = {id(e): (e.at, e.known_at, e.values["state"] == "linked", e.values["other"]) for e in rows}
        apart = [e for e in rows if e.values["state"] == "unlinked"]
        rows = [
            e
            for e in rows
            if e.values["state"] == "linked"
            and not any(
                (a.key, a.values["other"]) == (e.key, e.values["other"]) and order[id(a)] > order[id(e)] for a in apart
            )
        ]
    back = math.inf if link.back is None else duration(link.back)
    groups: dict[Any, list[Fact]] = {}
    for e in rows:
        groups.setdefault(e.key if link.one_parent else (e.key, e.values["other"]), []).append(e)
    held = []
    for group in groups.values():
        group.sort(key=lambda e: (e.at, e.known_at, e.values["state"] == "linked", e.values["other"]))
        holder, since, free = None, 0.0, -math.inf
        for e in group:
            parent, linked = e.values["other"], e.values["state"] == "linked"
            ends = holder is not None and ((linked and parent != holder) or (not linked and parent == holder))
            if ends:
                held.append((e.key, holder, since, e.at))
                holder, free = None, e.at
            elif holder is None and not linked:
                free = e.at
            if linked and holder is None:
                holder, since = parent, max(e.at - back, free)
        if holder is not None:
            held.append((group[0].key, holder, since, math.inf))
    return [h for h in held if h[2] < h[3]]


def the_same(evidence: Sequence[Fact], link: Link, types: Mapping[int, str], seen: int) -> list[set[int]]:
    """The groups of keys that are the same one, as known at ``seen``."""
    last: dict[tuple[int, int], Fact] = {}
    for e in sorted(
        spoken(evidence, link, types, seen), key=lambda e: (e.known_at, e.at, e.values["state"] == "linked", tie(e))
    ):
        pair = min(e.key, e.values["other"]), max(e.key, e.values["other"])
        if pair[0] != pair[1]:
            last = {other: said for other, said in last.items() if other != pair} | {pair: e}
    apart = {pair for pair, e in last.items() if e.values["state"] == "unlinked"}
    groups: list[set[int]] = []
    for pair, e in last.items():
        touched = [g for g in groups if g & set(pair)]
        union = set(pair).union(*touched)
        crossing = {(a, b) for a in union for b in union if a < b}
        new = {p for p in crossing if not any(set(p) <= g for g in touched)}
        few = link.shared is None or len(union) <= link.shared + 1
        if e.values["state"] == "linked" and few and not new & apart:
            groups = [g for g in groups if g not in touched] + [union]
    return groups


def united(held: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """The same times of each key, none of them twice."""
    result: list[tuple[int, float, float]] = []
    for key, low, high in sorted(held):
        if result and result[-1][0] == key and low <= result[-1][2]:
            result[-1] = (key, result[-1][1], max(high, result[-1][2]))
        else:
            result.append((key, low, high))
    return result


@dataclass(frozen=True)
class World:
    """Everything the oracle answers from."""

    facts: Mapping[str, Sequence[Fact]]
    evidence: Sequence[Fact]
    types: Mapping[int, str]
    links: Sequence[Link]
    coverage: Mapping[str, Sequence[tuple[int, int]]]

    def group(self, key: int, seen: int) -> set[int]:
        """The keys that are the same one as a key, itself included."""
        for link in self.links:
            if link.is_merge and link.child == self.types[key]:
                for group in the_same(self.evidence, link, self.types, seen):
                    if key in group:
                        return group
        return {key}

    def stands(self, key: int, seen: int) -> int:
        """The oldest of the keys that are the same one: first named by any evidence, then the smallest."""

        said = [e for link in self.links if link.is_merge for e in spoken(self.evidence, link, self.types, seen)]
        parents = {e.values["other"] for e in said if e.values["state"] == "linked"}

        def age(member: int) -> tuple[float, bool, int]:
            named = [e.known_at for e in self.evidence if not e.void and member in (e.key, e.values["other"])]
            return min(named, default=math.inf), member not in parents, member

        return min(self.group(key, seen), key=age)

    def own(self, entity: int, seen: int) -> list[tuple[int, float, float]]:
        """(key, at_from, at_to) that roll up to an entity; nothing where another stands for it."""
        if self.stands(entity, seen) != entity:
            return []
        return [held for member in self.group(entity, seen) for held in self.below(member, seen)]

    def below(self, entity: int, seen: int) -> list[tuple[int, float, float]]:
        keys = [(entity, -math.inf, math.inf)]
        for link in self.links:
            if link.rolls_up and link.parent == self.types[entity] and not link.is_merge:
                for child, parent, low, high in holdings(self.evidence, link, self.types, seen):
                    for key, a, b in (k for c in self.group(child, seen) for k in self.below(c, seen)):
                        if parent == entity and max(a, low) < min(b, high):
                            keys.append((key, max(a, low), min(b, high)))
        return keys

    def parents(self, entity: int, kind: str, seen: int) -> list[tuple[int, float, float]]:
        """(parent, at_from, at_to) over the fewest links that lead to a kind; over several, touching times are one."""
        paths = self.paths(self.types[entity], kind)
        found = [held for path in paths for held in self.climbed(entity, path, seen)]
        merged = any(link.is_merge and link.child == self.types[entity] for link in self.links)
        return found if len(paths[0]) == 1 and not merged else united(found)

    def paths(self, start: str, kind: str) -> list[list[Link]]:
        """The shortest ways up from a type to another."""
        links = [link for link in self.links if not link.is_merge]
        ways = [[link] for link in links if link.child == start]
        while not any(way[-1].parent == kind for way in ways):
            ways = [[*way, link] for way in ways for link in links if link.child == way[-1].parent]
        return [way for way in ways if way[-1].parent == kind]

    def climbed(self, entity: int, path: list[Link], seen: int) -> list[tuple[int, float, float]]:
        if self.stands(entity, seen) != entity:
            return []
        held = [(entity, -math.inf, math.inf)]
        for link in path:
            held = [
                (parent, max(low, a), min(high, b))
                for key, low, high in held
                for member in self.group(key, seen)
                for child, parent, a, b in holdings(self.evidence, link, self.types, seen)
                if child == member and max(low, a) < min(high, b)
            ]
        return held

    def reached(self, feature: Feature, entity: int, c: int, seen: int) -> list[tuple[int, float, float]] | None:
        if feature.via:
            return self.parents(entity, feature.via, seen) or None
        if feature.of:
            present = [p for p in self.parents(entity, feature.of, seen) if p[1] < c <= p[2]]
            if not present:
                return None
            parent = min(present, key=lambda p: (-p[1], p[0]))[0]
            return self.own(parent, seen)
        return self.own(entity, seen)

    def value(self, feature: Feature, entity: int, c: int, seen: int | None = None) -> Any:
        """One feature of one pair: a float, NaN for missing, or a category's text (None: missing)."""
        seen = c if seen is None else seen
        windows = 2 if feature.aggregate == "rate_change" else 1
        low = -math.inf if feature.window is None else c - duration(feature.window)
        first = -math.inf if feature.window is None else c - windows * duration(feature.window)
        reached = self.reached(feature, entity, c, seen)
        if reached is None:
            return math.nan
        if feature.window is not None and not any(
            a <= first and c <= b for a, b in self.coverage.get(feature.source, ())
        ):
            return math.nan
        rows = [
            f
            for f in visible(self.facts.get(feature.source, ()), seen)
            if f.at < c and any(f.key == key and a <= f.at < b for key, a, b in reached)
        ]

        def still_reached(f: Fact) -> bool:
            return any(f.key == key and a <= f.at < b and b >= c for key, a, b in reached)

        return aggregate(feature, rows, low, c, still_reached)


def aggregate(feature: Feature, rows: list[Fact], low: float, c: int, still_reached: Callable[[Fact], bool]) -> Any:
    """``rows``: the facts reached up to the cutoff; ``still_reached``: whether a fact's key is, there."""
    column = feature.column
    matching = [f for f in rows if all(meets(f, x) for x in feature.conditions) and not (column and missing(f, column))]
    inside = [f for f in matching if f.at >= low]
    match feature.aggregate:
        case "count":
            return float(len(inside))
        case "sum":
            return float(exact(f.values[column] for f in inside))
        case "mean":
            return float(exact(f.values[column] for f in inside) / len(inside)) if inside else math.nan
        case "min":
            return min((f.values[column] for f in inside), default=math.nan)
        case "max":
            return max((f.values[column] for f in inside), default=math.nan)
        case "distinct":
            return float(len({f.values[column] for f in inside}))
        case "repeats":
            return float(len(inside) - len({f.values[column] for f in inside}))
        case "share":
            among = [f for f in rows if f.at >= low and all(meets(f, x) for x in feature.among_conditions)]
            both = [f for f in among if f in inside]
            return float(Fraction(len(both), len(among))) if among else math.nan
        case "rate_change":
            earlier = [f for f in matching if 2 * low - c <= f.at < low]
            before, lately = (
                float(exact(f.values[column] for f in part) if column else len(part)) for part in (earlier, inside)
            )
            both_sizes = abs(lately) + abs(before)
            return (lately - before) / both_sizes if both_sizes else 0.0
        case "since_last":
            return (c - max(f.at for f in inside)) / DAY if inside else math.nan
        case "last":
            if not inside:
                return math.nan
            value = max(inside, key=tie).values[column]
            return (value - c) / DAY if source(feature.source).column(column).kind == "time" else value
        case "open" | "open_age":
            ages = [(c - since) / DAY for last, since in open_cases(rows) if last in inside and still_reached(last)]
            return float(len(ages)) if feature.aggregate == "open" else max(ages, default=0.0)
    raise AssertionError(feature.aggregate)


def missing(fact: Fact, column: str) -> bool:
    value = fact.values.get(column)
    return value is None or value != value


def exact(values: Iterable[float]) -> Fraction:
    """The sum without rounding, of amounts cut towards zero to whole 2^-60ths."""
    return Fraction(sum(int(Fraction(value) * 2**60) for value in values), 2**60)


def open_cases(rows: list[Fact]) -> list[tuple[Fact, int]]:
    """Of each case that was opened after it was last cleared: its last opening, and when it was first opened since."""
    found = []
    for case in {f.values["case"] for f in rows}:
        of_case = [f for f in rows if f.values["case"] == case]
        ordered = sorted(of_case, key=lambda f: (f.at, f.known_at, f.values["state"] == "cleared", tie(f)))
        if ordered[-1].values["state"] == "opened":
            cleared = [i for i, f in enumerate(ordered) if f.values["state"] == "cleared"]
            found.append((ordered[-1], ordered[cleared[-1] + 1 if cleared else 0].at))
    return found


def meets(fact: Fact, condition: Condition) -> bool:
    if missing(fact, condition.column):
        return False
    value = fact.values[condition.column]
    if condition.values is not None:
        return (str(value).lower() if isinstance(value, bool) else str(value)) in condition.values
    return (condition.low is None or value >= condition.low) and (condition.high is None or value < condition.high)
