"""What is likely of somebody: of one customer, of one of several, or of a visitor whom nobody knows by name."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from features.visitors import NAMED
from models.reasons import Reason
from serving.champion import CHURN, NEEDS
from serving.deciding.panel import Panel
from serving.deciding.vector import Reader, Vector

_SHOWN = 5
_SMALLEST = 0.05
"""Points of risk; a smaller effect would be said as 0.0."""

_HALF = 0.5
_ROUNDING = 1e-9

Basis = Literal["scored", "given_customer", "mixture"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Candidates:
    """c customers it may be of whom something may be read: ``vectors`` (one each), ``weights`` (c,), and (c,) bool of
    whom each score may be given. ``total``: the weight of all candidates, also of those left out here.
    """

    vectors: Sequence[Vector]
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
    """Somebody without a name. ``vector``: what their keys' own facts said just after their last visit, ``at`` (UTC
    microseconds); ``None``: there was none. ``recent``: so short ago that it tells what comes.
    """

    vector: Vector | None
    at: int | None = None
    recent: bool = False


class Churn(NamedTuple):
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


class Need(NamedTuple):
    """The probability of a need at the last horizon; ``range`` and ``covered`` as in `Churn`."""

    name: str
    probability: float
    range: Range | None = None
    covered: float | None = None


class Scores(NamedTuple):
    """``churn`` and ``needs`` (likeliest first) are ``None`` where there is no such score; both given a customer.

    ``customer``: the probability of being one (``None``: it is not in question).
    """

    churn: Churn | None
    needs: tuple[Need, ...] | None
    customer: float | None = None


def of_customer(panel: Panel, vector: Vector, churn: bool, needs: bool) -> Scores:
    """The scores of one customer that may be given."""
    return Scores(_churn(panel, vector) if churn else None, _needs(panel, vector) if needs else None)


def of_candidates(panel: Panel, several: Candidates) -> Scores:
    """Sums over the candidates by their weights, as if it were one of them, with the range."""
    churn = needs = None
    if several.may_be_mixed(several.churn):
        reader, label = panel.churn, panel.label
        P, weights = _predicted(reader, several, several.churn)[label], several.weights[several.churn]
        curve, low, high = (dict(zip(reader.days, a, strict=True)) for a in _mixed(P, weights))
        span = {d: (low[d], high[d]) for d in curve} if len(P) > 1 else None
        band, covered = reader.model.band(label, curve[max(curve)]), several.covered(several.churn)
        churn = Churn(curve, band, (), "mixture", span, covered)
    if several.may_be_mixed(several.needs):
        found, covered = _predicted(panel.needs, several, several.needs), several.covered(several.needs)
        mixed = {need: _mixed(P[:, -1:], several.weights[several.needs]) for need, P in found.items()}
        alone = several.needs.sum() == 1
        needs = _ordered(
            Need(n, mean[0], None if alone else (low[0], high[0]), covered) for n, (mean, low, high) in mixed.items()
        )
    return Scores(churn, needs)


def of_visitor(panel: Panel, visitor: Visitor) -> Scores:
    """What comes if they are a customer, and how likely they are one; base rates where nothing is known of them, and of
    what comes where their last visit is not recent.
    """
    churn = needs = customer = None
    vector = visitor.vector if visitor.recent else None
    if CHURN in panel.visitors:
        reader, label = panel.visitors[CHURN], panel.label
        curve = dict(zip(reader.days, _visitor_curves(reader, vector)[label], strict=True))
        why = () if vector is None else reader.explained(vector, label, _SHOWN, _SMALLEST)[1]
        # Bands are those of all customers: "high" means the same of everyone.
        band = panel.churn.model.band(label, curve[max(curve)])
        churn, customer = Churn(curve, band, why, "given_customer"), _visitor_curves(reader, visitor.vector)[NAMED][-1]
    if NEEDS in panel.visitors:
        reader = panel.visitors[NEEDS]
        customer = _visitor_curves(reader, visitor.vector)[NAMED][-1] if customer is None else customer
        needs = _ordered(Need(n, curve[-1]) for n, curve in _visitor_curves(reader, vector).items() if n != NAMED)
    return Scores(churn, needs, customer)


def _churn(panel: Panel, vector: Vector) -> Churn:
    reader, label = panel.churn, panel.label
    curve, why = reader.explained(vector, label, _SHOWN, _SMALLEST)
    known = curve.tolist()
    return Churn(dict(zip(reader.days, known, strict=True)), reader.model.band(label, known[-1]), why)


def _needs(panel: Panel, vector: Vector) -> tuple[Need, ...]:
    return _ordered([Need(name, probability) for name, probability in panel.needs.last(vector).items()])


def _ordered(found: Iterable[Need]) -> tuple[Need, ...]:
    return tuple(sorted(found, key=lambda need: (-need.probability, need.name)))


def _predicted(reader: Reader, several: Candidates, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Label -> (c, k) of the candidates chosen."""
    rows = [reader.curves(vector) for vector, wanted in zip(several.vectors, chosen, strict=True) if wanted]
    return {label: np.array([row[label] for row in rows]) for label in reader.model.labels}


def _mixed(P: np.ndarray, weights: np.ndarray) -> tuple[list[float], list[float], list[float]]:
    """Mean, least and most of (c, k) probabilities; rounding may not push the mean out of the range."""
    low, high = P.min(axis=0), P.max(axis=0)
    mean = np.clip(weights @ P / weights.sum(), low, high)
    return mean.tolist(), low.tolist(), high.tolist()


def _visitor_curves(reader: Reader, vector: Vector | None) -> dict[str, list[float]]:
    if vector is None:
        return {name: list(spec.base) for name, spec in reader.model.manifest.labels.items()}
    return {name: curve.tolist() for name, curve in reader.curves(vector).items()}
