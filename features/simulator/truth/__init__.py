"""What really drove the customers: for tests, benchmarks and notebooks only, never for the pipeline."""

from features.simulator.truth.hazards import hazards

__all__ = ["hazards"]
