"""What a surge of leaving does to the newest forecasts: the hazard beside one booster per horizon.

python -m tests.benchmarks.price_rise --customers 20000 --seeds 1 2 3 [--quick]

In the scenario ``price_rise`` everybody's hazard rises `surge_days` before the end, and stays risen. Both are trained
on what was known ``--days`` later, at T: long enough for rows to have been followed through a period of 30 days of the
surge, too short for one to have been followed for 60 or 90 of its days. They are asked about T itself and about the
first of its month, from which neither could learn; the truth's probabilities are the soft labels.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.conditions import DAY
from features.dataset import Dataset, build, calendar_cutoffs
from features.declare import Calendar
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from features.simulator.scenarios import fingerprint, scenario_named
from features.simulator.truth import HORIZONS, Operator, futures
from models.hazard import Params
from tests.benchmarks.models import REPLAYS, SHARE
from tests.reference import SECRET, soft_auc
from training.fit import Settings, fit
from training.peers import BOOSTER, OURS, boosters, log_loss

KEPT = Path(".tieline/bench/price_rise")
MONTHS, DAYS, DRAWS = 14, 40, 400
TASK = CATALOG.task("churn")
QUICK = Params(num_leaves=15, learning_rate=0.15, rounds=150, patience=10, folds=2, most_periods=150_000)
"""Smaller boosters, of both kinds: half a minute of one core an operator instead of a quarter of an hour."""

_INTERVAL = (2.5, 97.5)


@dataclass(frozen=True)
class Risen:
    """An operator's history, the instant T within the surge, the newest cutoffs and the truth of some customers there.

    ``truth``: rows with ``entity``, ``at`` and ``leave_30``, ``leave_60``, ``leave_90``.
    """

    history: History
    known_by: int
    cutoffs: tuple[int, ...]
    truth: pd.DataFrame


def risen(customers: int, seed: int, days: int = DAYS, scenario: str = "price_rise", keep: Path = KEPT) -> Risen:
    """Simulated once and kept: lake and truth take minutes. ``days`` from the rise to T."""
    operator = Operator(customers, MONTHS, seed, scenario=scenario_named(scenario))
    folder = keep / f"{customers}-{MONTHS}-{seed}-{fingerprint(operator.scenario)[:12]}"
    lake, keyring = Lake(folder / "lake"), KeyRing(SECRET)
    file = folder / f"truth-{days}-{REPLAYS}-{SHARE}.parquet"
    if not (delivered := folder / "delivered").exists():
        deliver(lake, keyring, CATALOG, customers, MONTHS, seed, scenario=operator.scenario)
        delivered.touch()
    history = History.load(lake, CATALOG)
    known_by = operator.world()[1].bounds[-1] - (operator.scenario.surge_days - days) * DAY
    newest = int(calendar_cutoffs("month", known_by - 31 * DAY, known_by)[-1])
    cutoffs = tuple(dict.fromkeys((newest, known_by)))
    if not file.exists():
        asked = [datetime.fromtimestamp(c / 1e6, UTC) for c in cutoffs]
        futures(operator, asked, replays=REPLAYS, share=SHARE).to_pandas().to_parquet(file)
    truth = pd.read_parquet(file)
    ids = {name: keyring.key_id("customer", name) for name in truth.customer.unique()}
    at = truth.cutoff.to_numpy("datetime64[us]").astype(np.int64)
    return Risen(history, known_by, cutoffs, truth.assign(entity=truth.customer.map(ids).to_numpy(np.int64), at=at))


def said(found: Risen, settings: Settings) -> pd.DataFrame:
    """What both say of whom the truth is known: rows ``entity``, ``at``, ``horizon`` (days), ``truth``, and each one's
    probability under its name.
    """
    train = build(found.history, TASK, found.history.start, found.known_by, found.known_by)
    model = fit(train, settings)
    peers = boosters(model, train, settings)
    parts = []
    for cutoff in found.cutoffs:
        data = _asked_at(found, cutoff)
        rows = pd.DataFrame({"entity": data.entity, "at": data.cutoff, "row": np.arange(len(data.entity))})
        rows = rows.merge(found.truth, on=["entity", "at"])
        X = data.X.iloc[rows.row.to_numpy()]
        (curve,) = model.predict(X).values()
        for k, (horizon, peer) in enumerate(zip(HORIZONS, peers, strict=True)):
            answers = {"truth": rows[f"leave_{horizon}"], OURS: curve[:, k], BOOSTER: peer.predict(X)}
            parts.append(rows[["entity", "at"]].assign(horizon=horizon, **answers))
    return pd.concat(parts, ignore_index=True)


def _asked_at(found: Risen, cutoff: int) -> Dataset:
    daily = replace(TASK, cutoffs=Calendar("1d"))
    return build(found.history, daily, cutoff, cutoff + 1, found.history.end + 1)


def figures(answers: Sequence[pd.DataFrame], draws: int = DRAWS, seed: int = 0) -> pd.DataFrame:
    """A row per horizon and figure: each model's, and by how much the hazard is better, with a 95 % interval.

    One frame of `said` per simulated operator; figures are means over them. AUC: higher is better. ``log_loss``: mean
    against the truth, above the truth's own. ``off``: absolute log of observed over expected, and ``observed_expected``
    is not compared. Intervals: customers are drawn anew within each operator, the same for both models.
    """
    rng, rows = np.random.default_rng(seed), []
    for horizon in sorted(answers[0].horizon.unique()):
        frames = [frame[frame.horizon == horizon] for frame in answers]
        point = np.mean([_both(frame) for frame in frames], axis=0)
        drawn = np.array([np.mean([_both(_anew(frame, rng)) for frame in frames], axis=0) for _ in range(draws)])
        for j, (name, sign) in enumerate(_FIGURES.items()):
            row = {"horizon": horizon, "figure": name, OURS: point[0, j], BOOSTER: point[1, j]}
            low, high = np.percentile(sign * (drawn[:, 0, j] - drawn[:, 1, j]), _INTERVAL)
            better = sign * (point[0, j] - point[1, j])
            rows.append(row | ({"better": better, "low": low, "high": high} if sign else {}))
    return pd.DataFrame(rows)


_FIGURES = {"auc": 1, "log_loss": -1, "off": -1, "observed_expected": 0}
"""Which way is better."""


def _anew(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """As many customers, drawn with replacement, with all their rows."""
    _, code = np.unique(frame.entity, return_inverse=True)
    times = np.bincount(rng.integers(0, code.max() + 1, code.max() + 1), minlength=code.max() + 1)[code]
    return frame.iloc[np.repeat(np.arange(len(frame)), times)]


def _both(frame: pd.DataFrame) -> np.ndarray:
    """(2, 4): the figures of the hazard and of the booster."""
    truth = frame.truth.to_numpy()
    return np.array([_figures(truth, frame[name].to_numpy()) for name in (OURS, BOOSTER)])


def _figures(truth: np.ndarray, p: np.ndarray) -> list[float]:
    ratio = float(truth.sum() / p.sum())
    above = log_loss(truth, p) - log_loss(truth, truth)
    return [soft_auc(truth, p), above, abs(float(np.log(ratio))), ratio]


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--days", type=int, default=DAYS, help="from the rise to the training instant")
    parser.add_argument("--quick", action="store_true", help="smaller boosters, of both kinds")
    parser.add_argument("--scenario", default="price_rise")
    parser.add_argument("--out", type=Path, default=KEPT / "figures.json")
    given = parser.parse_args()
    settings = Settings(params=QUICK if given.quick else Params(), progress=print)
    answers = []
    for seed in given.seeds:
        found = risen(given.customers, seed, given.days, given.scenario)
        answers.append(said(found, settings))
        print(f"seed {seed}\n{figures(answers[-1:]).round(4).to_string()}", flush=True)
    table = figures(answers)
    print(f"all seeds\n{table.round(4).to_string()}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(table.to_dict(orient="records"), indent=1) + "\n")


if __name__ == "__main__":
    main()
