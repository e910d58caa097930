"""What each action is worth for each person, in money; `models.nba.judging` computes it.

::

    value = worth + sum over served needs of P(need) x accept x margin
          + effect on staying x customer value - cost - accept x discount

The effect on staying is a prior judged at ``typical_churn``; it is taken as proportional to the person's own churn
probability and never exceeds it. The discount is not multiplied by the churn probability: it goes also to those who
would have stayed. "Do nothing" is worth exactly 0.
"""

import numpy as np

from models.nba.catalogue import Catalogue


def customer_value(catalogue: Catalogue, monthly_value: np.ndarray) -> np.ndarray:
    """(n,) what keeping each person is worth; NaN where the monthly value is not known."""
    declared = catalogue.customer_value
    return np.asarray(monthly_value, dtype=np.float64) * declared.months * declared.margin_rate
