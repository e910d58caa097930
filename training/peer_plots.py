"""Two panels that show a model beside its peers: ranking and calibration, by label and horizon."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.peers import BOOSTER, LOGISTIC, OURS

_LOOKS = {OURS: ("#1f5f99", "o"), BOOSTER: ("#c4682b", "s"), LOGISTIC: ("#888888", "^")}
_APART = 0.2
_FAIR = (0.9, 1.1)
_LEAST_WIDE = 0.06
"""An axis never shows less than this, or differences that mean nothing would look large."""


def draw(table: pd.DataFrame, task: str, path: Path) -> Path | None:
    """The picture of a table of `training.peers.peers`, written to ``path`` (PNG, SVG or PDF by suffix).

    ``None`` where no figure could be computed, which has nothing to draw.
    """
    if not table[["auc", "observed_expected"]].notna().any(axis=None):
        return None
    places = table[["label", "horizon"]].drop_duplicates().reset_index(drop=True)
    figure = Figure(figsize=(11, 2.6 + 0.55 * len(places)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=True)
    right.axvline(1, color="#444444", linestyle="--", linewidth=1)
    right.axvspan(*_FAIR, color="#444444", alpha=0.08, linewidth=0)
    _panel(left, table, places, "auc")
    _panel(right, table, places, "observed_expected")
    left.set_yticks(range(len(places)), [f"{row.label}, {row.horizon}" for row in places.itertuples()])
    left.set_ylim(len(places) - 0.5, -0.5)
    left.set(title="Ranking: further right is better", xlabel="area under the ROC curve")
    right.set(title="Level: on the line is right (grey: within a tenth)", xlabel="observed / expected")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(_LOOKS), frameon=False)
    figure.suptitle(f"{task}: the model and what else might have been fitted, on the same later rows")
    figure.savefig(path, dpi=100)
    return path


def _panel(axes: Axes, table: pd.DataFrame, places: pd.DataFrame, figure: str) -> None:
    for i, (name, (colour, marker)) in enumerate(_LOOKS.items()):
        mine = places.merge(table[table.model == name], on=["label", "horizon"], how="left")
        offset = _APART * (i - (len(_LOOKS) - 1) / 2)
        y = np.arange(len(places)) + offset
        axes.scatter(mine[figure], y, color=colour, marker=marker, s=45, label=name, zorder=3)
        for x, at in zip(mine[figure], y, strict=True):
            if not np.isnan(x):
                axes.annotate(f"{x:.3f}", (x, at), (7, 0), textcoords="offset points", va="center", fontsize=8)
    axes.margins(x=0.18)
    low, high = axes.get_xlim()
    short = max(_LEAST_WIDE - (high - low), 0.0)
    axes.set_xlim(low - short / 2, high + short / 2)
    axes.grid(axis="x", alpha=0.25)
