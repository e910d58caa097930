"""The slow and obvious twin of `models.nba.policy`: what each action is worth, and the order that follows.

::

    value = worth + sum over served needs of P(need) x accept x margin
          + effect on staying x customer value - cost - accept x discount

The effect on staying is a prior judged at ``typical_churn``; it is taken as proportional to the person's own churn
probability and never exceeds it. The discount is not multiplied by the churn probability: it goes also to those who
would have stayed. "Do nothing" is worth exactly 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.nba.catalogue import Action, Catalogue
from models.nba.value import customer_value


@dataclass(frozen=True)
class Parts:
    """The terms of the value, each (n, m) in `Catalogue.currency`; costs are negative, so that the terms add up."""

    worth: np.ndarray
    needs: np.ndarray
    stay: np.ndarray
    cost: np.ndarray
    discount: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(n, m) the value."""
        return self.worth + self.needs + self.stay + self.cost + self.discount


def parts(catalogue: Catalogue, needs: Mapping[str, np.ndarray], churn: np.ndarray, worth: np.ndarray) -> Parts:
    """The value of each of `Catalogue.choices` for n people, term by term.

    ``needs``: need -> (n,) probability; a need without an entry counts for nothing. ``churn``: (n,) 90-day
    probability; ``worth``: (n,) of `customer_value`. NaN in either makes the staying term 0, not the value unknown.
    """
    actions, size = catalogue.choices, len(churn)
    ones = np.ones(size)
    accept = np.array([a.prior_effect.accept for a in actions])
    return Parts(
        worth=np.outer(ones, [a.worth for a in actions]),
        needs=np.column_stack([served(a, needs, size) for a in actions]) * accept * [a.margin for a in actions],
        stay=np.nan_to_num(stay_effect(catalogue, churn) * np.asarray(worth)[:, None], nan=0.0),
        cost=0.0 - np.outer(ones, [a.cost for a in actions]),
        discount=0.0 - np.outer(ones, accept * [a.discount for a in actions]),
    )


def served(action: Action, needs: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """(n,) expected number of the action's needs that each person has."""
    return sum((needs[need] for need in action.needs if need in needs), start=np.zeros(size))


def stay_effect(catalogue: Catalogue, churn: np.ndarray) -> np.ndarray:
    """(n, m) expected reduction of the 90-day churn probability by each choice; NaN where churn is.

    An action that drives people away (a negative prior) cannot lift the probability above 1.
    """
    churn = np.asarray(churn, dtype=np.float64)[:, None]
    points = np.array([a.prior_effect.stay for a in catalogue.choices])
    return np.clip(points / 100 * churn / catalogue.typical_churn, churn - 1, churn)


def order(catalogue: Catalogue, values: np.ndarray, may: np.ndarray) -> list[int]:
    """Indices of one person's `Catalogue.choices` worth taking, best first; ties by id.

    ``values`` and ``may`` are (m,). What is worth less than doing nothing is left out, so the last is often
    "do nothing".
    """
    choices = catalogue.choices
    taken = [i for i in range(len(choices)) if may[i] and values[i] >= 0]
    return sorted(taken, key=lambda i: (-values[i], choices[i].id))


__all__ = ["customer_value", "order", "parts", "stay_effect"]
