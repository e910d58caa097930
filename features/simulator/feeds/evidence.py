"""Two keys seen together, or known to be apart."""

import numpy as np

from features.simulator.world import World


def link(
    world: World,
    child: str,
    key: np.ndarray,
    parent: str,
    other: np.ndarray,
    at: np.ndarray,
    owner: np.ndarray,
    state: str = "linked",
) -> None:
    """Evidence that each ``key`` belongs to its ``other`` from an instant on (or ``unlinked``: no longer does)."""
    world.ledger.add("evidence", child, key, at, owner, other_type=parent, other=other, state=state)
