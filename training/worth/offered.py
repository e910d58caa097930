"""Whom the present policy reaches: what would stand in slot 1 for each customer, by age band, region or any column.

The policy is the one that answers calls (`models.nba`): the same rules, value and order, but nothing is drawn, so it is
what would stand in slot 1 without exploration. It says what customers would be shown on one channel, not what they
take.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.dataset import Dataset
from models.bundle import Model
from models.nba.catalogue import SAFE_KINDS, Action, Catalogue
from models.nba.policy import Policy
from training.slices import values_of
from training.worth.bootstrap import DRAWS, interval, weights

BY = ("profile_segment_last", "profile_region_last")
"""The age-like band and the region of the telecom catalogue."""
LEAST_ROWS = 30
FIGURES = ("offered", "value", "spent", "churn", "need")
_CHANCE = 95
_RATIO = ["column", "figure", "high", "low", "ratio", "ratio_low", "ratio_high", "chance"]
_TOO_FEW = "too few"


@dataclass(frozen=True)
class Slot:
    """n customers' slot 1: (n,) position in ``choices``, the probability of leaving and of their likeliest need."""

    choices: tuple[Action, ...]
    first: np.ndarray
    churn: np.ndarray
    need: np.ndarray

    def figures(self) -> dict[str, np.ndarray]:
        """Figure of `FIGURES` -> (n,) of each customer."""
        kept = [action.kind in SAFE_KINDS for action in self.choices]
        worth = [0.0 if safe else a.discount + a.worth for a, safe in zip(self.choices, kept, strict=True)]
        spent = [a.cost + a.prior_effect.accept * a.discount for a in self.choices]
        return {
            "offered": 1.0 - np.array(kept, np.float64)[self.first],
            "value": np.array(worth)[self.first],
            "spent": np.array(spent)[self.first],
            "churn": self.churn,
            "need": self.need,
        }


@dataclass(frozen=True)
class Reach:
    """Whom offers reach on a channel.

    ``groups``: one row per value of each column: ``rows`` (test pairs), ``customers``, ``note`` ("too few" below
    `LEAST_ROWS`, whose figures are NaN), and the mean of each of `FIGURES` with its 95 % interval over customers:
    ``offered`` the share with an offer in slot 1 (any action but service messages and doing nothing), ``value`` the
    discount offered and what the action is worth in itself, ``spent`` what the operator expects to spend,
    ``churn`` the predicted probability of leaving, ``need`` that of the likeliest need.

    ``ratios``: per column and figure the largest ratio between two groups, which they are, its interval, and
    ``chance``: what the largest ratio stays below in 95 % of draws in which customers swap groups by chance; the
    interval is that of the two groups chosen, and so is too sure. A ratio is infinite where a group has nothing.
    ``actions``: per action the share that has it in slot 1.
    """

    channel: str
    currency: str
    rows: int
    groups: pd.DataFrame = field(repr=False)
    ratios: pd.DataFrame = field(repr=False)
    actions: pd.Series = field(repr=False)
    notes: tuple[str, ...] = ()

    def metrics(self) -> dict[str, float]:
        """``offered.<column>.<figure>.ratio`` and ``.chance`` -> figure."""
        found = {}
        for row in self.ratios.to_dict(orient="records"):
            for name in ("ratio", "chance"):
                if np.isfinite(row[name]):
                    found[f"offered.{row['column']}.{row['figure']}.{name}"] = float(row[name])
        return found


