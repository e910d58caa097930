"""Random numbers that depend on nothing but their names: who, what, which day, which seed.

What happens to someone is decided by a number computed from (seed, topic, day, lane), a *lane* being 64 bits that stand
for one customer, line or site. No draw depends on how many draws were made before it, so a subset of customers can be
lived again with the very same luck, and two futures that differ in one action share every other number (common
random numbers). Counter-based generators are described in Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (SC 2011); the mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).

What is drawn once and never lived again (traits, how late a row arrives) comes from `Draws.stream`, in order.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numba import float64, njit, uint64
from scipy.special import gammaincinv, ndtri

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@njit(uint64(uint64), cache=True, nogil=True)
def _mixed(x: np.uint64) -> np.uint64:
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    return x ^ (x >> np.uint64(31))


@njit(float64[::1](uint64, uint64[::1]), cache=True, nogil=True)
def _uniform(key: np.uint64, lanes: np.ndarray) -> np.ndarray:
    out = np.empty(len(lanes))
    for i in range(len(lanes)):
        out[i] = (np.float64(_mixed(lanes[i] + key) >> np.uint64(11)) + 0.5) * 2.0**-53
    return out


@njit(uint64[::1](uint64, uint64[::1]), cache=True, nogil=True)
def _hashed(key: np.uint64, values: np.ndarray) -> np.ndarray:
    out = np.empty(len(values), np.uint64)
    for i in range(len(values)):
        out[i] = _mixed(_mixed(values[i] + key) + _STEP)
    return out


def lanes(kind: str, numbers: np.ndarray) -> np.ndarray:
    """(n,) uint64 lanes of things of one kind, from their numbers."""
    return _hashed(_key(kind), np.ascontiguousarray(numbers, np.int64).view(np.uint64))


def derived(parents: np.ndarray, number: int | np.ndarray) -> np.ndarray:
    """(n,) lanes that stand for the ``number``-th thing (need, line, replay) of each parent lane."""
    steps = np.asarray(number, np.int64).astype(np.uint64) * _STEP
    return _hashed(_key("derived"), np.ascontiguousarray(parents + steps))


def _key(text: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


class Draws:
    """All chance of one simulation."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._keys: dict[str, np.uint64] = {}
        self._streams: dict[str, np.random.Generator] = {}

    def uniform(self, topic: str, day: int, who: np.ndarray) -> np.ndarray:
        """(n,) numbers in (0, 1), one per lane, the same ones whenever asked."""
        if topic not in self._keys:
            self._keys[topic] = _key(f"{self.seed}/{topic}")
        with np.errstate(over="ignore"):
            key = self._keys[topic] + np.uint64(day & 0xFFFFFFFF) * _STEP
        return _uniform(np.uint64(_mixed(key)), np.ascontiguousarray(who))

    def stream(self, name: str) -> np.random.Generator:
        """A generator of its own for what is drawn in order: another stream's draws never move it."""
        if name not in self._streams:
            sequence = np.random.SeedSequence(self.seed, spawn_key=(int(_key(name)),))
            self._streams[name] = np.random.Generator(np.random.PCG64(sequence))
        return self._streams[name]


def between(u: np.ndarray, low: float, high: float) -> np.ndarray:
    """(n,) numbers from ``low`` to ``high``, all as likely."""
    return low + (high - low) * u


def whole(u: np.ndarray, low: int, high: int) -> np.ndarray:
    """(n,) whole numbers from ``low`` to ``high - 1``, all as likely."""
    return (low + u * (high - low)).astype(np.int64)


def pick(u: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """(n,) codes 0.., drawn with the given shares, which add up to 1."""
    return np.searchsorted(np.cumsum(shares)[:-1], u, side="right")


def exponential(u: np.ndarray, mean: float | np.ndarray) -> np.ndarray:
    """(n,) waiting times of that mean."""
    return -np.log(u) * mean


def normal(u: np.ndarray, spread: float) -> np.ndarray:
    """(n,) normal numbers around zero with that standard deviation."""
    return ndtri(u) * spread


def lognormal(u: np.ndarray, median: float | np.ndarray, spread: float) -> np.ndarray:
    """(n,) lognormal numbers: their median, and the standard deviation of their logarithm."""
    return median * np.exp(ndtri(u) * spread)


def gamma(u: np.ndarray, shape: float) -> np.ndarray:
    """(n,) gamma numbers of that shape and mean 1."""
    return gammaincinv(shape, u) / shape


def geometric(u: np.ndarray, chance: float) -> np.ndarray:
    """(n,) how many tries until the first success, from 1."""
    return 1 + np.floor(np.log(u) / np.log1p(-chance)).astype(np.int64)
