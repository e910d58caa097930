"""The visible-information reference: how well the truth can be known from the facts alone.

A booster is fitted on the truth's own probabilities, which say far more than what happened to come, over many
operators of several seasons, from visible features only. What a model of the pipeline is worth is told against it,
on the same rows: no model can be expected to know more.

    python -m tests.reference --operators 10 --customers 10000 --observed FOLDER --out FOLDER  # minutes an operator
"""

import argparse
import gzip
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

from features.catalog import CATALOG
from features.catalog.needs import NEEDS
from features.declare import Feature
from features.facts import PHASES
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from features.simulator.scenarios import fingerprint
from features.simulator.truth import HORIZONS, Operator, futures
from models.encode import Encoder

SECRET = bytes(range(32))
MONTHS, CUTOFF_MONTHS = 8, (4, 6, 7)
"""An operator is simulated for eight months and asked about after so many of them."""

READ = (
    *(f"profile_{column}_last" for column in ("status", "active_since", "contract_end", "segment", "region")),
    *(f"profile_{column}_last" for column in ("plan", "monthly_value", "payment")),
    *(f"profile_consent_{what}_last" for what in ("marketing", "profiling")),
    "profile_status_notice_since_last_of_account",
    "faults_planned_false_state_opened_count_30d",
    "faults_planned_false_state_opened_count_90d",
    "faults_minutes_sum_90d",
    "faults_open_90d",
    "faults_open_age_90d",
    "faults_planned_false_state_opened_since_last",
    "faults_planned_false_state_opened_count_30d_via_site",
    "faults_minutes_sum_30d_via_site",
    "faults_minutes_sum_90d_via_site",
    "faults_planned_false_state_opened_count_90d_of_site",
    "sla_breached_true_count_90d",
    "sla_breached_true_since_last",
    "sla_credit_sum_90d",
    "journey_phase_ask_count_30d",
    "journey_phase_ask_count_90d",
    "journey_action_complain_count_90d",
    "journey_sentiment_sum_90d",
    "journey_channel_distinct_30d",
    "journey_outcome_open_or_handed_off_count_30d",
    "journey_outcome_open_or_handed_off_count_90d",
    "journey_action_cancel_enquiry_count_60d",
    "journey_action_compare_count_60d",
    "journey_phase_engage_since_last",
    "journey_phase_use_or_ask_since_last",
    "journey_phase_discover_or_explore_count_30d",
    "journey_phase_discover_or_explore_topic_last_60d",
    "journey_topic_speed_or_faster_line_count_60d",
    "journey_topic_outage_or_coverage_or_reliable_line_count_60d",
    "journey_topic_price_or_plans_or_lower_price_count_60d",
    "journey_topic_billing_or_bill_clarity_count_60d",
    "journey_topic_device_count_60d",
    "journey_topic_roaming_count_60d",
    "journey_topic_extra_line_count_60d",
    "journey_topic_help_or_help_using_count_60d",
    "journey_topic_security_count_60d",
    *(f"journey_action_request_or_order_topic_{need}_since_last" for need in NEEDS),
    "usage_metric_bill_value_sum_30d",
    "usage_metric_bill_value_sum_90d",
    "usage_metric_late_days_value_sum_90d",
    "usage_metric_bill_value_last",
    "usage_metric_gigabytes_value_sum_30d",
    "usage_metric_gigabytes_value_sum_90d",
    "usage_metric_minutes_value_sum_30d",
    "contact_count_90d",
    "contact_since_last",
)
"""What it reads of the catalogue, by name: the catalogue grows, and the reference stays what it was fitted on."""

_ASKED = ("complain", "cancel_enquiry", "renew", "compare")
EXTRA = (
    *(Feature("journey", "count", window=w, where={"phase": phase}) for phase in PHASES for w in ("14d", "60d")),
    *(Feature("journey", "since_last", where={"action": action}) for action in _ASKED),
    *(Feature("journey", "count", window="90d", where={"action": action}) for action in (*_ASKED[1:3], "login")),
    *(Feature("journey", "count", window="60d", where={"action": a}, of="account") for a in _ASKED[:3]),
    Feature("journey", "last", "sentiment", where={"phase": "ask"}),
    *(Feature("faults", "sum", "minutes", window) for window in ("14d", "30d", "60d")),
    *(Feature("faults", "sum", "minutes", w, where={"planned": False}, via="site") for w in ("7d", "14d", "60d")),
    *(Feature("sla", "count", window=window, where={"breached": True}) for window in ("30d", "60d")),
    *(Feature("usage", "since_last", where={"metric": metric}) for metric in ("payment", "gigabytes")),
    *(Feature("usage", "sum", "value", window, where={"metric": "payment"}) for window in ("30d", "60d")),
    Feature("usage", "count", window="90d", where={"metric": "late_days"}),
    *(Feature("profile", "since_last", where={"status": status}, of="account") for status in ("notice", "left")),
    *(Feature("contact", "count", window=window, where={"response": "accepted"}) for window in ("60d", "180d")),
    Feature("contact", "last", "action", window="60d", where={"origin": "tieline"}),
)
"""What a keen analyst would add to the catalogue."""


@dataclass(frozen=True)
class Observed:
    """One operator at its cutoffs: what was visible, and what was true. Rows of both frames go together."""

    X: pd.DataFrame
    truth: pd.DataFrame


def observe(operator: Operator, cutoffs: Sequence[datetime], replays: int, *, unseen: bool = False) -> Observed:
    """The features of every customer at the cutoffs, and their truth (``unseen``: also without the unseen frailty)."""
    truth = futures(operator, cutoffs, replays=replays, unseen=unseen).to_pandas()
    keyring = KeyRing(SECRET)
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        size = (operator.customers, operator.months, operator.seed)
        deliver(lake, keyring, CATALOG, *size, start=operator.start, scenario=operator.scenario)
        history = History.load(lake, CATALOG)
        named = {name: keyring.key_id("customer", name) for name in truth.customer.unique()}
        entities = truth.customer.map(named).to_numpy(np.int64)
        at = truth.cutoff.to_numpy("datetime64[us]").astype(np.int64)
        X = history.frame("customer", entities, at, features())
    return Observed(X, truth)


