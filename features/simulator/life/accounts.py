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
    """(kinds, sizes) of accounts with exactly that many customers, for an operator of ``target`` customers."""
    kinds, sizes = draw(scenario, rng, customers, target)
    within = np.cumsum(sizes) <= customers
    left = customers - int(sizes[within].sum())
    alone = np.ones(left, np.int64)
    return np.concatenate([kinds[within], SINGLE * alone]), np.concatenate([sizes[within], alone])


def draw(scenario: Scenario, rng: np.random.Generator, n: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """(kinds, sizes) of ``n`` accounts, whose kinds hold the scenario's shares of customers."""
    kind = rng.choice(3, n, p=_per_account(scenario, target)[0])
    return kind, _sizes(rng, kind, target)


def mean_size(scenario: Scenario, target: int) -> float:
    """How many customers an account has on average."""
    return _per_account(scenario, target)[1]


def _per_account(scenario: Scenario, target: int) -> tuple[np.ndarray, float]:
    """The shares of the kinds among accounts, from their shares among customers; and the mean size."""
    household, enterprise = scenario.household_share, scenario.enterprise_share
    accounts = np.array([1 - household - enterprise, household, enterprise]) / _mean_sizes(target)
    return accounts / accounts.sum(), float(1 / accounts.sum())


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
