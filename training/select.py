"""Few variables: which of all candidates the models need together, and what quality each number of them gives.

Twins leave first: of two columns that rank the rows alike the one that helps less. Then the least helpful leave in
steps (recursive elimination: Guyon et al. 2002, "Gene selection for cancer classification using support vector
machines"), all tasks together, so that a budget is one of variables to feed and not of columns per model. Every step is
judged on later cutoffs than it was fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from features.dataset import Dataset
from models.bundle import Model
from models.encode import Encoder
from training import evaluate
from training.fit import Settings, fit

BUDGET = 40
STEPS = (80, 40, 20, 10)
ALIKE = 0.95
_ROWS = 5_000
_MISSING = -1e30


@dataclass(frozen=True)
class Chosen:
    """``kept``: names, most helpful first; ``gains``: their shares of what all trees gained; ``lost``: by how much the
    mean AUC falls when one is shuffled among the later rows; ``twins``: who left -> the one who stayed for it;
    ``curve``: a row per task and number of variables, with the headline figures on the later cutoffs.
    """

    kept: tuple[str, ...]
    gains: dict[str, float]
    lost: dict[str, float]
    twins: dict[str, str]
    curve: pd.DataFrame = field(repr=False)


def choose(
    pairs: Sequence[tuple[Dataset, Dataset]], settings: Settings, *, budget: int = BUDGET, steps: Sequence[int] = STEPS
) -> Chosen:
    """The variables that (earlier, later) rows of one or several tasks need most. The tasks may read different columns.

    Raises what fitting raises; `ValueError` for a budget of no variable.
    """
    if budget < 1:
        raise ValueError("a budget is at least one variable")
    names = list(dict.fromkeys(str(name) for earlier, _ in pairs for name in earlier.X.columns))
    sizes = sorted({size for size in (*steps, budget) if size < len(names)}, reverse=True)
    settings.progress(f"all {len(names)} candidates")
    models = _fitted(pairs, names, settings)
    rows, gains = _judged(pairs, models, len(names)), _gains(models)
    twins = {name: other for earlier, _ in pairs for name, other in twins_of(earlier.X, gains).items()}
    names = [name for name in gains if name not in twins]
    kept, at_budget = tuple(names[:budget]), (models, gains)
    for size in sizes:
        names = names[:size]
        settings.progress(f"the best {len(names)}")
        models = _fitted(pairs, names, settings)
        rows += _judged(pairs, models, len(names))
        gains = _gains(models)
        names = [name for name in gains if name in names]
        if size == budget:
            kept, at_budget = tuple(names), (models, gains)
    models, gains = at_budget
    lost = _lost(pairs, models, kept, settings.seed)
    return Chosen(kept, {n: gains[n] for n in kept}, lost, twins, pd.DataFrame(rows))


def twins_of(X: pd.DataFrame, gains: dict[str, float]) -> dict[str, str]:
    """Columns that rank the rows as another one does (Spearman's correlation beyond `ALIKE`) -> that other one, which
    gained more.
    """
    sample = X.iloc[np.random.default_rng(0).permutation(len(X))[:_ROWS]]
    encoded = np.nan_to_num(Encoder.fit(sample).transform(sample).astype(np.float64), nan=_MISSING)
    varied = [j for j in range(encoded.shape[1]) if np.ptp(encoded[:, j]) > 0]
    if len(varied) < 2:
        return {}
    ranks = np.column_stack([rankdata(encoded[:, j]) for j in varied])
    alike = np.abs(np.corrcoef(ranks.T)) > ALIKE
    name = [str(sample.columns[j]) for j in varied]
    order = sorted(range(len(name)), key=lambda i: -gains.get(name[i], 0.0))
    found: dict[str, str] = {}
    for place, i in enumerate(order):
        if name[i] not in found:
            found |= {name[j]: name[i] for j in order[place + 1 :] if alike[i, j] and name[j] not in found}
    return found


def _fitted(pairs: Sequence[tuple[Dataset, Dataset]], names: Sequence[str], settings: Settings) -> list[Model]:
    return [fit(earlier.select(names), settings) for earlier, _ in pairs]


def _judged(pairs: Sequence[tuple[Dataset, Dataset]], models: Sequence[Model], number: int) -> list[dict[str, object]]:
    rows = []
    for (_, later), model in zip(pairs, models, strict=True):
        figures = evaluate.headline(evaluate.table(evaluate.score(model, later.select(model.features))))
        kept = {name: figures[name] for name in ("horizon", *evaluate.MACRO) if name in figures}
        rows.append({"task": model.manifest.task, "variables": number, **kept})
    return rows


def _gains(models: Sequence[Model]) -> dict[str, float]:
    """Column -> its share of what the trees of all labels gained, every label and every task counting alike."""
    shares = []
    for model in models:
        each = []
        for found in model.hazards.values():
            gain = sum(b.feature_importance("gain")[: len(model.features)] for b in found.boosters)
            each.append(gain / max(gain.sum(), 1e-12))
        shares.append(pd.Series(np.mean(each, axis=0), model.features))
    total = pd.concat(shares, axis=1).fillna(0.0).mean(axis=1)
    return {str(name): float(value) for name, value in total.sort_values(ascending=False, kind="stable").items()}


def _lost(
    pairs: Sequence[tuple[Dataset, Dataset]], models: Sequence[Model], names: Sequence[str], seed: int
) -> dict[str, float]:
    """Mean AUC over labels, horizons and tasks, less the same with one column shuffled (Breiman 2001)."""
    order = {id(later): np.random.default_rng(seed).permutation(len(later.X)) for _, later in pairs}

    def quality(shuffled: str | None) -> float:
        found = []
        for (_, later), model in zip(pairs, models, strict=True):
            data = later.select(model.features)
            if shuffled in data.X:
                column = data.X[shuffled].iloc[order[id(later)]].set_axis(data.X.index)
                data = replace(data, X=data.X.assign(**{str(shuffled): column}))
            found.append(evaluate.table(evaluate.score(model, data))["auc"].mean())
        return float(np.nanmean(found))

    whole = quality(None)
    return {name: whole - quality(name) for name in names}
