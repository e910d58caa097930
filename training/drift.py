"""Has the world moved since the champion was trained? Its columns, and what became of its probabilities."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from training import metrics

BINS = 10
PSI_ALARM = 0.25
"""A population stability index beyond which a column is said to have shifted: the usual rule of thumb."""
LEVEL_ALARM = 1.2
_FLOOR = 1e-4
_SURE = 2.576
"""Standard errors: what chance alone would hardly (1 %) do is no drift."""


@dataclass(frozen=True)
class Drift:
    """``shifted``: column -> its index, of those beyond `PSI_ALARM`, worst first; ``levels``: label -> observed over
    expected of the champion on outcomes that have matured; ``off``: the labels whose level is off beyond chance.
    """

    shifted: dict[str, float]
    levels: dict[str, float]
    off: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether anything moved."""
        return bool(self.shifted or self.off)

    @property
    def words(self) -> str:
        """What moved, in a sentence."""
        said = [f"'{name}' expects {1 / self.levels[name]:.2f} times what came" for name in self.off]
        said += [f"{name} shifted (index {value:.2f})" for name, value in list(self.shifted.items())[:5]]
        return "; ".join(said) or "nothing moved"


def stability_index(before: pd.Series, now: pd.Series) -> float:
    """Population stability index of a column: the sum over bins of ``(q - p) log(q / p)``.

    Bins are the tenths of ``before``, or its categories; missing is a bin of its own. 0 for two alike.
    """
    if isinstance(before.dtype, pd.CategoricalDtype):
        known = pd.Index(before.cat.categories)
        shares = [_shares(known.get_indexer(column.astype(object)), len(known)) for column in (before, now)]
    else:
        cuts = np.unique(np.nanquantile(before, np.arange(1, BINS) / BINS)) if before.notna().any() else np.empty(0)
        places = [np.where(c.isna(), -1, np.searchsorted(cuts, c.to_numpy(np.float64), "right")) for c in (before, now)]
        shares = [_shares(place, len(cuts) + 1) for place in places]
    p, q = (np.maximum(share, _FLOOR) for share in shares)
    return float(((q - p) * np.log(q / p)).sum())


def level(y: np.ndarray, p: np.ndarray) -> tuple[float, bool]:
    """Observed over expected, and whether it is off by more than `LEVEL_ALARM` and beyond chance."""
    ratio = metrics.observed_expected(y, p)
    if not np.isfinite(ratio) or ratio <= 0:
        return ratio, bool(np.isfinite(ratio) and p.sum() > _SURE**2)
    error = float(np.sqrt((p * (1 - p)).sum())) / p.sum()
    return ratio, bool(abs(np.log(ratio)) > np.log(LEVEL_ALARM) and abs(ratio - 1) > _SURE * error)


def drift(before: pd.DataFrame, now: pd.DataFrame, told: dict[str, tuple[np.ndarray, np.ndarray]]) -> Drift:
    """What moved between two frames of the same columns; ``told``: label -> (y, p) of the champion on newer rows."""
    found = {str(name): stability_index(before[name], now[name]) for name in before.columns}
    shifted = {n: v for n, v in sorted(found.items(), key=lambda item: -item[1]) if v > PSI_ALARM}
    levels = {label: level(y, p) for label, (y, p) in told.items()}
    return Drift(
        shifted, {n: ratio for n, (ratio, _) in levels.items()}, tuple(n for n, (_, off) in levels.items() if off)
    )


def _shares(place: np.ndarray, bins: int) -> np.ndarray:
    return np.bincount(place + 1, minlength=bins + 1) / max(len(place), 1)
