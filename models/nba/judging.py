"""The compiled loops of `models.nba.policy`: n people against the flat arrays of one catalogue, person by person.

A *test* is one distinct question about a person, asked once however many actions ask it; a *check* is a test as one
action asks it. Nothing is parallel in here, and the GIL is let go: whoever has many people gives blocks to threads.
"""

import numba as nb
import numpy as np
from numba import boolean, float64, int32, int64, types, void

MADE_ON, CERTAIN, NO_OBJECTION, MISSING, PRESENT, IS, IS_NOT, IS_WORD, IS_NOT_WORD, AT_LEAST, BELOW = range(11)
"""What a test asks; the first asks for a set of channels, those from the fourth on ask about one feature."""

WORTH, NEEDS, STAY, COST, DISCOUNT, TOTAL, LESS_RISK, LIKELIEST = range(8)
"""Rows of the values of one person: five terms, their sum, the effect on staying, the likeliest served need."""

ACCEPT, MARGIN, EFFECT, PAID, GIVEN, ITSELF = range(6)
"""Rows of the money of the choices: ``PAID`` and ``GIVEN`` are negative, ``EFFECT`` is a fraction, not points."""

TABLES = types.Tuple(
    (
        int32[:, ::1],  # (t, 3) tests: what it asks, column or set of channels, word
        float64[::1],  # (t,) the number it compares with
        int32[::1],  # (c,) checks: the test each asks
        int32[::1],  # (m + 1,) where the checks of each choice begin
        int32[::1],  # (s,) needs served: column of each
        int32[::1],  # (m + 1,) where the needs of each choice begin
        float64[:, ::1],  # (6, m) money
        int64,  # column of the monthly value
        float64,  # months
        float64,  # margin rate
        float64,  # typical churn
    )
)
_BLOCK = 64
"""People whose values stay in a core's cache."""

_INLINE = {"cache": True, "nogil": True, "inline": "always"}


@nb.njit(boolean(int64, float64, int64, float64, int64), **_INLINE)
def _holds(asks: int, number: float, code: int, wanted: float, word: int) -> bool:
    """Whether one value meets one test. Of a value one half is always missing: a number has no code, a word no number.

    A missing value meets `MISSING`, `IS_NOT` and `IS_NOT_WORD` alone: it compares as NaN and as code -1.
    """
    if asks == IS:
        return number == wanted
    if asks == AT_LEAST:
        return number >= wanted
    if asks == BELOW:
        return number < wanted
    if asks == IS_WORD:
        return code == word
    if asks == IS_NOT_WORD:
        return code != word
    if asks == IS_NOT:
        return number != wanted
    return (np.isnan(number) and code == -1) == (asks == MISSING)


@nb.njit(float64(float64), **_INLINE)
def _known(x: float) -> float:
    """As `numpy.nan_to_num`: 0 for NaN, the largest float for infinity."""
    if np.isnan(x):
        return 0.0
    return min(max(x, -np.finfo(np.float64).max), np.finfo(np.float64).max)


