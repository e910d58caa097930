"""From a frame of features to the numbers a booster reads, with the vocabulary frozen when it was fitted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

MOST_VALUES = 200
FEWEST_ROWS = 5


class FeatureError(ValueError):
    """A frame that does not hold the features a model reads; the message names the column."""


@dataclass(frozen=True)
class Encoder:
    """Names of the features in order, and for each category its values, most frequent first.

    A category becomes its rank; a value that was not frequent enough when fitted, or never seen, becomes the rank
    after the last ("other"); a missing value is NaN.

    ``fills``: what stands for a missing value of a feature that was never missing where trees were grown. They would
    read NaN as the number 0 there, which is no more likely than any other.
    """

    names: tuple[str, ...]
    vocabularies: Mapping[str, tuple[str, ...]]
    fills: Mapping[str, float | str] = field(default_factory=dict)

    @classmethod
    def fit(cls, X: pd.DataFrame, *, most: int = MOST_VALUES, fewest: int = FEWEST_ROWS) -> "Encoder":
        """The encoder of a frame's columns: ``category`` columns get a vocabulary of at most ``most`` values.

        Values on less than ``fewest`` rows are left out. Ties are broken by name, so row order does not matter.
        """
        vocabularies = {}
        for name in X.columns:
            if isinstance(X[name].dtype, pd.CategoricalDtype):
                vocabularies[str(name)] = _frequent(X[name], most, fewest)
        return cls(tuple(str(name) for name in X.columns), vocabularies)

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        """(n, f) float32, columns found by name in any order; `FeatureError` on a missing, unknown or text column."""
        self.check(X)
        out = np.empty((len(X), len(self.names)), dtype=np.float32)
        for j, name in enumerate(self.names):
            out[:, j] = self._column(X[name], name)
        return out

    def one(self, numbers: np.ndarray, words: Mapping[str, str | None]) -> np.ndarray:
        """(f,) float32 one row, as `transform` gives it, for a request that cannot wait for a frame.

        ``numbers`` (f,) are the values by `names`, NaN where missing; what stands at a category's place is not read,
        its value is in ``words`` (``None``: missing). `FeatureError` for another number of values, or a category that
        is not in ``words``.
        """
        out = np.array(numbers, np.float32)
        if out.shape != (len(self.names),):
            raise FeatureError(f"a row holds {len(self.names)} features, not an array of shape {out.shape}")
        np.putmask(out, out != out, self._number_fills)
        try:
            for place, name, ranks, other in self._ranked:
                out[place] = ranks.get(words[name], other)
        except KeyError as error:
            raise FeatureError(f"feature missing: {error.args[0]}") from None
        return out

    @cached_property
    def _number_fills(self) -> np.ndarray:
        """(f,) float32 what a missing number is read as; NaN where it stays missing, and for categories."""
        numbers = [np.nan if n in self.vocabularies else self.fills.get(n, np.nan) for n in self.names]
        return np.array(numbers, np.float32)

    @cached_property
    def _ranked(self) -> list[tuple[int, str, dict[str | None, float], float]]:
        """Of each category its place, its name, the rank of each value and of a missing one, and that of any other."""
        found = []
        for place, name in enumerate(self.names):
            if name in self.vocabularies:
                ranks, missing = _table(self.vocabularies[name], self.fills.get(name))
                other = float(len(ranks))
                found.append((place, name, dict([*ranks.items(), (None, missing)]), other))
        return found

    def check(self, X: pd.DataFrame) -> None:
        """Raises `FeatureError` unless the columns are exactly the features, in any order."""
        have = [str(c) for c in X.columns]
        missing = [n for n in self.names if n not in have]
        unknown = [n for n in have if n not in self.names]
        twice = sorted({n for n in have if have.count(n) > 1})
        for names, trouble in ((missing, "missing"), (unknown, "not read by this model"), (twice, "there twice")):
            if names:
                raise FeatureError(f"feature {trouble}: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}")

    def _column(self, column: pd.Series, name: str) -> np.ndarray:
        values = self.vocabularies.get(name)
        fill = self.fills.get(name)
        if values is not None:
            return _ranks(column, values, fill)
        if not pd.api.types.is_numeric_dtype(column.dtype):
            raise FeatureError(f"feature '{name}' must hold numbers, not {column.dtype}")
        numbers = column.to_numpy(dtype=np.float32, na_value=np.nan)
        return numbers if fill is None else np.where(np.isnan(numbers), np.float32(fill), numbers)


def _frequent(column: pd.Series, most: int, fewest: int) -> tuple[str, ...]:
    counts = column.value_counts()
    kept = sorted(((-int(n), str(value)) for value, n in counts.items() if n >= fewest))
    return tuple(value for _, value in kept[:most])


def _ranks(column: pd.Series, values: tuple[str, ...], fill: float | str | None) -> np.ndarray:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("category")
    rank, missing = _table(values, fill)
    table = np.array([rank.get(str(c), len(values)) for c in column.cat.categories] + [missing], dtype=np.float32)
    return table[column.cat.codes.to_numpy()]


def _table(values: tuple[str, ...], fill: float | str | None) -> tuple[dict[str, float], float]:
    """The rank of each value, and of a missing one."""
    rank = {value: float(i) for i, value in enumerate(values)}
    return rank, np.nan if fill is None else rank.get(str(fill), float(len(values)))
