"""What a list of the likeliest leavers is worth at the operator's own costs, and how many of them to ask.

Asking someone costs ``contact``. A would-be leaver takes the offer with probability ``accept``; of those who take it,
``stays`` remain and are worth ``value``. Who would have stayed takes it with probability ``stayers``, for nothing::

    leaver   accept x (stays x value - offer) - contact
    stayer   - stayers x offer - contact

The list's profit is the sum over everyone at or above a threshold, and its maximum over all thresholds, with "ask
nobody" among them, is the maximum profit of Verbeke, Dejaeger, Martens, Hur and Baesens (2012), "New insights into
churn prediction in the telecommunication sector: a profit driven data mining approach". They take ``stays`` and
``stayers`` to be 1 and one value for all; here each customer has their own. With ``accept`` uncertain,
Beta-distributed, it is the expected maximum profit of Verbraken, Verbeke and Baesens (2013), "A novel profit maximizing
metric for measuring classification performance of customer churn prediction models". A need met by the way earns
nothing here.
"""

from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import beta

from features.dataset import Dataset
from models.nba import value
from models.nba.catalogue import Action, Catalogue
from models.nba.policy import Policy
from training.evaluate import Scored
from training.worth.bootstrap import DRAWS, interval, weights

RETENTION = "retention"
CERTAINTY = 20.0
"""How many customers' answers the declared ``accept`` is as good as: a + b of the paper's Beta(6, 14)."""
_POINTS = 101
_NOT_SHOWN = ("costs", "curve")


@dataclass(frozen=True)
class Costs:
    """One offer's costs, in the operator's currency, and its probabilities; see the module."""

    action: str
    contact: float
    offer: float
    accept: float
    stays: float = 1.0
    stayers: float = 1.0

    @classmethod
    def of(cls, action: Action, catalogue: Catalogue) -> "Costs":
        """As an action declares them: who would stay accepts as often as who would leave.

        ``stays`` is what the prior on staying says: ``stay`` points of ``typical_churn``, over ``accept``; at most 1.
        Of ``contact`` comes off what doing it is worth by itself.
        """
        prior = action.prior_effect
        saved = prior.stay / 100 / catalogue.typical_churn
        stays = min(saved / prior.accept, 1.0) if prior.accept else 0.0
        return cls(action.id, action.cost - action.worth, action.discount, prior.accept, stays, prior.accept)

    def profit(self, y: np.ndarray, worth: np.ndarray) -> np.ndarray:
        """(n,) what asking each earns; ``y`` (n,) the probability of leaving, 0 or 1 where known; ``worth`` (n,)."""
        leaver = self.accept * (self.stays * worth - self.offer)
        return y * leaver - (1 - y) * self.stayers * self.offer - self.contact


@dataclass(frozen=True)
class Curve:
    """k + 1 lists, from nobody to everybody: (k + 1,) share asked, profit, and the threshold (inf: nobody)."""

    share: np.ndarray
    profit: np.ndarray
    threshold: np.ndarray

    @property
    def best(self) -> int:
        """Which is worth most; of equals the shortest."""
        return int(np.argmax(self.profit))


@dataclass(frozen=True)
class Worth:
    """One action's best list. Money in ``currency``, sums over the ``rows`` test pairs that may get it.

    ``low`` and ``high``: 95 % interval of ``total`` at this threshold; ``share_low`` and ``share_high`` of the best
    share. As the threshold was found on these very rows, ``total`` is a little too good; ``by_expected``, the profit of
    asking whoever the model expects to be worth it, by their own value too, is not. ``random``: of asking as many, but
    at random. ``expected_maximum``: with ``accept`` as uncertain as after `CERTAINTY` answers. ``cautious``: the
    maximum when everyone who would stay takes the offer.
    """

    action: str
    label: str
    horizon: str
    currency: str
    rows: int
    leavers: int
    share: float
    asked: int
    threshold: float
    total: float
    low: float
    high: float
    share_low: float
    share_high: float
    per_asked: float
    per_customer: float
    everybody: float
    random: float
    by_expected: float
    by_expected_share: float
    expected_maximum: float
    cautious: float
    costs: Costs
    curve: Curve = field(repr=False)


