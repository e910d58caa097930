"""One person's scores and reasons within a request: what `Model.curve` and `models.reasons` say, but at once.

A scorer is made once per model; by then everything is compiled and laid out. Any number of threads may use it.
"""

from collections.abc import Mapping

import numpy as np

from models import ablate, fold
from models.bundle import Model
from models.forest import Forest
from models.hazard import Hazard
from models.reasons import POINTS, Reason, Value, compose, members
from models.trees import Trees, read


class Scorer:
    """The curves and reasons of a model, one encoded row at a time (`models.encode.Encoder.one`).

    Raises `ValueError` for trees that cannot be scored (`models.trees.read`), and for a row of another length.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._grouped = members(model.groups)
        self._groups = tuple(self._grouped)
        self._typical = {spec.name: spec.typical for spec in model.manifest.features}
        self._names = model.features
        self._position = {name: j for j, name in enumerate(self._names)}
        self._categories = frozenset(model.manifest.vocabularies)
        trees = {label: [read(b) for b in model.hazards[label].boosters] for label in model.labels}
        parts = {label: _Part(model, {label: trees[label]}) for label in model.labels}
        self._parts = {label: _Ablation(part, model) for label, part in parts.items()}
        self._whole = parts[model.labels[0]] if len(parts) == 1 else _Part(model, trees)
        self.curves(model.typical)
        self.explained(np.zeros_like(model.typical), model.labels[0], model.typical, dict.fromkeys(self._names))

    def curves(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Label -> (k,) float64, what `Model.curve` says of the encoded row ``x`` (f,)."""
        curve = self._curve(x)
        return {label: curve[begin:end] for label, begin, end in self._whole.spans}

    def last(self, x: np.ndarray) -> dict[str, float]:
        """Label -> the end of its curve: the probability at the last horizon."""
        curve = self._curve(x).tolist()
        return {label: curve[end - 1] for label, _, end in self._whole.spans}

    def explained(
        self,
        x: np.ndarray,
        label: str,
        numbers: np.ndarray,
        words: Mapping[str, str | None],
        *,
        most: int | None = None,
        least: float = 0.0,
    ) -> tuple[np.ndarray, tuple[Reason, ...]]:
        """A label's curve (k,) and its reasons, as `models.reasons.reasons` gives them for the same row.

        ``x`` (f,) is the encoded row, ``numbers`` (f,) and ``words`` what it was made of, which is what a reason shows.
        At most ``most`` reasons, of ``least`` points or more.
        """
        ablation = self._parts[label]
        curves, changes = ablation.ablated(self._row(x))
        effects = (POINTS * (curves[0, -1] - curves[1:, -1])).tolist()
        groups, names, by_group, alone = self._groups, self._names, {}, {}
        for (group, feature, first, last), effect in zip(changes, effects, strict=True):
            if group >= 0:
                by_group[groups[group]] = effect
            if first == last:
                alone[names[feature]] = effect

        def value(name: str) -> Value:
            if name in self._categories:
                return words[name]
            number = float(numbers[self._position[name]])
            return None if number != number else number

        why = compose(by_group, alone, self._grouped, value, self._typical, most=most, least=least)
        return ablation.part.known(curves[0]), tuple(why)

    def _curve(self, x: np.ndarray) -> np.ndarray:
        """(a,) all labels' curves, one after another."""
        part = self._whole
        return part.known(part.plain(self._row(x)))

    def _row(self, x: np.ndarray) -> np.ndarray:
        row = np.array(x, np.float32)
        if row.shape != (len(self._position),):
            raise ValueError(f"a row of {len(self._position)} features is scored, not one of shape {row.shape}")
        return row


