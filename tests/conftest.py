"""Shared by all tests: where helpers are found and how hypothesis runs."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "features")]
pytest_plugins = ["command_line"]

SHRINK = os.environ.get("TIELINE_SHRINK", "1") == "1"  # whoever only asks "does it fail?" need not shrink

settings.register_profile(
    "default",
    deadline=None,  # shared machines: a slow example is not a wrong one
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    max_examples=int(os.environ.get("TIELINE_EXAMPLES", "100")),
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if SHRINK else [])],
    derandomize=True,
    database=None,
)
settings.load_profile("default")
