"""Features of one entity from packed keys: the plans of `Vectors`, bound anew to the bytes of each call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from features.conditions import MAX_FILTERS
from features.engine import kernel, lookups, rule
from features.engine.bound import Coverage, looked_at
from features.engine.cells import CODE_SIZE, FILTER, KIND
from features.engine.live import arena
from features.engine.live.layout import Layout, Section
from features.engine.machine import address
from features.engine.plan import Plan, compile_plan, emission
from features.feature import Feature

OWN, VIA, OF = "own", "via", "of"
Way = tuple[str, str]
"""How an entity is read: ``("own", "")``, ``("via", "site")`` or ``("of", "account")``."""
_NOBODY = np.full(2, -1, np.int64)


@dataclass(frozen=True)
class Reached:
    """What one entity is read through. ``rectangles`` (5, r) int64: key, at_from, at_to, known_from, known_to;
    ``spans``: way -> its rectangles, first and one past the last ((-1, -1): there is no such parent).

    What follows from these for some ways is worked out once, for many calls are about the same entity.
    """

    rectangles: np.ndarray
    spans: Mapping[Way, tuple[int, int]]
    _laid: dict[tuple[Way, ...], tuple[list[int], np.ndarray]] = field(default_factory=dict, compare=False, repr=False)

    def keys(self, ways: Sequence[Way]) -> list[int]:
        """The keys to be read for some ways, each once."""
        return self._of(tuple(ways))[0]

    def table(self, ways: Sequence[Way]) -> np.ndarray:
        """(w, 2) int64 the spans of some ways."""
        return self._of(tuple(ways))[1]

    def _of(self, ways: tuple[Way, ...]) -> tuple[list[int], np.ndarray]:
        if ways not in self._laid:
            spans = [self.spans[way] for way in ways]
            keys = [key for low, high in spans if low < high for key in self.rectangles[0, low:high].tolist()]
            self._laid[ways] = list(dict.fromkeys(keys)), np.array(spans, np.int64).reshape(-1, 2)
        return self._laid[ways]


class LiveFold:
    """Some features of entities of one type, each read from packed keys (`packed`) of a layout's ``sections``.

    Not for use by two threads at once: each has its own.
    """

    def __init__(self, layout: Layout, sections: Sequence[int], features: Sequence[Feature]) -> None:
        """Compiles the plans, and the kernel with a call on nothing."""
        self.features = tuple(features)
        self._layout = layout
        of_source = {layout.sections[i].source: i for i in sections}
        self._plans, self.ways, places = self._compiled(of_source)
        # Where the kernel's output has the value of each feature.
        self._order = np.argsort(np.concatenate(places)) if places else np.empty(0, np.int64)
        self._of_steps = np.array(
            [(of_source[plan.source], self.ways.index(way)) for plan, way in self._plans], np.int64
        ).reshape(-1, 2)
        self._sections = np.array([_shape(section) for section in layout.sections], np.int64)
        self._tables()
        self._arena, self._no_words = np.zeros(0, np.int64), np.zeros(1, np.int64)
        self._cutoff, self._seen, self._pair = (np.zeros(1, np.int64) for _ in range(3))
        self._spans, self._out = np.zeros((1, len(self._steps), 2), np.int64), np.zeros(len(self.features))
        self._out_at = address(self._out)
        self._coverage: tuple[int, np.ndarray] | None = None
        nothing = Reached(np.empty((5, 0), np.int64), dict.fromkeys(self.ways, (0, 0)))
        self.values(bytearray(), 0, nothing, {}, -1, 1, 1)

    def _compiled(
        self, of_source: Mapping[str, int]
    ) -> tuple[list[tuple[Plan, Way]], tuple[Way, ...], list[np.ndarray]]:
        grouped: dict[tuple[str, Way], list[int]] = {}
        for i, feature in enumerate(self.features):
            way = (VIA, feature.via) if feature.via else (OF, feature.of) if feature.of else (OWN, "")
            grouped.setdefault((feature.source, way), []).append(i)
        plans = [
            (
                compile_plan(
                    name,
                    [emission(self.features[i]) for i in members],
                    self._layout.sections[of_source[name]].filters,
                ),
                way,
            )
            for (name, way), members in grouped.items()
        ]
        ways = tuple(dict.fromkeys([(OWN, ""), *(way for _, way in plans)]))
        return plans, ways, [np.array(members) for members in grouped.values()]

    def _tables(self) -> None:
        """All that does not depend on the entity; `Bound` has the same of a block."""
        plans = [plan for plan, _ in self._plans]
        self._steps = np.zeros((len(plans), rule.STEP_WIDTH), np.int64)
        self._starts = np.zeros((len(plans), MAX_FILTERS + 1), np.int64)
        sizes = np.zeros(3, np.int64)
        cells: list[np.ndarray] = []
        columns: list[np.ndarray] = []
        for step, starts, (plan, way) in zip(self._steps, self._starts, self._plans, strict=True):
            starts[:] = plan.starts
            section = self._layout.sections[int(self._of_steps[len(cells), arena.SECTION])]
            grown = sizes + np.array([len(plan.cells), len(plan.edges), len(plan.outputs)], np.int64)
            step[rule.FIRST_CELL], step[rule.LAST_CELL] = sizes[0], grown[0]
            step[rule.FIRST_EDGE], step[rule.BANDS] = sizes[1], len(plan.edges) - 1
            step[rule.FIRST_OUTPUT], step[rule.LAST_OUTPUT] = sizes[2], grown[2]
            step[rule.NEEDS_REACH], step[rule.WORD_SIZE] = way[0] == VIA, 8
            step[rule.PAIRS], step[rule.AGES] = plan.pairs_cases, plan.asks_age
            step[rule.TALLIED], step[rule.LISTED] = looked_at(plan)
            table, places = np.zeros((len(plan.cells), 4), np.int64), np.full(len(plan.cells), -1, np.int64)
            for g, (filter_, kind, column) in enumerate(plan.cells.tolist()):
                table[g, FILTER], table[g, KIND] = filter_, kind
                if column >= 0:
                    places[g] = section.place(plan.columns[column])
                    table[g, CODE_SIZE] = 4 if plan.columns[column] in section.codes else 0
            cells.append(table)
            columns.append(places)
            sizes = grown
        none = np.empty((0, 4), np.int64)
        self._cells = np.concatenate([none, *cells])
        self._cell_columns = np.concatenate([np.empty(0, np.int64), *columns])
        self._edges = np.concatenate([np.empty(0, np.int64), *(plan.edges for plan in plans)])
        self._outputs = np.concatenate([np.empty((0, 7), np.int64), *(plan.outputs for plan in plans)])

    def values(
        self,
        packed: bytearray,
        n_keys: int,
        reached: Reached,
        coverage: Mapping[str, Coverage],
        version: int,
        cutoff: int,
        seen: int,
    ) -> np.ndarray:
        """(features,) float32 at ``cutoff`` as known to ``seen``; of a category the store's code. Missing is NaN.

        ``packed``: the bytes of ``n_keys`` keys one after another; a key that is not there has no rows. ``coverage``
        per source, the same for as long as ``version``, not negative, is.
        """
        words = np.frombuffer(packed, np.int64) if n_keys else self._no_words
        covers = self._covers(coverage, version)
        wanted = arena.room(len(words), len(self._sections), reached.rectangles.shape[1], len(self._steps))
        if len(self._arena) < wanted:
            self._arena = np.zeros(2 * wanted, np.int64)
            self._base = address(self._arena)
            self._arena32, self._arena8 = self._arena.view(np.int32), self._arena.view(np.int8)
        steps, cells = self._steps, self._cells
        arena.bind(
            words, n_keys, self._sections, steps, self._of_steps, cells, self._cell_columns, reached.rectangles,
            reached.table(self.ways), self._spans, self._base, self._arena, self._arena32, self._arena8,
        )  # fmt: skip
        self._cutoff[0], self._seen[0] = cutoff, seen
        kernel.fold(
            steps, self._starts, cells, self._edges, self._outputs, covers,
            self._cutoff, self._seen, self._spans, self._pair, self._out_at, 1, True,
        )  # fmt: skip
        return self._out.take(self._order).astype(np.float32)

    def _covers(self, coverage: Mapping[str, Coverage], version: int) -> np.ndarray:
        """The coverage of every step, made anew when another version comes."""
        if self._coverage is None or self._coverage[0] != version:
            found, first = [np.empty((0, 2), np.int64)], 0
            for step, (plan, _) in zip(self._steps, self._plans, strict=True):
                held = np.array(coverage.get(plan.source, ()), np.int64).reshape(-1, 2)
                step[rule.FIRST_COVER], step[rule.LAST_COVER] = first, first + len(held)
                first += len(held)
                found.append(held)
            self._coverage = version, np.concatenate(found)
        return self._coverage[1]


def present(rectangles: np.ndarray, span: tuple[int, int], cutoff: int, seen: int) -> int | None:
    """The key of the present parent among some rectangles (5, r), ``None`` where there is none."""
    low, high = span
    if low >= high:
        return None
    found = np.empty(1, np.int64)
    bounds = (np.ascontiguousarray(row) for row in rectangles)
    lookups.present(*bounds, np.array([[low, high]], np.int64), np.array([cutoff]), np.array([seen]), found)
    return int(rectangles[0, found[0]]) if found[0] >= 0 else None


def _shape(section: Section) -> tuple[int, int, int, int]:
    state = section.codes.index("state") if section.case else -1
    return len(section.numbers), len(section.codes), bool(section.case), state
