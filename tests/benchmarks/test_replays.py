"""The truth against what comes, at a size that shows: `make pin` measures the same on 100,000 customer-cutoffs."""

import numpy as np
import pytest

from features.simulator.truth import futures
from tests.pins import MONTHS, came
from tests.reference import operators


@pytest.mark.slow
def test_forward_replays_agree_with_what_comes() -> None:
    """Over several operators, since what a market does to everyone at once does not average out within one."""
    chances, events = [], []
    for operator, cutoffs in operators(4, 2_500, first_seed=40, months=MONTHS):
        table = futures(operator, cutoffs, replays=8).to_pandas()
        chances.append(table.leave_60.to_numpy())
        events.append(came(table, 60))
    p, y = np.concatenate(chances), np.concatenate(events)
    slope = np.polyfit(p, y, 1)[0]
    # The standard error without clusters is 0.03 at this size; households and enterprises leave together.
    assert len(p) > 25_000
    assert abs(slope - 1) < 0.12
    assert 0.88 < y.mean() / p.mean() < 1.12
    print(f"slope {slope:.3f}, observed over expected {y.mean() / p.mean():.3f} on {len(p):,} rows")
