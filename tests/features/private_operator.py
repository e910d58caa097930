"""A small simulated operator in a home of its own, whose people can be forgotten: copied for every test that does."""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.catalog import CATALOG
from features.history import History
from features.identity.keys import KeyRing
from features.ingest import append_facts
from features.lake import Lake
from features.privacy.secrets import open_keyring
from features.simulator import Scenario, simulate
from features.simulator.deliver import deliver

SEED, SCENARIO = 3, Scenario(warm_up_days=20)


@dataclass(frozen=True)
class Moved:
    """A number that was a customer's and then another's, each with a touch of their own on it."""

    number: str
    former: str
    present: str


@dataclass(frozen=True)
class Operator:
    """``names``: key type -> the keys of that type, as the feeds spell them."""

    home: Path
    lake: Lake
    ring: KeyRing
    names: dict[str, tuple[str, ...]]
    moved: Moved

    def again(self):
        """The receipts of the same feeds, delivered once more."""
        customers, months = self.home.with_name("size").read_text().split()
        return deliver(self.lake, self.ring, CATALOG, int(customers), int(months), SEED, scenario=SCENARIO)

    def history(self) -> History:
        return History.load(self.lake, CATALOG)

    def frame(self, names, before: int = 0):
        """All features of customers, so many days before the end, but those of their household as a whole."""
        features = [f for f in CATALOG.features if f.of != "account"]
        history = self.history()
        entities = np.array([self.ring.key_id("customer", name) for name in names], np.int64)
        cutoffs = np.full(len(entities), history.end - before * 86_400_000_000)
        return history.frame("customer", entities, cutoffs, features)


def operator(folder: Path, customers: int = 80, months: int = 3) -> Operator:
    """A copy of the operator in a folder."""
    made = _made(customers, months)
    shutil.copytree(made, folder, dirs_exist_ok=True)
    return opened(folder / "home", customers, months)


def opened(home: Path, customers: int, months: int) -> Operator:
    lake = Lake(home / "lakes" / "telecom")
    names, moved = _names(customers, months)
    return Operator(home, lake, open_keyring(home, lake), names, moved)


@cache
def _made(customers: int, months: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tieline-private-"))
    (folder / "size").write_text(f"{customers} {months}")
    lake = Lake(folder / "home" / "lakes" / "telecom")
    ring = open_keyring(folder / "home", lake)
    deliver(lake, ring, CATALOG, customers, months, SEED, scenario=SCENARIO)
    _move(lake, ring, _names(customers, months)[1])
    return folder


@cache
def _names(customers: int, months: int) -> tuple[dict[str, tuple[str, ...]], Moved]:
    """The keys in the evidence, in order, and the number that will move from the first customer to the last."""
    batches = simulate(customers, months, SEED, scenario=SCENARIO)
    rows = pa.concat_tables([batch.rows for batch in batches if batch.source == "evidence"]).to_pandas()
    ends = pd.concat([rows[["key_type", "key"]], rows[["other_type", "other"]].set_axis(["key_type", "key"], axis=1)])
    names = {kind: tuple(sorted(set(keys))) for kind, keys in ends.groupby("key_type")["key"]}
    numbers = rows[(rows.key_type == "msisdn") & (rows.state == "linked")].sort_values("other")
    return names, Moved(numbers.key.iloc[0], numbers.other.iloc[0], names["customer"][-1])


def _move(lake: Lake, ring: KeyRing, moved: Moved) -> None:
    """The number is given up two thirds through, is nobody's for a day, and is somebody else's from then on."""
    low, high = lake.snapshot().coverage["journey"][0][0], lake.snapshot().coverage["journey"][-1][1]
    given_up = datetime.fromtimestamp((low + (high - low) * 2 // 3) // 1_000_000, UTC)
    key = {"key_type": "msisdn", "key": moved.number}

    def add(source: str, *rows: dict) -> None:
        told = [{"id": f"moved-{i}", **key, "known_at": r["at"] + timedelta(hours=1), **r} for i, r in enumerate(rows)]
        append_facts(lake, ring, source, pa.Table.from_pylist(told), key_types=CATALOG.key_types)

    gone = {"other_type": "customer", "other": moved.former, "state": "unlinked", "at": given_up}
    new = {"other_type": "customer", "other": moved.present, "state": "linked", "at": given_up + timedelta(days=1)}
    add("evidence", gone, new)
    touch = {"phase": "ask", "channel": "sms"}
    days = (-5, 5)
    add("journey", *[{**touch, "action": f"touch{d}", "at": given_up + timedelta(days=d)} for d in days])
