"""The policy of one catalogue, compiled: the same code for one person during a call and for many in bulk.

Stages in order: channel, identity, objection, consent, eligibility; the first that refuses says why. What is allowed
has the value `models.nba.value` tells of. Nothing here knows where people come from: they are rows of flat arrays.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from models.nba import judging
from models.nba.catalogue import SAFE_KINDS, Action, Catalogue, Condition

Stage = Literal["channel", "identity", "objection", "consent", "eligibility"]

MISSING, OTHER = -1, -2
"""Codes of no word, and of a word that no condition mentions."""

_ASKS = {
    "missing": judging.MISSING,
    "present": judging.PRESENT,
    "is": judging.IS,
    "is_not": judging.IS_NOT,
    "at_least": judging.AT_LEAST,
    "below": judging.BELOW,
}
_ASKS_WORD = {"is": judging.IS_WORD, "is_not": judging.IS_NOT_WORD}

_Test = tuple[int, int, int, float]
"""What it asks, the feature's column or the set of channels, the code of a word, a number."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody cannot get one action: the first stage that refused, and what it asked for."""

    action: str
    stage: Stage
    why: str


@dataclass(slots=True)
class Known:
    """n people as the rules see them, r features in the order of `Policy.reads`. All C-contiguous and writable.

    ``numbers``: (n, r) float64, NaN where missing or a category; flags are 0 and 1. ``codes``: (n, r) int32 of
    `Policy.code_of`, `MISSING` where missing or a number. ``certain``: (n,) bool, false where it is open which of
    several customers it is, so that only actions harmless to each may be taken. ``objects``: (n,) bool, who objects to
    profiling.
    """

    numbers: np.ndarray
    codes: np.ndarray
    certain: np.ndarray
    objects: np.ndarray

    def __getitem__(self, people: slice) -> "Known":
        return Known(self.numbers[people], self.codes[people], self.certain[people], self.objects[people])


@dataclass(slots=True)
class Likely:
    """What is predicted of n people, k needs in the order of `Policy.needs`. Both C-contiguous and writable.

    ``needs``: (n, k) float64 probabilities; NaN, no score, counts for nothing. ``churn``: (n,) float64 90-day
    probability; NaN makes the staying term 0.
    """

    needs: np.ndarray
    churn: np.ndarray

    def __getitem__(self, people: slice) -> "Likely":
        return Likely(self.needs[people], self.churn[people])


@dataclass(slots=True)
class Judged:
    """n people and the m `Policy.choices`.

    ``refused``: (n, m) int32, place in `Policy.refusals` of the first check that refused, -1: allowed. ``values``:
    (n, 8, m) float64, its rows by `judging.WORTH` to `judging.LIKELIEST`; money in `Catalogue.currency`.
    """

    refused: np.ndarray
    values: np.ndarray

    @property
    def parts(self) -> np.ndarray:
        """(n, 5, m) worth, needs, stay, cost and discount; costs are negative, so that the terms add up."""
        return self.values[:, : judging.TOTAL]

    @property
    def total(self) -> np.ndarray:
        """(n, m) the value."""
        return self.values[:, judging.TOTAL]

    @property
    def less_risk(self) -> np.ndarray:
        """(n, m) expected reduction of the churn probability; 0 where churn is NaN."""
        return self.values[:, judging.LESS_RISK]

    @property
    def likeliest(self) -> np.ndarray:
        """(n, m) probability of the likeliest need it serves; NaN where it serves none that has a score."""
        return self.values[:, judging.LIKELIEST]