@dataclass(frozen=True)
class Retention:
    """The lists of every retention action that could be priced, most profitable first, and what could not be."""

    lists: tuple[Worth, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row per action; its costs as ``cost_contact``, ``cost_accept``, ..."""
        rows = []
        for one in self.lists:
            costs = {f"cost_{k}": v for k, v in asdict(one.costs).items() if k != "action"}
            rows.append({k: v for k, v in vars(one).items() if k not in _NOT_SHOWN} | costs)
        return pd.DataFrame(rows)

    def metrics(self) -> dict[str, float]:
        """``profit.<action>.<figure>`` -> figure, of the figures that are a finite number."""
        found = {}
        for one in self.lists:
            for name, figure in vars(one).items():
                if isinstance(figure, int | float) and np.isfinite(figure):
                    found[f"profit.{one.action}.{name}"] = float(figure)
        return found


def of(
    scored: Scored,
    test: Dataset,
    actions: Catalogue | None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Retention:
    """What lists by one label's probabilities are worth, for each retention action among those who may get it.

    ``scored`` is of a label that means leaving; ``test`` the data it was scored on, with the columns the actions' rules
    read and the monthly value. Where an action's rules, its costs or the monthly value are not held, nothing is
    measured and a note says why. A customer whose monthly value is missing counts with the median of the others.
    """
    if actions is None:
        return Retention((), ("no profit: the workspace declares no actions, so no costs",))
    offers = [action for action in actions.actions if action.kind == RETENTION]
    if not offers:
        return Retention((), (f"no profit: none of {len(actions.actions)} actions is of the kind '{RETENTION}'",))
    monthly = actions.customer_value.monthly_value
    if monthly not in test.X or test.X[monthly].isna().all():
        return Retention((), (f"no profit: what a customer is worth is read from '{monthly}', which is not held",))
    worth = value.customer_value(actions, test.X[monthly].fillna(test.X[monthly].median()).to_numpy())[scored.known]
    X, groups = test.X[scored.known], test.groups[scored.known]
    lists, notes = [], []
    for action in offers:
        may = _may(action, actions, X)
        reason = _unpriced(action, actions, may, scored.y)
        if may is None or reason:
            notes.append(f"no profit of '{action.id}': {reason}")
            continue
        one = Scored(scored.label, scored.horizon, scored.y[may], scored.p[may], may)
        costs = Costs.of(action, actions)
        lists.append(_worth(one, costs, worth[may], groups[may], actions.currency, draws, seed))
    return Retention(tuple(sorted(lists, key=lambda w: -w.total)), tuple(notes))


def curve(p: np.ndarray, profit: np.ndarray) -> Curve:
    """The lists of all at or above each value of ``p`` (n,); ``profit`` (n,) of asking each."""
    threshold, place = _thresholds(p)
    share = np.cumsum(np.bincount(place, minlength=len(threshold))) / max(len(p), 1)
    total = np.cumsum(np.bincount(place, profit, len(threshold)))
    return Curve(*(np.concatenate([[start], a]) for start, a in ((0.0, share), (0.0, total), (np.inf, threshold))))


def expected_maximum(
    p: np.ndarray, y: np.ndarray, worth: np.ndarray, costs: Costs, *, certainty: float = CERTAINTY
) -> float:
    """The mean over ``accept ~ Beta(certainty x accept, certainty x (1 - accept))`` of the maximum profit.

    By the midpoints of `_POINTS` equally likely strata. An ``accept`` of 0 or 1 is taken as certain. ``stayers`` is
    held.
    """
    mean = costs.accept
    if not 0 < mean < 1:
        return float(curve(p, costs.profit(y, worth)).profit.max())
    points = beta.ppf((np.arange(_POINTS) + 0.5) / _POINTS, certainty * mean, certainty * (1 - mean))
    at_none = curve(p, replace(costs, accept=0.0).profit(y, worth)).profit
    more = curve(p, replace(costs, accept=1.0).profit(y, worth)).profit - at_none
    return float(np.mean([np.max(at_none + accept * more) for accept in points]))


def _worth(
    one: Scored, costs: Costs, worth: np.ndarray, groups: np.ndarray, currency: str, draws: int, seed: int
) -> Worth:
    profit = costs.profit(one.y, worth)
    found = curve(one.p, profit)
    best, rows = found.best, len(profit)
    total, asked = float(found.profit[best]), round(float(found.share[best]) * rows)
    wanted = costs.profit(one.p, worth) > 0
    (low, high), shares = _intervals(one.p, profit, groups, best, draws, seed)
    return Worth(
        action=costs.action,
        label=one.label,
        horizon=one.horizon,
        currency=currency,
        rows=rows,
        leavers=int(one.y.sum()),
        share=float(found.share[best]),
        asked=asked,
        threshold=float(found.threshold[best]),
        total=total,
        low=low,
        high=high,
        share_low=shares[0],
        share_high=shares[1],
        per_asked=total / asked if asked else 0.0,
        per_customer=total / rows,
        everybody=float(profit.sum()),
        random=float(found.share[best] * profit.sum()),
        by_expected=float(profit[wanted].sum()),
        by_expected_share=float(wanted.mean()),
        expected_maximum=expected_maximum(one.p, one.y, worth, costs),
        cautious=float(curve(one.p, replace(costs, stayers=1.0).profit(one.y, worth)).profit.max()),
        costs=costs,
        curve=found,
    )


def _intervals(
    p: np.ndarray, profit: np.ndarray, groups: np.ndarray, best: int, draws: int, seed: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Of the profit at one threshold, and of the best share when it is looked for anew in each draw."""
    threshold, place = _thresholds(p)
    totals, shares = np.empty(draws), np.empty(draws)
    for d, weight in enumerate(weights(groups, draws=draws, seed=seed)):
        total = np.concatenate([[0.0], np.cumsum(np.bincount(place, weight * profit, len(threshold)))])
        share = np.concatenate([[0.0], np.cumsum(np.bincount(place, weight, len(threshold)))]) / weight.sum()
        # A draw holds other numbers of rows, as customers have; it is brought to the same size.
        totals[d] = total[best] * len(p) / weight.sum()
        shares[d] = share[np.argmax(total)]
    return interval(totals), interval(shares)


def _thresholds(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct probabilities, highest first, and (n,) which of them each row has."""
    distinct, place = np.unique(-p, return_inverse=True)
    return -distinct, place


def _may(action: Action, catalogue: Catalogue, X: pd.DataFrame) -> np.ndarray | None:
    """(n,) bool: who may get it on one of its channels; ``None`` where a column that says so is not held."""
    if _lacking(action, catalogue, X.columns):
        return None
    alone = catalogue.model_copy(update={"actions": (action,)})
    policy = Policy(alone)
    held = X.assign(**{name: np.nan for name in alone.reads if name not in X})
    people = policy.known(held, np.ones(len(X), bool))
    judged = policy.judge(people, policy.likely({}, np.full(len(X), np.nan)), action.channels[0])
    return judged.refused[:, 0] < 0


def _lacking(action: Action, catalogue: Catalogue, held: pd.Index) -> list[str]:
    read = [condition.feature for condition in action.eligibility]
    read += [catalogue.consents[action.consent]] if action.consent else []
    return [name for name in dict.fromkeys(read) if name not in held]


def _unpriced(action: Action, catalogue: Catalogue, may: np.ndarray | None, y: np.ndarray) -> str:
    """Why an action's list cannot be measured; "" where it can."""
    if may is None:
        return "a column its rules read is not among those of the test"
    if not action.cost and not action.discount:
        return "it declares neither a cost nor a discount"
    if not may.any():
        return f"none of {len(may):,} test pairs may get it"
    if not y[may].any():
        return f"none of the {int(may.sum()):,} test pairs that may get it left"
    return ""
