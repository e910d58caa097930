"""How near the models come to what can be known: churn and needs on a simulated operator, beside its truth.

python -m tests.benchmarks.models --customers 50000 --seeds 1 2 3

Out of time: trained on what was known at T, asked about everyone eligible on the first days of the two months from T,
with the truth's probabilities as soft labels. Beside the models stands the visible-information reference
(`tests.reference`), which was fitted to the truth itself, of other operators.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.dataset import calendar_cutoffs
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from features.simulator.scenario import NEEDS
from features.simulator.scenarios import fingerprint, scenario_named
from features.simulator.truth import HORIZONS, Operator, futures
from tests import reference
from tests.reference import SECRET, Reference, soft_auc
from training import evaluate, metrics
from training.fit import Settings, fit
from training.prepare import prepare
from training.split import Windows, windows

KEPT, PINNED = Path(".tieline/bench/models"), Path("tests/data/reference")
MONTHS, REPLAYS, SHARE = 24, 64, 0.3
"""The truth of 30 % of the accounts is asked: 64 futures of each of their members."""
_BINS = 10


@dataclass(frozen=True)
class Asked:
    """An operator's history, when it is trained and tested, and the truth of some customers at the tested cutoffs."""

    history: History
    split: Windows
    truth: pd.DataFrame


def asked(customers: int, seed: int, scenario: str = "default", months: int = MONTHS, keep: Path = KEPT) -> Asked:
    """Simulated once and kept: lake and truth take minutes."""
    operator = Operator(customers, months, seed, scenario=scenario_named(scenario))
    folder = keep / f"{customers}-{months}-{seed}-{fingerprint(operator.scenario)[:12]}"
    lake, keyring = Lake(folder / "lake"), KeyRing(SECRET)
    file = folder / f"truth-{REPLAYS}-{SHARE}.parquet"
    if not file.exists():
        deliver(lake, keyring, CATALOG, customers, months, seed, scenario=operator.scenario)
    history = History.load(lake, CATALOG)
    split = windows(CATALOG.task("churn"), history.start, history.end)
    if not file.exists():
        cutoffs = [datetime.fromtimestamp(c / 1e6, UTC) for c in _months(split)]
        futures(operator, cutoffs, replays=REPLAYS, share=SHARE).to_pandas().to_parquet(file)
    truth = pd.read_parquet(file)
    ids = {name: keyring.key_id("customer", name) for name in truth.customer.unique()}
    at = truth.cutoff.to_numpy("datetime64[us]").astype(np.int64)
    return Asked(history, split, truth.assign(entity=truth.customer.map(ids).to_numpy(np.int64), at=at))


def _months(split: Windows) -> list[int]:
    return [int(c) for c in calendar_cutoffs("month", split.test_from, split.test_to)]


def judge(operator: Asked, task: str, settings: Settings) -> list[dict[str, object]]:
    """A row of figures per label and horizon; those of live calls are of what came, all others of the truth."""
    history, declared = operator.history, CATALOG.task(task)
    prepared = prepare(history, declared, operator.split, visitors=False, progress=settings.progress)
    model = fit(prepared.train.select(prepared.own), settings)
    data = prepared.test.select(prepared.own)
    live = evaluate.table(evaluate.score(model, prepared.live)).set_index(["label", "horizon"])
    rows = pd.DataFrame({"entity": data.entity, "at": data.cutoff, "row": np.arange(len(data.entity))})
    truth = rows.merge(operator.truth, on=["entity", "at"])
    entity, cutoff = truth.entity.to_numpy(), truth["at"].to_numpy()
    visible = history.frame("customer", entity, cutoff, reference.features())
    known = Reference.load(PINNED)
    curves = model.predict(data.X)
    found = []
    for i, outcome in enumerate(data.outcomes):
        for k, edge in enumerate(data.edges()):
            target = f"leave_{HORIZONS[k]}" if task == "churn" else f"{NEEDS[i]}_60"
            p, t = curves[outcome.name][truth.row.to_numpy(), k], truth[target].to_numpy()
            best = known.predict(visible, target)
            came = (outcome.ending == 1) & (outcome.after < edge)
            said = {"model": p, "reference": best}
            row: dict[str, object] = {"task": task, "label": outcome.name, "target": target, "base": float(t.mean())}
            row |= {f"auc_{name}": soft_auc(t, each) for name, each in said.items()}
            row |= {f"off_{name}": float(np.abs(each - t).mean() / t.mean()) for name, each in said.items()}
            row |= {f"binned_{name}": binned(each, t) for name, each in said.items()}
            row |= {"apart": float(np.abs(p - best).mean() / t.mean())}
            row |= {
                "oe": float(t.sum() / p.sum()),
                "slope": metrics.calibration_slope(t, p),
                "oe_reference": float(t.sum() / best.sum()),
            }
            row |= {"oe_came": metrics.observed_expected(came.astype(int), curves[outcome.name][:, k])}
            row |= {"slope_came": metrics.calibration_slope(came.astype(int), curves[outcome.name][:, k])}
            told = live.loc[(outcome.name, evaluate.horizons(data)[k])]
            row |= {"live_auc": told.auc, "live_oe": told.observed_expected, "live_slope": told.calibration_slope}
            found.append(row)
    return found


def binned(p: np.ndarray, truth: np.ndarray) -> float:
    """Mean difference of what is said and what is true over ten equal bins of what is said, in shares of the base."""
    order = np.array_split(np.argsort(p, kind="stable"), _BINS)
    return float(np.mean([abs(p[rows].mean() - truth[rows].mean()) for rows in order]) / truth.mean())


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--tasks", nargs="+", default=["churn", "needs"])
    parser.add_argument("--out", type=Path, default=KEPT / "bars.json")
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for seed in given.seeds:
        operator = asked(given.customers, seed)
        for task in given.tasks:
            rows += [{"seed": seed, **row} for row in judge(operator, task, Settings(progress=print))]
            print(pd.DataFrame(rows).round(4).to_string(), flush=True)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
