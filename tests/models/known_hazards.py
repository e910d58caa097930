"""Rows whose hazards are known: two things move the event, one ends some rows otherwise."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

DAY = 86_400_000_000
EDGES = np.array([30, 60, 90]) * DAY


@dataclass(frozen=True)
class Known:
    """Everything that will come of n rows, and the true probability (n, k) of the event by each edge."""

    X: pd.DataFrame
    ending: np.ndarray
    after: np.ndarray
    truth: np.ndarray

    def seen(self, followed: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The endings, times and follow-up that are known after ``followed`` microseconds."""
        known = (self.ending > 0) & (self.after < followed)
        return np.where(known, self.ending, 0).astype(np.int8), np.where(known, self.after, -1), followed


def known(n: int, seed: int = 0, competing: float = 0.06, open_ended: bool = False) -> Known:
    """Monthly hazards of the event rise with ``pain`` and on the plan "flex"; later months are riskier."""
    rng = np.random.default_rng(seed)
    pain, flex = rng.normal(size=n), rng.random(n) < 0.3
    ending, after = np.zeros(n, np.int8), np.full(n, -1)
    truth, surviving, total = [], np.ones(n), np.zeros(n)
    months = 200 if open_ended else 3
    for month in range(months):
        hazard = 1 / (1 + np.exp(3.0 - 0.8 * pain - 0.9 * flex - 0.25 * min(month, 3)))
        draw = rng.random(n)
        open_still = ending == 0
        ending = np.where(open_still & (draw < hazard), 1, ending)
        ending = np.where(open_still & (draw >= hazard) & (draw < hazard + competing), 2, ending).astype(np.int8)
        when = (month + rng.random(n)) * 30 * DAY
        after = np.where(open_still & (ending > 0), when.astype(np.int64), after)
        total = total + surviving * hazard
        surviving = surviving * (1 - hazard - competing)
        if month < 3 or month == months - 1:
            truth.append(total)
    X = pd.DataFrame(
        {
            "pain": pain.astype(np.float32),
            "plan": pd.Series(np.where(flex, "flex", "basic")).astype("category"),
            "noise": rng.random(n).astype(np.float32),
        }
    )
    return Known(X, ending, after, np.column_stack(truth))


def staggered(n: int, seed: int = 1, longest: int = 150) -> np.ndarray:
    """(n,) int64 follow-up in microseconds, anything from none to ``longest`` days."""
    return (np.random.default_rng(seed).random(n) * longest * DAY).astype(np.int64)
