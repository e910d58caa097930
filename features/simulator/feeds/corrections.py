"""Rows that systems later correct or withdraw: the same id, known later, with other content."""

import numpy as np

from features.simulator.clock import DAY
from features.simulator.feeds.tables import Chunk
from features.simulator.scenario import Feeds

CORRECTED: dict[str, str] = {"journey": "sentiment", "faults": "minutes", "sla": "actual", "usage": "value"}
"""Which column of a source is measured again."""

WITHDRAWN = ("journey", "usage")
"""Sources of which some rows turn out never to have happened."""


def of(source: str, rows: Chunk, rng: np.random.Generator, feeds: Feeds) -> list[Chunk]:
    """The later revisions of some of the rows, one to ten days after they became known."""
    made = []
    if source in CORRECTED:
        column = CORRECTED[source]
        chosen = np.flatnonzero((rng.random(len(rows["id"])) < feeds.revised_share) & ~np.isnan(rows[column]))
        revised = _later(rows, chosen, rng, 1, 10)
        revised[column] = revised[column] * rng.uniform(0.75, 0.98, len(chosen))
        made.append(revised)
    if source in WITHDRAWN:
        chosen = np.flatnonzero(rng.random(len(rows["id"])) < feeds.void_share)
        made.append(_later(rows, chosen, rng, 11, 20) | {"void": np.ones(len(chosen), bool)})
    return [chunk for chunk in made if len(chunk["id"])]


def _later(rows: Chunk, chosen: np.ndarray, rng: np.random.Generator, shortest: int, longest: int) -> Chunk:
    copy = {name: values[chosen] for name, values in rows.items()}
    copy["known_at"] = copy["known_at"] + rng.uniform(shortest * DAY, longest * DAY, len(chosen)).astype(np.int64)
    return copy
