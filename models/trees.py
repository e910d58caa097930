"""LightGBM's trees as plain Python, read from the text it writes."""

from dataclasses import dataclass
from math import isnan

import lightgbm as lgb

_CATEGORICAL, _DEFAULT_LEFT, _MISSING_SHIFT, _MISSING_MASK = 1, 2, 2, 3
_MISSING_ZERO, _MISSING_NAN = 1, 2
ZERO = 1.0000000180025095e-35
"""What is no further from 0 is 0 to LightGBM: its ``kZeroThreshold``, the float32 nearest to 1e-35."""


@dataclass(frozen=True)
class Split:
    """An inner node: which way a value of ``feature`` goes. A child below 0 is the leaf ``~child``."""

    feature: int
    threshold: float
    kind: int
    left: int
    right: int

    def goes_left(self, value: float) -> bool:
        """LightGBM's ``Tree::NumericalDecision``: NaN is 0 unless it was seen as missing when the tree was grown."""
        missing = self.kind >> _MISSING_SHIFT & _MISSING_MASK
        if isnan(value) and missing != _MISSING_NAN:
            value = 0.0
        if (missing == _MISSING_ZERO and abs(value) <= ZERO) or (missing == _MISSING_NAN and isnan(value)):
            return bool(self.kind & _DEFAULT_LEFT)
        return value <= self.threshold


@dataclass(frozen=True)
class Tree:
    """Inner nodes, the root first, and the values of the leaves; without nodes the one leaf is the answer."""

    splits: tuple[Split, ...]
    leaves: tuple[float, ...]

    def ways(self, feature: int, values: int) -> list[tuple[int, int]]:
        """The stretches ``[begin, end)`` of 0..``values`` - 1 within which all values of a feature go the same way."""
        asked = [split for split in self.splits if split.feature == feature]
        told = [tuple(split.goes_left(value) for split in asked) for value in range(values)]
        begins = [k for k in range(values) if k == 0 or told[k] != told[k - 1]]
        return list(zip(begins, [*begins[1:], values], strict=True))

    def pruned(self, feature: int, value: float) -> "Branches":
        """What is left of the tree where one feature is known, its leaves from left to right."""
        leaves: list[float] = []
        found: list[tuple[Split, int, int]] = []

        def walk(node: int) -> None:
            if node < 0:
                leaves.append(self.leaves[~node])
                return
            split = self.splits[node]
            if split.feature == feature:
                walk(split.left if split.goes_left(value) else split.right)
                return
            begin = len(leaves)
            walk(split.left)
            found.append((split, begin, len(leaves)))
            walk(split.right)

        walk(0 if self.splits else -1)
        return Branches(tuple(leaves), tuple(found))


@dataclass(frozen=True)
class Branches:
    """A tree as its leaves from left to right and, for each split, which leaves ``[begin, end)`` are on its left."""

    leaves: tuple[float, ...]
    splits: tuple[tuple[Split, int, int], ...]


@dataclass(frozen=True)
class Trees:
    """A booster's trees in the order LightGBM adds them up; tree i speaks for class ``i % classes``.

    ``classes`` 1: a binary task, whose probability is ``1 / (1 + exp(-sigmoid * sum))``; else a softmax of the sums.
    """

    trees: tuple[Tree, ...]
    classes: int
    sigmoid: float


def read(booster: lgb.Booster) -> Trees:
    """The trees of a booster.

    Raises `ValueError` for what `models.hazard` never grows: categorical splits, linear leaves, averaged trees, and any
    objective but ``binary`` and ``multiclass``.
    """
    head, *blocks = booster.model_to_string().split("\nend of trees")[0].split("\nTree=")
    said = _fields(head)
    objective, *options = said.get("objective", "none").split()
    if objective not in ("binary", "multiclass"):
        raise ValueError(f"trees of objective '{objective}' cannot be scored, only 'binary' and 'multiclass'")
    if "average_output" in head.splitlines():
        raise ValueError("trees of a random forest are averaged; only boosted trees can be scored")
    settings = dict(option.split(":", 1) for option in options if ":" in option)
    sigmoid = float(settings.get("sigmoid", 1.0))
    return Trees(tuple(map(_tree, blocks)), int(said["num_tree_per_iteration"]), sigmoid)


def _fields(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _tree(block: str) -> Tree:
    said = _fields(block)
    if said.get("is_linear", "0") != "0":
        raise ValueError("trees with linear leaves cannot be scored; train without 'linear_tree'")
    names = ("split_feature", "decision_type", "left_child", "right_child")
    features, kinds, lefts, rights = ([int(n) for n in said.get(name, "").split()] for name in names)
    thresholds = [float(t) for t in said.get("threshold", "").split()]
    if any(kind & _CATEGORICAL for kind in kinds):
        raise ValueError("trees that split on categories cannot be scored; encode them as numbers before training")
    splits = map(Split, features, thresholds, kinds, lefts, rights)
    return Tree(tuple(splits), tuple(float(v) for v in said["leaf_value"].split()))
