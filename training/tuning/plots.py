"""Two panels of a search: what each trial came to, and which parameters mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from training.tuning.study import Result

_BLUE, _ORANGE, _GREY = "#1f5f99", "#c1571b", "#888888"
_WORST = 0.05
"""How far below the default the picture reaches, as a share of its loss."""


def draw(results: Sequence[Result], importances: Mapping[str, float], title: str, path: Path) -> Path:
    """The PNG written to ``path``; the importances may be empty."""
    figure = Figure(figsize=(14, 6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, wrap=True)
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    _history(left, results)
    _importances(right, importances)
    figure.savefig(path, dpi=100)
    return path


def _history(axes: Axes, results: Sequence[Result]) -> None:
    number = np.array([result.number for result in results])
    gain = np.array([result.gain for result in results])
    best = results[int(np.argmax(gain))]
    worse = gain < -_WORST
    axes.axhline(0, color=_GREY, linestyle="--", linewidth=1, label="the default (trial 0)")
    axes.plot(number[~worse], gain[~worse], "o", color=_BLUE, alpha=0.6, label="a trial")
    if worse.any():
        label = f"{worse.sum()} below the picture, down to {gain.min():.0%}"
        axes.plot(number[worse], np.full(worse.sum(), -_WORST), "v", color=_GREY, label=label)
    axes.step(number, np.maximum.accumulate(gain), where="post", color=_BLUE, label="the best so far")
    if best.gain > 0:
        label = f"the best, trial {best.number}, with two standard errors"
        axes.errorbar(best.number, best.gain, yerr=2 * best.gain_error, fmt="o", color=_ORANGE, capsize=4, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set_title("Trials")
    axes.set_xlabel("trial")
    axes.set_ylabel("saved of the default's loss (customers and months held out)")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=2)


def _importances(axes: Axes, importances: Mapping[str, float]) -> None:
    axes.set_title("What mattered")
    if not importances:
        axes.text(0.5, 0.5, "too few trials to tell", ha="center", va="center", color=_GREY)
        axes.set_axis_off()
        return
    places = np.arange(len(importances))
    axes.barh(places, list(importances.values()), color=_BLUE)
    axes.set_yticks(places, list(importances))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("share of the loss's variance (fANOVA)")
    axes.grid(axis="x", alpha=0.25)