@nb.njit(
    void(
        TABLES,
        boolean[::1],
        float64[:, ::1],
        int32[:, ::1],
        boolean[::1],
        boolean[::1],
        float64[:, ::1],
        float64[::1],
        int32[:, ::1],
        float64[:, :, ::1],
    ),
    cache=True,
    nogil=True,
)
def judge(
    tables: tuple,
    made_on: np.ndarray,
    numbers: np.ndarray,
    codes: np.ndarray,
    certain: np.ndarray,
    objects: np.ndarray,
    needs: np.ndarray,
    churn: np.ndarray,
    refused: np.ndarray,
    values: np.ndarray,
) -> None:
    """Fills ``refused`` (n, m), the first check that refused or -1, and ``values`` (n, 8, m).

    ``made_on``: (sets of channels,) bool, whether each has the channel asked for. The rest is as in `policy.Known` and
    `policy.Likely`.
    """
    tests, wanted, checks, first_check, served, first_served, money, monthly, months, rate, typical = tables
    passed = np.empty(len(tests), np.bool_)
    for p in range(len(churn)):
        for t in range(len(tests)):
            asks, column = tests[t, 0], tests[t, 1]
            if asks > NO_OBJECTION:
                passed[t] = _holds(asks, numbers[p, column], codes[p, column], wanted[t], tests[t, 2])
            elif asks == MADE_ON:
                passed[t] = made_on[column]
            else:
                passed[t] = certain[p] if asks == CERTAIN else not objects[p]
        for a in range(refused.shape[1]):
            refused[p, a] = -1
            for c in range(first_check[a], first_check[a + 1]):
                if not passed[checks[c]]:
                    refused[p, a] = c
                    break
            total, likeliest = 0.0, np.nan
            for s in range(first_served[a], first_served[a + 1]):
                chance = needs[p, served[s]]
                if not np.isnan(chance):
                    total += chance
                    if not likeliest >= chance:
                        likeliest = chance
            values[p, NEEDS, a] = total
            values[p, LIKELIEST, a] = likeliest
        worth = numbers[p, monthly] * months * rate
        risk = churn[p]
        low = risk - 1
        for a in range(refused.shape[1]):
            effect = money[EFFECT, a] * risk / typical
            if effect < low:
                effect = low
            if effect > risk:
                effect = risk
            need = values[p, NEEDS, a] * money[ACCEPT, a] * money[MARGIN, a]
            stay = _known(effect * worth)
            values[p, WORTH, a] = money[ITSELF, a]
            values[p, NEEDS, a] = need
            values[p, STAY, a] = stay
            values[p, COST, a] = money[PAID, a]
            values[p, DISCOUNT, a] = money[GIVEN, a]
            values[p, TOTAL, a] = money[ITSELF, a] + need + stay + money[PAID, a] + money[GIVEN, a]
            values[p, LESS_RISK, a] = _known(effect)


@nb.njit(void(int32[:, ::1], float64[:, :, ::1], int32[::1], int32[:, ::1]), cache=True, nogil=True)
def pick(refused: np.ndarray, values: np.ndarray, rank: np.ndarray, best: np.ndarray) -> None:
    """Fills ``best`` (n, limit) with the allowed choices worth at least 0, highest first, then -1; ties by ``rank``."""
    limit = best.shape[1]
    for p in range(len(best)):
        found = 0
        for a in range(len(rank)):
            value = values[p, TOTAL, a]
            if refused[p, a] >= 0 or not value >= 0.0:
                continue
            place = min(found, limit)
            while place > 0:
                other = best[p, place - 1]
                above = values[p, TOTAL, other]
                if above > value or (above == value and rank[other] < rank[a]):
                    break
                if place < limit:
                    best[p, place] = other
                place -= 1
            if place < limit:
                best[p, place] = a
                found = min(found + 1, limit)
        for slot in range(found, limit):
            best[p, slot] = -1


@nb.njit(
    void(
        TABLES,
        boolean[::1],
        float64[:, ::1],
        int32[:, ::1],
        boolean[::1],
        boolean[::1],
        float64[:, ::1],
        float64[::1],
        int32[::1],
        int32[:, ::1],
        float64[:, ::1],
    ),
    cache=True,
    nogil=True,
)
def rank_all(
    tables: tuple,
    made_on: np.ndarray,
    numbers: np.ndarray,
    codes: np.ndarray,
    certain: np.ndarray,
    objects: np.ndarray,
    needs: np.ndarray,
    churn: np.ndarray,
    rank: np.ndarray,
    best: np.ndarray,
    worth: np.ndarray,
) -> None:
    """`judge` and `pick` block by block; only ``best`` and its ``worth`` (n, limit), NaN after the last, are kept."""
    size = min(_BLOCK, len(churn))
    refused = np.empty((size, len(rank)), np.int32)
    values = np.empty((size, 8, len(rank)), np.float64)
    for i in range(0, len(churn), _BLOCK):
        j = min(i + _BLOCK, len(churn))
        held, now = slice(0, j - i), slice(i, j)
        judge(
            tables,
            made_on,
            numbers[now],
            codes[now],
            certain[now],
            objects[now],
            needs[now],
            churn[now],
            refused[held],
            values[held],
        )
        pick(refused[held], values[held], rank, best[now])
        for p in range(i, j):
            for slot in range(best.shape[1]):
                worth[p, slot] = np.nan if best[p, slot] < 0 else values[p - i, TOTAL, best[p, slot]]
