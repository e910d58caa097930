"""What is likely of somebody: of one customer, of one of several, or of a visitor whom nobody knows by name."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.conditions import DAY
from features.visitors import NAMED
from models.bundle import Model
from models.reasons import Reason, reasons
from serving.champion import CHURN, NEEDS, Champions

_SHOWN = 5
_SMALLEST = 0.05
"""Points of risk; a smaller effect would be said as 0.0."""

_HALF = 0.5
_ROUNDING = 1e-9

Basis = Literal["scored", "given_customer", "mixture"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Candidates:
    """c customers it may be of whom something may be read: ``rows`` (one each), ``weights`` (c,), and (c,) bool of whom
    each score may be given. ``total``: the weight of all candidates, also of those left out here.
    """

    rows: pd.DataFrame
    weights: np.ndarray
    churn: np.ndarray
    needs: np.ndarray
    total: float

    def covered(self, scored: np.ndarray) -> float:
        """The weight of the candidates ``scored`` (c,) bool."""
        return min(float(self.weights[scored].sum()), 1.0)

    def may_be_mixed(self, scored: np.ndarray) -> bool:
        """Whether the scores of these stand for all: somebody's, and not less than half of all candidates' weight."""
        return bool(scored.any()) and self.covered(scored) >= _HALF * self.total - _ROUNDING


@dataclass(frozen=True)
class Visitor:
    """Somebody without a name. ``row``: one row of what their keys' own facts said just after their last visit, ``at``
    (UTC microseconds); ``None``: there was none. ``recent``: so short ago that it tells what comes.
    """

    row: pd.DataFrame | None
    at: int | None = None
    recent: bool = False


@dataclass(frozen=True)
class Churn:
    """Days after the cut -> probability of having left by then, and where the last stands among all customers.

    ``basis``: of one customer, of a visitor if they are one, or of candidates by their weights; then ``covered`` is the
    weight of those scored, and ``range`` has the lowest and the highest of theirs (``None``: only one was scored).
    """

    curve: Mapping[int, float]
    band: Literal["low", "medium", "high"]
    reasons: tuple[Reason, ...]
    basis: Basis = "scored"
    range: Mapping[int, Range] | None = None
    covered: float | None = None

    @property
    def risk(self) -> float:
        """The probability at the last horizon."""
        return self.curve[max(self.curve)]


@dataclass(frozen=True)
class Need:
    """The probability of a need at the last horizon; ``range`` and ``covered`` as in `Churn`."""

    name: str
    probability: float
    range: Range | None = None
    covered: float | None = None


@dataclass(frozen=True)
class Scores:
    """``churn`` and ``needs`` (likeliest first) are ``None`` where there is no such score; both given a customer.

    ``customer``: the probability of being one (``None``: it is not in question).
    """

    churn: Churn | None
    needs: tuple[Need, ...] | None
    customer: float | None = None


def of_customer(models: Champions, row: pd.DataFrame, churn: bool, needs: bool) -> Scores:
    """The scores of one customer that may be given."""
    return Scores(_churn(models, row) if churn else None, _needs(models, row) if needs else None)


def of_candidates(models: Champions, several: Candidates) -> Scores:
    """Sums over the candidates by their weights, as if it were one of them, with the range."""
    churn = needs = None
    if several.may_be_mixed(several.churn):
        model, label = models.churn.model, models.churn_label
        P, weights = _predicted(model, several.rows, several.churn)[label], several.weights[several.churn]
        curve, low, high = (dict(zip(_days(model), a, strict=True)) for a in _mixed(P, weights))
        span = {d: (low[d], high[d]) for d in curve} if len(P) > 1 else None
        band, covered = model.band(label, curve[max(curve)]), several.covered(several.churn)
        churn = Churn(curve, band, (), "mixture", span, covered)
    if several.may_be_mixed(several.needs):
        found, covered = _predicted(models.needs.model, several.rows, several.needs), several.covered(several.needs)
        mixed = {need: _mixed(P[:, -1:], several.weights[several.needs]) for need, P in found.items()}
        alone = several.needs.sum() == 1
        needs = _ordered(
            Need(n, mean[0], None if alone else (low[0], high[0]), covered) for n, (mean, low, high) in mixed.items()
        )
    return Scores(churn, needs)


def of_visitor(models: Champions, visitor: Visitor) -> Scores:
    """What comes if they are a customer, and how likely they are one; base rates where nothing is known of them, and of
    what comes where their last visit is not recent.
    """
    churn = needs = customer = None
    row = visitor.row if visitor.recent else None
    if CHURN in models.visitors:
        model, label = models.visitors[CHURN].model, models.churn_label
        curve = dict(zip(_days(model), _visitor_curves(model, row)[label], strict=True))
        why = () if row is None else _reasons(model, row, label)
        # Bands are those of all customers: "high" means the same of everyone.
        band = models.churn.model.band(label, curve[max(curve)])
        churn, customer = Churn(curve, band, why, "given_customer"), _visitor_curves(model, visitor.row)[NAMED][-1]
    if NEEDS in models.visitors:
        model = models.visitors[NEEDS].model
        customer = _visitor_curves(model, visitor.row)[NAMED][-1] if customer is None else customer
        needs = _ordered(Need(n, curve[-1]) for n, curve in _visitor_curves(model, row).items() if n != NAMED)
    return Scores(churn, needs, customer)


def _churn(models: Champions, row: pd.DataFrame) -> Churn:
    model, label = models.churn.model, models.churn_label
    row = row[list(model.features)]
    curve = model.predict(row)[label][0]
    return Churn(
        dict(zip(_days(model), curve.tolist(), strict=True)),
        model.band(label, float(curve[-1])),
        _reasons(model, row, label),
    )


def _needs(models: Champions, row: pd.DataFrame) -> tuple[Need, ...]:
    model = models.needs.model
    return _ordered(Need(n, float(p[0, -1])) for n, p in model.predict(row[list(model.features)]).items())


def _ordered(found: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(sorted(found, key=lambda need: (-need.probability, need.name)))


def _reasons(model: Model, row: pd.DataFrame, label: str) -> tuple[Reason, ...]:
    return tuple(r for r in reasons(model, row, label)[:_SHOWN] if abs(r.effect) >= _SMALLEST)


def _predicted(model: Model, rows: pd.DataFrame, chosen: np.ndarray) -> dict[str, np.ndarray]:
    return model.predict(rows.loc[chosen, list(model.features)])


def _mixed(P: np.ndarray, weights: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """Mean, least and most of (c, k) probabilities; rounding may not push the mean out of the range."""
    low, high = P.min(axis=0), P.max(axis=0)
    mean = np.clip(weights @ P / weights.sum(), low, high)
    return mean.tolist(), low.tolist(), high.tolist()


def _visitor_curves(model: Model, row: pd.DataFrame | None) -> dict[str, list[float]]:
    if row is None:
        return {name: list(spec.base) for name, spec in model.manifest.labels.items()}
    found = model.predict(row[list(model.features)])
    return {name: curve[0].tolist() for name, curve in found.items()}


def _days(model: Model) -> list[int]:
    return [edge // DAY for edge in model.edges]
