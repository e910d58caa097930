"""Whether expected leavers come, by kind of account, on cutoffs after training; and what the first tenth holds.

python -m tests.benchmarks.account_calibration --customers 5000 --months 14 --seeds 0 2 3

Measured so, at 90 days: observed over expected is 0.96 +- 0.04 for who is alone, 1.02 +- 0.07 for households and
3.0 +- 0.9 for enterprises: too few of them leave in eight months to learn when they do. A household loses somebody
about as often as if each decided alone; of 39 times that an enterprise lost somebody, it lost everybody 37 times.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.dataset import EVENT, build, calendar_cutoffs
from features.engine.frame import present_parent
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from models.rollup import Members, captured, roll_up
from training.fit import Settings, fit

TASK = CATALOG.task("churn")
MONTHS_TAUGHT = 8
HORIZONS = ("30d", "60d", "90d")
Rolled = dict[str, object]


def observed(seed: int, customers: int, months: int) -> pd.DataFrame:
    """One row per account, test cutoff and horizon whose outcomes are known: what was expected and what came."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        deliver(lake, KeyRing(bytes(range(32))), CATALOG, customers, months, seed)
        history = History.load(lake, CATALOG)
    middle = int(calendar_cutoffs("month", history.start, history.end)[MONTHS_TAUGHT])
    model = fit(build(history, TASK, history.start, middle, middle), Settings())
    test = build(history, TASK, middle, history.end, history.end + 1)
    account, present = present_parent(history.parents("customer", "account"), test.entity, test.cutoff, test.cutoff)
    p, outcome = model.predict(test.X)[TASK.labels[0].name], test.outcomes[0]
    parts = []
    for cutoff in np.unique(test.cutoff):
        rows = present & (test.cutoff == cutoff)
        for k, edge in enumerate(test.edges()):
            if (test.followed()[rows] >= edge).all():
                y = (outcome.ending == EVENT) & (outcome.after < edge)
                found = _accounts(account[rows], p[rows, k], y[rows], test.X[rows])
                parts.append(found.assign(seed=seed, cutoff=cutoff, horizon=HORIZONS[k]))
    return pd.concat(parts, ignore_index=True)


def _accounts(account: np.ndarray, p: np.ndarray, y: np.ndarray, X: pd.DataFrame) -> pd.DataFrame:
    worth = X["profile_monthly_value_last"].to_numpy(np.float64)
    told, came = (roll_up(Members(account, of[:, None].astype(np.float64), worth)) for of in (p, y))
    firm = pd.Series(X["profile_segment_last"].astype(object).to_numpy() == "enterprise").groupby(account).max()
    size = told.scored
    kind = np.where(firm.to_numpy(bool), "enterprise", np.where(size == 1, "one", "household"))
    columns = {"account": told.parent, "kind": kind, "size": size, "expected": told.leavers, "came": came.leavers}
    columns |= {"together": told.any_together, "apart": told.any_apart, "at_risk": told.at_risk, "lost": came.at_risk}
    return pd.DataFrame({name: values.reshape(len(size)) for name, values in columns.items()})


def figures(rows: pd.DataFrame) -> Rolled:
    """Observed over expected with its standard error, accounts being what is independent; at least one, and all."""
    off = (rows.came - rows.expected).groupby([rows.seed, rows.account]).sum()
    return {
        "accounts": len(off),
        "came": rows.came.sum(),
        "expected": rows.expected.sum(),
        "O/E": rows.came.sum() / rows.expected.sum(),
        "error": np.sqrt((off**2).sum()) / rows.expected.sum(),
        "any came": (rows.came > 0).sum(),
        "any together": rows.together.sum(),
        "any apart": rows.apart.sum(),
        "all came": (rows.came == rows["size"]).sum(),
    }


def tenth(rows: pd.DataFrame) -> Rolled:
    """The shares the first tenth of the accounts holds of what was at risk, and of what was lost."""
    first = rows.nlargest(int(np.ceil(len(rows) / 10)), "at_risk")
    return {"at risk": captured(rows.at_risk.to_numpy(), 0.1), "lost": first.lost.sum() / rows.lost.sum()}


def main() -> None:
    """Measure operator by operator and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--months", type=int, default=14)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked = parser.parse_args()
    rows = pd.concat([observed(seed, asked.customers, asked.months) for seed in asked.seeds])
    kinds = rows.groupby(["horizon", "kind"])
    print(pd.DataFrame({name: figures(part) for name, part in kinds}).T.round(3).to_string())
    last = rows[rows.horizon == HORIZONS[-1]].groupby(["seed", "cutoff"])
    print(pd.DataFrame({name: tenth(part) for name, part in last}).T.round(3).to_string())


if __name__ == "__main__":
    main()
