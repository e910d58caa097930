"""Who belongs together: single people, households and enterprises with many end users."""

import numpy as np

from features.simulator.scenario import Scenario
from features.simulator.state import Accounts

SINGLE, HOUSEHOLD, ENTERPRISE = range(3)
HOUSEHOLD_SIZES = (2, 3, 4)
HOUSEHOLD_SHARES = (0.62, 0.26, 0.12)
SMALLEST_ENTERPRISE, ENTERPRISE_TAIL = 4, 1.25
"""Sizes follow a Pareto law from the smallest on, cut at `largest_enterprise`."""


def largest_enterprise(customers: int) -> int:
    """End users of the largest enterprise an operator of that many customers has."""
    return int(np.clip(customers // 60, SMALLEST_ENTERPRISE, 150))


def form(scenario: Scenario, rng: np.random.Generator, customers: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """(kinds, sizes) of new accounts with about that many customers in all (never more), of an operator of ``target``."""
    kinds, sizes = [], []
    left = customers
    mean = _mean_sizes(target)
    shares = np.array(
        [1 - scenario.household_share - scenario.enterprise_share, scenario.household_share, scenario.enterprise_share]
    )
    per_account = shares / mean
    while left > 0:
        n = max(8, int(left * per_account.sum()))
        kind = rng.choice(3, n, p=per_account / per_account.sum())
        size = _sizes(rng, kind, target)
        fits = np.cumsum(size) <= left
        kinds.append(kind[fits])
        sizes.append(size[fits])
        left -= int(size[fits].sum())
        if not fits.all():
            kinds.append(np.zeros(left, np.int64))
            sizes.append(np.ones(left, np.int64))
            left = 0
    return np.concatenate(kinds or [np.zeros(0, np.int64)]), np.concatenate(sizes or [np.zeros(0, np.int64)])


def _mean_sizes(target: int) -> np.ndarray:
    u = (np.arange(2000) + 0.5) / 2000
    household = float(np.dot(HOUSEHOLD_SIZES, HOUSEHOLD_SHARES))
    return np.array([1.0, household, float(_enterprise_sizes(u, target).mean())])


def _sizes(rng: np.random.Generator, kind: np.ndarray, target: int) -> np.ndarray:
    size = np.ones(len(kind), np.int64)
    home, firm = kind == HOUSEHOLD, kind == ENTERPRISE
    size[home] = rng.choice(HOUSEHOLD_SIZES, home.sum(), p=HOUSEHOLD_SHARES)
    size[firm] = _enterprise_sizes(rng.random(firm.sum()), target)
    return size


def _enterprise_sizes(u: np.ndarray, target: int) -> np.ndarray:
    sizes = SMALLEST_ENTERPRISE * (1 - u) ** (-1 / ENTERPRISE_TAIL)
    return np.minimum(sizes, largest_enterprise(target)).astype(np.int64)


def entered(first: int, kinds: np.ndarray, sizes: np.ndarray) -> Accounts:
    """The accounts of customers numbered from ``first`` on, account by account."""
    begins = first + np.cumsum(sizes) - sizes
    return Accounts(kind=kinds.astype(np.int8), first=begins, size=sizes)
