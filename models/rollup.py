"""What the members' risks amount to for whatever they belong to: an account, a site.

Expected leavers and the revenue at risk are sums, and hold however members depend on each other. The chance that at
least one leaves, or that all do, does not follow from the members' own risks: a household's members follow each other
and an enterprise leaves as one. Both are given as two ends: *apart*, had each decided alone, and *together*, had all
decided as one. Members who pull each other along lie between the two (the Fréchet bounds, narrowed by positive
dependence: Nelsen, "An Introduction to Copulas", 2006, section 2.5).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Members:
    """n members. ``parent`` (n,) int64: what each belongs to. ``p`` (n, k): the probability of leaving by each horizon,
    NaN for who was not scored. ``worth`` (n,): what leaving takes away, NaN where it is not known.
    """

    parent: np.ndarray
    p: np.ndarray
    worth: np.ndarray


@dataclass(frozen=True)
class RollUp:
    """a parents, ordered by id. What rests on scored members alone is NaN for a parent that has none.

    ``members``, ``scored``, ``unpriced`` (a,) int64: all, those with a risk, and those with a risk but without a worth.
    ``leavers`` (a, k): the risks added up. ``worth`` (a,) and ``at_risk`` (a, k): the worth of the scored members, and
    the same times their risks; who is unpriced is in neither. ``any_together`` to ``any_apart`` (a, k): between which
    the chance lies that at least one scored member leaves; ``all_apart`` to ``all_together``: that all of them do.
    """

    parent: np.ndarray
    members: np.ndarray
    scored: np.ndarray
    unpriced: np.ndarray
    leavers: np.ndarray
    worth: np.ndarray
    at_risk: np.ndarray
    any_together: np.ndarray
    any_apart: np.ndarray
    all_apart: np.ndarray
    all_together: np.ndarray

    def ranked(self, horizon: int, least: int = 1) -> np.ndarray:
        """Positions of the parents with at least that many scored members: most at risk first, then most leavers."""
        chosen = np.flatnonzero(self.scored >= least)
        keys = (self.parent, -_known(self.leavers[:, horizon]), -_known(self.at_risk[:, horizon]))
        return chosen[np.lexsort(tuple(key[chosen] for key in keys))]


def roll_up(members: Members) -> RollUp:
    """The members' risks, by parent."""
    order = np.argsort(members.parent, kind="stable")
    parent, begins = np.unique(members.parent[order], return_index=True)
    p, worth = members.p[order], members.worth[order]
    scored = ~np.isnan(p).any(axis=1)
    priced = scored & ~np.isnan(worth)
    cost = np.where(priced, worth, 0.0)
    sure = np.where(scored[:, None], p, 0.0)

    def of(values: np.ndarray, by: np.ufunc = np.add) -> np.ndarray:
        return by.reduceat(values, begins, axis=0) if len(begins) else values[:0]

    some, money = of(scored.astype(np.int64)) > 0, of(priced.astype(np.int64)) > 0
    certain = np.where(scored[:, None], p, 1.0)
    return RollUp(
        parent=parent,
        members=np.diff(np.append(begins, len(order))),
        scored=of(scored.astype(np.int64)),
        unpriced=of((scored & ~priced).astype(np.int64)),
        leavers=_where(some, of(sure)),
        worth=_where(money, of(cost)),
        at_risk=_where(money, of(sure * cost[:, None])),
        any_together=_where(some, of(sure, np.maximum)),
        # A product of many factors near 1: multiplied as it stands it is exact to the last bits, unlike 1 - exp(sum).
        any_apart=_where(some, 1.0 - of(1.0 - sure, np.multiply)),
        all_apart=_where(some, of(certain, np.multiply)),
        all_together=_where(some, of(certain, np.minimum)),
    )


def moved(parents: np.ndarray, parent: np.ndarray, effects: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(a, g): how much each group of features moved, for each of ``parents``: its members' effects times their weight.

    ``effects`` (m, g) from `models.reasons.effects`, ``parent`` and ``weight`` (m,) of the same members. Weighted with
    what leaving takes away it is money; a member whose weight is not known counts for nothing.
    """
    place = np.searchsorted(parents, parent)
    result = np.zeros((len(parents), effects.shape[1]))
    np.add.at(result, place, effects * np.nan_to_num(weight)[:, None])
    return result


def captured(at_risk: np.ndarray, share: float) -> float:
    """The share of all that is at risk that those with most at risk hold; ``share`` of the parents (rounded up)."""
    known = np.sort(np.nan_to_num(at_risk))[::-1]
    total = known.sum()
    return float(known[: int(np.ceil(share * len(known)))].sum() / total) if total > 0 else float("nan")


def _known(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=-1.0)


def _where(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(known if values.ndim == 1 else known[:, None], values, np.nan)
