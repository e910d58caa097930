"""Everything known, in memory: the arrays of every source beside the reach of every entity.

One object answers batch and live questions alike: `History.frame` for any (entity, cutoff) pairs, `History.find` for
the entity behind a key. It is loaded from a lake's snapshot and never changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from features.declare import Catalog, Feature, Task
from features.engine import in_memory
from features.engine.block import Block
from features.engine.bound import Coverage
from features.engine.columns import FOREVER, Columns, Pieces
from features.engine.decode import micros, runs_of_keys
from features.engine.frame import known
from features.engine.plan import Plan, read_by
from features.identity.candidates import Naming, judged
from features.identity.graph.evidence import Kinds
from features.identity.graph.graph import Graph, read_graph
from features.identity.reach import Reach, own_reach, parents
from features.lake import Lake, Snapshot
from features.rules import holds


@dataclass(frozen=True)
class History:
    """Facts, reach and coverage of one lake, through one catalogue. Times are int64 UTC microseconds."""

    catalog: Catalog
    columns: dict[str, Columns]
    graph: Graph
    coverage: dict[str, Coverage]
    entities_of: dict[str, np.ndarray]
    fingerprint: str
    naming: Naming
    assumed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Source -> the delays by which its ``known_at`` was assumed, not read, such as ``("1h",)``."""
    _reach: dict[str, Reach] = field(default_factory=dict)
    _parents: dict[tuple[str, str], Reach] = field(default_factory=dict)
    _by_key: dict[str, Reach] = field(default_factory=dict)
    _heard: dict[str, np.ndarray] = field(default_factory=dict)
    _unread: dict[str, Pieces] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        lake: Lake,
        catalog: Catalog,
        snapshot: Snapshot | None = None,
        *,
        facts: bool = True,
        within: Mapping[str, tuple[int, int]] | None = None,
    ) -> "History":
        """Read what the catalogue needs. A source the lake does not hold is empty and uncovered: missing, not zero.

        Without ``facts`` only who is who and what is covered is read: every source is empty (see `buckets`). Of a
        source ``within`` names no other facts than those of ``low <= at < high`` will be asked for (`looked_at`).
        """
        snapshot, within = snapshot or lake.snapshot(), within or {}
        read = columns_read(catalog)
        held = [name for name in read if snapshot.files.get(name)]
        columns = {name: lake.columns(name, read[name], snapshot, within.get(name)) for name in held if facts}
        unread = {name: lake.pieces(name, snapshot) for name in held if not facts or name in within}
        evidence, keys = lake.read("evidence", snapshot), lake.keys(snapshot)
        history = cls._of(columns, evidence, keys, dict(snapshot.coverage), catalog, snapshot.fingerprint)
        assumed = {name: delays for name in held if (delays := snapshot.assumed(name))}
        return replace(history, _unread=unread, assumed=assumed)

    @classmethod
    def of(
        cls,
        tables: dict[str, pa.Table],
        evidence: pa.Table,
        keys: pa.Table,
        coverage: dict[str, Coverage],
        catalog: Catalog,
        fingerprint: str = "",
    ) -> "History":
        """From tables in memory: facts with ``until`` per source, evidence with ``until``, keys (key_id, key_type)."""
        columns = {name: in_memory.from_table(name, table) for name, table in tables.items()}
        return cls._of(columns, evidence, keys, coverage, catalog, fingerprint)

    @classmethod
    def _of(
        cls,
        columns: dict[str, Columns],
        evidence: pa.Table,
        keys: pa.Table,
        coverage: dict[str, Coverage],
        catalog: Catalog,
        fingerprint: str,
    ) -> "History":
        kinds = Kinds.of(keys)
        for name in columns_read(catalog):
            columns.setdefault(name, in_memory.empty(name))
        graph = read_graph(evidence, kinds, catalog.links)
        entities_of = {t: kinds.of_type(t) for t in catalog.key_types}
        return cls(catalog, columns, graph, coverage, entities_of, fingerprint, Naming(graph, kinds.type_of))

    @property
    def end(self) -> int:
        """The last instant any source is covered to: the cut up to which this history can speak."""
        ends = [high for intervals in self.coverage.values() for _, high in intervals]
        return max(ends) if ends else 0

    def covered_to(self, features: Sequence[Feature]) -> int:
        """Up to where every feed the features' windows read is covered: the last instant a window may end at.

        A source that was never covered does not count: its windows are missing at any instant.
        """
        read = {f.source for f in features if f.window is not None}
        ends = [self.coverage[name][-1][1] for name in read if self.coverage.get(name)]
        return min(ends, default=self.end)

    @property
    def start(self) -> int:
        """The first instant any source is covered from."""
        starts = [low for intervals in self.coverage.values() for low, _ in intervals]
        return min(starts) if starts else 0

    def reach(self, entity_type: str) -> Reach:
        """Through which keys entities of a type are read."""
        if entity_type not in self._reach:
            self._reach[entity_type] = own_reach(entity_type, self.entities_of[entity_type], self.graph)
        return self._reach[entity_type]

    def parents(self, entity_type: str, parent_type: str) -> Reach:
        """Which parents of a type (site, account, caller, ...) each entity had when."""
        if (entity_type, parent_type) not in self._parents:
            self._parents[entity_type, parent_type] = parents(entity_type, parent_type, self.graph)
        return self._parents[entity_type, parent_type]

    def first_known(self, entity_type: str) -> np.ndarray:
        """(m,) when each of ``entities_of[entity_type]`` was first heard of: its own key in a fact or in a link."""
        heard = [
            pd.Series(np.minimum.reduceat(c.known, c.starts[:-1]), c.keys)
            for name, c in self.columns.items()
            if len(c) and name not in self._unread
        ]
        heard += [known_since(pieces) for pieces in self._unread.values()]
        heard += [f.set_index(end)["known_from"] for f in self.graph.links.values() for end in ("child", "parent")]
        if not heard:
            return np.full(len(self.entities_of[entity_type]), FOREVER, np.int64)
        first = pd.concat(heard).groupby(level=0).min()
        found = first.reindex(self.entities_of[entity_type], fill_value=FOREVER)
        members = self.graph.members(entity_type)
        if len(members):
            heard_of = np.maximum(members["known_from"].to_numpy(), found.reindex(members["child"]).to_numpy())
            found = pd.concat([found, pd.Series(heard_of, members["parent"].to_numpy())]).groupby(level=0).min()
        return found.reindex(self.entities_of[entity_type], fill_value=FOREVER).to_numpy(np.int64)

    def standing(self, entity_type: str, entities: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """(p,) bool: not an alias, as known to ``seen`` (p,): of several that are the same, one stands for them all."""
        pair, _ = known(self.reach(entity_type), entities, seen)
        return np.bincount(pair, minlength=len(entities)) > 0

    def group(self, entity_type: str, entities: np.ndarray, seen: int) -> tuple[np.ndarray, np.ndarray]:
        """(row, member): every entity that is the same one as ``entities[row]``, as known at ``seen``; itself too."""
        members = self.graph.members(entity_type)
        members = members[(members["known_from"] < seen) & (seen <= members["known_to"])]
        heads = self.heads(entity_type, entities, seen)
        merged = np.flatnonzero(np.isin(heads, members["parent"]))
        pairs = pd.DataFrame({"row": merged, "parent": heads[merged]}).merge(members[["child", "parent"]], on="parent")
        alone = np.setdiff1d(np.arange(len(entities)), merged)
        return np.append(alone, pairs["row"].to_numpy(np.int64)), np.append(entities[alone], pairs["child"])

    def heads(self, entity_type: str, entities: np.ndarray, seen: int) -> np.ndarray:
        """(p,) int64: the entity that stands for each as known at ``seen``; itself where it was merged with none."""
        members = self.graph.members(entity_type)
        members = members[(members["known_from"] < seen) & (seen <= members["known_to"])].sort_values("child")
        if not len(members):
            return entities
        place = np.minimum(np.searchsorted(members["child"], entities), len(members) - 1)
        found = members["child"].to_numpy()[place] == entities
        return np.where(found, members["parent"].to_numpy()[place], entities)

    def owners(
        self, entity_type: str, keys: np.ndarray, at: np.ndarray, seen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(row, entity): who reached ``keys[row]`` at the instant ``at[row]``, as known to ``seen[row]``."""
        if entity_type not in self._by_key:
            self._by_key[entity_type] = self.reach(entity_type).inverted()
        by_key = self._by_key[entity_type]
        row, found = by_key.rows(keys)
        kept = (by_key.at_from[found] <= at[row]) & (at[row] < by_key.at_to[found])
        kept &= (by_key.known_from[found] < seen[row]) & (seen[row] <= by_key.known_to[found])
        return row[kept], by_key.key[found[kept]]

    def find(self, key_type: str, key_id: int, now: int, seen: int, entity_type: str = "customer") -> np.ndarray:
        """Ids of the entities that hold a key at an instant, as known at ``seen``; empty when nobody is known to."""
        if key_type not in self.catalog.key_types:
            raise KeyError(f"unknown key type '{key_type}' (known: {', '.join(self.catalog.key_types)})")
        _, entity = self.owners(entity_type, np.array([key_id]), np.array([now]), np.array([seen]))
        return np.unique(entity)

    def candidates(
        self, keys: Sequence[tuple[str, int]], now: int, seen: int, entity_type: str = "customer"
    ) -> tuple[np.ndarray, np.ndarray]:
        """(entities, weights) of who may come with these (type, id) keys at ``now``, as known at ``seen``.

        (c,) int64, rising, and (c,) float64 probabilities; what they leave of 1 is "none of them". The same key twice
        says no more than once.
        """
        named = [self.naming.named_by(*key, entity_type, now, seen) for key in dict.fromkeys(keys)]
        if entity_type not in self._heard:
            self._heard[entity_type] = np.sort(self.first_known(entity_type))
        entities, weights = judged(named, int(np.searchsorted(self._heard[entity_type], seen)))
        return np.array(entities, np.int64), np.array(weights, np.float64)

    @property
    def block(self) -> Block:
        """Everybody's rows and reach."""
        return Block(self.columns, self.coverage, self.reach, self.parents)

    def frame(
        self,
        entity_type: str,
        entities: np.ndarray,
        cutoffs: np.ndarray,
        features: Sequence[Feature],
        seen: np.ndarray | None = None,
    ) -> pd.DataFrame:
        """One row per pair, one column per feature: float32 (NaN: missing) or pandas ``category``.

        ``entities``, ``cutoffs`` (p,) int64; ``seen`` (p,) the visibility cut where it differs from the cutoff.
        """
        return self.block.frame(entity_type, entities, cutoffs, features, seen)

    def fold_own(
        self, entity_type: str, plan: Plan, entities: np.ndarray, cutoffs: np.ndarray, seen: np.ndarray
    ) -> np.ndarray:
        """(p, o) float64: any plan folded over the entities' own keys (labels use this)."""
        return self.block.fold_own(entity_type, plan, entities, cutoffs, seen)

    def eligible(
        self, task: Task, entities: np.ndarray, cutoffs: np.ndarray, seen: np.ndarray | None = None
    ) -> np.ndarray:
        """(p,) bool: the pairs a task may be asked about; the same code in training and live."""
        if not task.eligible:
            return np.ones(len(entities), bool)
        named = {f.name: f for f in self.catalog.features}
        features = [named[name] for name in dict.fromkeys(rule.feature for rule in task.eligible)]
        return holds(task.eligible, self.frame(task.entity, entities, cutoffs, features, seen))


def columns_read(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Every source the catalogue's features, labels, triggers and visitors read, with the columns they need."""
    visitors = catalog.visitors
    read = {k: set(v) for k, v in read_by([*catalog.features, *(visitors.features if visitors else ())]).items()}
    events = [event for task in catalog.tasks for event in task.events]
    for event in [*events, visitors.asked] if visitors else events:
        read.setdefault(event.source, set()).update(c.column for c in event.conditions)
    return {name: tuple(sorted(names)) for name, names in read.items()}


def known_since(pieces: Pieces) -> pd.Series:
    """Per key when the first of its rows became known, read piece by piece."""
    first: pd.Series = pd.Series(dtype=np.int64)
    for piece in range(len(pieces.counts)):
        table = pieces.read(piece, ["key_id", "known_at"])
        keys, starts = runs_of_keys(table["key_id"].to_numpy(), 0)
        if len(keys):
            first = pd.concat([first, pd.Series(np.minimum.reduceat(micros(table["known_at"]), starts), keys)])
    return first.groupby(level=0).min()
