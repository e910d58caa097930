"""Whether the reasons that are served can be trusted: held against exact TreeSHAP, and against leaving facts out.

A served reason is the effect of one group of features on the probability at the last horizon, had the group been
typical (`models.reasons`). TreeSHAP (Lundberg et al. 2020, "From local explanations to global understanding with
explainable AI for trees") shares the raw score of every person-period out among the features, exactly and additively,
starting from the mean of the training rows. The two are made comparable in three steps: the shares of a group's
members are added; raw scores of several classes become log-odds of each ending against "nothing"; and the log-odds of
all periods are carried to the probability by its mean gradient along the straight line from "no group has said
anything" to the row (integrated gradients: Sundararajan, Taly and Yan 2017, "Axiomatic attribution for deep networks").
So a row's shares still add up to its probability less that of the start.

That both start elsewhere, the typical row and the mean row, is a difference that remains. Which of them is right is
not for either to say; so a third judge leaves the named group out another way: its values are those of other customers,
drawn. A reason that names what matters lowers the probability more by that than the other groups do.
"""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from scipy.stats import rankdata

from features.dataset import Dataset
from models.bundle import Model
from models.hazard import Hazard
from models.periods import COMPETING, EVENT, accumulate
from models.reasons import effects, group_names
from training.worth.bootstrap import mean_interval

ROWS = 500
DONORS = 10
LEAST_AGREEMENT = 0.5
LEAST_SIGN = 0.8
LEAST_SIZE = 0.05
"""A group is flagged where its correlation or its agreement in sign is below these, and its size is not negligible."""
_POINTS = 100.0
_STEP = 1e-4


@dataclass(frozen=True)
class Audit:
    """How one label's reasons fare on ``rows`` test rows. Shares are within [0, 1]; points are percentage points.

    ``spearman``: mean rank correlation, row by row, of the groups' effects and SHAP shares, with their 95 % interval
    over customers. ``top_in_two``: share of rows whose strongest reason is among SHAP's two strongest;
    ``top_by_chance`` is what a group named blindly would reach. ``sign``: of all the points the reasons claim, the
    share that SHAP gives the same sign.

    ``named_drop``: by how many points the probability falls, on average, when the strongest reason that raises it is
    left out; ``other_drop``: any other group of the row instead; ``shap_drop``: SHAP's strongest. ``named_wins``: how
    often the named one falls more than another. ``groups``: one row per group; ``flagged``: those that disagree most.
    """

    label: str
    rows: int
    spearman: float
    spearman_low: float
    spearman_high: float
    top_in_two: float
    top_in_two_low: float
    top_in_two_high: float
    top_by_chance: float
    sign: float
    raised: int
    named_drop: float
    other_drop: float
    shap_drop: float
    difference_low: float
    difference_high: float
    named_wins: float
    flagged: tuple[str, ...]
    seconds_effects: float
    seconds_shap: float
    groups: pd.DataFrame = field(repr=False)

    @property
    def faithful(self) -> bool:
        """Whether leaving out the named group lowers the score more than another, beyond chance."""
        return self.difference_low > 0

    def metrics(self) -> dict[str, float]:
        """``reasons.<label>.<figure>`` -> figure."""
        figures = {k: v for k, v in vars(self).items() if isinstance(v, int | float) and np.isfinite(v)}
        return {f"reasons.{self.label}.{name}": float(figure) for name, figure in figures.items()}


def audit(model: Model, test: Dataset, label: str, *, rows: int = ROWS, donors: int = DONORS, seed: int = 0) -> Audit:
    """One label's reasons on at most ``rows`` rows of ``test``, drawn; a group left out has the values of ``donors``
    other rows in turn. Raises `ValueError` for a model with fewer than two groups, which has nothing to rank.
    """
    names = group_names(model)
    if len(names) < 2:
        raise ValueError(
            f"the model of '{model.manifest.task}' has one group of features, '{names[0]}': nothing to rank"
        )
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(test.X))[:rows])
    X, customers = test.X[list(model.features)].iloc[drawn], test.groups[drawn]
    began = perf_counter()
    said = effects(model, X, label)
    between = perf_counter()
    shap = shares(model, X, label)
    done = perf_counter()
    falls = left_out(model, X, label, rng, donors)
    per_row = _correlations(said, shap)
    hit = _top_in_two(said, shap)
    table = by_group(names, model, said, shap)
    told = ~np.isnan(per_row)
    spearman_low, spearman_high = mean_interval(per_row[told], customers[told])
    top_low, top_high = mean_interval(hit, customers)
    return Audit(
        label=label,
        rows=len(X),
        spearman=float(np.mean(per_row[told])) if told.any() else float("nan"),
        spearman_low=spearman_low,
        spearman_high=spearman_high,
        top_in_two=float(hit.mean()),
        top_in_two_low=top_low,
        top_in_two_high=top_high,
        top_by_chance=min(2 / len(names), 1.0),
        sign=_same_sign(said, shap),
        **_faithfulness(said, shap, falls, customers),
        flagged=tuple(table.loc[table.flagged, "group"]),
        seconds_effects=between - began,
        seconds_shap=done - between,
        groups=table,
    )


