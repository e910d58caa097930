"""Person-periods: each row stacked once per follow-up period it can teach about.

Period k is ``[edges[k-1], edges[k])`` after the prediction instant (period 0 starts at 0). An open-ended task has one
more period that follows the last edge and ends when the ending comes.

Who teaches about period k: those still at risk at its start and *followed past its end*, whatever happened to them.
An ending that is already known inside a period that has not yet passed is left out, because the quiet rows beside it
cannot be counted yet: keeping it would count events without their denominator. The open-ended period never passes, so
there only the rows that ended can teach, and what they teach is which ending came, not when.
"""

from dataclasses import dataclass

import numpy as np

NO_ENDING, EVENT, COMPETING = 0, 1, 2
TOGETHER = 0.1
"""How alike members of one group decide: 0 each alone, 1 all as one. Of households it is less, of firms more."""


@dataclass(frozen=True)
class Periods:
    """m person-periods of n rows, ordered by period and then by row.

    ``row`` (m,) int64 index of the row; ``period`` (m,) int64; ``target`` (m,) int8 `NO_ENDING`, `EVENT` or
    `COMPETING` within the period; ``age`` (m,) int64 microseconds from its end to the instant labels were read.
    """

    row: np.ndarray
    period: np.ndarray
    target: np.ndarray
    age: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def select(self, chosen: np.ndarray) -> "Periods":
        """Only these."""
        return Periods(self.row[chosen], self.period[chosen], self.target[chosen], self.age[chosen])


def stack(
    ending: np.ndarray,
    after: np.ndarray,
    followed: np.ndarray,
    edges: np.ndarray,
    *,
    open_ended: bool = False,
    passed: np.ndarray | None = None,
) -> Periods:
    """The person-periods that teach.

    ``ending`` (n,) the first ending known of each row; ``after`` (n,) int64 microseconds to it, -1 where none is known;
    ``followed`` (n,) int64 microseconds of mature follow-up; ``edges`` (k,) int64 rising upper edges; ``passed`` (n,)
    int64 microseconds to the instant labels were read, which is later where a gap in a feed ended the follow-up
    (by default it ended none).
    """
    passed = followed if passed is None else passed
    ended = ending != NO_ENDING
    starts = np.concatenate(([0], edges[:-1]))
    parts = []
    for k, (start, end) in enumerate(zip(starts, edges, strict=True)):
        rows = np.flatnonzero((followed >= end) & (~ended | (after >= start)))
        inside = ended[rows] & (after[rows] < end)
        parts.append((rows, k, np.where(inside, ending[rows], NO_ENDING), passed[rows] - end))
    if open_ended:
        rows = np.flatnonzero(ended & (after >= edges[-1]))
        parts.append((rows, len(edges), ending[rows], np.maximum(passed[rows] - after[rows], 0)))
    return Periods(
        row=np.concatenate([p[0] for p in parts]),
        period=np.concatenate([np.full(len(p[0]), p[1], dtype=np.int64) for p in parts]),
        target=np.concatenate([p[2] for p in parts]).astype(np.int8),
        age=np.concatenate([p[3] for p in parts]).astype(np.int64),
    )


def thin(periods: Periods, most: int, seed: int) -> tuple[Periods, np.ndarray]:
    """At most ``most`` person-periods and the weight (m,) of each: quiet ones are drawn, and stand for those left out.

    Endings are rare and carry nearly all that can be learned, so every one is kept while they fit into half of
    ``most``; beyond that they are drawn alike. Weighting each by one over its chance of being drawn keeps every
    probability right (King & Zeng 2001, "Logistic Regression in Rare Events Data", section 4.2).
    """
    if len(periods) <= most:
        return periods, np.ones(len(periods))
    quiet = periods.target == NO_ENDING
    endings = int(np.sum(~quiet))
    chance = np.where(quiet, 0.0, min(1.0, most / 2 / max(endings, 1)))
    chance[quiet] = (most - np.sum(chance)) / max(np.sum(quiet), 1)
    chance = np.minimum(chance, 1.0)
    kept = np.flatnonzero(np.random.default_rng(seed).random(len(periods)) < chance)
    return periods.select(kept), 1.0 / chance[kept]


def repetition(periods: Periods, groups: np.ndarray, instant: np.ndarray) -> float:
    """How many person-periods tell of one and the same ending, on average; 1 where there is none.

    ``groups`` (n,) whom a row is about; ``instant`` (n,) when its ending came, on one clock for all rows. Monthly
    cutoffs that look 90 days ahead see a departure up to three times, and as often that nobody left: that is one
    observation, not three (a design effect: Kish 1965, "Survey Sampling", section 8.2).
    """
    rows = periods.row[periods.target != NO_ENDING]
    _, whom = np.unique(groups[rows], return_inverse=True)
    distinct = np.unique(np.column_stack([whom, instant[rows]]), axis=0)
    return len(rows) / len(distinct) if len(rows) else 1.0


def alone(groups: np.ndarray, instant: np.ndarray) -> np.ndarray:
    """(n,) how much of a decision of its own each row is, where ``groups`` (n,) are asked at the same ``instant`` (n,).

    n members count as ``n / (1 + (n - 1) rho)``, rho being `TOGETHER` (Kish 1965, section 5.4): when a firm leaves with
    a hundred lines, that is nearer to one decision than to a hundred, and says as little about the month it happens in.
    """
    cells, inverse = np.unique(np.column_stack([groups, instant]), axis=0, return_inverse=True)
    members = np.bincount(inverse.ravel(), minlength=len(cells))[inverse.ravel()]
    return np.asarray(1.0 / (1.0 + (members - 1) * TOGETHER))


def repeat(X: np.ndarray, periods: int) -> np.ndarray:
    """(n * periods, f + 1): the rows of ``X`` (n, f) once per period, period by period, the period as last column."""
    tiled = np.tile(X, (periods, 1))
    return np.column_stack([tiled, np.repeat(np.arange(periods, dtype=X.dtype), len(X))])


def accumulate(event: np.ndarray, competing: np.ndarray, *, open_ended: bool = False) -> np.ndarray:
    """(n, k) probability that the event has come by the end of each period, never falling, within [0, 1].

    ``event`` and ``competing`` are (n, k) probabilities of each ending within the period, given none before. The
    cumulative incidence is ``F_k = F_{k-1} + S_{k-1} h_event,k`` with ``S_k = S_{k-1} (1 - h_event,k - h_competing,k)``
    (Kalbfleisch & Prentice, The Statistical Analysis of Failure Time Data, section 8.2). In an open-ended last period
    one of the two endings comes for certain: what is left is split between them.
    """
    if open_ended:
        share = event[:, -1] / np.maximum(event[:, -1] + competing[:, -1], np.finfo(float).tiny)
        event = np.column_stack([event[:, :-1], share])
        competing = np.column_stack([competing[:, :-1], 1.0 - share])
    stays = np.clip(1.0 - event - competing, 0.0, 1.0)
    surviving = np.column_stack([np.ones(len(event)), np.cumprod(stays, axis=1)[:, :-1]])
    return np.minimum(np.cumsum(surviving * event, axis=1), 1.0)
