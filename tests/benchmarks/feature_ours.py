"""Our side of the benchmark: the calls a user makes, from the lake to a frame."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.engine.block import Block
from features.engine.columns import Columns
from features.engine.plan import looked_at
from features.history import History, columns_read
from features.identity.reach import Reach
from tests.benchmarks.feature_asked import CATALOG, FEATURES, FORTY
from tests.benchmarks.feature_facts import Size


def from_evidence(size: Size, cutoffs: np.ndarray) -> pd.DataFrame:
    """Features of everybody at every cutoff, with reach derived from all that was ever said of keys."""
    history = History.load(size.lake, CATALOG, within=looked_at(FEATURES, int(cutoffs[0]), int(cutoffs[-1])))
    entities = history.entities_of["customer"]
    return history.frame("customer", np.tile(entities, len(cutoffs)), np.repeat(cutoffs, len(entities)), FEATURES)


def with_links(size: Size, cutoffs: np.ndarray) -> pd.DataFrame:
    """The same with the table of links the peers are given."""
    links = pq.read_table(size.links)
    bounds = (links[name].cast(pa.int64()).to_numpy() for name in ("at_from", "at_to", "known_from", "known_to"))
    reach = Reach(links["customer"].to_numpy(), links["key"].to_numpy(), *bounds)
    snapshot = size.lake.snapshot()
    within = looked_at(FEATURES, int(cutoffs[0]), int(cutoffs[-1]))["journey"]
    rows = Columns("journey", size.lake.pieces("journey", snapshot), columns_read(CATALOG)["journey"], within)
    block = Block({"journey": rows}, snapshot.coverage, {"customer": reach}.__getitem__, _no_parents)
    entities = pd.unique(reach.entity)
    return block.frame("customer", np.tile(entities, len(cutoffs)), np.repeat(cutoffs, len(entities)), FEATURES)


def forty(size: Size, cutoffs: np.ndarray) -> pd.DataFrame:
    """More features over more columns, as many as a model reads, with reach derived: what must fit into memory."""
    within = looked_at(FORTY, int(cutoffs[0]), int(cutoffs[-1]))
    history = History.load(size.lake, replace(CATALOG, features=FORTY), within=within)
    entities = history.entities_of["customer"]
    return history.frame("customer", np.tile(entities, len(cutoffs)), np.repeat(cutoffs, len(entities)), FORTY)


def _no_parents(entity_type: str, parent_type: str) -> Reach:
    raise KeyError(f"no feature is asked of the {parent_type} of a {entity_type}")
