"""From a request to an answer: look up, read, decide, say. Loaded once, then only read."""

import uuid
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features import objection
from features.declare import Feature, Task
from features.history import History
from features.rules import holds
from serving.answer import answer
from serving.champion import CHURN, NEEDS
from serving.decide import Person, decide
from serving.match import Match, key_ids, match
from serving.resources import Resources
from serving.schemas import CutsAnswer, DecisionAnswer, DecisionRequest
from serving.settings import Settings, instant

_NOT_ONE = {
    "ambiguous": "the keys belong to different customers",
    "unidentified": "no customer is known by these keys",
}


@dataclass(frozen=True)
class Engine:
    """Everything an answer needs, in memory."""

    settings: Settings
    resources: Resources
    history: History
    features: tuple[Feature, ...]

    @classmethod
    def load(cls, settings: Settings, resources: Resources) -> "Engine":
        """Read the lake and answer once for somebody, so that the kernel is compiled and every model has run."""
        catalog = resources.workspace.catalog
        models = resources.champions
        rules = [rule for name in models.named for rule in catalog.task(name).eligible]
        read = {*models.churn.model.features, *models.needs.model.features, *resources.actions.reads}
        read |= {rule.feature for rule in rules}
        features = tuple(f for f in catalog.features if f.name in read)
        engine = cls(settings, resources, History.load(resources.lake, catalog), features)
        engine._warm()
        return engine

    @property
    def _churn(self) -> Task:
        return self.resources.workspace.catalog.task(CHURN)

    def answer(self, request: DecisionRequest) -> DecisionAnswer:
        """The answer to a request; a 422 `serving.errors.Problem` for keys that cannot be read."""
        keys = key_ids(self.resources.keyring, self.resources.workspace.catalog.key_types, request.keys)
        now = self.settings.now(self.history.end)
        found = match(self.history, self._churn.entity, keys, now, seen=now)
        return self._decide(found, request.channel, request.limit, now)

    def _decide(self, found: Match, channel: str, limit: int, now: int) -> DecisionAnswer:
        resources = self.resources
        windows_end = min(now, self.history.covered_to(self.features))
        person = self._person(found, windows_end, now)
        decision = decide(person, resources.champions, resources.actions, channel, limit)
        cuts = CutsAnswer(windows_end=instant(windows_end), visible_to=instant(now))
        return answer(
            uuid.uuid4().hex,
            found,
            person,
            decision,
            resources.champions,
            resources.workspace.catalog,
            resources.actions,
            cuts,
        )

    def _person(self, found: Match, windows_end: int, now: int) -> Person:
        """What is known of the one candidate; of nobody else is anything read.

        ``windows_end`` is ``now``, or earlier where a feed ends before: a window past its feed's end would be missing,
        and the whole score with it.
        """
        if found.state != "identified":
            why = _NOT_ONE[found.state]
            return Person(missing(self.features), found.state != "ambiguous", why, why)
        entity, entities = self._churn.entity, found.entities
        cutoff, seen = np.array([windows_end]), np.array([now])
        if objection.objects(self.history, entity, entities, seen, seen)[0]:
            return self._objector(found, cutoff, seen)
        row = self.history.frame(entity, entities, cutoff, self.features, seen)
        return Person(row, True, self._not_eligible(CHURN, row), self._not_eligible(NEEDS, row))

    def _objector(self, found: Match, cutoff: np.ndarray, seen: np.ndarray) -> Person:
        """Of who objects to profiling only what service messages ask for is read; all else is as unknown."""
        names = self.resources.actions.reads_of_objectors
        features = tuple(f for f in self.features if f.name in names)
        read = self.history.frame(self._churn.entity, found.entities, cutoff, features, seen)
        row = missing(self.features).assign(**{name: read[name] for name in read.columns})
        return Person(row, True, objection.WORDS, objection.WORDS, objects=True)

    def _not_eligible(self, name: str, row: pd.DataFrame) -> str | None:
        """Why a task may not be asked about this customer: the rule code training draws its rows with."""
        task = self.resources.workspace.catalog.task(name)
        if holds(task.eligible, row)[0]:
            return None
        rules = ", ".join(
            f"{r.feature} {r.operator} {'' if r.value is None else r.value}".strip() for r in task.eligible
        )
        return f"the customer does not meet what the task asks for: {rules}"

    def _warm(self) -> None:
        now = self.settings.now(self.history.end)
        for somebody in (self.history.entities_of[self._churn.entity][:1], np.empty(0, np.int64)):
            self._decide(Match(somebody, ()), self.resources.actions.actions[0].channels[0], 1, now)


def missing(features: tuple[Feature, ...]) -> pd.DataFrame:
    """One row of which nothing is known: unknown is not the same as healthy, or idle."""
    kinds = {"number": "float32", "category": "category"}
    return pd.DataFrame({f.name: pd.Series([None], dtype=kinds[f.kind]) for f in features})
