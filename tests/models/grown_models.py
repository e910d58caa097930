"""Models of small boosters grown on noise: everything about them is drawn, nothing about them is learned."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import pandas as pd

from models.bundle import Bands, FeatureSpec, LabelSpec, Manifest, Model, booster_files
from models.calibrate import Calibration
from models.hazard import DAY, Fitted, Hazard

ROWS = 300
ODD = np.array([0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, 1e-44, np.nan, np.inf, -np.inf, 3e38], np.float32)


@dataclass(frozen=True)
class Plan:
    """How a label's boosters are grown: ``missing`` is what LightGBM takes for missing: nan, zero or none."""

    classes: int = 2
    periods: int = 1
    apart: bool = False
    leaves: int = 7
    missing: str = "nan"
    sigmoid: float = 1.0
    seed: int = 0
    rounds: int = 5


def drawn(rows: int, features: int, seed: int, missing: bool = True) -> np.ndarray:
    """(rows, features) float32: counts, amounts and missing values."""
    rng = np.random.default_rng(seed)
    X = np.where(
        rng.random((rows, features)) < 0.5, rng.poisson(0.8, (rows, features)), rng.normal(size=(rows, features))
    )
    return np.where(missing & (rng.random(X.shape) < 0.2), np.nan, X).astype(np.float32)


def odd(X: np.ndarray, seed: int) -> np.ndarray:
    """The same rows, a third of their values replaced by values at the edge of something."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(X.shape) < 0.33, rng.choice(ODD, X.shape), X).astype(np.float32)


def grown(features: int, plan: Plan) -> Hazard:
    """A label of boosters that read that many features and the period."""
    rng = np.random.default_rng(plan.seed)
    X = drawn(ROWS, features, plan.seed, plan.missing != "none")
    period = rng.integers(0, plan.periods, ROWS).astype(np.float32)
    score = np.nan_to_num(X[:, 0]) + period + rng.normal(size=ROWS)
    target = np.digitize(score, np.quantile(score, [0.5, 0.8][: plan.classes - 1]))
    parts = [period == k for k in range(plan.periods)] if plan.apart else [np.full(ROWS, True)]
    stacked = np.column_stack([X, period])
    boosters = tuple(booster(stacked[part], target[part], plan) for part in parts)
    causes = plan.classes - 1
    calibration = Calibration(
        tuple(rng.uniform(0.5, 1.5, causes)), tuple(tuple(rng.normal(size=plan.periods)) for _ in range(causes))
    )
    edges = tuple(30 * DAY * (k + 1) for k in range(plan.periods))
    return Hazard(boosters, calibration, edges, False, plan.classes, Fitted(ROWS, ROWS, ROWS, 1, 1, 1, 1.0, ()))


def booster(X: np.ndarray | pd.DataFrame, target: np.ndarray, plan: Plan, **other: object) -> lgb.Booster:
    """A booster as `models.hazard` keeps them: read back from its text."""
    params = {
        **({"objective": "multiclass", "num_class": plan.classes} if plan.classes > 2 else {"objective": "binary"}),
        "sigmoid": plan.sigmoid,
        "num_leaves": plan.leaves,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 1e-6,
        "learning_rate": 0.3,
        "use_missing": plan.missing != "none",
        "zero_as_missing": plan.missing == "zero",
        "num_threads": 1,
        "deterministic": True,
        "seed": plan.seed,
        "verbosity": -1,
        **other,
    }
    return lgb.Booster(model_str=lgb.train(params, lgb.Dataset(X, target), plan.rounds).model_to_string())


def model(hazards: dict[str, Hazard], features: int, groups: int = 3, seed: int = 0, known: float = 1.0) -> Model:
    """A model of labels that read features ``f0``, ``f1``, ... of so many groups, which do not stand side by side."""
    typical = drawn(1, features, seed)[0].tolist()
    specs = tuple(
        FeatureSpec(
            name=f"f{j}",
            kind="number",
            group=f"g{j % groups}",
            typical=None if np.isnan(typical[j]) else typical[j],
            fill=None,
        )
        for j in range(features)
    )
    labels = {
        name: LabelSpec(
            boosters=booster_files(name, len(hazard.boosters)),
            classes=hazard.classes,
            calibration=hazard.calibration,
            bands=Bands(medium=0.2, high=0.4),
            fitted=hazard.fitted,
            edges=hazard.edges,
            known_share=known,
        )
        for name, hazard in hazards.items()
    }
    manifest = Manifest(
        task="churn",
        entity="customer",
        features=specs,
        vocabularies={},
        edges=next(iter(hazards.values())).edges,
        open_ended=False,
        gap=0,
        label_delay=0,
        labels=labels,
        rows=ROWS,
        cutoffs=(0, 1),
        labels_known_by=2,
        fingerprint="none",
    )
    return Model(manifest, hazards)
