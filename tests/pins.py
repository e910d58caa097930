"""Measure what the default operator is pinned to, on operators the reference never saw.

python -m tests.pins --operators 5 --customers 7000 --observed FOLDER --reference FOLDER [--save]
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from features.simulator.pinned import Pins
from features.simulator.scenario import DEFAULT
from features.simulator.scenarios import fingerprint
from features.simulator.truth import HORIZONS, Operator, effects
from tests.reference import Observed, Reference, kept, operators, soft_auc

FIRST_SEED, MONTHS = 1, 10
"""Longer than the reference's operators, so that what came within 90 days of each cutoff is known."""

REPLAYS, EFFECT_REPLAYS = 16, 48


def came(truth: pd.DataFrame, days: int) -> np.ndarray:
    """(n,) whether notice was given within so many days of the cutoff."""
    within = truth.noticed - truth.cutoff < pd.Timedelta(days=days)
    return (truth.noticed.notna() & within).to_numpy(float)


def measure(seen: Sequence[Observed], reference: Reference | None) -> dict[str, float]:
    """The figures of the truth and of the reference, averaged over operators; the slope is of all rows together."""
    figures: dict[str, float] = {}
    truth = pd.concat([one.truth for one in seen], ignore_index=True)
    figures["monthly_voluntary_churn"] = float(truth_rate(truth))
    for days in HORIZONS:
        p, y = truth[f"leave_{days}"].to_numpy(), came(truth, days)
        figures[f"replay_slope_{days}"] = float(np.polyfit(p, y, 1)[0])
        figures[f"observed_over_expected_{days}"] = float(y.mean() / p.mean())
        parts = [_aucs(one, days, reference) for one in seen]
        for name in parts[0]:
            figures[f"{name}_{days}"] = float(np.mean([part[name] for part in parts]))
        figures[f"frailty_cost_auc_{days}"] = figures[f"full_auc_{days}"] - figures[f"blind_auc_{days}"]
    return figures


def truth_rate(truth: pd.DataFrame) -> float:
    """Voluntary ends per customer and month of 30.44 days, over the 30 days after each cutoff."""
    return came(truth, 30).mean() * 30.4375 / 30


def _aucs(one: Observed, days: int, reference: Reference | None) -> dict[str, float]:
    p = one.truth[f"leave_{days}"].to_numpy()
    found = {"full_auc": soft_auc(p, p), "blind_auc": soft_auc(p, one.truth[f"blind_{days}"].to_numpy())}
    if reference is not None:
        found["reference_auc"] = soft_auc(p, reference.predict(one.X, f"leave_{days}"))
    return found


def measure_effects(asked: Sequence[tuple[Operator, list]], share: float) -> dict[str, float]:
    """How much an action helps somebody stay who may be shown it: its extremes (0.1 %), and its mean by action."""
    parts = []
    for operator, cutoffs in asked:
        table = effects(operator, cutoffs[:1], replays=EFFECT_REPLAYS, share=share).to_pandas()
        nothing = table[table.action == "do_nothing"].set_index("customer").leave_60
        parts.append(table.assign(helps=table.customer.map(nothing) - table.leave_60)[table.eligible])
    every = pd.concat(parts)
    every = every[every.action != "do_nothing"]
    low, high = np.quantile(every.helps, (0.001, 0.999))
    means = {f"mean_stay_effect_60.{name}": float(mean) for name, mean in every.groupby("action").helps.mean().items()}
    return {"lowest_stay_effect_60": float(low), "highest_stay_effect_60": float(high), **means}


def main() -> None:
    """Measure, print, and record if all bars hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operators", type=int, default=5)
    parser.add_argument("--customers", type=int, default=7_000)
    parser.add_argument("--observed", type=Path, required=True, help="where observed operators are kept")
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    chosen = operators(asked.operators, asked.customers, FIRST_SEED, MONTHS)
    seen = []
    for operator, cutoffs in chosen:
        seen.append(kept(asked.observed, operator, cutoffs, REPLAYS, unseen=True))
    figures = measure(seen, Reference.load(asked.reference)) | measure_effects(chosen[:2], share=0.2)
    rows = sum(len(one.truth) for one in seen)
    measured_on = {"operators": len(chosen), "customers": asked.customers, "customer_cutoffs": rows, "replays": REPLAYS}
    found = Pins(fingerprint(DEFAULT), {name: round(value, 5) for name, value in figures.items()}, measured_on)
    print(json.dumps(found.figures, indent=1))  # noqa: T201
    print(f"outside their bounds: {', '.join(found.broken) or 'none'}")  # noqa: T201
    if asked.save and not found.broken:
        found.save()


if __name__ == "__main__":
    main()