class Policy:
    """A catalogue as flat arrays. Whoever builds it pays for all compilation; it is then only read, by any thread.

    ``reads``: the r features of `Known`. ``needs``: the k needs of `Likely`. ``choices``: the m actions, "do nothing"
    last. ``words``: feature -> the words its conditions mention, each at its code. ``refusals``: what `Judged.refused`
    points to, so that an answer about each can be prepared beforehand.

    Raises ValueError where a condition compares text by size or an action serves an undeclared need, which
    `models.nba.load` reports with their lines.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.choices = catalogue.choices
        self.reads = catalogue.reads
        self.needs = tuple(catalogue.needs)
        self.words = _words(catalogue)
        self._sets = tuple(dict.fromkeys(action.channels for action in self.choices))
        offered = {channel for channels in self._sets for channel in channels}
        self._made_on = {c: np.array([c in channels for channels in self._sets]) for c in offered}
        self._on_none = np.zeros(len(self._sets), dtype=bool)
        by_id = sorted(range(len(self.choices)), key=lambda i: self.choices[i].id)
        self._rank = np.argsort(by_id).astype(np.int32)
        asked = [list(self._asked(action)) for action in self.choices]
        self.refusals = tuple(refusal for checks in asked for refusal, _ in checks)
        self._tables = self._compiled([[test for _, test in checks] for checks in asked])
        self._warm()

    def code_of(self, feature: str, word: str | None) -> int:
        """The code of a word of a category feature in `Known.codes`; ``None``: it is missing."""
        if word is None:
            return MISSING
        mentioned = self.words.get(feature, ())
        return mentioned.index(word) if word in mentioned else OTHER

    def known(self, frame: pd.DataFrame, certain: np.ndarray, objects: np.ndarray | None = None) -> Known:
        """The people of a feature frame: one row each, number or ``category`` columns; ``objects`` ``None``: nobody.

        Raises ValueError where a column of ``reads`` is not there, or its categories are not words.
        """
        if lacking := [name for name in self.reads if name not in frame]:
            raise ValueError(f"the rules read columns that are not there: {', '.join(lacking)}")
        n, r = len(frame), len(self.reads)
        numbers, codes = np.full((n, r), np.nan), np.full((n, r), MISSING, dtype=np.int32)
        for j, name in enumerate(self.reads):
            column = frame[name]
            if isinstance(column.dtype, pd.CategoricalDtype):
                codes[:, j] = self.codes_of(name, column.cat.categories)[column.cat.codes]
            else:
                numbers[:, j] = column.to_numpy(dtype=np.float64)
        nobody = np.zeros(n, dtype=bool)
        return Known(numbers, codes, np.array(certain, bool), nobody if objects is None else np.array(objects, bool))

    def codes_of(self, feature: str, words: Iterable[str]) -> np.ndarray:
        """(w + 1,) int32: the code of each of w words of a dictionary, then `MISSING`, where index -1 finds it."""
        listed = list(words)
        if not all(isinstance(word, str) for word in listed):
            raise ValueError(f"the categories of '{feature}' are not words")
        return np.array([*(self.code_of(feature, word) for word in listed), MISSING], dtype=np.int32)

    def likely(self, needs: Mapping[str, np.ndarray], churn: np.ndarray) -> Likely:
        """Predictions by name: need -> (n,) probability, one without an entry counts for nothing; ``churn`` (n,)."""
        table = np.full((len(churn), len(self.needs)), np.nan)
        for k, need in enumerate(self.needs):
            if need in needs:
                table[:, k] = needs[need]
        return Likely(table, np.array(churn, dtype=np.float64))

    def judge(self, known: Known, likely: Likely, channel: str) -> Judged:
        """What each choice is worth for each of n people on a channel, and what refuses it.

        Raises ValueError for arrays of another shape, TypeError for those of another type, read-only or scattered.
        """
        n, m = self._people(known, likely), len(self.choices)
        judged = Judged(np.empty((n, m), dtype=np.int32), np.empty((n, 8, m)))
        judging.judge(
            self._tables,
            self._made_on.get(channel, self._on_none),
            known.numbers,
            known.codes,
            known.certain,
            known.objects,
            likely.needs,
            likely.churn,
            judged.refused,
            judged.values,
        )
        return judged

    def best(self, judged: Judged, limit: int) -> np.ndarray:
        """(n, at most ``limit``) int32: places in ``choices`` of what is worth doing, best first; -1 after the last.

        Ties go by id. What is worth less than doing nothing is left out, so the last is often "do nothing".
        """
        best = np.empty((len(judged.refused), min(limit, len(self.choices))), dtype=np.int32)
        judging.pick(judged.refused, judged.values, self._rank, best)
        return best

    def rank(self, known: Known, likely: Likely, channel: str, limit: int) -> tuple[np.ndarray, np.ndarray]:
        """`best` of very many people and the value of each, float64, NaN after the last; all else is dropped.

        It lets go of the GIL: blocks of people may be given to as many threads as there are cores. Raises as `judge`.
        """
        best = np.empty((self._people(known, likely), min(limit, len(self.choices))), dtype=np.int32)
        worth = np.empty(best.shape)
        judging.rank_all(
            self._tables,
            self._made_on.get(channel, self._on_none),
            known.numbers,
            known.codes,
            known.certain,
            known.objects,
            likely.needs,
            likely.churn,
            self._rank,
            best,
            worth,
        )
        return best, worth

    def _people(self, known: Known, likely: Likely) -> int:
        """How many there are: the loops believe it, so it is checked here."""
        n, r, k = len(likely.churn), len(self.reads), len(self.needs)
        shapes = known.numbers.shape, known.codes.shape, known.certain.shape, known.objects.shape, likely.needs.shape
        if shapes != ((n, r), (n, r), (n,), (n,), (n, k)):
            raise ValueError(f"expected {n} people, {r} features and {k} needs, found arrays of the shapes {shapes}")
        return n

    def _asked(self, action: Action) -> Iterator[tuple[Refusal, _Test]]:
        """Every check of an action, in the order of the stages."""
        if action.kind != "nothing":
            why = f"is made on {', '.join(action.channels)} only"
            yield Refusal(action.id, "channel", why), (judging.MADE_ON, self._sets.index(action.channels), 0, 0.0)
        if action.kind not in SAFE_KINDS:
            why = "needs to know for certain who it is"
            yield Refusal(action.id, "identity", why), (judging.CERTAIN, 0, 0, 0.0)
        if action.by_profiling:
            why = "needs to predict what they need or will do, and they object to that"
            yield Refusal(action.id, "objection", why), (judging.NO_OBJECTION, 0, 0, 0.0)
        if action.consent is not None:
            given = Condition(feature=self.catalogue.consents[action.consent], operator="is", value=True)
            yield Refusal(action.id, "consent", f"needs the consent '{action.consent}'"), self._test(given)
        for condition in action.eligibility:
            yield Refusal(action.id, "eligibility", f"needs {condition.words}"), self._test(condition)

    def _test(self, condition: Condition) -> _Test:
        column, value = self.reads.index(condition.feature), condition.value
        if not isinstance(value, str):
            return _ASKS[condition.operator], column, 0, float(value or 0.0)
        if condition.operator not in _ASKS_WORD:
            raise ValueError(f"'{condition.words}' compares text by size")
        return _ASKS_WORD[condition.operator], column, self.code_of(condition.feature, value), 0.0

    def _compiled(self, asked: list[list[_Test]]) -> tuple:
        """The arrays of `judging.TABLES`: each distinct test once, however many actions ask it."""
        checks = [test for tests in asked for test in tests]
        place = {test: i for i, test in enumerate(dict.fromkeys(checks))}
        served = [[_place(self.needs, need) for need in action.needs] for action in self.choices]
        money = np.array([_money(action) for action in self.choices]).T
        value = self.catalogue.customer_value
        return (
            np.array([test[:3] for test in place], dtype=np.int32),
            np.array([test[3] for test in place]),
            np.array([place[test] for test in checks], dtype=np.int32),
            _begins(asked),
            np.array([need for needs in served for need in needs], dtype=np.int32),
            _begins(served),
            np.ascontiguousarray(money),
            self.reads.index(value.monthly_value),
            float(value.months),
            float(value.margin_rate),
            float(self.catalogue.typical_churn),
        )

    def _warm(self) -> None:
        r, k = len(self.reads), len(self.needs)
        codes, no = np.full((1, r), MISSING, dtype=np.int32), np.zeros(1, dtype=bool)
        nobody = Known(np.full((1, r), np.nan), codes, no, no)
        unscored = Likely(np.full((1, k), np.nan), np.full(1, np.nan))
        self.best(self.judge(nobody, unscored, ""), 1)
        self.rank(nobody, unscored, "", 1)


def _words(catalogue: Catalogue) -> dict[str, tuple[str, ...]]:
    words: dict[str, dict[str, None]] = {}
    for action in catalogue.actions:
        for condition in action.eligibility:
            if isinstance(condition.value, str):
                words.setdefault(condition.feature, {})[condition.value] = None
    return {feature: tuple(mentioned) for feature, mentioned in words.items()}


def _place(needs: tuple[str, ...], need: str) -> int:
    if need not in needs:
        raise ValueError(f"there is no need '{need}'")
    return needs.index(need)


def _begins(lists: Sequence[Sequence[object]]) -> np.ndarray:
    return np.cumsum([0, *(len(one) for one in lists)]).astype(np.int32)


def _money(action: Action) -> tuple[float, ...]:
    """One column of `judging.TABLES`' money, in the order of `judging.ACCEPT` to `judging.ITSELF`."""
    accept = action.prior_effect.accept
    paid, given = 0.0 - action.cost, 0.0 - accept * action.discount
    return accept, action.margin, action.prior_effect.stay / 100, paid, given, action.worth