def kept(
    folder: Path, operator: Operator, cutoffs: Sequence[datetime], replays: int, *, unseen: bool = False
) -> Observed:
    """The same, kept in a folder, so that a run that was interrupted goes on where it was."""
    told = (operator.customers, operator.months, operator.seed, operator.start, fingerprint(operator.scenario), cutoffs)
    asked = hashlib.sha256(repr((told, replays, unseen, [feature.name for feature in features()])).encode()).hexdigest()
    file = folder / f"{operator.customers}-{operator.seed}-{asked[:12]}.pickle"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        pd.to_pickle(observe(operator, cutoffs, replays, unseen=unseen), part)
        part.rename(file)
    print(f"observed {file.name}", flush=True)  # noqa: T201
    return pd.read_pickle(file)


def features() -> tuple[Feature, ...]:
    """Those of the catalogue and the extra ones, each once."""
    named = {feature.name: feature for feature in CATALOG.features}
    return tuple({feature.name: feature for feature in (*(named[name] for name in READ), *EXTRA)}.values())


def soft_auc(truth: np.ndarray, score: np.ndarray) -> float:
    """The expected AUC of a score where each row is an event with the probability ``truth``."""
    order = np.argsort(score, kind="stable")
    sorted_score, p = score[order], truth[order]
    _, group = np.unique(sorted_score, return_inverse=True)
    events, others = np.bincount(group, p), np.bincount(group, 1 - p)
    below = np.cumsum(others) - others / 2
    return float((events * below).sum() / (events.sum() * others.sum()))


def targets() -> dict[str, str]:
    """Columns of the truth that are predicted."""
    return {f"leave_{days}": f"leave_{days}" for days in HORIZONS} | {f"{need}_60": f"{need}_60" for need in NEEDS}


@dataclass(frozen=True)
class Reference:
    """An encoder and one booster per predicted probability."""

    encoder: Encoder
    boosters: dict[str, lgb.Booster]

    def predict(self, X: pd.DataFrame, target: str) -> np.ndarray:
        """(n,) the probability as far as it is visible."""
        return np.asarray(self.boosters[target].predict(self.encoder.transform(X)))

    def save(self, folder: Path) -> None:
        """As text: ``encoder.json`` and one compressed model a target."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "encoder.json").write_text(json.dumps(asdict(self.encoder), indent=1) + "\n")
        for target, booster in self.boosters.items():
            packed = gzip.compress(booster.model_to_string().encode(), mtime=0)
            (folder / f"{target}.txt.gz").write_bytes(packed)

    @classmethod
    def load(cls, folder: Path) -> "Reference":
        """What `save` wrote."""
        told = json.loads((folder / "encoder.json").read_text())
        encoder = Encoder(tuple(told["names"]), {k: tuple(v) for k, v in told["vocabularies"].items()}, told["fills"])
        texts = {path.name.split(".")[0]: gzip.decompress(path.read_bytes()).decode() for path in folder.glob("*.gz")}
        return cls(encoder, {target: lgb.Booster(model_str=text) for target, text in texts.items()})


def fit(seen: Sequence[Observed], rounds: int = 300, wanted: Sequence[str] | None = None) -> Reference:
    """The reference over several operators; probabilities are labels of a cross-entropy."""
    X = pd.concat([observed.X for observed in seen], ignore_index=True)
    truth = pd.concat([observed.truth for observed in seen], ignore_index=True)
    for name in X.select_dtypes("object"):  # categories differ between operators
        X[name] = X[name].astype("category")
    encoder = Encoder.fit(X)
    data = encoder.transform(X)
    params = {
        "objective": "cross_entropy", "learning_rate": 0.06, "num_leaves": 31, "min_data_in_leaf": 200,
        "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1, "lambda_l2": 5.0, "verbose": -1, "seed": 1,
    }  # fmt: skip
    boosters = {}
    for target in wanted or targets():
        label = truth[target].to_numpy()
        trees = rounds if target.startswith("leave") else rounds // 2
        boosters[target] = lgb.train(params, lgb.Dataset(data, label, free_raw_data=False), trees)
        print(f"fitted {target}", flush=True)  # noqa: T201
    return Reference(encoder, boosters)


def operators(
    count: int, customers: int, first_seed: int = 1000, months: int = MONTHS
) -> list[tuple[Operator, list[datetime]]]:
    """Operators of the default scenario with their cutoffs, started in different seasons."""
    found = []
    for number in range(count):
        begin = 2 * number % 12  # months after January 2024
        start = datetime(2024 + begin // 12, begin % 12 + 1, 1, tzinfo=UTC)
        after = [begin + months for months in CUTOFF_MONTHS]
        cutoffs = [datetime(2024 + months // 12, months % 12 + 1, 1, tzinfo=UTC) for months in after]
        found.append((Operator(customers, months, first_seed + number, start=start), cutoffs))
    return found


def main() -> None:
    """Observe the operators one by one (kept in the folder, so that a run can go on), then fit and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operators", type=int, default=10)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--replays", type=int, default=5)
    parser.add_argument("--observed", type=Path, required=True, help="where observed operators are kept")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    seen = []
    for operator, cutoffs in operators(asked.operators, asked.customers):
        seen.append(kept(asked.observed, operator, cutoffs, asked.replays))
    fit(seen).save(asked.out)


if __name__ == "__main__":
    main()