def table(audits: list[Audit]) -> pd.DataFrame:
    """One row per label, without the groups."""
    return pd.DataFrame([{k: v for k, v in vars(each).items() if k != "groups"} for each in audits])


def shares(model: Model, X: pd.DataFrame, label: str, horizon: int = -1, nodes: int = 8) -> np.ndarray:
    """(n, g): the share SHAP gives each of `group_names` in each row's probability at a horizon, see the module.

    A row adds up to its probability less that of `start`, but for the error of ``nodes``-point Gauss-Legendre
    quadrature, far below a hundredth of a point.
    """
    hazard = model.hazards[label]
    by_feature = _log_odds(hazard, model.encoder.transform(X))
    groups = _membership(model)
    begin = by_feature[..., len(groups) :].sum(axis=-1)
    said = by_feature[..., : len(groups)] @ groups
    end = begin + said.sum(axis=-1)
    found = np.zeros((len(X), groups.shape[1]))
    places, weight = np.polynomial.legendre.leggauss(nodes)
    for place, share in zip((places + 1) / 2, weight / 2, strict=True):
        found += share * _carried(hazard, begin + place * (end - begin), said, horizon)
    return found


def start(model: Model, X: pd.DataFrame, label: str, horizon: int = -1) -> np.ndarray:
    """(n,) the probability at a horizon before any group has had its say: SHAP's expectation, in each period."""
    hazard = model.hazards[label]
    by_feature = _log_odds(hazard, model.encoder.transform(X))
    return _curve(hazard, by_feature[..., len(model.features) :].sum(axis=-1), horizon)


def left_out(model: Model, X: pd.DataFrame, label: str, rng: np.random.Generator, donors: int) -> np.ndarray:
    """(n, g): by how much each row's probability at the last horizon falls, on average, when a group's values are those
    of other rows of ``X``.
    """
    encoded, hazard = model.encoder.transform(X), model.hazards[label]
    groups = _membership(model).astype(bool)
    before = hazard.curve(encoded)[:, -1]
    after = np.zeros((len(X), groups.shape[1]))
    for _ in range(donors):
        # A shift round a drawn order: nobody is their own donor.
        order = rng.permutation(len(X))
        donor = np.empty(len(X), np.int64)
        donor[order] = np.roll(order, 1)
        for g, members in enumerate(groups.T):
            other = np.where(members, encoded[donor], encoded)
            after[:, g] += hazard.curve(other)[:, -1]
    return before[:, None] - after / donors


def by_group(names: tuple[str, ...], model: Model, said: np.ndarray, shap: np.ndarray) -> pd.DataFrame:
    """One row per group: how large both say it is (mean size in points, and as a share of all groups'), how well they
    go together over the rows (rank correlation), and the share of the points it claims that have SHAP's sign.
    """
    size, size_shap = _POINTS * np.abs(said).mean(axis=0), _POINTS * np.abs(shap).mean(axis=0)
    together = [_rank_correlation(said[:, g], shap[:, g]) for g in range(len(names))]
    sign = [_same_sign(said[:, [g]], shap[:, [g]]) for g in range(len(names))]
    found = pd.DataFrame(
        {
            "group": names,
            "features": [list(model.groups.values()).count(name) for name in names],
            "effect": size,
            "shap": size_shap,
            "effect_share": size / max(size.sum(), 1e-12),
            "shap_share": size_shap / max(size_shap.sum(), 1e-12),
            "spearman": together,
            "sign": sign,
        }
    )
    matters = found[["effect_share", "shap_share"]].max(axis=1) >= LEAST_SIZE
    found["flagged"] = matters & ~((found.spearman >= LEAST_AGREEMENT) & (found.sign >= LEAST_SIGN))
    return found.sort_values("shap", ascending=False, ignore_index=True)


