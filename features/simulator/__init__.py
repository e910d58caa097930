"""A telecom operator whose truth is known, as one more source of facts.

`simulate` yields, month by month, what each of the operator's systems delivered. The package `truth` tells, apart from
the facts, what really drove the customers, what would come of every action and whose every key was; nothing but tests,
benchmarks and notebooks may import it. docs/simulator.md describes the operator.
"""

from features.simulator.directory import Registers, registers
from features.simulator.feeds.ledger import Batch
from features.simulator.run import simulate
from features.simulator.scenario import DEFAULT, Effects, Feeds, KeyHabits, Memory, NeedRates, Scenario
from features.simulator.scenarios import SCENARIOS, describe, fingerprint, scenario_named

__all__ = [
    "DEFAULT",
    "SCENARIOS",
    "Batch",
    "Effects",
    "Feeds",
    "KeyHabits",
    "Memory",
    "NeedRates",
    "Registers",
    "Scenario",
    "describe",
    "fingerprint",
    "registers",
    "scenario_named",
    "simulate",
]
