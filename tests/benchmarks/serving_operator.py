"""The operator that decisions are measured on: simulated, ingested, trained and loaded once, kept under
``.tieline/bench/serving`` and made anew when the simulator, the catalogue or the store's own code changes.

20,000 customers with 100 to 300 facts each are asked about; the lake also holds those who have fewer, or more, or left.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console

from features import simulator
from features.history import History, columns_read
from features.identity.keys import KeyRing
from features.ingest import append_facts
from features.lake import Lake
from features.privacy.secrets import open_keyring
from features.workspace import Workspace, load_workspace
from serving.live.load import load
from serving.live.open import open_store
from serving.live.sqlite import beside
from serving.settings import Settings
from tests.benchmarks.feature_facts import bench_folder
from tests.benchmarks.serving_actions import fifty

ROOT = Path(__file__).parents[2]
PROGRESS = Console(stderr=True, highlight=False)
KEY_TYPES = ("customer", "msisdn", "email", "cookie")
"""What callers know people by."""
FACTS = (100, 300)
RECIPE = 2
"""Counted up when what is made here changes."""
_WORKSPACE = 'from features.catalog import CATALOG\n\n__all__ = ["CATALOG"]\n'


@dataclass(frozen=True)
class Size:
    """``asked`` customers are asked about, of an operator who has ``customers`` at any one time."""

    customers: int = 29_000
    months: int = 18
    asked: int = 20_000
    seed: int = 7


SMALL = Size(1_500, 18, 800)


@dataclass(frozen=True)
class Bench:
    """A made operator: where it lies, and what was found when it was made."""

    size: Size
    folder: Path

    @property
    def settings(self) -> Settings:
        """Its home and workspace, as a service gets them."""
        return Settings(home=self.folder / "home", workspace=self.folder / "shop", tracking_uri=None, store=None)

    @property
    def workspace(self) -> Workspace:
        """The workspace with fifty actions."""
        return load_workspace(self.folder / "shop")

    @property
    def lake(self) -> Lake:
        """Everything the operator knows."""
        return Lake(self.workspace.lake_folder(self.settings.home))

    @property
    def loaded(self) -> Path:
        """The live store as it was loaded; servers get copies."""
        return self.folder / "loaded.db"

    @property
    def people(self) -> pd.DataFrame:
        """A row per customer asked about: customer, facts, keys (how many they are read through), and by key type a key
        that was linked to nobody else (null: none).
        """
        return pd.read_parquet(self.folder / "people.parquet")

    @property
    def made(self) -> dict[str, object]:
        """What was noted while it was made: rows, seconds, bytes."""
        return dict(json.loads((self.folder / "made.json").read_text())["found"])

    def environment(self) -> dict[str, str]:
        """The variables of a process of this operator."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TIELINE_")}
        return kept | {"TIELINE_HOME": str(self.settings.home), "TIELINE_WORKSPACE": str(self.folder / "shop")}


def ensure(size: Size) -> Bench:
    """The operator, made as far as it is not there."""
    bench = Bench(size, bench_folder().resolve() / "serving" / f"{size.customers}-{size.months}-{size.seed}")
    mark = bench.folder / "made.json"
    wanted = _wanted(size)
    if mark.exists() and json.loads(mark.read_text())["wanted"] == wanted:
        found = json.loads(mark.read_text())["found"]
    else:
        shutil.rmtree(bench.folder, ignore_errors=True)
        found = _made(bench)
        mark.write_text(json.dumps({"wanted": wanted, "found": found}))
    if found.get("loaded_by") != _loaded_by() or not bench.loaded.exists():
        found |= _loaded(bench)
        mark.write_text(json.dumps({"wanted": wanted, "found": found}, indent=1))
    return bench


def _wanted(size: Size) -> dict[str, object]:
    catalog = hashlib.sha256(repr(load_workspace().catalog).encode()).hexdigest()
    fingerprint = simulator.fingerprint(simulator.DEFAULT)
    return {**asdict(size), "recipe": RECIPE, "simulator": fingerprint, "catalog": catalog}


