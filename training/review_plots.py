"""Pictures for the review: a model beside those that stand, and by slice."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.slices import LEAST_EVENTS, Slice

_COLOURS = ("#1f5f99", "#c8691c", "#4f8a3d", "#7d5ba6", "#888888")
_MOST_SLICES = 40


def draw_beside(beside: pd.DataFrame, path: Path) -> None:
    """AUC and observed over expected of every model and way of asking, by label and horizon."""
    shown = beside[beside.auc.notna()]
    if shown.empty:
        return
    several = shown.label.nunique() > 1
    shown = shown.assign(place=shown.label + (" " + shown.horizon if shown.horizon.nunique() > 1 else ""))
    places = list(dict.fromkeys(shown.place if several else shown.horizon))
    figure = _figure(11, 2.2 + 0.55 * len(places))
    left, right = figure.subplots(1, 2, sharey=True)
    for i, ((model, sampler), rows) in enumerate(shown.groupby(["model", "sampler"], sort=False)):
        at = [places.index(p) for p in (rows.place if several else rows.horizon)]
        shift = (i - 1) * 0.14
        style = {"color": _COLOURS[i % len(_COLOURS)], "marker": "o", "linestyle": "none"}
        left.plot(rows.auc, np.array(at) + shift, label=f"{model}, {sampler}", **style)
        right.plot(rows.observed_expected, np.array(at) + shift, **style)
    right.axvline(1, color="#888888", linestyle="--", linewidth=1)
    left.set_yticks(range(len(places)), places)
    left.invert_yaxis()
    left.set_xlabel("AUC")
    right.set_xlabel("observed / expected (1: as many as came)")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path, "Beside those that stand, and by how it was asked")


def draw_slices(found: Mapping[str, Sequence[Slice]], folder: Path) -> None:
    """One picture a label: AUC and observed over expected of every slice with enough events."""
    for label, slices in found.items():
        shown = [s for s in slices if LEAST_EVENTS <= s.events <= s.rows - LEAST_EVENTS][:_MOST_SLICES]
        if shown:
            figure = _figure(11, 1.8 + 0.27 * len(shown))
            left, right = figure.subplots(1, 2, sharey=True)
            _dots(left, [s.auc for s in shown], "AUC", "#1f5f99", "this model")
            if any(s.champion_auc == s.champion_auc for s in shown):
                _dots(left, [s.champion_auc for s in shown], "AUC", "#c8691c", "champion")
            _dots(right, [s.observed_expected for s in shown], "observed / expected", "#1f5f99", "this model")
            error = [s.observed_expected / s.events**0.5 for s in shown]
            right.errorbar([s.observed_expected for s in shown], range(len(shown)), xerr=error, fmt="none", alpha=0.5)
            right.axvline(1, color="#888888", linestyle="--", linewidth=1)
            names = [f"{s.column.removesuffix('_last')} = {s.value}  ({s.events:,} of {s.rows:,})" for s in shown]
            left.set_yticks(range(len(shown)), names, fontsize=8)
            left.invert_yaxis()
            left.legend(loc="best", frameon=False)
            _save(
                figure, folder / f"slices_{label}.png", f"{label}: by slice (events of rows; bars: one standard error)"
            )


def _dots(axes: Axes, values: Sequence[float], name: str, colour: str, label: str) -> None:
    axes.plot(values, range(len(values)), "o", color=colour, label=label)
    axes.set_xlabel(name)
    axes.grid(alpha=0.25)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path, title: str) -> None:
    figure.suptitle(title)
    figure.savefig(path, dpi=100)
