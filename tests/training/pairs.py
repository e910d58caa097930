"""Datasets over rows with known hazards: calendar cutoffs, one or two labels, labels seen at a chosen instant."""

import sys
from pathlib import Path

import numpy as np

from features.conditions import Event
from features.dataset import Dataset, Outcome
from features.declare import Calendar, Feature, Label, Task

sys.path.append(str(Path(__file__).parents[1] / "models"))
from known_hazards import DAY, known

FEATURES = (
    Feature("usage", "last", "value", where={"metric": "late_days"}, group="own"),
    Feature("profile", "last", "plan", group="own"),
    Feature("faults", "count", window="30d", via="site", group="history"),
)
LEFT = Event.of("profile", status="left", reason="voluntary")
ENDED = Event.of("profile", status="left", reason="moved")


def task(labels: int = 1, open_ended: bool = False) -> Task:
    """A task of that many labels over 30, 60 and 90 days."""
    names = ("leaves", "calls")[:labels]
    return Task(
        "churn",
        "customer",
        Calendar(),
        tuple(Label(name, LEFT, ENDED) for name in names),
        ("30d", "60d", "90d"),
        open_ended=open_ended,
    )


def dataset(
    n: int, start: int, days: int, seen: int, seed: int = 0, labels: int = 1, open_ended: bool = False
) -> Dataset:
    """n pairs with cutoffs spread evenly over ``[start, start + days)``; days since 1970, labels known by ``seen``."""
    rows = known(n, seed=seed, open_ended=open_ended)
    cutoff = (start + days * np.arange(n) / n) * DAY
    ending, after, _ = rows.seen(seen * DAY - cutoff.astype(np.int64))
    names = [feature.name for feature in FEATURES]
    X = rows.X.set_axis(names, axis=1)
    declared = task(labels, open_ended)
    outcomes = tuple(Outcome(label.name, ending, after) for label in declared.labels)
    entity = np.arange(n, dtype=np.int64)
    return Dataset(declared, FEATURES, entity, cutoff.astype(np.int64), X, outcomes, seen * DAY, f"lake-{seed}")
