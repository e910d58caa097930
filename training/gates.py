"""May a challenger answer instead of the champion? Every check says what it measured and what it would not allow.

A difference refuses only beyond chance, and beyond a margin that matters: a gate that refuses good models at random
is switched off by those who wait for it. So every family of checks has one share of `ALPHA`, and several tests of one
family are corrected by Holm's step-down (Holm 1979). Rows of one customer are not independent: variances are summed
over customers (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from training import metrics
from training.metrics import clustered_error
from training.slices import LEAST_EVENTS, by_slice, fallen

ALPHA = 0.01
"""One-sided, of each family of checks."""


@dataclass(frozen=True)
class Margins:
    """What is allowed. ``auc``: so much less than the champion's; ``loss``: so much more log-loss in a slice, in shares
    of the slice's own entropy; ``level``: observed over expected, either way; ``slope``: of calibration, either way;
    ``ceiling``: an AUC nobody believes, of the model and of any column alone; ``seconds``: per thousand rows scored;
    ``alpha``: one-sided, the chance of each family of checks to refuse an equal.
    """

    auc: float = 0.005
    loss: float = 0.01
    level: float = 1.1
    slope: float = 1.25
    ceiling: float = 0.95
    seconds: float = 1.0
    alpha: float = ALPHA


@dataclass(frozen=True)
class Window:
    """n rows that both models speak of: ``y`` (n,) 0 or 1, ``p`` (n,) the challenger's probabilities.

    ``groups`` (n,) customers; ``others``: name -> (n,) probabilities of the champion and of frozen references;
    ``slices``: name -> (n,) values; ``X``: the columns that were read, and ``soon`` (n,) bool: the event came before
    it could credibly be foreseen, both for the alarm about leaks.
    """

    y: np.ndarray = field(repr=False)
    p: np.ndarray = field(repr=False)
    groups: np.ndarray = field(repr=False)
    others: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    slices: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)
    X: pd.DataFrame | None = field(default=None, repr=False)
    soon: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Check:
    """One question, whether it was answered well, and what was measured, in words.

    ``waived``: who decided, and why, that it shall not refuse; empty where nobody did.
    """

    name: str
    passed: bool
    words: str
    waived: str = ""


@dataclass(frozen=True)
class Verdict:
    """All checks of one challenger."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it but what was waived."""
        return all(check.passed or check.waived for check in self.checks)

    @property
    def words(self) -> str:
        """What refused it, or that nothing did; and what was waived, by whom and why."""
        against = [f"{check.name}: {check.words}" for check in self.checks if not (check.passed or check.waived)]
        waived = [f"{c.name}: {c.words} ({c.waived})" for c in self.checks if c.waived and not c.passed]
        told = "refused: " + "; ".join(against) if against else f"passed {len(self.checks) - len(waived)} checks"
        return told + (f"; waived: {'; '.join(waived)}" if waived else "")

    def waiving(self, waived: Mapping[str, str]) -> "Verdict":
        """The same where checks by these names (of a label's check also without the label) do not refuse; name -> who
        decided so and why.
        """
        said = [waived.get(check.name) or waived.get(check.name.rpartition(", ")[2], "") for check in self.checks]
        return Verdict(tuple(replace(check, waived=why) for check, why in zip(self.checks, said, strict=True)))


def judge(window: Window, margins: Margins | None = None, share: int = 1) -> Verdict:
    """The checks that rows and probabilities can answer: ranking, calibration, slices, leaks.

    ``share``: one of so many labels that are judged together, each with its part of the chance to be wronged.
    """
    margins = replace(margins or Margins(), alpha=(margins or Margins()).alpha / share)
    checks = [_ranking(window, name, p, margins) for name, p in window.others.items()]
    checks += [_level(window, margins), _slope(window, margins), _ceiling(window, margins)]
    if window.soon is not None:
        checks.append(_lead(window, window.soon, margins))
    if "champion" in window.others:
        checks.append(_slices(window, margins))
    if window.X is not None:
        checks.append(_columns(window, window.X, margins))
    return Verdict(tuple(checks))


def same_answers(p: np.ndarray, read_back: np.ndarray) -> Check:
    """Whether the bundle that was read back from disk says what the fitted model says, column order regardless."""
    worst = float(np.abs(p - read_back).max(initial=0.0))
    return Check("bundle", worst == 0.0, f"read back, it answers up to {worst:.2g} differently")


def quick_enough(seconds: float, rows: int, margins: Margins | None = None) -> Check:
    """Whether scoring keeps within its budget."""
    allowed, each = (margins or Margins()).seconds, 1000 * seconds / max(rows, 1)
    return Check("speed", each <= allowed, f"{each:.3f} s for a thousand rows, at most {allowed:g}")


