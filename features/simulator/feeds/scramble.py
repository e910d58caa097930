"""Numbers in no visible order: one-to-one mappings, so that no name of a key tells how many came before it."""

import numpy as np

from features.simulator.draws import lanes

_ROUNDS = range(4)


def shuffled(index: np.ndarray, high: int, low: int, name: str) -> np.ndarray:
    """(n,) other numbers below ``high * low``, one for each index below it; ``name`` chooses the mapping.

    A Feistel network over the mixed digits (index // low, index % low): each round adds to one digit something that
    the other alone decides, which can be taken away again. See Black and Rogaway, "Ciphers with arbitrary finite
    domains" (CT-RSA 2002).
    """
    left, right = np.divmod(index, low)
    for number in _ROUNDS:
        left = (left + _noise(right, f"{name} {number} left", high)) % high
        right = (right + _noise(left, f"{name} {number} right", low)) % low
    return left * low + right


def restored(number: np.ndarray, high: int, low: int, name: str) -> np.ndarray:
    """(n,) the indices whose `shuffled` numbers these are."""
    left, right = np.divmod(number, low)
    for step in reversed(_ROUNDS):
        right = (right - _noise(left, f"{name} {step} right", low)) % low
        left = (left - _noise(right, f"{name} {step} left", high)) % high
    return left * low + right


def _noise(values: np.ndarray, topic: str, size: int) -> np.ndarray:
    return (lanes(topic, values) % np.uint64(size)).astype(np.int64)
