"""What is asked of the servers: the bodies, one on a line."""

import math
from pathlib import Path

import numpy as np
import orjson
import pandas as pd

from features.history import History
from models import bundle
from models.registry import Registry
from tests.benchmarks.serving_operator import KEY_TYPES, Bench, key_types_of

CHANNELS = ("call_center", "web", "app", "chat", "retail")
_TWO = 0.25
"""The share of calls that know two keys of the person."""


def decisions(people: pd.DataFrame, seed: int = 0) -> list[bytes]:
    """A body for each of the people, in random order: one of their keys, or two, on any channel."""
    rng = np.random.default_rng(seed)
    found = []
    for person in people.sample(frac=1, random_state=seed)[list(KEY_TYPES)].to_dict(orient="records"):
        types = key_types_of(person)
        n = min(len(types), 2 if rng.random() < _TWO else 1)
        keys = [{"type": t, "value": person[t]} for t in rng.permutation(types)[:n].tolist()]
        found.append(orjson.dumps({"keys": keys, "channel": str(rng.choice(CHANNELS)), "limit": 3}))
    return found


def vectors(bench: Bench, most: int = 500) -> list[bytes]:
    """Bodies for ``mlflow models serve``: the columns the churn model reads, of some of the people as the lake ends."""
    champion = Registry(bench.settings.models).champion(bench.workspace.model_name("churn"))
    names = bundle.load(champion.path).features
    history = History.load(bench.lake, bench.workspace.catalog)
    features = tuple(f for f in history.catalog.features if f.name in names)
    entities = history.entities_of["customer"][:most]
    frame = history.frame("customer", entities, np.full(len(entities), history.end), features)
    rows = frame[list(names)].astype(object).to_numpy().tolist()
    return [orjson.dumps({"dataframe_split": {"columns": names, "data": [list(map(_plain, row))]}}) for row in rows]


def write(bodies: list[bytes], path: Path) -> Path:
    """The file, a body on each line."""
    path.write_bytes(b"\n".join(bodies))
    return path


def _plain(value: object) -> object:
    """As JSON has it: a missing value is null."""
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