def _loaded_by() -> str:
    """What tells the present way of loading a store from any other: the code that does it."""
    files = [*sorted((ROOT / "serving/live").glob("*.py")), *sorted((ROOT / "features/engine/live").glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _made(bench: Bench) -> dict[str, object]:
    shop = bench.folder / "shop"
    shop.mkdir(parents=True)
    (shop / "catalog.py").write_text(_WORKSPACE)
    (shop / "actions.yaml").write_text(fifty(load_workspace().folder / "actions.yaml"))
    begun = time.perf_counter()
    PROGRESS.print(f"simulating {bench.size.customers:,} customers over {bench.size.months} months")
    keyring = open_keyring(bench.settings.home, bench.lake)
    rows, evidence = _simulated(bench, keyring)
    simulated = time.perf_counter()
    people = _people(bench, keyring, evidence)
    people.to_parquet(bench.folder / "people.parquet")
    found: dict[str, object] = {"rows": rows, "seconds_simulate": simulated - begun, **_described(people)}
    for task in ("churn", "needs"):
        begun = time.perf_counter()
        command = [sys.executable, "-m", "tieline", "train", task]
        subprocess.run(command, env=bench.environment(), cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        found[f"seconds_train_{task}"] = time.perf_counter() - begun
    return found


def _simulated(bench: Bench, keyring: KeyRing) -> tuple[dict[str, int], pa.Table]:
    """Rows kept by source, and the evidence with the keys' names."""
    delivered: dict[str, list[simulator.Batch]] = defaultdict(list)
    for batch in simulator.simulate(bench.size.customers, bench.size.months, bench.size.seed):
        delivered[batch.source].append(batch)
    evidence = pa.concat_tables([b.rows for b in delivered["evidence"]])
    kept, key_types = {}, bench.workspace.catalog.key_types
    for source in list(delivered):
        batches = delivered.pop(source)
        rows: list[pa.Table] = [b.rows for b in batches]
        covered = [interval for b in batches for interval in b.covered]
        kept[source] = append_facts(bench.lake, keyring, source, rows, key_types=key_types, covered=covered).kept
    bench.lake.compact()
    return kept, evidence


def _people(bench: Bench, keyring: KeyRing, evidence: pa.Table) -> pd.DataFrame:
    """Those who are active at the end and have so many facts, as many as are asked about."""
    history = History.load(bench.lake, bench.workspace.catalog)
    counted = facts_of(history, bench.lake)
    said = evidence.filter(pc.equal(evidence["other_type"], "customer")).to_pandas()
    alone = said.groupby(["key_type", "key"]).other.agg(["nunique", "first"]).query("nunique == 1").reset_index()
    keys = alone.drop_duplicates(["first", "key_type"], keep="last").pivot(
        index="first", columns="key_type", values="key"
    )
    people = keys.reindex(columns=list(KEY_TYPES[1:])).rename_axis("customer").reset_index()
    entity = np.array([keyring.key_id("customer", name) for name in people.customer], np.int64)
    people["facts"], people["keys"] = (counted[name].reindex(entity).fillna(0).to_numpy() for name in counted)
    task = bench.workspace.catalog.task("churn")
    active = history.eligible(task, entity, np.full(len(entity), history.end))
    meant = people[active & people.facts.between(*FACTS).to_numpy()]
    if len(meant) < bench.size.asked:
        raise ValueError(f"only {len(meant):,} active customers have {FACTS} facts: simulate more")
    return meant.sample(bench.size.asked, random_state=bench.size.seed).reset_index(drop=True)


def facts_of(history: History, lake: Lake) -> pd.DataFrame:
    """By customer how many facts they are read through (``facts``), behind how many keys (``keys``)."""
    snapshot = lake.snapshot()
    of_key = pd.Series(dtype=np.int64)
    for source in columns_read(history.catalog):
        if snapshot.files.get(source):
            found = pd.Series(lake.read(source, snapshot)["key_id"].to_numpy()).value_counts()
            of_key = of_key.add(found, fill_value=0)
    reach = history.reach("customer")
    pairs = pd.DataFrame({"entity": np.array(reach.entity), "key": np.array(reach.key)}).drop_duplicates()
    pairs["facts"] = of_key.reindex(pairs["key"]).fillna(0).to_numpy()
    grouped = pairs.groupby("entity")
    return pd.DataFrame({"facts": grouped.facts.sum(), "keys": grouped.key.nunique()})


def _described(people: pd.DataFrame) -> dict[str, object]:
    quantiles = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    return {
        "customers_asked": len(people),
        **{f"{name}_quantiles": people[name].quantile(quantiles).tolist() for name in ("facts", "keys")},
        "with_key": {name: int(people[name].notna().sum()) for name in KEY_TYPES},
    }


def _loaded(bench: Bench) -> dict[str, object]:
    for path in bench.folder.glob("loaded.db*"):
        path.unlink()
    PROGRESS.print("loading the live store")
    begun = time.perf_counter()
    catalog = bench.workspace.catalog
    store = open_store(str(bench.loaded))
    try:
        load(store, bench.lake, catalog, catalog.task("churn").entity, now=bench.settings.now)
    finally:
        store.close()
    seconds = time.perf_counter() - begun
    return {"loaded_by": _loaded_by(), "seconds_load": seconds, "bytes_loaded": bench.loaded.stat().st_size}


def copied(bench: Bench, folder: Path) -> Path:
    """A copy of the loaded store in a folder, whose clock stands where the lake ends, as on the day it was loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "live.db"
    shutil.rmtree(beside(path), ignore_errors=True)
    for left in folder.glob("live.db*"):
        left.unlink()
    shutil.copyfile(bench.loaded, path)
    store = open_store(str(path))
    try:
        history = History.load(bench.lake, bench.workspace.catalog)
        store.set_clock(bench.settings.now(history.end) - store.machine_clock())
    finally:
        store.close()
    return path


def key_types_of(person: Mapping[str, object]) -> list[str]:
    """The types a row of `Bench.people` has a key of."""
    return [name for name in KEY_TYPES if isinstance(person.get(name), str)]
