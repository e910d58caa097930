"""What the default operator is pinned to: the figures every later claim leans on, with the bounds they must keep."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from features.simulator.scenario import DEFAULT
from features.simulator.scenarios import fingerprint

FILE = Path(__file__).with_name("pinned.json")


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure of the default scenario and the bounds it must lie in."""

    name: str
    low: float
    high: float
    meaning: str


BARS = (
    Bar("monthly_voluntary_churn", 0.015, 0.025, "notices and concluded silences per customer and month"),
    Bar("reference_auc_60", 0.75, 0.85, "AUC of the visible-information reference for leaving within 60 days"),
    Bar("frailty_cost_auc_60", 0.01, 0.03, "AUC of the full-state probabilities less that without the unseen frailty"),
    Bar("lowest_stay_effect_60", -0.02, 0.04, "0.1 % of actions shown to somebody help them stay less than this"),
    Bar("highest_stay_effect_60", -0.02, 0.04, "0.1 % of actions shown to somebody help them stay more than this"),
    Bar("replay_slope_60", 0.97, 1.03, "slope of what came over the forward-replay probabilities"),
)


@dataclass(frozen=True, slots=True)
class Pins:
    """The figures as measured, for which scenario, from how much."""

    fingerprint: str
    figures: dict[str, float]
    measured_on: dict[str, int]

    @property
    def current(self) -> bool:
        """Whether they were measured on the default scenario as it is declared now."""
        return self.fingerprint == fingerprint(DEFAULT)

    @property
    def others(self) -> dict[str, float]:
        """The figures no bar is set for."""
        return {name: figure for name, figure in self.figures.items() if name not in {bar.name for bar in BARS}}

    @property
    def broken(self) -> tuple[str, ...]:
        """The bars that do not hold."""
        return tuple(bar.name for bar in BARS if not bar.low <= self.figures[bar.name] <= bar.high)

    @property
    def words(self) -> str:
        """What they were measured on, in words."""
        return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in self.measured_on.items())

    def save(self) -> None:
        """Write them beside this module."""
        FILE.write_text(json.dumps(asdict(self), indent=1, sort_keys=True) + "\n")


def pins() -> Pins:
    """The recorded figures; `make pin` measures them anew."""
    return Pins(**json.loads(FILE.read_text()))
