"""The slow and obvious twin of `models.nba.policy`: who may get which action.

Stages in order: channel, identity, objection, consent, eligibility; each says why.

Everything works on n people at once; a single live request is n = 1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.nba.catalogue import SAFE_KINDS, Action, Catalogue, Condition
from models.nba.policy import Refusal, Stage


@dataclass(frozen=True)
class People:
    """n people as the rules see them on one channel.

    ``columns``: feature name -> (n,) float64 (NaN: missing) or object (None: missing) array. ``certain``: (n,) bool,
    false where it is open which of several customers it is, so that only actions harmless to each may be taken.
    ``objects``: (n,) bool, who objects to profiling (``None``: nobody).
    """

    columns: Mapping[str, np.ndarray]
    certain: np.ndarray
    channel: str
    objects: np.ndarray | None = None

    @classmethod
    def of(cls, frame: pd.DataFrame, certain: np.ndarray, channel: str, objects: np.ndarray | None = None) -> "People":
        """The people of a feature frame: one row each, float32 or ``category`` columns."""
        columns = {str(name): _array(frame[name]) for name in frame.columns}
        return cls(columns, np.asarray(certain, dtype=bool), channel, objects)


@dataclass(frozen=True, slots=True)
class Check:
    """One test of one stage: (n,) bool, true where it lets through, and what it asks for, in words."""

    stage: Stage
    asks: str
    passed: np.ndarray


def checks(action: Action, catalogue: Catalogue, people: People) -> Iterator[Check]:
    """Every test of an action, in the order of the stages."""
    size = len(people.certain)
    if action.kind != "nothing":
        offered = ", ".join(action.channels)
        yield Check("channel", f"is made on {offered} only", np.full(size, people.channel in action.channels))
    if action.kind not in SAFE_KINDS:
        yield Check("identity", "needs to know for certain who it is", people.certain)
    if action.by_profiling and people.objects is not None:
        yield Check("objection", "needs to predict what they need or will do, and they object to that", ~people.objects)
    if action.consent is not None:
        given = people.columns[catalogue.consents[action.consent]] == 1
        yield Check("consent", f"needs the consent '{action.consent}'", given)
    for condition in action.eligibility:
        yield Check("eligibility", f"needs {condition.words}", meets(condition, people.columns[condition.feature]))


def allowed(catalogue: Catalogue, people: People) -> np.ndarray:
    """(n, m) bool: may this person get this one of `Catalogue.choices`?"""
    may = np.ones((len(people.certain), len(catalogue.choices)), dtype=bool)
    for index, action in enumerate(catalogue.choices):
        for check in checks(action, catalogue, people):
            may[:, index] &= check.passed
    return may


def refusals(catalogue: Catalogue, people: People, person: int) -> list[Refusal]:
    """The actions one person cannot get, each with the first stage that refused it."""
    found = []
    for action in catalogue.choices:
        for check in checks(action, catalogue, people):
            if not check.passed[person]:
                found.append(Refusal(action.id, check.stage, check.asks))
                break
    return found


def meets(condition: Condition, values: np.ndarray) -> np.ndarray:
    """(n,) bool: where values meet the condition. A missing value meets ``missing`` and ``is_not`` alone."""
    missing, wanted = np.array(pd.isna(values)), condition.value
    match condition.operator:
        case "missing":
            return missing
        case "present":
            return ~missing
        case "is":
            return ~missing & (values == wanted)
        case "is_not":
            return missing | (values != wanted)
        case "at_least":
            return values >= wanted
        case "below":
            return values < wanted


def _array(column: pd.Series) -> np.ndarray:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object).where(column.notna(), None).to_numpy(dtype=object)
    return column.to_numpy(dtype=np.float64)
