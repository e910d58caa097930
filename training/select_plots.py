"""Two panels of a selection: what each number of variables gives, and what each that is kept is worth."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from training.select import Chosen

_COLOURS = ("#1f5f99", "#c1571b", "#3b7d3a", "#7a4fa3")


def draw(found: Chosen, path: Path) -> Path:
    """The picture written to ``path`` (PNG, SVG or PDF by suffix)."""
    height = max(5.0, 0.22 * len(found.kept) + 1.5)
    figure = Figure(figsize=(14, height), layout="constrained")
    FigureCanvasAgg(figure)
    tasks = ", ".join(found.curve["task"].unique())
    figure.suptitle(f"{len(found.kept)} variables for {tasks}; {len(found.twins)} twins left first")
    left, right = figure.subplots(1, 2)
    _curve(left, found)
    _worth(right, found)
    figure.savefig(path, dpi=100)
    return path


def _curve(axes: Axes, found: Chosen) -> None:
    for (task, rows), colour in zip(found.curve.groupby("task"), _COLOURS * len(found.curve), strict=False):
        axes.plot(rows["variables"], rows["auc"], "o-", color=colour, label=str(task))
    numbers = sorted(found.curve["variables"].unique())
    axes.set_xscale("log")
    axes.set_xticks(numbers)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_title("Quality on later cutoffs")
    axes.set_xlabel("variables, all models together (log scale)")
    axes.set_ylabel("area under the ROC curve (mean over labels)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False)


def _worth(axes: Axes, found: Chosen) -> None:
    names = sorted(found.kept, key=lambda name: -found.lost[name])
    places = np.arange(len(names))
    axes.barh(places, [found.lost[name] for name in names], color=_COLOURS[0])
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0, color="#888888", linewidth=1)
    axes.set_title("What shuffling one costs")
    axes.set_xlabel("mean area lost on later cutoffs")
    axes.grid(axis="x", alpha=0.25)
