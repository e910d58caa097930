"""What really drove the customers: for tests, benchmarks and notebooks only, never for the pipeline."""

from features.simulator.truth.futures import HORIZONS, Operator, effects, futures
from features.simulator.truth.hazards import hazards
from features.simulator.truth.owners import owners

__all__ = ["HORIZONS", "Operator", "effects", "futures", "hazards", "owners"]
