"""The features of one person at one cut, and the models in the form that reads them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from features.conditions import DAY
from features.declare import Feature, Rule
from features.rules import meets
from models.bundle import Model
from models.reasons import Reason
from models.scorer import Scorer
from serving.champion import Champion

Said = Callable[[int], str]
"""The word a code stands for, of a category whose values are not declared."""


class Vector(NamedTuple):
    """Values of features by name. ``numbers`` (f,) float32, NaN where missing and at categories; ``words``: category ->
    its word, ``None`` where it is missing.
    """

    space: "Space"
    numbers: np.ndarray
    words: Mapping[str, str | None]

    def value(self, name: str) -> np.float32 | str | None:
        """One value, ``None`` where it is missing."""
        if name in self.words:
            return self.words[name]
        number = self.numbers[self.space.place[name]]
        return number if number == number else None  # `numpy.isnan` takes ten times as long for one number

    def meets(self, rules: Iterable[Rule]) -> bool:
        """Whether it meets every rule."""
        return all(meets(rule, self.value(rule.feature)) for rule in rules)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Some features as a frame of one row, as `models.bundle.Model.predict` takes it."""
        kinds = {True: "category", False: "float32"}
        values = {n: self.words[n] if n in self.words else self.numbers[self.space.place[n]] for n in names}
        return pd.DataFrame({n: pd.Series([v], dtype=kinds[n in self.words]) for n, v in values.items()})

    def only(self, names: Sequence[str]) -> "Vector":
        """The same, with all other features missing."""
        kept = np.isin(self.space.names, names)
        words = {name: word if name in names else None for name, word in self.words.items()}
        return Vector(self.space, np.where(kept, self.numbers, np.float32(np.nan)), words)


class Space:
    """Which features a `Vector` holds, in order, and how the store's values become one."""

    def __init__(self, features: Sequence[Feature], declared: Mapping[str, tuple[str, ...] | None]) -> None:
        """``declared``: category -> its few values in the order of their codes, ``None`` where any value may come."""
        self.features = tuple(features)
        self.names = tuple(f.name for f in features)
        self.place = {name: i for i, name in enumerate(self.names)}
        self._categories = [(i, f.name, declared[f.name]) for i, f in enumerate(features) if f.kind == "category"]
        self._at_categories = np.array([i for i, _, _ in self._categories], np.int64)
        self.nothing = Vector(
            self, np.full(len(self.names), np.nan, np.float32), dict.fromkeys(n for _, n, _ in self._categories)
        )

    def vector(self, values: np.ndarray, said: Said) -> Vector:
        """Of ``values`` (f,) as the kernel folds them, codes at categories."""
        words: dict[str, str | None] = {}
        for (_, name, declared), code in zip(self._categories, values[self._at_categories].tolist(), strict=True):
            if code != code:
                words[name] = None
            else:
                words[name] = said(int(code)) if declared is None else declared[int(code)]
        values[self._at_categories] = np.nan
        return Vector(self, values, words)


class Reader:
    """A champion, reading vectors of one space. ``days``: after so many each probability is told."""

    def __init__(self, champion: Champion, space: Space) -> None:
        self.champion = champion
        self.scorer = Scorer(champion.model)
        self._encoder = champion.model.encoder
        self._places = np.array([space.place[name] for name in champion.model.features], np.int64)
        self.days = tuple(edge // DAY for edge in champion.model.edges)

    @property
    def model(self) -> Model:
        """The model read by."""
        return self.champion.model

    def curves(self, vector: Vector) -> dict[str, np.ndarray]:
        """Label -> (k,) probabilities."""
        return self.scorer.curves(self._encoder.one(vector.numbers[self._places], vector.words))

    def last(self, vector: Vector) -> dict[str, float]:
        """Label -> the last of its probabilities."""
        return self.scorer.last(self._encoder.one(vector.numbers[self._places], vector.words))

    def explained(self, vector: Vector, label: str, most: int, least: float) -> tuple[np.ndarray, tuple[Reason, ...]]:
        """(k,) a label's probabilities, and what moved the last."""
        numbers = vector.numbers[self._places]
        x = self._encoder.one(numbers, vector.words)
        return self.scorer.explained(x, label, numbers, vector.words, most=most, least=least)