def _faithfulness(said: np.ndarray, shap: np.ndarray, falls: np.ndarray, customers: np.ndarray) -> dict[str, Any]:
    """Of the rows some group raises."""
    raised = (said > 0).any(axis=1)
    fall, n = _POINTS * falls[raised], np.arange(int(raised.sum()))
    if not len(n):
        names = ("named_drop", "other_drop", "shap_drop", "difference_low", "difference_high", "named_wins")
        return {"raised": 0, **dict.fromkeys(names, float("nan"))}
    named = fall[n, said[raised].argmax(axis=1)]
    others = (fall.sum(axis=1) - named) / (fall.shape[1] - 1)
    low, high = mean_interval(named - others, customers[raised])
    below = (fall < named[:, None]).sum(axis=1) + ((fall == named[:, None]).sum(axis=1) - 1) / 2
    return {
        "raised": len(n),
        "named_drop": float(named.mean()),
        "other_drop": float(others.mean()),
        "shap_drop": float(fall[n, shap[raised].argmax(axis=1)].mean()),
        "difference_low": low,
        "difference_high": high,
        "named_wins": float(np.mean(below / (fall.shape[1] - 1))),
    }


def _log_odds(hazard: Hazard, encoded: np.ndarray) -> np.ndarray:
    """(n, periods, causes, f + 2) SHAP of each ending's log-odds against "nothing": the features, the period as one
    more feature, and the expectation.
    """
    found = hazard.told(encoded, pred_contrib=True)
    width = encoded.shape[1] + 2
    if hazard.classes == 2:
        endings = found.reshape(hazard.periods, len(encoded), 1, width)
    else:
        classes = found.reshape(hazard.periods, len(encoded), hazard.classes, width)
        endings = classes[:, :, EVENT:] - classes[:, :, :EVENT]
    return np.moveaxis(endings, 0, 1)


def _curve(hazard: Hazard, odds: np.ndarray, horizon: int) -> np.ndarray:
    """(n,) the probability at a horizon from log-odds (n, periods, causes); as `models.hazard.Hazard.curve`."""
    n, periods, causes = odds.shape
    flat = odds.reshape(-1, causes)
    P = softmax(np.column_stack([np.zeros(len(flat)), flat]), axis=1)
    P = hazard.calibration.apply(P, np.tile(np.arange(periods), n)).reshape(n, periods, causes + 1)
    competing = P[:, :, COMPETING] if causes > 1 else np.zeros((n, periods))
    return accumulate(P[:, :, EVENT], competing, open_ended=hazard.open_ended)[:, horizon]


def _carried(hazard: Hazard, odds: np.ndarray, said: np.ndarray, horizon: int) -> np.ndarray:
    """(n, g) what the groups' log-odds ``said`` (n, periods, causes, g) are worth as probability, by the gradient."""
    found = np.zeros((len(odds), said.shape[-1]))
    for k in range(odds.shape[1]):
        for c in range(odds.shape[2]):
            step = np.zeros(odds.shape[1:])
            step[k, c] = _STEP
            slope = (_curve(hazard, odds + step, horizon) - _curve(hazard, odds - step, horizon)) / (2 * _STEP)
            found += slope[:, None] * said[:, k, c]
    return found


def _membership(model: Model) -> np.ndarray:
    """(f, g) 1 where a feature belongs to a group of `group_names`."""
    names = group_names(model)
    return np.array([[model.groups[feature] == name for name in names] for feature in model.features], np.float64)


def _top_in_two(said: np.ndarray, shap: np.ndarray) -> np.ndarray:
    """(n,) 1 where the group with the largest effect is among the two that SHAP gives most."""
    two = np.argsort(-np.abs(shap), axis=1, kind="stable")[:, :2]
    return (two == np.abs(said).argmax(axis=1)[:, None]).any(axis=1).astype(np.float64)


def _same_sign(said: np.ndarray, shap: np.ndarray) -> float:
    size = np.abs(said)
    return float((size * (np.sign(said) == np.sign(shap))).sum() / size.sum()) if size.any() else float("nan")


def _correlations(said: np.ndarray, shap: np.ndarray) -> np.ndarray:
    """(n,) rank correlation over the groups of each row; NaN where one side says the same of all."""
    return np.array([_rank_correlation(a, b) for a, b in zip(said, shap, strict=True)])


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
