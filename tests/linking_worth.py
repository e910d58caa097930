"""What linking is worth: churn and needs learned and tested with and without it: ``python -m tests.linking_worth``.

Without linking a customer is read by the CRM's own key and their account and site; with it by every line, number,
address, browser, handset and card that evidence ties to them. Labels and pairs are the same: what is asked is what a
model knows of the same people.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from features.catalog import CATALOG
from features.dataset import Dataset, build
from features.history import History
from features.lake import Lake
from features.simulator.deliver import deliver
from tests.linking_truth import RING
from training import evaluate
from training.fit import Settings, fit
from training.split import windows

OF_THE_CRM = ("customer", "account", "site")
BARE = replace(CATALOG, links=tuple(link for link in CATALOG.links if link.child in OF_THE_CRM))


def worth(lake: Lake, task_name: str) -> dict[str, dict[str, dict[str, float]]]:
    """Figures by horizon (means over labels), with and without linking."""
    whole, bare = History.load(lake, CATALOG), History.load(lake, BARE)
    task = CATALOG.task(task_name)
    split = windows(task, whole.start, whole.end)
    parts = (split.train_from, split.train_to, split.train_to), (split.test_from, split.test_to, whole.end + 1)
    linked = [build(whole, task, *part) for part in parts]
    return {"with": _figures(*linked), "without": _figures(*(_read_by(bare, data) for data in linked))}


def _read_by(history: History, data: Dataset) -> Dataset:
    """The same pairs and outcomes, the features read by another reach."""
    return replace(data, X=history.frame(data.task.entity, data.entity, data.cutoff, data.features))


def _figures(train: Dataset, test: Dataset) -> dict[str, dict[str, float]]:
    detail = evaluate.table(evaluate.score(fit(train, Settings()), test))
    means = detail.groupby("horizon", sort=False)[["auc", "average_precision", "observed_expected"]].mean()
    return {str(horizon): row.round(4).to_dict() for horizon, row in means.iterrows()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=12_000)
    parser.add_argument("--months", type=int, default=14)
    parser.add_argument("--seed", type=int, default=31)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        deliver(Lake(Path(folder)), RING, CATALOG, given.customers, given.months, given.seed)
        found = {name: worth(Lake(Path(folder)), name) for name in ("churn", "needs")}
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
