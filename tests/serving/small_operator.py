"""A small simulated operator with really trained models, in a home of its own."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features import simulator
from features.dataset import build
from features.declare import Catalog, duration
from features.history import History
from features.identity.keys import KeyRing, load_secret
from features.ingest import append_facts
from features.lake import Lake
from features.workspace import load_workspace
from models.hazard import Params
from serving.settings import Settings
from training import fit
from training.run import track, train

CUSTOMERS, MONTHS, SEED = 400, 9, 11
PARAMS = Params(num_leaves=7, rounds=20, patience=5, folds=2, num_threads=1)


@dataclass(frozen=True)
class Operator:
    """The settings that serve it, what its lake holds, and which keys were ever linked to whom."""

    settings: Settings
    history: History
    keyring: KeyRing
    evidence: pa.Table

    @cached_property
    def active(self) -> list[str]:
        """CRM ids of the customers who are active at the end, in order."""
        names = sorted(
            set(self.evidence.filter(pc.equal(self.evidence["other_type"], "customer"))["other"].to_pylist())
        )
        entities = np.array([self.keyring.key_id("customer", name) for name in names], np.int64)
        end = np.full(len(names), self.history.end)
        kept = self.history.eligible(self.history.catalog.task("churn"), entities, end)
        return [name for name, active in zip(names, kept, strict=True) if active]

    def key_of(self, key_type: str, customer: str) -> str:
        """A key of a type that was linked to a customer, and to nobody else."""
        table = self.evidence.filter(pc.equal(self.evidence["key_type"], key_type))
        owners: dict[str, set[str]] = defaultdict(set)
        for key, owner in zip(table["key"].to_pylist(), table["other"].to_pylist(), strict=True):
            owners[key].add(owner)
        return next(key for key, found in owners.items() if found == {customer})

    def vector(self, customer: str) -> pd.DataFrame:
        """All features of a customer at the end of the lake."""
        entity = np.array([self.keyring.key_id("customer", customer)])
        return self.history.frame("customer", entity, np.array([self.history.end]), self.history.catalog.features)


def make(home: Path) -> Operator:
    """A home with lake and champions."""
    settings = Settings(home=home)
    workspace = load_workspace()
    lake, keyring = Lake(workspace.lake_folder(home)), KeyRing(load_secret(home))
    evidence = _simulate(lake, keyring, workspace.catalog)
    history = History.load(lake, workspace.catalog)
    for name in ("churn", "needs"):
        _train(history, name, settings)
    return Operator(settings, history, keyring, evidence)


def _simulate(lake: Lake, keyring: KeyRing, catalog: Catalog) -> pa.Table:
    delivered: dict[str, list[simulator.Batch]] = defaultdict(list)
    for batch in simulator.simulate(CUSTOMERS, MONTHS, SEED):
        delivered[batch.source].append(batch)
    for source, batches in delivered.items():
        rows: list[pa.Table] = [b.rows for b in batches]
        covered = [interval for b in batches for interval in b.covered]
        append_facts(lake, keyring, source, rows, key_types=catalog.key_types, covered=covered)
    return pa.concat_tables([b.rows for b in delivered["evidence"]])


def _train(history: History, name: str, settings: Settings) -> None:
    task = history.catalog.task(name)
    middle = history.start + (history.end - history.start) * 2 // 3
    train_data = build(history, task, history.start, middle, middle)
    test_data = build(history, task, middle, history.end - duration("1d"), history.end)
    record = train(train_data, test_data, settings=fit.Settings(params=PARAMS))
    track(record, settings.models, str(settings.home / "mlartifacts"), who="tests")
