"""Packed bytes of several keys -> the columns the kernel reads, and the addresses of these in its steps; compiled.

The columns of one call lie in one array of words, the arena, one after another. Nothing is kept from call to call.
"""

import numba as nb
import numpy as np
from numba import int8, int32, int64, uint64, void

from features.engine.cells import ADDRESS
from features.engine.columns import FOREVER
from features.engine.rule import (
    AT,
    AT_FROM,
    AT_TO,
    BITS,
    CASE,
    FIRST_CELL,
    KNOWN,
    KNOWN_FROM,
    KNOWN_TO,
    LAST_CELL,
    N_REVISED,
    RANK,
    REVISED,
    REVISED_ROWS,
    RUN_END,
    RUN_START,
    STATE,
    UNTIL,
)

SECTION, KIND = range(2)
"""Of each step: the section of the layout it reads, and which way of reaching."""
N_NUMBERS, N_CODES, HAS_CASE, STATE_CODE = range(4)
"""Of each section: how many numbers and codes a row has, whether it has cases, which code is the state (-1: none)."""
FIXED = 6
"""Columns of every section in the arena: at, known, rank, bits, until and the bits of revised rows; then its own."""


def room(words: int, sections: int, rectangles: int, steps: int) -> int:
    """How many words an arena must have for so many packed words, and what is reached through them."""
    return 4 * words + 64 * sections + 2 * rectangles * steps + 5 * rectangles + 1024


@nb.njit(int64(int64[::1], int64[:, ::1], int64, int64), cache=True, nogil=True)
def _skip(words, sections, at, section):  # type: ignore[no-untyped-def]
    """Where the part of a section begins in the bytes of a key that begin at ``at``."""
    place = at + 2 + 2 * sections.shape[0]
    for s in range(section):
        n, revised = words[at + 2 + 2 * s], words[at + 3 + 2 * s]
        if n:
            place += n * (4 + revised + sections[s, N_NUMBERS] + sections[s, HAS_CASE])
            place += ((n + 1) >> 1) * sections[s, N_CODES]
    return place


@nb.njit(void(int64[::1], int64, int64[::1], int64, int64), cache=True, nogil=True)
def _copy(source, start, target, place, n):  # type: ignore[no-untyped-def]
    for i in range(n):
        target[place + i] = source[start + i]


