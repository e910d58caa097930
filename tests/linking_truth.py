"""How right linking is, judged by the truth of a simulated operator: ``python -m tests.linking_truth --help``.

Pairs are pairs of keys (the customer's own key among them) that one customer reaches, over all of their time, as
believed at the end; a pair is right when one customer really held both. Recall is over right pairs that any chain of
evidence connects. Addresses and numbers that were typed wrong are nobody's: by the strict count a pair with one is
wrong, among keys that somebody has it does not count.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from features.catalog import CATALOG
from features.engine.columns import FOREVER
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator import Scenario, scenario_named
from features.simulator.deliver import deliver
from features.simulator.truth import owners

RING = KeyRing(b"only for measuring, not a secret", "32")
PEOPLES = ("line", "msisdn", "email", "cookie", "device", "loyalty")
CHANGE_HANDS = ("line", "msisdn", "device")


@dataclass(frozen=True)
class Figures:
    """What was measured. ``precision``: among keys somebody has; ``strict``: keys that nobody has count as wrong.

    ``of_former_owner``: facts a customer reaches of the time of somebody who had the key before them; ``of_later``: of
    somebody who has it since, where nobody told that it changed hands. ``guarded``: keys too many share;
    ``merged``: customers merged.
    """

    customers: int
    evidence: int
    pairs: int
    precision: float
    strict: float
    recall: float
    facts_of_changing_keys: int
    of_former_owner: int
    of_later: int
    guarded: int
    merged: int


def operator(folder: Path, customers: int, months: int, seed: int, scenario: Scenario) -> tuple[Lake, pd.DataFrame]:
    """A delivered operator and who held which key when: columns key_type, key, customer (ids), since, until."""
    lake = Lake(folder)
    deliver(lake, RING, CATALOG, customers, months, seed, scenario=scenario)
    held = owners(customers, months, seed, scenario=scenario).to_pandas()
    held = held[held["customer"].notna() & held["key_type"].isin(PEOPLES)].reset_index(drop=True)
    names = {"key": held["key_type"], "customer": np.full(len(held), "customer")}
    ids = {name: _ids(np.asarray(kinds, object), held[name]) for name, kinds in names.items()}
    return lake, held.assign(**ids, since=_micros(held["since"]), until=_micros(held["until"]))


def _ids(kinds: np.ndarray, names: pd.Series) -> np.ndarray:
    return RING.hash_rows(pa.array(kinds, pa.string()), pa.array(names, pa.string())).key_id.to_numpy()


def _micros(times: pd.Series) -> np.ndarray:
    micros = times.astype("datetime64[us, UTC]").astype("int64")
    return np.where(times.isna(), FOREVER, micros)


def measured(lake: Lake, held: pd.DataFrame, customers: int) -> Figures:
    """The figures of one operator."""
    snapshot = lake.snapshot()
    evidence = lake.read("evidence", snapshot)
    history = History.of({}, evidence, lake.keys(snapshot), dict(snapshot.coverage), CATALOG)
    reach = history.reach("customer")
    believed = pd.DataFrame(vars(reach))[reach.known_to == FOREVER]
    found = believed[["entity", "key"]].set_axis(["customer", "key"], axis=1).drop_duplicates()
    true = held.loc[held["held"], ["customer", "key"]].drop_duplicates()
    pairs, right = _pairs(found), _pairs(true)
    somebodys = found[found["key"].isin(held["key"]) | (found["key"] == found["customer"])]
    both = len(pairs.merge(right))
    by_chain = _pairs(_connected(true, evidence, history))
    former, later, facts = _of_others(lake, believed, held)
    return Figures(
        customers=customers,
        evidence=len(evidence),
        pairs=len(pairs),
        precision=both / len(_pairs(somebodys)),
        strict=both / len(pairs),
        recall=len(pairs.merge(by_chain)) / len(by_chain),
        facts_of_changing_keys=facts,
        of_former_owner=former,
        of_later=later,
        guarded=sum(len(frame) for frame in history.graph.guarded.values()),
        merged=len(history.graph.members("customer")),
    )


def _pairs(found: pd.DataFrame) -> pd.DataFrame:
    """Every pair of keys of one customer, once; their own key among them."""
    own = found[["customer"]].drop_duplicates()
    both = pd.concat([found, own.assign(key=own["customer"])]).drop_duplicates()
    both = both.merge(both, on="customer")
    return both.loc[both["key_x"] < both["key_y"], ["key_x", "key_y"]].drop_duplicates()


def _connected(true: pd.DataFrame, evidence: pa.Table, history: History) -> pd.DataFrame:
    """Those whose key some chain of evidence about people connects with the customer."""
    rows = evidence.filter(pa.compute.equal(evidence["state"], "linked"))
    ends = np.stack([rows["key_id"].to_numpy(), rows["other_id"].to_numpy()])
    places = np.concatenate([history.entities_of["account"], history.entities_of["site"]])
    ends = ends[:, ~np.isin(ends[1], places)]
    keys, index = np.unique(ends, return_inverse=True)
    index = index.reshape(2, -1)
    graph = coo_array((np.ones(index.shape[1], np.int8), (index[0], index[1])), shape=(len(keys), len(keys)))
    component = pd.Series(connected_components(graph, directed=False)[1], keys)
    places_of = component.reindex(true["key"]).to_numpy(), component.reindex(true["customer"]).to_numpy()
    return true[places_of[0] == places_of[1]]


def _of_others(lake: Lake, believed: pd.DataFrame, held: pd.DataFrame) -> tuple[int, int, int]:
    """Facts of keys that change hands, reached by somebody who had the key only later, or only before; all of them."""
    changing = held[held["key_type"].isin(CHANGE_HANDS)]
    sources = [name for name in lake.snapshot().files if name not in ("evidence", "calendar")]
    facts = pd.concat(_facts(lake, name, changing["key"]) for name in sources).reset_index(names="fact")
    facts["fact"] = np.arange(len(facts))
    reached = facts.merge(believed, on="key")
    reached = reached[(reached["at_from"] <= reached["at"]) & (reached["at"] < reached["at_to"])]
    times = reached.merge(changing, left_on=["key", "entity"], right_on=["key", "customer"])
    times["now"] = (times["since"] <= times["at"]) & (times["at"] <= times["until"])
    times["later"] = times["since"] > times["at"]
    told = times.groupby(["fact", "entity"])[["now", "later"]].any()
    used = facts.merge(changing, on="key")
    used = used[(used["since"] <= used["at"]) & (used["at"] <= used["until"])]["fact"]
    others = told[~told["now"] & told.index.get_level_values("fact").isin(used)]
    return int(others["later"].sum()), int((~others["later"]).sum()), len(facts)


def _facts(lake: Lake, source: str, keys: pd.Series) -> pd.DataFrame:
    table = lake.read(source, columns=["key_id", "at"])
    rows = pd.DataFrame({"key": table["key_id"].to_numpy(), "at": table["at"].cast(pa.int64()).to_numpy()})
    return rows[rows["key"].isin(keys)].drop_duplicates()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--scenario", default="default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenario = scenario_named(given.scenario)
        lake, held = operator(Path(folder), given.customers, given.months, given.seed, scenario)
        sys.stdout.write(json.dumps(asdict(measured(lake, held, given.customers)), indent=1) + "\n")


if __name__ == "__main__":
    main()
