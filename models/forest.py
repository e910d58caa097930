"""All trees of a model laid out so that one row is scored without walking a single one of them.

QuickScorer (Lucchese et al. 2015, "QuickScorer: a fast algorithm to rank documents with additive ensembles of
regression trees"): a tree is a word with one bit per leaf, from left to right. Wherever a row goes right, the leaves on
the left of that split cannot be reached; once their bits are cleared for all such splits, the lowest bit left is the
leaf reached. A feature's splits over all trees are sorted by threshold, so those that send a value to the right are
simply the first ones: there is nothing to foresee for the processor, and memory is read in order.

What a missing value and 0 are told is up to each split (`models.trees.Split`), so each has a list of its own. The
period a booster reads as its last feature is known beforehand: a tree is pruned once per stretch of periods it treats
alike, and is shared by all periods of that stretch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from models.trees import Branches, Split, Trees

BITS = 32
"""Leaves per word; a tree with more has several words."""
_ABOVE, _MISSING, _ZERO = range(3)


@dataclass(frozen=True)
class Forest:
    """t pruned trees of w words over f features, and the a answers (label by label, period by period) they sum up to.

    A *cut* clears bits of a word: ``cut_word`` and ``cut_mask`` (c,), ``threshold`` (c,) float64. ``cuts`` (f, 4) int64
    holds where in those a feature's lists begin and end: the first list, rising by threshold, holds for values above
    the threshold, the second for missing values, the third for 0.

    ``words`` (t + 1,): where a tree's words begin. ``leaf_at`` (w,): where in ``leaf`` a word's leaves begin. ``sums``
    (t, 2): the sums ``[begin, end)`` a tree is added to. ``answers`` (a, 3): an answer's first sum, how far the sum of
    the next class is from it, and how many classes (1: binary, see `models.trees.Trees`). ``sigmoid`` (a,).
    ``labels`` (l + 1,): where a label's answers begin; ``total``: how many sums there are.
    """

    cuts: np.ndarray
    threshold: np.ndarray
    cut_word: np.ndarray
    cut_mask: np.ndarray
    words: np.ndarray
    leaf_at: np.ndarray
    leaf: np.ndarray
    sums: np.ndarray
    answers: np.ndarray
    sigmoid: np.ndarray
    labels: np.ndarray
    total: int

    @classmethod
    def of(cls, labels: Sequence[tuple[Sequence[Trees], int]], features: int) -> "Forest":
        """The forest of labels, each given as its boosters' trees (one, or one per period) and its number of periods.

        They read that many features, and the period after them.
        """
        growing, begins = _Growing(features), [0]
        for boosters, periods in labels:
            apart = len(boosters) > 1
            for k, trees in enumerate(boosters):
                growing.add(trees, range(k, k + 1) if apart else range(periods))
            begins.append(len(growing.answers))
        return growing.done(begins)


class _Growing:
    """A forest as lists, tree by tree."""

    def __init__(self, features: int) -> None:
        self.features = features
        self.lists: list[int] = []
        self.threshold: list[float] = []
        self.cut_word: list[int] = []
        self.cut_mask: list[int] = []
        self.words = [0]
        self.leaf_at: list[int] = []
        self.leaf: list[float] = []
        self.sums: list[tuple[int, int]] = []
        self.answers: list[tuple[int, int, int]] = []
        self.sigmoid: list[float] = []
        self.total = 0

    def add(self, trees: Trees, periods: range) -> None:
        """A booster that tells of those periods."""
        first, many = self.total, len(periods)
        for i, tree in enumerate(trees.trees):
            base = first + i % trees.classes * many
            alike = [(0, 1)] if many == 1 else tree.ways(self.features, many)
            for begin, end in alike:
                self._tree(tree.pruned(self.features, periods[begin]))
                self.sums.append((base + begin, base + end))
        self.answers += [(first + k, many, trees.classes) for k in range(many)]
        self.sigmoid += [trees.sigmoid] * many
        self.total += many * trees.classes

    def _tree(self, tree: Branches) -> None:
        word, leaves = self.words[-1], len(tree.leaves)
        for split, begin, end in tree.splits:
            self._split(split, word, begin, end)
        count = -(-leaves // BITS)
        self.leaf_at += [len(self.leaf) + BITS * i for i in range(count)]
        self.leaf += tree.leaves
        self.words.append(word + count)

    def _split(self, split: Split, word: int, begin: int, end: int) -> None:
        lists = [_ABOVE]
        lists += [_MISSING] if not split.goes_left(nan) else []
        lists += [_ZERO] if not split.goes_left(0.0) else []
        for i in range(begin // BITS, -(-end // BITS)):
            low, high = max(begin - BITS * i, 0), min(end - BITS * i, BITS)
            mask = 2**BITS - 1 ^ (2**high - 2**low)
            for which in lists:
                self.lists.append(split.feature * 3 + which)
                self.threshold.append(split.threshold)
                self.cut_word.append(word + i)
                self.cut_mask.append(mask)

    def done(self, labels: list[int]) -> Forest:
        """The same as arrays."""
        lists, threshold = np.array(self.lists, np.int64), np.array(self.threshold, np.float64)
        word = np.array(self.cut_word, np.int32)
        order = np.lexsort((word, threshold, lists))
        edges = np.searchsorted(lists[order], np.arange(3 * self.features + 1))
        begin = edges[:-1].reshape(self.features, 3)
        return Forest(
            cuts=np.column_stack([begin, edges[3::3]]).astype(np.int64),
            threshold=threshold[order],
            cut_word=word[order],
            cut_mask=np.array(self.cut_mask, np.uint32)[order],
            words=np.array(self.words, np.int32),
            leaf_at=np.array(self.leaf_at, np.int32),
            leaf=np.array(self.leaf, np.float64),
            sums=np.array(self.sums, np.int32).reshape(-1, 2),
            answers=np.array(self.answers, np.int32),
            sigmoid=np.array(self.sigmoid, np.float64),
            labels=np.array(labels, np.int64),
            total=self.total,
        )
