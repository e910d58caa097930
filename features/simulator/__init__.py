"""A telecom operator whose truth is known, as one more source of facts.

`simulate` yields, month by month, what each of the operator's systems delivered; `truth.hazards` tells, apart from the
facts, what really drove the customers. Everything random comes from named streams of one seed.
"""

from features.simulator.feeds.ledger import Batch
from features.simulator.run import simulate
from features.simulator.scenario import DEFAULT, Effects, Scenario, describe

__all__ = ["DEFAULT", "Batch", "Effects", "Scenario", "describe", "simulate"]
