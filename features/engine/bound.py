"""Plans joined to the rows they read and the reach they read them through: what one call of the kernel needs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.conditions import MAX_FILTERS
from features.engine import cells, kernel, rule
from features.engine.columns import Columns
from features.engine.machine import address
from features.engine.plan import CASES, TALLY, Plan
from features.identity.reach import Reach

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
        self.steps = np.zeros((len(parts), rule.STEP_WIDTH), np.int64)
        self.starts = np.zeros((len(parts), MAX_FILTERS + 1), np.int64)
        found, edges, outputs, coverage = [], [], [], []
        sizes = np.zeros(4, np.int64)
        for step, starts, part in zip(self.steps, self.starts, parts, strict=True):
            plan, held = part.plan, np.array(part.coverage, np.int64).reshape(-1, 2)
            starts[:] = plan.starts
            found.append(self._cells(part))
            edges.append(plan.edges)
            outputs.append(plan.outputs)
            coverage.append(held)
            grown = sizes + np.array([len(plan.cells), len(plan.edges), len(plan.outputs), len(held)], np.int64)
            step[rule.FIRST_CELL], step[rule.LAST_CELL] = sizes[0], grown[0]
            step[rule.FIRST_EDGE], step[rule.BANDS] = sizes[1], len(plan.edges) - 1
            step[rule.FIRST_OUTPUT], step[rule.LAST_OUTPUT] = sizes[2], grown[2]
            step[rule.FIRST_COVER], step[rule.LAST_COVER] = sizes[3], grown[3]
            step[rule.NEEDS_REACH] = part.needs_reach
            step[rule.PAIRS], step[rule.AGES] = plan.pairs_cases, plan.asks_age
            self._addresses(step, part)
            step[rule.TALLIED], step[rule.LISTED] = looked_at(plan)
            sizes = grown
        self.cells, self.edges = np.concatenate(found), np.concatenate(edges)
        self.outputs, self.coverage = np.concatenate(outputs), np.concatenate(coverage)

    def fold(
        self, cutoff: np.ndarray, seen: np.ndarray, spans: np.ndarray, out: np.ndarray, places: np.ndarray
    ) -> None:
        """Write ``out[:, places[i]]`` for p pairs: ``out`` (o, q) float32 or float64, contiguous.

        ``spans`` (p, parts, 2) int64: rectangles of each part's reach (-1: there is nobody to reach through).
        """
        kernel.fold(
            self.steps, self.starts, self.cells, self.edges, self.outputs, self.coverage, cutoff, seen, spans, places,
            address(out), out.shape[1], out.dtype == np.float64,
        )  # fmt: skip

    def _address(self, array: np.ndarray) -> int:
        self._alive.append(array)
        return address(array) if len(array) else 0

    def _cells(self, part: Part) -> np.ndarray:
        """(g, 4) int64: filter, kind, address of the column, bytes of its codes."""
        table = np.zeros((len(part.plan.cells), 4), np.int64)
        for row, (filter_, kind, column) in zip(table, part.plan.cells, strict=True):
            row[[cells.FILTER, cells.KIND]] = filter_, kind
            if column >= 0:
                name, columns = part.plan.columns[column], part.columns
                coded = columns.coded(name)
                values = columns.codes(name) if coded else columns.numbers(name)
                row[cells.ADDRESS], row[cells.CODE_SIZE] = self._address(values), values.itemsize if coded else 0
        return table

    def _addresses(self, step: np.ndarray, part: Part) -> None:
        columns, reach = part.columns, part.reach
        step[rule.AT], step[rule.KNOWN] = self._address(columns.at), self._address(columns.known)
        step[rule.REVISED] = self._address(columns.revision_bits)
        step[rule.REVISED_ROWS], step[rule.UNTIL] = self._address(columns.revised), self._address(columns.until)
        bits = columns.bits(part.plan.filters)
        step[rule.BITS], step[rule.WORD_SIZE] = self._address(bits), bits.itemsize
        step[rule.N_REVISED] = len(columns.revised)
        if part.plan.breaks_ties:
            step[rule.RANK] = self._address(columns.rank)
        if part.plan.pairs_cases:
            step[rule.CASE], step[rule.STATE] = self._address(columns.case), self._address(columns.state)
        start, end = columns.runs_of(reach)
        step[rule.RUN_START], step[rule.RUN_END] = self._address(start), self._address(end)
        step[rule.AT_FROM], step[rule.AT_TO] = self._address(reach.at_from), self._address(reach.at_to)
        step[rule.KNOWN_FROM], step[rule.KNOWN_TO] = self._address(reach.known_from), self._address(reach.known_to)


def looked_at(plan: Plan) -> tuple[int, int]:
    """The filters whose rows are counted, and those of whose rows more is kept, a bit each."""
    tallied, listed = 0, 0
    for filter_, kind, _ in plan.cells.tolist():
        tallied |= (kind == TALLY) << filter_
        listed |= (kind not in (TALLY, CASES)) << filter_
    return tuple(np.array([tallied, listed], np.uint64).view(np.int64).tolist())