def of(
    test: Dataset,
    actions: Catalogue | None,
    *,
    churn: Model | None,
    needs: Model | None,
    channel: str | None = None,
    by: Sequence[str] = BY,
    draws: int = DRAWS,
    seed: int = 0,
) -> Reach | None:
    """Whom the policy would reach among the pairs of ``test``, all eligible; ``None`` without actions.

    ``test`` has the columns both models and the actions' rules read (`lacking` says which it has not: an action whose
    rules cannot be read is left out, with a note) and, where held, those of ``by``: words as they are, numbers in
    quarters. Without a ``churn`` or ``needs`` model that term is worth nothing, as in a call. ``channel``: by default
    the one on which most actions may be made.
    """
    if actions is None:
        return None
    channel = channel or usual_channel(actions)
    usable, notes = _usable(actions, test.X)
    chosen = slot(test.X, usable, channel, churn, needs)
    figures = chosen.figures()
    held = values_of(test.X, [name for name in by if name in test.X])
    notes += [f"not by '{name}': {_why(name, test.X)}" for name in by if name not in held]
    notes += [
        f"no {name} model: it counts for nothing" for name, m in (("churn", churn), ("needs", needs)) if m is None
    ]
    if test.objected:
        notes.append(
            f"{test.objected:,} cutoffs of who objects to profiling are not here: they get service messages only"
        )
    parts, ratios = [], []
    for column, values in held.items():
        names = _ordered(values, test.X[column])
        rows, between = _by_column(column, values, names, figures, test.groups, draws, seed)
        parts.append(rows)
        ratios.append(between)
    return Reach(
        channel=channel,
        currency=actions.currency,
        rows=len(test.X),
        groups=pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["column", "group"]),
        ratios=pd.concat(ratios, ignore_index=True) if ratios else pd.DataFrame(columns=_RATIO),
        actions=_shares(chosen),
        notes=tuple(notes),
    )


def slot(X: pd.DataFrame, actions: Catalogue, channel: str, churn: Model | None, needs: Model | None) -> Slot:
    """What stands in slot 1 for each row of ``X``, for whom it is certain who they are and who does not object."""
    policy = Policy(actions)
    missing = {name: np.full(len(X), np.nan, np.float32) for name in lacking(actions, X)}
    people = policy.known(X.assign(**missing), np.ones(len(X), bool))
    risk = np.full(len(X), np.nan) if churn is None else last(churn, X)[churn.labels[0]]
    wanted = {} if needs is None else last(needs, X)
    first = policy.rank(people, policy.likely(wanted, risk), channel, 1)[0][:, 0].astype(np.int64)
    likeliest = np.max(list(wanted.values()), axis=0) if wanted else np.full(len(X), np.nan)
    return Slot(actions.choices, first, risk, likeliest)


def last(model: Model, X: pd.DataFrame) -> Mapping[str, np.ndarray]:
    """Label -> (n,) probability at the last horizon; ``X`` may have other columns too."""
    return {label: curve[:, -1] for label, curve in model.predict(X[list(model.features)]).items()}


def usual_channel(actions: Catalogue) -> str:
    """The channel on which most actions may be made; of equals the first by name."""
    channels = [channel for action in actions.actions for channel in action.channels]
    return min(set(channels), key=lambda c: (-channels.count(c), c))


def lacking(actions: Catalogue, X: pd.DataFrame) -> tuple[str, ...]:
    """The columns the policy reads that ``X`` has not."""
    return tuple(name for name in actions.reads if name not in X)


def _usable(actions: Catalogue, X: pd.DataFrame) -> tuple[Catalogue, list[str]]:
    """The actions whose rules can be read, and a note on those whose cannot."""
    missing = set(lacking(actions, X))
    if not missing:
        return actions, []
    reads = {
        a.id: {c.feature for c in a.eligibility} | ({actions.consents[a.consent]} if a.consent else set())
        for a in actions.actions
    }
    kept = tuple(a for a in actions.actions if not reads[a.id] & missing)
    left_out = [a.id for a in actions.actions if reads[a.id] & missing]
    notes = [f"left out, as their rules read columns that are not held: {', '.join(left_out)}"] if left_out else []
    if actions.customer_value.monthly_value in missing:
        notes.append(f"'{actions.customer_value.monthly_value}' is not held: staying counts for nothing")
    return actions.model_copy(update={"actions": kept}), notes


def _why(name: str, X: pd.DataFrame) -> str:
    if name not in X:
        return "it is not held"
    return "it has one value, or too many"


