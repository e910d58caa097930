"""A task's risks rolled up to what its entities belong to: accounts, sites, any type of key a link leads to."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.conditions import DAY
from features.declare import Catalog, Task
from features.engine.frame import present_parent
from features.history import History
from models.bundle import Model
from models.reasons import effects, group_names
from models.rollup import Members, RollUp, moved, roll_up
from training.score import BLOCK, Moment, Progress, ScoreError, Scores, frame, needed, score

REASONS = 3


@dataclass(frozen=True)
class Money:
    """``monthly``: the feature that holds a member's monthly charge. ``keeping``: what keeping someone is worth, as a
    multiple of it; ``None`` where nobody declared that.
    """

    monthly: str
    keeping: float | None = None


@dataclass(frozen=True)
class Rolled:
    """Everyone of a task at a moment, and what they amount to one level up.

    ``scores``: n entities, all that were heard of. ``parent`` (n,) what each belongs to; ``present`` (n,) bool, whether
    to anything. ``monthly`` (n,) monthly charges, NaN where not known; ``up``: the sums, of the present alone.
    """

    task: Task
    model: Model
    label: str
    level: str
    when: Moment
    money: Money | None
    scores: Scores
    parent: np.ndarray
    present: np.ndarray
    monthly: np.ndarray
    up: RollUp

    @property
    def horizons(self) -> tuple[str, ...]:
        """The names of the ends of the follow-up periods."""
        days = tuple(f"{edge / DAY:g}d" for edge in self.model.edges)
        return (*days, *(("end",) if self.model.manifest.open_ended else ()))

    def members_of(self, parents: np.ndarray) -> np.ndarray:
        """(m,) positions among the n of everyone who belongs to one of these."""
        return np.flatnonzero(self.present & np.isin(self.parent, parents))


def levels(catalog: Catalog, entity: str) -> tuple[str, ...]:
    """The types of keys that entities of a type belong to, over one link or several; the nearest first."""
    found: list[str] = []
    reached = [entity]
    for child in reached:
        above = [link.parent for link in catalog.links if link.child == child and link.parent not in (entity, *found)]
        found += above
        reached += above
    return tuple(found)


def rolled(
    history: History,
    task: Task,
    model: Model,
    level: str,
    when: Moment,
    *,
    label: str | None = None,
    money: Money | None = None,
    block: int = BLOCK,
    progress: Progress = lambda done, total: None,
) -> Rolled:
    """Everyone scored at a moment and rolled up to a level; `ScoreError` for a level no link leads to, or no label."""
    known = levels(history.catalog, task.entity)
    if level not in known:
        raise ScoreError(f"no link leads from '{task.entity}' to '{level}' (one does to: {', '.join(known) or 'none'})")
    label = _label(model, label)
    also = (money.monthly,) if money else ()
    scores = score(history, task, model, when, also=also, block=block, progress=progress)
    parent, present = _parents(history, task, level, scores.entity, when)
    monthly = scores.also[money.monthly].to_numpy(np.float64) if money else np.full(len(scores.entity), np.nan)
    up = roll_up(Members(parent[present], scores.p[label][present], monthly[present]))
    return Rolled(task, model, label, level, when, money, scores, parent, present, monthly, up)


def reasons(history: History, found: Rolled, parents: np.ndarray, horizon: int, block: int = BLOCK) -> np.ndarray:
    """(a, g) what each group of features (`models.reasons.group_names`) moved of these parents' revenue at risk.

    In money a month by that horizon, or in leavers where no charge is known at all. One group at a time against the
    usual, as reasons for one score are: the parts need not add up.
    """
    parents = np.asarray(parents, np.int64)
    order = np.argsort(parents)
    members = found.members_of(parents)
    members = members[found.scores.scored[members]]
    features = needed(history, found.task, found.model)
    total = np.zeros((len(parents), len(group_names(found.model))))
    weight = found.monthly if not np.isnan(found.up.at_risk).all() else np.ones(len(found.monthly))
    for first in range(0, len(members), block):
        part = members[first : first + block]
        X = frame(history, found.task, found.scores.entity[part], found.when, features)
        by_group = effects(found.model, X[list(found.model.features)], found.label, horizon)
        total += moved(parents[order], found.parent[part], by_group, weight[part])
    result = np.empty_like(total)
    result[order] = total
    return result


def table(found: Rolled, rows: np.ndarray, moves: np.ndarray, words: Mapping[str, str] | None = None) -> pd.DataFrame:
    """One row per chosen position of ``found.up``, with every horizon; ``moves`` as of `reasons`, row by row.

    ``key_id`` is the surrogate of the account or site. Money is a month's, but for ``value_at_risk_*``: what keeping
    the members is worth, times their risks.
    """
    up = found.up
    columns: dict[str, object] = {"key_id": up.parent[rows]}
    for name in ("members", "scored"):
        columns[name] = getattr(up, name)[rows]
    columns["not_scored"] = why_not(found, up.parent[rows])
    columns["unpriced"] = up.unpriced[rows]
    columns["monthly_value"] = up.worth[rows]
    for name in ("leavers", "at_risk", "any_together", "any_apart", "all_apart", "all_together"):
        for k, horizon in enumerate(found.horizons):
            columns[f"{_NAMES.get(name, name)}_{horizon}"] = getattr(up, name)[rows, k]
    if found.money and found.money.keeping is not None:
        for k, horizon in enumerate(found.horizons):
            columns[f"value_at_risk_{horizon}"] = up.at_risk[rows, k] * found.money.keeping
    return pd.DataFrame(columns | _said(found, moves, words or {}))


def why_not(found: Rolled, parents: np.ndarray) -> list[str]:
    """For each parent why members of it were not scored, and how many: ``"status is left: 2"``; "" for none."""
    counts: dict[int, Counter[str]] = {int(parent): Counter() for parent in parents}
    members = found.members_of(parents)
    for i in members[~found.scores.scored[members]]:
        counts[int(found.parent[i])][found.scores.why[i]] += 1
    return ["; ".join(f"{why}: {n}" for why, n in counts[int(p)].most_common()) for p in parents]


def unscored(found: Rolled, parents: np.ndarray) -> dict[str, int]:
    """Why members of these parents were not scored -> how many, most first."""
    members = found.members_of(parents)
    return dict(Counter(found.scores.why[members[~found.scores.scored[members]]]).most_common())


_NAMES = {"at_risk": "monthly_at_risk"}


def _said(found: Rolled, moves: np.ndarray, words: Mapping[str, str]) -> dict[str, object]:
    """The groups that raised the most, strongest first, as columns reason_1, moved_1, ...; ``None`` where none did."""
    names = [words.get(name, name) for name in group_names(found.model)]
    best = np.argsort(-moves, axis=1, kind="stable")[:, :REASONS]
    columns: dict[str, object] = {}
    for place in range(best.shape[1]):
        amount = moves[np.arange(len(moves)), best[:, place]]
        columns[f"reason_{place + 1}"] = [
            names[g] if a > 0 else None for g, a in zip(best[:, place], amount, strict=True)
        ]
        columns[f"moved_{place + 1}"] = [float(a) if a > 0 else None for a in amount]
    return columns


def _label(model: Model, label: str | None) -> str:
    if label is None and len(model.labels) == 1:
        return model.labels[0]
    if label not in model.labels:
        said = "several labels" if label is None else f"no label '{label}'"
        raise ScoreError(
            f"the model of task '{model.manifest.task}' has {said}: choose one of {', '.join(model.labels)}"
        )
    return label


def _parents(
    history: History, task: Task, level: str, entities: np.ndarray, when: Moment
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) what each belongs to at the instant, and whether to anything."""
    now = np.full(len(entities), when.seen, np.int64)
    return present_parent(history.parents(task.entity, level), entities, now, now)
