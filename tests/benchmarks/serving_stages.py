"""How long the stages of a decision took, as the service's own metrics say it, between two looks."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.serving_sides import Side

_LINE = re.compile(
    r'tieline_stage_seconds_(bucket|sum|count)\{(?:le="([^"]+)",)?stage="(\w+)"(?:,le="([^"]+)")?\} (\S+)'
)
_DECISIONS = re.compile(r'tieline_decisions_total\{action="(\w+)",match="(\w+)"\} (\S+)')

Counts = dict[Any, float]


@dataclass
class Look:
    """Cumulative counts. ``stages``: (stage, bound or "sum" or "count") -> count; ``states``: by match."""

    stages: Counts = field(default_factory=dict)
    states: Counts = field(default_factory=dict)

    def less(self, before: "Look") -> "Look":
        """What came since."""
        return Look(_less(self.stages, before.stages), _less(self.states, before.states))

    def plus(self, other: "Look") -> "Look":
        """Both together."""
        return Look(_plus(self.stages, other.stages), _plus(self.states, other.states))

    def microseconds(self) -> dict[str, dict[str, float]]:
        """Stage -> its mean, and its median as near as the buckets tell."""
        names = sorted({name for name, _ in self.stages})
        return {name: {"mean": 1e6 * self._mean(name), "median": 1e6 * self._median(name)} for name in names}

    def _mean(self, name: str) -> float:
        return self.stages[name, "sum"] / max(self.stages[name, "count"], 1)

    def _median(self, name: str) -> float:
        half = self.stages[name, "count"] / 2
        low = below = 0.0
        for bound, count in sorted((float(b), c) for (n, b), c in self.stages.items() if n == name and b[-1].isdigit()):
            if count >= half:
                return low + (bound - low) * (half - below) / max(count - below, 1)
            low, below = bound, count
        return low


def look(side: Side) -> Look:
    """What a service of ours counts now."""
    return said(side.get("/metrics")[1].decode())


def said(text: str) -> Look:
    """What a text of metrics says."""
    found = Look()
    for what, first, stage, last, value in _LINE.findall(text):
        found.stages[stage, first or last or what] = float(value)
    for _, state, value in _DECISIONS.findall(text):
        found.states[state] = found.states.get(state, 0.0) + float(value)
    return found


def _less(after: Counts, before: Counts) -> Counts:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _plus(one: Counts, other: Counts) -> Counts:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}
