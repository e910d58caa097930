"""Who a person may be, judged from the keys they come with: each possible customer with a probability.

A key names the parent it belongs to now, those it was seen with as recently as its kind says something about the past
(`Link.back`: a household's browser), and those it may belong to (`candidate` evidence), each with a probability; the
rest is "somebody else". Guarded keys name nobody. Several keys are independent statements about one of N people, so
that (by Bayes' rule, with everybody equally likely before) the one whom two keys name is nearly certain, and of two
whom one key each names the more trusted key's is likelier.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.conditions import duration
from features.declare import Link
from features.engine.columns import FOREVER
from features.identity.graph.graph import Graph

_DOUBT = 1e-6
"""What is left for "somebody else" even where keys leave none: two certain keys may contradict each other."""

Named = dict[int, float]


@dataclass(frozen=True)
class Naming:
    """The key graph, looked up by child: ``type_of`` tells a key's type (`identity.graph.evidence.Kinds`)."""

    graph: Graph
    type_of: Callable[[int], str | None]
    _sorted: dict[tuple[str, Link | str], dict[str, np.ndarray]] = field(default_factory=dict)

    def named_by(self, key_type: str, key: int, entity_type: str, now: int, seen: int) -> Named:
        """Entities a key names just before ``now``, as known at ``seen``: probabilities that add up to 1 at most."""
        head, same = self._group(key_type, key, seen)
        if key_type == entity_type:
            return {head: 1.0} if self.type_of(key) else {}
        found: Named = {}
        for link in self.graph.links:
            if link.child == key_type and link.rolls_up:
                by_link: Named = {}
                parents: Named = {}
                for child in same:
                    named = self._parents(link, child, now, seen)
                    parents |= {parent: max(p, parents.get(parent, 0.0)) for parent, p in named.items()}
                for parent, p in parents.items():
                    for entity, q in self.named_by(link.parent, parent, entity_type, now, seen).items():
                        by_link[entity] = by_link.get(entity, 0.0) + p * q
                found |= {entity: max(p, found.get(entity, 0.0)) for entity, p in by_link.items()}
        total = max(1.0, sum(found.values()))
        return {entity: p / total for entity, p in found.items()}

    def _parents(self, link: Link, key: int, now: int, seen: int) -> Named:
        """The parents a key has by one link; those it may have share what the certain ones leave."""
        if self._guarded(link, key, seen):
            return {}
        counts = self._seen_with(link, key, now, seen) if link.shared else {}
        for parent in self._holders(link, key, now, seen):
            counts[parent] = counts.get(parent, 0) + 1
        total = sum(counts.values())
        named = {parent: link.trust * count / total for parent, count in counts.items()}
        left = 1.0 - sum(named.values())
        for parent, confidence in self._maybe(link, key, now, seen).items():
            named[parent] = named.get(parent, 0.0) + left * confidence
        return named

    def _guarded(self, link: Link, key: int, seen: int) -> bool:
        guarded = self._of("guarded", link, self.graph.guarded[link], key)
        return bool(((guarded["known_from"] < seen) & (seen <= guarded["known_to"])).any())

    def _holders(self, link: Link, key: int, now: int, seen: int) -> list[int]:
        frame = self._of("links", link, self.graph.links[link], key)
        held = (frame["at_from"] <= now) & (now < frame["at_to"])
        held &= (frame["known_from"] < seen) & (seen <= frame["known_to"])
        return frame["parent"][held].tolist()

    def _seen_with(self, link: Link, key: int, now: int, seen: int) -> dict[int, int]:
        """How often the key was recently seen with each parent it is not known to be apart from."""
        if link.back is None and not link.undone:
            return {}
        since = -FOREVER if link.back is None else now - duration(link.back)
        counts: dict[int, int] = {}
        for parent, at, linked in self._statements(link, key, now, seen):
            if linked == 0:
                counts.pop(parent, None)
            elif linked == 1 and at >= since:
                counts[parent] = counts.get(parent, 0) + 1
        return counts

    def _maybe(self, link: Link, key: int, now: int, seen: int) -> Named:
        rows = self._of("said", link, self.graph.said[link], key)
        kept = (rows["linked"] < 0) & (rows["at"] < now) & (rows["known"] < seen) & (seen <= rows["until"])
        confidence = np.nan_to_num(rows["confidence"][kept], nan=0.5).tolist()
        found = dict(zip(rows["parent"][kept].tolist(), confidence, strict=True))
        last = {parent: linked for parent, _, linked in self._statements(link, key, now, seen)}
        found = {parent: c for parent, c in found.items() if last[parent] != 0}
        total = max(1.0, sum(found.values()))
        return {parent: c / total for parent, c in found.items()}

    def _statements(self, link: Link, key: int, now: int, seen: int) -> Iterator[tuple[int, int, int]]:
        """(parent, at, linked) of what is known and happened before now, in the order of ``at``."""
        rows = self._of("said", link, self.graph.said[link], key)
        kept = (rows["at"] < now) & (rows["known"] < seen) & (seen <= rows["until"])
        yield from zip(*(rows[name][kept].tolist() for name in ("parent", "at", "linked")), strict=True)

    def _of(self, what: str, link: Link | str, frame: pd.DataFrame, child: int) -> dict[str, np.ndarray]:
        """A child's rows of a frame, whose columns are kept as arrays ordered by child once it is first asked for."""
        if (what, link) not in self._sorted:
            order = [name for name in ("child", "at", "known", "linked", "parent") if name in frame]
            ordered = frame.sort_values(order, kind="stable")
            self._sorted[what, link] = {str(name): np.array(ordered[name]) for name in ordered.columns}
        columns = self._sorted[what, link]
        low, high = np.searchsorted(columns["child"], np.array([child, child + 1]))
        return {name: values[low:high] for name, values in columns.items()}

    def _group(self, key_type: str, key: int, seen: int) -> tuple[int, list[int]]:
        """The key that stands for this one, and all that are the same as known at ``seen``, itself included."""
        merges = self.graph.merges.get(key_type)
        if merges is None or not len(members := merges.members):
            return key, [key]
        own = self._of("members", key_type, members, key)
        heads = own["parent"][(own["known_from"] < seen) & (seen <= own["known_to"])]
        if not len(heads):
            return key, [key]
        swapped = {"child": "parent", "parent": "child"}
        same = self._of("heads", key_type, members.rename(columns=swapped), int(heads[0]))
        known = (same["known_from"] < seen) & (seen <= same["known_to"])
        return int(heads[0]), same["parent"][known].tolist()


def judged(named: Sequence[Mapping[int, float]], people: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """(entities, weights): c of them, rising, and their probabilities; what they leave of 1 is "none of them".

    ``named``: what each key says on its own; a key that names nobody says nothing. ``people``: N, how many there are.
    """
    telling = [n for n in named if n]
    if not telling:
        return (), ()
    entities = sorted({entity for n in telling for entity in n})
    many = math.log(max(people, 2))
    scores, score_none = dict.fromkeys(entities, -many), 0.0
    for n in telling:
        none = math.log(max(1.0 - sum(n.values()), _DOUBT))
        for entity in entities:
            p = n.get(entity, 0.0)
            scores[entity] += math.log(max(p, _DOUBT)) + many if p > 0 else none
        score_none += none
    most = max(score_none, *scores.values())
    likely = [math.exp(score - most) for score in scores.values()]
    total = sum(likely) + math.exp(score_none - most)
    return tuple(entities), tuple([one / total for one in likely])
