"""A small simulated operator with really trained models, in a home of its own."""

import shutil
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features import simulator
from features.conditions import duration
from features.dataset import build
from features.declare import Catalog
from features.history import History
from features.identity.keys import KeyRing, load_secret
from features.ingest import append_facts
from features.lake import Lake
from features.objection import objects
from features.visitors import build_visitors
from features.workspace import load_workspace
from models.hazard import Params
from serving.settings import Settings
from training import fit
from training.run import TrainRecord, train
from training.track import track

CUSTOMERS, MONTHS, SEED = 400, 9, 11
PARAMS = Params(num_leaves=7, rounds=20, patience=5, folds=2, num_threads=1)


@dataclass(frozen=True)
class Operator:
    """The settings that serve it, what its lake holds, and which keys were ever linked to whom."""

    settings: Settings
    history: History
    keyring: KeyRing
    evidence: pa.Table
    records: tuple[TrainRecord, ...]

    @property
    def lake(self) -> Lake:
        """The operator's lake."""
        return Lake(load_workspace().lake_folder(self.settings.home))

    def id_of(self, key_type: str, key: str) -> int:
        """The id of a key."""
        return self.keyring.key_id(key_type, key)

    @property
    def active(self) -> list[str]:
        """CRM ids of the customers who are active at the end and do not object to profiling, in order."""
        return [name for name, objects in self.present if not objects]

    @property
    def objecting(self) -> list[str]:
        """CRM ids of the customers who are active at the end and do object, in order."""
        return [name for name, objects in self.present if objects]

    @cached_property
    def present(self) -> list[tuple[str, bool]]:
        """CRM id of every customer who is active at the end, and whether they object to profiling."""
        names = sorted(
            set(self.evidence.filter(pc.equal(self.evidence["other_type"], "customer"))["other"].to_pylist())
        )
        entities = np.array([self.keyring.key_id("customer", name) for name in names], np.int64)
        end = np.full(len(names), self.history.end)
        kept = self.history.eligible(self.history.catalog.task("churn"), entities, end)
        refusing = objects(self.history, "customer", entities, end)
        return [(name, bool(no)) for name, active, no in zip(names, kept, refusing, strict=True) if active]

    @cached_property
    def keys(self) -> dict[str, dict[str, str]]:
        """Customer -> key type -> a key that was linked to them, and never to anybody else."""
        owners: dict[tuple[str, str], set[str]] = defaultdict(set)
        table = self.evidence.filter(pc.equal(self.evidence["other_type"], "customer"))
        for row in table.select(["key_type", "key", "other"]).to_pylist():
            owners[row["key_type"], row["key"]].add(row["other"])
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for (key_type, key), linked in owners.items():
            if len(linked) == 1:
                found[next(iter(linked))][key_type] = key
        return found

    def active_with(self, *key_types: str) -> str:
        """The first active customer who has a key of each type."""
        return next(c for c in self.active if set(key_types) <= self.keys[c].keys())

    @cached_property
    def left(self) -> list[int]:
        """Ids of the customers who left before the end and do not object to profiling."""
        known = self.history.entities_of["customer"]
        ends = np.full(len(known), self.history.end)
        gone = ~self.history.eligible(self.history.catalog.task("churn"), known, ends)
        gone &= ~objects(self.history, "customer", known, ends)
        return known[gone].tolist()


def make(home: Path) -> Operator:
    """A home with lake and champions."""
    settings = Settings(home=home)
    workspace = load_workspace()
    lake, keyring = Lake(workspace.lake_folder(home)), KeyRing(load_secret(home))
    evidence = _simulate(lake, keyring, workspace.catalog)
    history = History.load(lake, workspace.catalog)
    records = tuple(_train(history, name, settings) for name in ("churn", "needs"))
    return Operator(settings, history, keyring, evidence, records)


def home_of(operator: Operator, folder: Path) -> Settings:
    """A copy of the operator's lake and secret in another home, served by the same model store."""
    home = folder / "home"
    shutil.copytree(
        operator.settings.home,
        home,
        ignore=shutil.ignore_patterns("mlflow.db", "mlartifacts", "api_keys.json", "champions", "live"),
    )
    return Settings(home=home, tracking_uri=operator.settings.models)


def workspace_of(operator: Operator, folder: Path) -> Settings:
    """The same lake in another home, as that of a workspace ``folder/shop`` with the telecom features and actions."""
    settings = home_of(operator, folder)
    (settings.home / "lakes" / "telecom").rename(settings.home / "lakes" / "shop")
    workspace = folder / "shop"
    workspace.mkdir()
    shutil.copy(load_workspace().folder / "actions.yaml", workspace)
    (workspace / "catalog.py").write_text(
        "from dataclasses import replace\n"
        "from features.catalog import CATALOG as telecom\n"
        "tasks = tuple(replace(t, features=None) for t in telecom.tasks)\n"
        "CATALOG = replace(telecom, features=(*telecom.features,), tasks=tasks)\n"
    )
    return settings.model_copy(update={"workspace": workspace})


def track_for_shop(operator: Operator, settings: Settings) -> Settings:
    """The settings with a model store of their own, which holds the operator's models under the workspace's names."""
    settings = settings.model_copy(update={"tracking_uri": None})
    for record in operator.records:
        name = f"shop.{record.model.manifest.task}"
        track(record, settings.models, str(settings.home / "mlartifacts"), who="tests", name=name)
    return settings


def _simulate(lake: Lake, keyring: KeyRing, catalog: Catalog) -> pa.Table:
    delivered: dict[str, list[simulator.Batch]] = defaultdict(list)
    for batch in simulator.simulate(CUSTOMERS, MONTHS, SEED):
        delivered[batch.source].append(batch)
    for source, batches in delivered.items():
        rows: list[pa.Table] = [b.rows for b in batches]
        covered = [interval for b in batches for interval in b.covered]
        append_facts(lake, keyring, source, rows, key_types=catalog.key_types, covered=covered)
    return pa.concat_tables([b.rows for b in delivered["evidence"]])


def _train(history: History, name: str, settings: Settings) -> TrainRecord:
    task = history.catalog.task(name)
    middle = history.start + (history.end - history.start) * 2 // 3
    train_data = build(history, task, history.start, middle, middle)
    test_data = build(history, task, middle, history.end - duration("1d"), history.end)
    unnamed = (
        build_visitors(history, task, history.start, middle, middle),
        build_visitors(history, task, middle, history.end - duration("1d"), history.end),
    )
    record = train(train_data, test_data, settings=fit.Settings(params=PARAMS), visitors=unnamed)
    assert record.visitors, record.headline["notes"]
    return track(record, settings.models, str(settings.home / "mlartifacts"), who="tests")
