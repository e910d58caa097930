"""How good a model is on later cutoffs: per label and horizon, on the pairs whose outcome there is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.conditions import DAY
from features.dataset import EVENT, NO_ENDING, Dataset, Outcome
from models.bundle import Model
from training import metrics
from training.fit import Settings, fit

MACRO = ("auc", "average_precision", "brier", "calibration_error", "observed_expected", "base_rate")


@dataclass(frozen=True)
class Scored:
    """One label at one horizon: ``y`` and ``p`` of the pairs whose outcome there is ``known`` (n,) bool."""

    label: str
    horizon: str
    y: np.ndarray
    p: np.ndarray
    known: np.ndarray

    @property
    def unknown(self) -> int:
        """How many others there are."""
        return int(np.sum(~self.known))


def horizons(data: Dataset) -> tuple[str, ...]:
    """The names of the ends of the periods: ``"30d"``, ..., and ``"end"`` for an open-ended task."""
    return (*(f"{edge / DAY:g}d" for edge in data.edges()), *(("end",) if data.task.open_ended else ()))


def score(model: Model, data: Dataset) -> list[Scored]:
    """Every label at every horizon, in order. A pair counts at an edge iff it was followed past it, and at the end of
    an open-ended task iff its ending is known.
    """
    curves = model.predict(data.X)
    return [
        _scored(data, outcome, k, horizon, curves[outcome.name][:, k])
        for outcome in data.outcomes
        for k, horizon in enumerate(horizons(data))
    ]


def table(scored: Sequence[Scored]) -> pd.DataFrame:
    """One row per label and horizon: the metrics of `training.metrics.score` and ``unknown``."""
    return pd.DataFrame(
        [{"label": s.label, "horizon": s.horizon, **metrics.score(s.y, s.p), "unknown": s.unknown} for s in scored]
    )


def records(detail: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a `table` as JSON can say them; NaN becomes null."""
    rows = detail.to_dict(orient="records")
    return [{str(k): plain(v) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def flat(detail: pd.DataFrame) -> dict[str, float]:
    """``label.horizon.metric`` -> figure, for every figure of a `table` that could be computed."""
    found: dict[str, float] = {}
    for row in detail.to_dict(orient="records"):
        place = f"{row.pop('label')}.{row.pop('horizon')}"
        found |= {f"{place}.{k}": float(v) for k, v in row.items() if v == v}
    return found


def headline(detail: pd.DataFrame) -> dict[str, object]:
    """The figures a model is known by: at the last horizon where most outcomes are known and a label has both classes;
    means over the labels if several.

    Where there is no such horizon it is the last with any known outcome. ``notes`` says what could not be computed or
    was left out. What is unknown is ``None``.
    """
    known = detail[detail.rows > 0]
    if known.empty:
        note = "no test pair has an outcome that is known yet: test on earlier cutoffs"
        return {**dict.fromkeys(MACRO), "calibration_slope": None, "rows": 0, "events": 0, "notes": [note]}
    order = list(dict.fromkeys(detail.horizon))
    firm = known[(known.rows >= known.unknown) & (known.events > 0) & (known.events < known.rows)]
    horizon = max((firm if len(firm) else known).horizon, key=order.index)
    chosen = known[known.horizon == horizon]
    notes = _notes(chosen, horizon, detail[detail.horizon == order[-1]])
    means = {name: plain(chosen[name].mean()) for name in (*MACRO, "calibration_slope")}
    size = {"rows": int(chosen.rows.max()), "events": int(chosen.events.sum())}
    return {**means, **size, "horizon": horizon, "labels": len(chosen), "notes": notes}


def ablation(train: Dataset, test: Dataset, subsets: Mapping[str, Sequence[str]], settings: Settings) -> pd.DataFrame:
    """One row of headline figures per named subset of features, each fitted and tested on those features alone."""
    rows = []
    for name, columns in subsets.items():
        settings.progress(f"fitting on '{name}': {len(columns)} features")
        model = fit(train.select(columns), settings)
        figures = headline(table(score(model, test.select(columns))))
        rows.append({"subset": name, "features": len(columns), **{k: v for k, v in figures.items() if k != "notes"}})
    return pd.DataFrame(rows)


def history_subsets(data: Dataset) -> dict[str, list[str]]:
    """Two subsets, ``own fields`` and ``with history``: without and with what is read through or of somebody else,
    or stands in the group ``history``.
    """
    own = [f.name for f in data.features if not (f.of or f.via or f.group == "history")]
    return {"own fields": own, "with history": [f.name for f in data.features]}


def plain(value: float) -> float | None:
    """The number, or ``None`` for NaN, which JSON cannot say."""
    return None if np.isnan(value) else float(value)


def _scored(data: Dataset, outcome: Outcome, k: int, horizon: str, p: np.ndarray) -> Scored:
    edges = data.edges()
    if k < len(edges):
        known = data.followed() >= edges[k]
        y = (outcome.ending == EVENT) & (outcome.after < edges[k])
    else:
        known = outcome.ending != NO_ENDING
        y = outcome.ending == EVENT
    return Scored(outcome.name, horizon, y[known].astype(int), p[known], known)


def _notes(chosen: pd.DataFrame, horizon: str, last: pd.DataFrame) -> list[str]:
    notes, name = [], last.horizon.iloc[0]
    if horizon != name:
        rows, pairs = int(last.rows.sum()), int((last.rows + last.unknown).sum())
        known = f"{rows} of {pairs} test outcomes are" if rows else "no test outcome is"
        notes.append(f"{known} known at {name} yet: the figures are for {horizon}")
    for label, rows in chosen.loc[chosen.auc.isna(), ["label", "rows"]].to_records(index=False):
        notes.append(f"'{label}' has one class among {rows} test pairs: no AUC")
    unknown = int(chosen.unknown.sum())
    if unknown:
        notes.append(f"{unknown} test outcomes are not known yet and were left out")
    return notes