@nb.njit(
    void(
        int64[::1], int64[:, ::1], int64, int64[::1], int32[::1], int8[::1], int64[::1], int64[:, ::1], int64,
        int64[::1],
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def _lay(words, sections, s, arena, arena32, arena8, columns, keys, n_keys, totals):  # type: ignore[no-untyped-def]
    """Put the rows of a section of all keys into the arena, from ``totals[0]`` on, which is moved on.

    Fills ``columns`` with where each column begins (in words) and ``keys[i, 2:4]`` with the rows of the i-th key.
    """
    n = 0
    for i in range(n_keys):
        n += words[keys[i, 1] + 2 + 2 * s]
    half, free = (n + 1) >> 1, totals[0]
    numbers, codes, cases = sections[s, N_NUMBERS], sections[s, N_CODES], sections[s, HAS_CASE]
    for c in range(5):
        columns[c] = free
        free += n
    columns[5] = free
    free += (n >> 6) + 1
    for c in range(numbers):
        columns[FIXED + c] = free
        free += n
    for c in range(codes):
        columns[FIXED + numbers + c] = free
        free += half
    case32, state8 = free, free + half
    columns[FIXED + numbers + codes], columns[FIXED + numbers + codes + 1] = case32, state8
    free = state8 + (n >> 3) + 1
    hashes = free
    for w in range((n >> 6) + 1):
        arena[columns[5] + w] = 0

    row, revised_rows = 0, 0
    for i in range(n_keys):
        base = keys[i, 1]
        m, revised = words[base + 2 + 2 * s], words[base + 3 + 2 * s]
        keys[i, 2], keys[i, 3] = row, row + m
        place = _skip(words, sections, base, s)
        if m == 0:
            continue
        for c in range(4):
            _copy(words, place, arena, columns[c] + row, m)
            place += m
        if revised:
            # Instants of revised rows stand densely, beside the rows they belong to.
            for j in range(m):
                if words[place + j] < FOREVER:
                    arena[columns[4] + revised_rows] = words[place + j]
                    at = row + j
                    arena[columns[5] + (at >> 6)] = int64(
                        uint64(arena[columns[5] + (at >> 6)]) | (uint64(1) << uint64(at & 63))
                    )
                    revised_rows += 1
            place += m
        for c in range(numbers):
            _copy(words, place, arena, columns[FIXED + c] + row, m)
            place += m
        for c in range(codes):
            for j in range(m):
                word = uint64(words[place + (j >> 1)])
                code = int32((word >> uint64(32)) if j & 1 else (word & uint64(0xFFFFFFFF)))
                arena32[2 * columns[FIXED + numbers + c] + row + j] = code
            place += (m + 1) >> 1
        if cases:
            _copy(words, place, arena, hashes + row, m)
        row += m
    totals[1], totals[2] = n, revised_rows
    free = hashes
    if cases:
        # Cases get small numbers: the place of the first row that has the same hash.
        slots = int64(1)
        while slots < 2 * n + 2:
            slots *= 2
        table = np.full(slots, -1, np.int64)
        for j in range(n):
            case = arena[hashes + j]
            if case < 0:
                arena32[2 * case32 + j] = -1
                continue
            slot = case & (slots - 1)
            while table[slot] >= 0 and arena[hashes + table[slot]] != case:
                slot = (slot + 1) & (slots - 1)
            if table[slot] < 0:
                table[slot] = j
            arena32[2 * case32 + j] = int32(table[slot])
        code = columns[FIXED + numbers + sections[s, STATE_CODE]]
        for j in range(n):
            arena8[8 * state8 + j] = int8(arena32[2 * code + j])
        free = hashes + n
    # The rows of the revised ones, rising.
    columns[FIXED + numbers + codes + 2] = free
    found = 0
    if revised_rows:
        for j in range(n):
            if (uint64(arena[columns[5] + (j >> 6)]) >> uint64(j & 63)) & uint64(1):
                arena[free + found] = j
                found += 1
    totals[0] = free + found


@nb.njit(
    void(
        int64[::1], int64, int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1], int64[:, ::1],
        int64[:, ::1], int64[:, :, ::1], int64, int64[::1], int32[::1], int8[::1],
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def bind(  # type: ignore[no-untyped-def]
    words, n_keys, sections, steps, of_steps, cells, cell_columns, reached, ways, spans, base, arena, arena32, arena8
):
    """Complete ``steps`` and ``cells`` with the addresses of the columns of ``n_keys`` packed keys in ``words``, and
    ``spans`` (1, s, 2) with the rectangles of each step.

    ``of_steps`` (s, 2): `SECTION` and `KIND` of each; ``cell_columns`` (g,): place among a section's own columns, -1
    for none. ``reached`` (5, r): key, at_from, at_to, known_from, known_to of every rectangle; ``ways`` (w, 2):
    those of each way. ``arena`` lies at ``base``; ``arena32`` and ``arena8`` are the same memory.
    """
    for k in range(steps.shape[0]):
        spans[0, k, 0], spans[0, k, 1] = ways[of_steps[k, KIND], 0], ways[of_steps[k, KIND], 1]
    n_rectangles = reached.shape[1]
    keys = np.empty((n_keys, 4), np.int64)
    at = int64(0)
    for i in range(n_keys):
        keys[i, 0], keys[i, 1] = words[at], at
        at += words[at + 1]
    totals = np.zeros(3, np.int64)
    bounds = np.empty(4, np.int64)
    for b in range(4):
        bounds[b] = totals[0]
        for r in range(n_rectangles):
            arena[totals[0] + r] = reached[b + 1, r]
        totals[0] += n_rectangles
    holder = np.full(n_rectangles, -1, np.int64)
    for r in range(n_rectangles):
        for i in range(n_keys):
            if keys[i, 0] == reached[0, r]:
                holder[r] = i
                break
    columns = np.zeros(256, np.int64)
    for s in range(sections.shape[0]):
        used = False
        for k in range(steps.shape[0]):
            used |= of_steps[k, SECTION] == s
        if not used:
            continue
        _lay(words, sections, s, arena, arena32, arena8, columns, keys, n_keys, totals)
        own = FIXED + sections[s, N_NUMBERS] + sections[s, N_CODES]
        start, end = totals[0], totals[0] + n_rectangles
        for r in range(n_rectangles):
            i = holder[r]
            arena[start + r] = keys[i, 2] if i >= 0 else 0
            arena[end + r] = keys[i, 3] if i >= 0 else 0
        totals[0] = end + n_rectangles
        for k in range(steps.shape[0]):
            if of_steps[k, SECTION] != s:
                continue
            step = steps[k]
            step[AT], step[KNOWN] = base + 8 * columns[0], base + 8 * columns[1]
            step[RANK], step[BITS] = base + 8 * columns[2], base + 8 * columns[3]
            step[N_REVISED] = totals[2]
            step[REVISED] = base + 8 * columns[5] if totals[2] else 0
            step[UNTIL], step[REVISED_ROWS] = base + 8 * columns[4], base + 8 * columns[own + 2]
            step[CASE], step[STATE] = base + 8 * columns[own], base + 8 * columns[own + 1]
            step[AT_FROM], step[AT_TO] = base + 8 * bounds[0], base + 8 * bounds[1]
            step[KNOWN_FROM], step[KNOWN_TO] = base + 8 * bounds[2], base + 8 * bounds[3]
            step[RUN_START], step[RUN_END] = base + 8 * start, base + 8 * end
            for g in range(step[FIRST_CELL], step[LAST_CELL]):
                if cell_columns[g] >= 0:
                    cells[g, ADDRESS] = base + 8 * columns[FIXED + cell_columns[g]]
