"""Pairs (entity, cutoff), their features and what came after: what training is fed with."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.declare import Feature, Task, duration

NO_ENDING, EVENT, COMPETING = 0, 1, 2


@dataclass(frozen=True)
class Outcome:
    """What came after each cutoff, for one label, as far as it was known before ``Dataset.seen``.

    ``ending``: (n,) int8, `NO_ENDING`, `EVENT` or `COMPETING`, the first that came.
    ``after``: (n,) int64 microseconds from ``cutoff + gap`` to that ending, -1 where none is known.
    """

    name: str
    ending: np.ndarray
    after: np.ndarray


@dataclass(frozen=True)
class Dataset:
    """n pairs. ``X`` has one column per feature, in order: float32 (NaN: missing) or pandas ``category``.

    ``entity`` (n,) int64 key ids; ``cutoff`` (n,) int64 UTC microseconds; ``seen``: labels are those known before
    this instant; ``fingerprint`` of the lake it was read from.
    """

    task: Task
    features: tuple[Feature, ...]
    entity: np.ndarray
    cutoff: np.ndarray
    X: pd.DataFrame
    outcomes: tuple[Outcome, ...]
    seen: int
    fingerprint: str

    def followed(self) -> np.ndarray:
        """(n,) int64 microseconds of mature follow-up: from ``cutoff + gap`` to ``seen`` less the label delay."""
        return self.seen - self.cutoff - duration(self.task.gap) - duration(self.task.label_delay)

    def edges(self) -> np.ndarray:
        """(k,) int64 upper edges of the task's follow-up periods, in microseconds after ``cutoff + gap``."""
        return np.array([duration(p) for p in self.task.periods], dtype=np.int64)