def _shares(chosen: Slot) -> pd.Series:
    counts = np.bincount(chosen.first, minlength=len(chosen.choices))
    found = pd.Series(counts / max(counts.sum(), 1), index=[a.id for a in chosen.choices], name="share")
    return found[found > 0].sort_values(ascending=False)


def _ordered(values: np.ndarray, column: pd.Series) -> list[str]:
    """The groups by name, those of a number as it rises; who has none comes last."""
    names = sorted(pd.unique(values))
    if isinstance(column.dtype, pd.CategoricalDtype):
        return names
    least = column.groupby(values).min()
    return sorted(names, key=lambda name: (bool(np.isnan(least[name])), least[name]))


def _by_column(
    column: str,
    values: np.ndarray,
    names: Sequence[str],
    figures: Mapping[str, np.ndarray],
    entity: np.ndarray,
    draws: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    code = pd.Categorical(values, categories=list(names)).codes.astype(np.int64)
    rows = np.bincount(code, minlength=len(names))
    enough = rows >= LEAST_ROWS
    M = np.column_stack([figures[name] for name in FIGURES])
    means = np.where(enough[:, None], _means(code, M, len(names)), np.nan)
    drawn = np.array([_means(code, M, len(names), w) for w in weights(entity, draws=draws, seed=seed)])
    found = pd.DataFrame({"column": column, "group": names, "rows": rows})
    found["customers"] = [len(pd.unique(entity[code == g])) for g in range(len(names))]
    found["note"] = np.where(enough, "", _TOO_FEW)
    for f, name in enumerate(FIGURES):
        around = [interval(drawn[:, g, f]) if enough[g] else (np.nan, np.nan) for g in range(len(names))]
        found[name] = means[:, f]
        found[f"{name}_low"], found[f"{name}_high"] = (np.array(side) for side in zip(*around, strict=True))
    if enough.sum() < 2:
        return found, pd.DataFrame(columns=_RATIO)
    dealt = _dealt(code, M, entity, enough, draws, seed)
    between = []
    for f, name in enumerate(FIGURES):
        if np.isnan(means[enough, f]).any():
            continue
        most, least = int(np.nanargmax(means[:, f])), int(np.nanargmin(means[:, f]))
        low, high = interval(_ratio(drawn[:, most, f], drawn[:, least, f]))
        ratio = float(_ratio(means[most, f], means[least, f]))
        chance = float(np.percentile(dealt[:, f], _CHANCE, method="inverted_cdf"))
        between.append((column, name, names[most], names[least], ratio, low, high, chance))
    return found, pd.DataFrame(between, columns=_RATIO)


def _dealt(
    code: np.ndarray, M: np.ndarray, entity: np.ndarray, enough: np.ndarray, draws: int, seed: int
) -> np.ndarray:
    """(draws, figures) the largest ratio when whole customers swap groups by chance.

    A customer's group is that of their first row; hardly anybody has two.
    """
    who = pd.factorize(entity)[0]
    first = np.unique(who, return_index=True)[1]
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        means = _means(rng.permutation(code[first])[who], M, len(enough))[enough]
        found.append(_ratio(means.max(axis=0), means.min(axis=0)))
    return np.array(found)


def _means(code: np.ndarray, M: np.ndarray, groups: int, weight: np.ndarray | None = None) -> np.ndarray:
    """(groups, figures) weighted means; NaN for a group nobody of which is drawn."""
    weight = np.ones(len(code)) if weight is None else weight
    size = np.bincount(code, weight, groups)
    sums = np.column_stack([np.bincount(code, weight * column, groups) for column in M.T])
    return np.divide(sums, size[:, None], out=np.full_like(sums, np.nan), where=size[:, None] > 0)


def _ratio(most: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Infinite where the lesser has nothing, 1 where both have nothing."""
    most, least = np.asarray(most, np.float64), np.asarray(least, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((most == 0) & (least == 0), 1.0, most / least)
