"""Rows and reach of some entities: all that their features are computed from.

A `History` is one block of everybody; of a lake that does not fit into memory each bucket is a block. Batch, live
calls, labels and clusters compute through it, and through the one kernel.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.engine import frame, lookups
from features.engine.bound import Bound, Coverage, Part
from features.engine.columns import Columns
from features.engine.frame import Asked
from features.engine.memory import empty
from features.engine.plan import Plan, Step, compile_features
from features.feature import Feature
from features.identity.reach import Reach

_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True)
class Block:
    """Per source its rows and the intervals it is covered in; per entity type (and parent) reach: ``own``, ``parents``.

    Sources it does not hold must be given as empty columns.
    """

    columns: Mapping[str, Columns]
    coverage: Mapping[str, Coverage]
    own: Callable[[str], Reach]
    parents: Callable[[str, str], Reach]

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
        values = self.values(entity_type, entities, cutoffs, features, seen)
        columns = {f.name: self._series(f, column) for f, column in zip(features, values, strict=True)}
        return pd.DataFrame(columns, index=pd.RangeIndex(len(entities)), copy=False)

    def values(
        self,
        entity_type: str,
        entities: np.ndarray,
        cutoffs: np.ndarray,
        features: Sequence[Feature],
        seen: np.ndarray | None = None,
    ) -> np.ndarray:
        """(features, p) float32; of a category the code in its `vocabulary`. Missing is NaN."""
        entities, cutoffs = (np.require(array, np.int64, ["C", "W"]) for array in (entities, cutoffs))
        seen = cutoffs if seen is None else np.require(seen, np.int64, ["C", "W"])
        values = empty((len(features), len(entities)), np.float32)
        for step in compile_features(tuple(features)):
            places = step.features
            in_order = bool((np.diff(places) == 1).all())
            out = values[places[0] : places[-1] + 1] if in_order else np.empty((len(places), len(entities)), np.float32)
            self._fold(entity_type, step, Asked(self.own(entity_type), entities, cutoffs, seen), out)
            if not in_order:
                values[places] = out
        return values

    def vocabulary(self, feature: Feature) -> tuple[str, ...]:
        """The words a category's codes stand for."""
        return self.columns[feature.source].vocabulary(feature.column or "")

    def fold_own(
        self, entity_type: str, plan: Plan, entities: np.ndarray, cutoffs: np.ndarray, seen: np.ndarray
    ) -> np.ndarray:
        """(p, o) float64: any plan folded over the entities' own keys (labels use this)."""
        part = Part(plan, self.columns[plan.source], self.own(entity_type))
        out = np.empty((len(plan.outputs), len(entities)))
        frame.fold(part, Asked(part.reach, np.array(entities, np.int64), np.array(cutoffs), np.array(seen)), out)
        return out.T

    def part(self, entity_type: str, step: Step) -> Part:
        """A step's plan with the rows and the reach it is folded through; of a parent's own history, the parent's."""
        source = step.plan.source
        reach = self.parents(entity_type, step.via) if step.via else self.own(step.of or entity_type)
        return Part(step.plan, self.columns[source], reach, self.coverage.get(source, ()), bool(step.via))

    def _fold(self, entity_type: str, step: Step, pairs: Asked, out: np.ndarray) -> None:
        part = self.part(entity_type, step)
        if step.of:
            frame.fold_of_parent(part, self.parents(entity_type, step.of), pairs, out)
        else:
            frame.fold(part, Asked(part.reach, pairs.entity, pairs.cutoff, pairs.seen), out)

    def _series(self, feature: Feature, values: np.ndarray) -> pd.Series:
        if feature.kind != "category":
            return pd.Series(values, copy=False)
        codes = np.where(np.isnan(values), -1, values).astype(np.int32)
        return pd.Series(pd.Categorical.from_codes(codes, pd.Index(self.vocabulary(feature), dtype="str")))


class Vectors:
    """The features of one entity at a time, with everything that does not depend on it done beforehand.

    What a live call asks: one call of the kernel for all sources and every reach.
    """

    def __init__(self, block: Block, entity_type: str, features: Sequence[Feature]) -> None:
        """Decodes what the features read and compiles the kernel, so that the first call is as fast as the next."""
        self.features = tuple(features)
        steps = compile_features(self.features)
        self._bound = Bound([block.part(entity_type, step) for step in steps])
        self._places = np.concatenate([step.features for step in steps])
        self._reached = [
            (i, block.part(entity_type, step).reach, block.parents(entity_type, step.of) if step.of else None)
            for i, step in enumerate(steps)
        ]

    def spans(self, entity: int, cutoff: int, seen: int) -> np.ndarray:
        """(1, steps, 2) int64: the rectangles each step is folded through."""
        spans = np.empty((1, len(self._reached), 2), np.int64)
        found: dict[int, tuple[int, int]] = {}
        for i, reach, parents in self._reached:
            key = id(reach)
            if key not in found:
                found[key] = reach.span(entity if parents is None else _present(parents, entity, cutoff, seen))
            spans[0, i] = found[key]
        return spans

    def of(self, entity: int, cutoff: int, seen: int | None = None) -> np.ndarray:
        """(features,) float32 at ``cutoff`` as known to ``seen``; the same bits `Block.values` gives for the pair."""
        cuts = np.array([cutoff, cutoff if seen is None else seen], np.int64)
        folded = self.fold(cuts, self.spans(entity, int(cuts[0]), int(cuts[1])))
        values = np.empty(len(folded), np.float32)
        values[self._places] = folded
        return values

    def fold(self, cuts: np.ndarray, spans: np.ndarray) -> np.ndarray:
        """(outputs,) float64 in the order of the steps, for ``cuts`` (2,) cutoff and seen."""
        out = np.empty((len(self._places), 1))
        self._bound.fold(cuts[:1], cuts[1:], spans, out, _FIRST)
        return out[:, 0]


def _present(parents: Reach, entity: int, cutoff: int, seen: int) -> int | None:
    """The present parent's id, ``None`` where there is none."""
    first, last = parents.span(entity)
    found = np.empty(1, np.int64)
    bounds = (parents.key, parents.at_from, parents.at_to, parents.known_from, parents.known_to)
    lookups.present(*bounds, np.array([[first, last]]), np.array([cutoff]), np.array([seen]), found)
    return int(parents.key[found[0]]) if found[0] >= 0 else None
