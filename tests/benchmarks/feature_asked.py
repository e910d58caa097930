"""What every side of the benchmark is asked, and how its answer is laid out so that answers can be compared.

An answer is a table of ``customer`` (int64 id), ``cutoff`` (timestamp) and one float32 column per feature, in any order
of rows; who has no visible fact in 90 days may be left out, for nothing is as cheap as not saying it.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from features.declare import Catalog, Feature
from features.facts import PHASES
from tests.benchmarks.feature_facts import KEY_TYPES, LINKS

WINDOWS = (7, 30, 90)
FEATURES = tuple(
    feature
    for days in WINDOWS
    for feature in (
        *(Feature("journey", "count", window=f"{days}d", where={"phase": phase}) for phase in PHASES),
        Feature("journey", "sum", "value", f"{days}d"),
        Feature("journey", "distinct", "channel", f"{days}d"),
    )
)
"""24: six phase counts, a sum and a distinct count over three windows. Peers answer in this order."""
NAMES = tuple(feature.name for feature in FEATURES)
CATALOG = Catalog(KEY_TYPES, LINKS, FEATURES, ())

MORE = (
    *(Feature("journey", "mean", "sentiment", f"{days}d") for days in (30, 90)),
    *(Feature("journey", "count", window=f"{days}d", where={"outcome": ("open", "handed_off")}) for days in (30, 90)),
    *(Feature("journey", "count", window=f"{days}d", where={"topic": "billing"}) for days in (30, 90)),
    *(Feature("journey", "count", window=f"{days}d", where={"topic": "outage"}) for days in (30, 90)),
    *(Feature("journey", "count", window="90d", where={"action": action}) for action in ("complain", "order")),
    *(Feature("journey", "since_last", where={"phase": phase}) for phase in PHASES),
)  # fmt: skip
FORTY = (*FEATURES, *MORE)
"""What a hundred million facts are asked: other aggregates and columns besides."""

READ = ("key_id", "at", "known_at", "until", "phase", "channel", "value")
"""The stored columns the 24 features need, by the rule of time."""


def laid_out(answer: pa.Table, customers: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """(cutoffs, customers, 24) float32; 0 where the answer has no row. Raises `ValueError` for a row said twice."""
    at = np.searchsorted(cutoffs, answer["cutoff"].cast(pa.int64()).to_numpy())
    who = np.searchsorted(customers, answer["customer"].to_numpy())
    if len(pd.unique(at * len(customers) + who)) != answer.num_rows:
        raise ValueError("a customer is answered twice at one cutoff")
    out = np.zeros((len(cutoffs), len(customers), len(NAMES)), np.float32)
    for i, name in enumerate(NAMES):
        out[at, who, i] = answer[name].to_numpy()
    return out


def differing(ours: np.ndarray, theirs: np.ndarray) -> dict[str, int]:
    """Feature -> in how many values two layouts differ: counts at all, sums by more than float32 rounds."""
    found = {}
    for i, feature in enumerate(FEATURES):
        rtol = 3e-7 if feature.aggregate == "sum" else 0.0
        wrong = ~np.isclose(ours[..., i], theirs[..., i], rtol=rtol, atol=0.0)
        if wrong.any():
            found[feature.name] = int(wrong.sum())
    return found
