"""Plans joined to the rows they read and the reach they read them through: what one call of the kernel needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features import kernel
from features.columns import Columns
from features.identity.reach import Reach
from features.machine import address
from features.plan import MAX_FILTERS, Plan

Coverage = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Part:
    """One plan over rows of its source. ``needs_reach``: values are missing where no rectangle is known.

    ``coverage``: rising intervals the source is covered in; windows that are not inside one are missing.
    """

    plan: Plan
    columns: Columns
    reach: Reach
    coverage: Coverage = ()
    needs_reach: bool = False


class Bound:
    """Parts as the kernel takes them: o outputs in the order of the parts. It keeps alive what its addresses mean."""

    def __init__(self, parts: Sequence[Part]) -> None:
        """Decodes the columns the plans read, where that has not been done."""
        self._alive: list[np.ndarray] = []
        self.steps = np.zeros((len(parts), kernel.STEP_WIDTH), np.int64)
        self.starts = np.zeros((len(parts), MAX_FILTERS + 1), np.int64)
        cells, edges, outputs, coverage = [], [], [], []
        sizes = np.zeros(4, np.int64)
        for step, starts, part in zip(self.steps, self.starts, parts, strict=True):
            plan, held = part.plan, np.array(part.coverage, np.int64).reshape(-1, 2)
            starts[:] = plan.starts
            cells.append(self._cells(part))
            edges.append(plan.edges)
            outputs.append(plan.outputs)
            coverage.append(held)
            grown = sizes + np.array([len(plan.cells), len(plan.edges), len(plan.outputs), len(held)], np.int64)
            step[kernel.FIRST_CELL], step[kernel.LAST_CELL] = sizes[0], grown[0]
            step[kernel.FIRST_EDGE], step[kernel.BANDS] = sizes[1], len(plan.edges) - 1
            step[kernel.FIRST_OUTPUT], step[kernel.LAST_OUTPUT] = sizes[2], grown[2]
            step[kernel.FIRST_COVER], step[kernel.LAST_COVER] = sizes[3], grown[3]
            step[kernel.NEEDS_REACH] = part.needs_reach
            step[kernel.PAIRS], step[kernel.AGES] = plan.pairs_cases, plan.asks_age
            self._addresses(step, part)
            sizes = grown
        self.cells, self.edges = np.concatenate(cells), np.concatenate(edges)
        self.outputs, self.coverage = np.concatenate(outputs), np.concatenate(coverage)

    def fold(self, cutoff: np.ndarray, seen: np.ndarray, spans: np.ndarray) -> np.ndarray:
        """(p, o) float64 for p pairs: ``spans`` (p, parts, 2) int64, rectangles of each part's reach (-1: none)."""
        out = np.empty((len(cutoff), len(self.outputs)))
        kernel.fold(
            self.steps, self.starts, self.cells, self.edges, self.outputs, self.coverage, cutoff, seen, spans, out
        )
        return out

    def _address(self, array: np.ndarray) -> int:
        self._alive.append(array)
        return address(array) if len(array) else 0

    def _cells(self, part: Part) -> np.ndarray:
        """(g, 4) int64: filter, kind, address of the column, bytes of its codes."""
        table = np.zeros((len(part.plan.cells), 4), np.int64)
        for row, (filter_, kind, column) in zip(table, part.plan.cells, strict=True):
            row[[kernel.FILTER, kernel.KIND]] = filter_, kind
            if column >= 0:
                name, columns = part.plan.columns[column], part.columns
                coded = columns.coded(name)
                values = columns.codes(name) if coded else columns.numbers(name)
                row[kernel.ADDRESS], row[kernel.CODE_SIZE] = self._address(values), values.itemsize if coded else 0
        return table

    def _addresses(self, step: np.ndarray, part: Part) -> None:
        columns, reach = part.columns, part.reach
        step[kernel.AT], step[kernel.KNOWN] = self._address(columns.at), self._address(columns.known)
        step[kernel.REVISED] = self._address(columns.revision_bits)
        step[kernel.REVISED_ROWS], step[kernel.UNTIL] = self._address(columns.revised), self._address(columns.until)
        bits = columns.bits(part.plan.filters)
        step[kernel.BITS], step[kernel.WORD_SIZE] = self._address(bits), bits.itemsize
        step[kernel.N_REVISED] = len(columns.revised)
        if part.plan.breaks_ties:
            step[kernel.RANK] = self._address(columns.rank)
        if part.plan.pairs_cases:
            step[kernel.CASE], step[kernel.STATE] = self._address(columns.case), self._address(columns.state)
        start, end = columns.runs_of(reach)
        step[kernel.RUN_START], step[kernel.RUN_END] = self._address(start), self._address(end)
        step[kernel.AT_FROM], step[kernel.AT_TO] = self._address(reach.at_from), self._address(reach.at_to)
        step[kernel.KNOWN_FROM], step[kernel.KNOWN_TO] = self._address(reach.known_from), self._address(reach.known_to)
