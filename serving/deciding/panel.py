"""One set of champions, ready to answer: what they read, how, and the policy that decides with what they say."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np

from features import objection
from features.declare import Catalog, Feature, Task
from features.engine.live.fold import LiveFold
from features.engine.live.layout import Layout
from models.nba.policy import MISSING, OTHER, Known, Likely, Policy
from serving.champion import CHURN, NEEDS, Champions
from serving.deciding.vector import Reader, Space, Vector


@dataclass(frozen=True)
class Ground:
    """What stays when models change: the catalogue, the layout of packed histories, and the policy."""

    catalog: Catalog
    layout: Layout
    policy: Policy

    @property
    def churn(self) -> Task:
        """The task whose entity is decided about."""
        return self.catalog.task(CHURN)

    @property
    def needs(self) -> Task:
        """The task of the needs."""
        return self.catalog.task(NEEDS)

    def declared(self, feature: Feature) -> tuple[str, ...] | None:
        """The few values a category may have; ``None``: any."""
        section = next(s for s in self.layout.sections if s.source == feature.source)
        return section.declared(feature.column or "")


class Panel:
    """Champions that answer together. Made, and warmed by being made, outside the way of requests; then only read.

    Folds have room of their own to work in, so each thread has its own of them.
    """

    def __init__(self, champions: Champions, ground: Ground) -> None:
        self.champions, self.ground = champions, ground
        catalog = ground.catalog
        answered = _read(champions, ground)
        self._told = len(answered)
        self.space = self._space((*answered, *_compared(champions, ground, answered)))
        self.churn = Reader(champions.churn, self.space)
        self.needs = Reader(champions.needs, self.space)
        self.visitors_space = self._space(catalog.visitors.features if catalog.visitors else ())
        self.visitors = {task: Reader(c, self.visitors_space) for task, c in champions.visitors.items()}
        policy, kinds = ground.policy, {f.name: f.kind for f in self.space.features}
        self._numbers = np.array([[self.space.place[name] for name in policy.reads]], np.int64)
        self._no_codes = np.full(self._numbers.shape, MISSING, np.int32)
        self._codes = [
            (j, name, {word: policy.code_of(name, word) for word in (*policy.words.get(name, ()), None)})
            for j, name in enumerate(policy.reads)
            if kinds[name] == "category"
        ]
        self._needed = [need if need in champions.needs.model.labels else "" for need in policy.needs]
        self._folds = threading.local()
        self.fold()
        self.visitors_fold()

    @property
    def names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The features of a customer and of a visitor that answers depend on."""
        return self.space.names[: self._told], self.visitors_space.names

    def told(self, vector: Vector) -> np.ndarray:
        """(f,) the numbers of a vector that an answer depends on, in the order of `names`."""
        return vector.numbers[: self._told] if vector.space is self.space else vector.numbers

    @property
    def label(self) -> str:
        """What the churn model calls leaving."""
        return self.champions.churn_label

    def fold(self) -> LiveFold:
        """The fold of customers' features, of this thread."""
        found: LiveFold | None = getattr(self._folds, "customers", None)
        if found is None:
            layout = self.ground.layout
            found = LiveFold(layout, layout.of_customers, self.space.features)
            self._folds.customers = found
        return found

    def visitors_fold(self) -> LiveFold:
        """The fold of visitors' features, of this thread."""
        found: LiveFold | None = getattr(self._folds, "visitors", None)
        if found is None:
            layout = self.ground.layout
            found = LiveFold(layout, layout.of_visitors, self.visitors_space.features)
            self._folds.visitors = found
        return found

    def known(self, vector: Vector, certain: bool, objects: bool) -> Known:
        """A person as the rules see them."""
        codes = self._no_codes.copy()
        for j, name, mentioned in self._codes:
            codes[0, j] = mentioned.get(vector.words[name], OTHER)
        numbers = vector.numbers[self._numbers].astype(np.float64)
        return Known(numbers, codes, np.array([certain]), np.array([objects]))

    def likely(self, needs: Mapping[str, float], churn: float) -> Likely:
        """What is predicted of a person; NaN: nothing."""
        table = [needs.get(need, nan) for need in self._needed]
        return Likely(np.array([table], np.float64), np.array([churn], np.float64))

    def _space(self, features: tuple[Feature, ...]) -> Space:
        return Space(features, {f.name: self.ground.declared(f) for f in features if f.kind == "category"})


def _read(champions: Champions, ground: Ground) -> tuple[Feature, ...]:
    """Every feature an answer about a customer needs, in the order the catalogue declares them."""
    names = {*champions.churn.model.features, *champions.needs.model.features, *ground.policy.reads}
    names |= {rule.feature for task in (ground.churn, ground.needs) for rule in task.eligible}
    names |= {rule.feature for rule in (ground.catalog.objection,) if rule is not None}
    return tuple(f for f in ground.catalog.features if f.name in names)


def _compared(champions: Champions, ground: Ground, answered: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """What challengers read beyond that."""
    names = {name for challenger in champions.challengers.values() for name in challenger.model.features}
    return tuple(f for f in ground.catalog.features if f.name in names - {f.name for f in answered})


def objects(panel: Panel, vector: Vector) -> bool:
    """Whether somebody objects to profiling."""
    rule = panel.ground.catalog.objection
    return rule is not None and vector.meets((rule,))


WORDS = objection.WORDS
