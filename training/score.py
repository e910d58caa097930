"""Everyone a task may be asked about at one instant, scored in blocks, so that memory does not grow with their number.

It asks as a live call does: windows end where the feeds end, and only what was known by the instant is seen. Who
objects to profiling, then or by now, is not scored.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.dataset import instant
from features.declare import Feature, Rule, Task
from features.history import History
from features.objection import WORDS, never_used
from features.rules import holds
from models.bundle import Model

BLOCK = 50_000
Progress = Callable[[int, int], None]


class ScoreError(ValueError):
    """Nobody can be scored as asked; the message says why."""


@dataclass(frozen=True)
class Moment:
    """Windows end at ``cutoff``; what was known before ``seen`` counts. UTC microseconds."""

    cutoff: int
    seen: int


@dataclass(frozen=True)
class Scores:
    """n entities. ``why`` (n,) says why one has no score, "" where it has; ``also``: the further columns asked for.

    ``p``: label -> (n, k) probability by each horizon, NaN without a score.
    """

    entity: np.ndarray
    why: np.ndarray
    p: Mapping[str, np.ndarray]
    also: pd.DataFrame

    @property
    def scored(self) -> np.ndarray:
        """(n,) bool: who has a score."""
        return self.why == ""


def moment(history: History, task: Task, model: Model, at: int | None = None) -> Moment:
    """The cuts of an instant (by default the last the lake covers); `ScoreError` where the lake does not reach."""
    at = history.end if at is None else at
    if not history.start < at <= history.end:
        raise ScoreError(
            f"{instant(at)} is not an instant this lake can speak of: it covers {instant(history.start)} to "
            f"{instant(history.end)}"
        )
    return Moment(min(at, history.covered_to(needed(history, task, model))), at)


def needed(history: History, task: Task, model: Model, also: Sequence[str] = ()) -> tuple[Feature, ...]:
    """The features a task's rules and model read, and ``also``; `ScoreError` names one that is not declared."""
    names = {*model.features, *(rule.feature for rule in task.eligible), *also}
    unknown = sorted(names - {f.name for f in history.catalog.features})
    if unknown:
        raise ScoreError(
            f"the model of task '{task.name}' reads the feature '{unknown[0]}', which this workspace does not declare: "
            "train it again, or score the workspace it was trained on"
        )
    return tuple(f for f in history.catalog.features if f.name in names)


def heard_of(history: History, task: Task, when: Moment) -> np.ndarray:
    """(n,) int64 the task's entities that some fact or link known by then has named, in order.

    Of several known to be one only the one that stands for them: its aliases reach nothing.
    """
    entities = history.entities_of[task.entity]
    entities = entities[history.first_known(task.entity) < when.seen]
    return entities[history.standing(task.entity, entities, np.full(len(entities), when.seen, np.int64))]


def blocks(
    history: History,
    task: Task,
    model: Model,
    when: Moment,
    entities: np.ndarray,
    *,
    also: Sequence[str] = (),
    block: int = BLOCK,
) -> Iterator[Scores]:
    """The scores of consecutive entities, ``block`` at a time."""
    features = needed(history, task, model, also)
    for first in range(0, len(entities), block):
        chosen = entities[first : first + block]
        X = frame(history, task, chosen, when, features)
        why = refused(task.eligible, X, {f.name: f for f in features})
        why[never_used(history, task.entity, chosen, np.full(len(chosen), when.seen, np.int64))] = WORDS
        eligible = why == ""
        found = model.predict(X.loc[eligible, list(model.features)])
        yield Scores(chosen, why, {label: _spread(p, eligible) for label, p in found.items()}, X[list(also)])


def score(
    history: History,
    task: Task,
    model: Model,
    when: Moment,
    *,
    also: Sequence[str] = (),
    block: int = BLOCK,
    progress: Progress = lambda done, total: None,
) -> Scores:
    """Everyone's scores in one record; ``also`` names features to hand out with them. `ScoreError` where nobody is."""
    entities = heard_of(history, task, when)
    if not len(entities):
        raise ScoreError(f"no {task.entity} was heard of before {instant(when.seen)}")
    parts: list[Scores] = []
    for part in blocks(history, task, model, when, entities, also=also, block=block):
        parts.append(part)
        progress(min(len(parts) * block, len(entities)), len(entities))
    return Scores(
        entity=entities,
        why=np.concatenate([part.why for part in parts]),
        p={label: np.concatenate([part.p[label] for part in parts]) for label in model.labels},
        also=pd.concat([part.also for part in parts], ignore_index=True),
    )


def frame(
    history: History, task: Task, entities: np.ndarray, when: Moment, features: Sequence[Feature]
) -> pd.DataFrame:
    """The features of these entities at the moment."""
    cutoff, seen = (np.full(len(entities), value, np.int64) for value in (when.cutoff, when.seen))
    return history.frame(task.entity, entities, cutoff, features, seen)


def refused(rules: Sequence[Rule], X: pd.DataFrame, features: Mapping[str, Feature]) -> np.ndarray:
    """(n,) the first rule each row does not meet, in words; "" where it meets them all."""
    why = np.full(len(X), "", dtype=object)
    for rule in rules:
        broken = np.flatnonzero((why == "") & ~holds((rule,), X))
        column, feature = X[rule.feature].iloc[broken], features[rule.feature]
        why[broken] = [_words(rule, feature, value) for value in column.astype(object)]
    return why


def _words(rule: Rule, feature: Feature, value: object) -> str:
    name = feature.meaning or feature.name
    if pd.isna(value):  # type: ignore[call-overload]
        return f"{name} is not known"
    if feature.kind == "category":
        return f"{name} is {value}"
    asked = {"missing": "is known", "is_not": f"is {rule.value}", "is": f"is not {rule.value}"}
    ordered = f"is not {rule.operator.replace('_', ' ')} {rule.value}"
    return f"{name} {asked.get(rule.operator, ordered)}"


def _spread(p: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(n, k) with ``p`` in the chosen rows and NaN in the others."""
    out = np.full((len(rows), p.shape[1]), np.nan)
    out[rows] = p
    return out
