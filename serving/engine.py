"""From a request to an answer: look up, read, decide, say. Loaded once, then only read."""

import uuid
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features import objection
from features.conditions import DAY
from features.declare import Feature, Task
from features.history import History
from features.rules import holds
from features.visitors import last_visit, own_facts
from serving.answer import answer
from serving.champion import CHURN, NEEDS
from serving.decide import Person, decide
from serving.match import Match, key_ids, match
from serving.resources import Resources
from serving.schemas import CutsAnswer, DecisionAnswer, DecisionRequest
from serving.scores import Candidates, Visitor
from serving.settings import Settings, instant

_RECENT = 7 * DAY
"""So long after a visit it tells what comes; how likely a customer was here it tells for good."""

_NOT_ONE = {
    "one": "it is not certain enough that it is this customer, and no score of them may be given",
    "ambiguous": "it is open which customer it is, and of too few of them a score may be given",
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
        """What is known of the one candidate, of each of several, or of keys without a name.

        ``windows_end`` is ``now``, or earlier where a feed ends before: a window past its feed's end would be missing,
        and the whole score with it.
        """
        if found.state == "unidentified":
            return self._stranger(found, now)
        if found.state == "ambiguous":
            return self._one_of(found, windows_end, now)
        entity, entities = self._churn.entity, found.entities
        cutoff, seen = np.array([windows_end]), np.array([now])
        if objection.objects(self.history, entity, entities, seen, seen)[0]:
            return self._objector(found, cutoff, seen)
        row = self.history.frame(entity, entities, cutoff, self.features, seen)
        return Person(row, True, self._not_eligible(CHURN, row), self._not_eligible(NEEDS, row))

    def _stranger(self, found: Match, now: int) -> Person:
        """Nobody is known by these keys: their own facts are read together, as of the last visit that is visible, where
        there is a model of visitors.
        """
        why, visitors = _NOT_ONE["unidentified"], self.resources.workspace.catalog.visitors
        unknown = Person(missing(self.features), False, why, why)
        keys = [i for i, (kind, _) in zip(found.ids, found.keys, strict=True) if visitors and kind in visitors.keys]
        if visitors is None or not keys or not self.resources.champions.visitors:
            return unknown
        at = last_visit(self.history, keys, now)
        if at is None:
            return replace(unknown, visitor=Visitor(None))
        # Trees that learned just after visits know nothing of later: the row is that of the visit.
        row = own_facts(self.history, keys, at, at, visitors.features)
        return replace(unknown, visitor=Visitor(row, at, now - at <= _RECENT))

    def _one_of(self, found: Match, windows_end: int, now: int) -> Person:
        """Several candidates, or one who is not certain: each as they stand, without those who object."""
        entity = self._churn.entity
        seen = np.full(len(found.entities), now)
        objecting = objection.objects(self.history, entity, found.entities, seen, seen)
        entities, seen = found.entities[~objecting], seen[~objecting]
        rows = self.history.frame(entity, entities, np.full(len(entities), windows_end), self.features, seen)
        tasks = (self.resources.workspace.catalog.task(name) for name in (CHURN, NEEDS))
        churn, needs = (holds(task.eligible, rows) for task in tasks)
        why = _NOT_ONE["one" if len(found.entities) == 1 else "ambiguous"]
        several = Candidates(rows, found.weights[~objecting], churn, needs, float(found.weights.sum()))
        return Person(
            missing(self.features),
            False,
            None if several.may_be_mixed(churn) else why,
            None if several.may_be_mixed(needs) else why,
            objects=bool(objecting.any()),
            candidates=several,
        )

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
        channel, visitors = self.resources.actions.actions[0].channels[0], self.resources.workspace.catalog.visitors
        known = self.history.entities_of[self._churn.entity]
        for somebody, weight in ((known[:1], 1.0), (known[:2], 0.5)):
            self._decide(Match(somebody, np.full(len(somebody), weight), (), ()), channel, 1, now)
        for key_type in visitors.keys if visitors else ():
            for key in (*self.history.entities_of[key_type][:1].tolist(), 0):
                self._decide(Match(known[:0], np.empty(0), ((key_type, False),), (key,)), channel, 1, now)


def missing(features: tuple[Feature, ...]) -> pd.DataFrame:
    """One row of which nothing is known: unknown is not the same as healthy, or idle."""
    kinds = {"number": "float32", "category": "category"}
    return pd.DataFrame({f.name: pd.Series([None], dtype=kinds[f.kind]) for f in features})