def auc_difference(y: np.ndarray, p: np.ndarray, other: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """AUC of ``other`` less that of ``p`` on the same rows, and its standard error; NaN with one class.

    DeLong's structural components, summed over ``groups``.
    """
    positive = y == 1
    m, n = int(positive.sum()), int((~positive).sum())
    if not m or not n:
        return float("nan"), float("nan")
    components = []
    for scores in (other, p):
        ranks, part = rankdata(scores), np.empty(len(y))
        part[positive] = (ranks[positive] - rankdata(scores[positive])) / n
        part[~positive] = 1.0 - (ranks[~positive] - rankdata(scores[~positive])) / m
        components.append(part)
    auc = [float(part[positive].mean()) for part in components]
    difference = components[0] - components[1]
    centred = np.where(positive, (difference - (auc[0] - auc[1])) / m, (difference - (auc[0] - auc[1])) / n)
    return auc[0] - auc[1], clustered_error(centred, groups)


def _ranking(window: Window, name: str, other: np.ndarray, margins: Margins) -> Check:
    less, error = auc_difference(window.y, window.p, other, window.groups)
    surely = less - norm.ppf(1 - margins.alpha) * error
    words = f"AUC {metrics.auc(window.y, window.p):.4f}, {less:.4f} less (standard error {error:.4f})"
    return Check(f"no worse than the {name}", not surely > margins.auc, f"{words}, at most {margins.auc:g} allowed")


def _level(window: Window, margins: Margins) -> Check:
    if not window.p.sum() or not window.y.any():
        return Check("level", False, "no event came, or none is expected: nothing can be said")
    ratio = metrics.observed_expected(window.y, window.p)
    error = clustered_error(window.y - window.p, window.groups) / window.y.sum()
    surely = abs(np.log(ratio)) - norm.ppf(1 - margins.alpha / 2) * error
    return Check(
        "level", bool(surely <= np.log(margins.level)), f"observed over expected {ratio:.3f} (error {error:.3f})"
    )


def _slope(window: Window, margins: Margins) -> Check:
    slope = metrics.calibration_slope(window.y, window.p)
    error = metrics.calibration_slope_error(window.y, window.p)
    if not np.isfinite([slope, error]).all():
        return Check("slope", False, "all probabilities are equal, or one class came: nothing can be said")
    far = max(slope - margins.slope, 1 / margins.slope - slope)
    return Check(
        "slope", bool(far <= norm.ppf(1 - margins.alpha / 2) * error), f"slope {slope:.3f} (error {error:.3f})"
    )


def _ceiling(window: Window, margins: Margins) -> Check:
    found = metrics.auc(window.y, window.p)
    return Check("leak", not found > margins.ceiling, f"AUC {found:.4f}: nobody believes more than {margins.ceiling:g}")


def _columns(window: Window, X: pd.DataFrame, margins: Margins) -> Check:
    worst, name = 0.0, ""
    for column in X:
        values = X[column]
        if values.isna().all():
            continue
        numbers = values.cat.codes if isinstance(values.dtype, pd.CategoricalDtype) else values
        for said in (numbers.fillna(numbers.min() - 1), numbers.isna()):
            found = metrics.auc(window.y, said.to_numpy(np.float64))
            if max(found, 1 - found) > worst:
                worst, name = max(found, 1 - found), str(column)
    return Check("leaking column", worst <= margins.ceiling, f"'{name}' alone has AUC {worst:.4f}")


def _lead(window: Window, soon: np.ndarray, margins: Margins) -> Check:
    """Among the events that came sooner than they can be foreseen, and all that never came."""
    rows = (window.y == 0) | soon
    events = int(window.y[rows].sum())
    if events < LEAST_EVENTS:
        return Check("lead time", True, f"{events} events came that soon: too few to tell")
    found = metrics.auc(window.y[rows], window.p[rows])
    return Check(
        "lead time",
        not found > margins.ceiling,
        f"AUC {found:.4f} on the {events} events that came that soon: nobody believes more than {margins.ceiling:g}",
    )


def _slices(window: Window, margins: Margins) -> Check:
    """Log-loss beside the champion's in every slice with enough events."""
    found = by_slice(window.y, window.p, window.groups, window.slices, window.others["champion"])
    fell = fallen(found, margins.alpha, margins.loss)
    words = "; ".join(each.words for each in fell)
    told = [each for each in found if each.error is not None]
    return Check("slices", not fell, words or f"none of {len(told)} slices lost beyond chance and {margins.loss:.0%}")