class _Part:
    """Some labels of a model."""

    def __init__(self, model: Model, trees: Mapping[str, list[Trees]]) -> None:
        hazards = {label: model.hazards[label] for label in trees}
        grown = [(trees[label], hazard.periods) for label, hazard in hazards.items()]
        self.forest = forest = Forest.of(grown, len(model.features))
        self.features = len(model.features)
        self.open_ended = model.manifest.open_ended
        begins = forest.labels.tolist()
        self.spans = list(zip(trees, begins, begins[1:], strict=False))
        self.share = np.concatenate(
            [np.full(hazard.periods, model.manifest.labels[label].known_share) for label, hazard in hazards.items()]
        )
        self.slope, self.intercept = map(np.concatenate, zip(*map(_calibration, hazards.values()), strict=True))
        self.cuts = (forest.cuts, forest.threshold, forest.cut_word, forest.cut_mask)
        leaves = (forest.words, forest.leaf_at, forest.leaf, forest.sums)
        self.arrays = (*self.cuts, *leaves, forest.answers, forest.sigmoid)

    def plain(self, x: np.ndarray) -> np.ndarray:
        """(a,) the curves of a row, label by label."""
        forest = self.forest
        row, left = np.empty(self.features, np.int32), np.empty((1, len(forest.leaf_at)), np.uint32)
        told = np.empty((len(forest.answers), fold.CLASSES))
        fold.plain(x, *self.arrays, row, left, np.empty((forest.total, 1)), told)
        return self.curves(told)[0]

    def curves(self, told: np.ndarray) -> np.ndarray:
        """(n, a) curves from the boosters' probabilities (n * a, 3), which are overwritten."""
        curves = np.empty((len(told) // len(self.share), len(self.share)))
        np.log(told, out=told)
        fold.shift(told, self.slope, self.intercept)
        np.exp(told, out=told)
        fold.accumulate(told, self.forest.labels, self.open_ended, curves)
        return curves

    def known(self, curves: np.ndarray) -> np.ndarray:
        """The same where events are told that never come to be known, as `Model.curve`."""
        return np.minimum(curves / self.share, 1.0)


class _Ablation:
    """A part of a model, and what it would say of a row were some of its features typical."""

    def __init__(self, part: _Part, model: Model) -> None:
        self.part = part
        groups = list(members(model.groups))
        self.group = np.array([groups.index(model.groups[name]) for name in model.features], np.int32)
        self.order = np.argsort(self.group, kind="stable").astype(np.int32)
        self.typical = np.array(model.typical, np.float32)
        count = len(self.typical)
        self.usual = np.full((count, len(part.forest.leaf_at)), 2**32 - 1, np.uint32)
        fold.cut(self.typical, *part.cuts, np.arange(count, dtype=np.int32), self.usual)
        self._scratch: list[tuple[np.ndarray, ...]] = []

    def ablated(self, x: np.ndarray) -> tuple[np.ndarray, list[list[int]]]:
        """The curves (1 + c, a) of a row as it is and after c changes, and the changes (see `models.ablate`)."""
        try:
            scratch = self._scratch.pop()
        except IndexError:  # asking first whether there is one would let another thread take it in between
            scratch = self._new()
        changes, told = scratch[2], scratch[-1]
        found = ablate.ablated(x, *self.part.arrays, self.typical, self.usual, self.order, self.group, *scratch)
        curves = self.part.curves(told[: (1 + found) * len(self.part.share)])
        said = changes[:found].tolist()
        self._scratch.append(scratch)
        return curves, said

    def _new(self) -> tuple[np.ndarray, ...]:
        features, words = len(self.typical), len(self.part.forest.leaf_at)
        changes = 2 * features
        return (
            np.empty(features, np.int32),
            np.empty(features + 1, np.int32),
            np.empty((changes, 4), np.int32),
            np.empty((features + 1, words), np.uint32),
            np.empty((features + 1, words), np.uint32),
            np.empty((features + 2, words), np.uint32),
            np.empty((ablate.AT_ONCE, words), np.uint32),
            np.empty(words, np.uint64),
            np.empty(ablate.AT_ONCE + ablate.LANES),
            np.empty((self.part.forest.total, ablate.AT_ONCE + ablate.LANES)),
            np.empty(((1 + changes) * len(self.part.share), fold.CLASSES)),
        )


def _calibration(hazard: Hazard) -> tuple[np.ndarray, np.ndarray]:
    """Slope and intercept (k, 2) of each period and cause; minus infinity for a cause the label does not have."""
    causes = fold.CLASSES - 1
    slope, intercept = np.zeros((hazard.periods, causes)), np.full((hazard.periods, causes), -np.inf)
    found = len(hazard.calibration.slope)
    slope[:, :found] = hazard.calibration.slope
    intercept[:, :found] = np.array(hazard.calibration.intercept).T
    return slope, intercept
