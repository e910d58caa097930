"""Two panels that show where the risk is: those with most of it, and how much of all of it few of them hold."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.levels import Rolled

_BLUE, _GREY = "#1f5f99", "#888888"
_BARS = 20


def draw(found: Rolled, rows: np.ndarray, horizon: int, path: Path, currency: str = "") -> Path:
    """The picture written to ``path`` (PNG, SVG or PDF by suffix) of the positions ``rows`` of ``found.up``, ranked."""
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    priced = not np.isnan(found.up.at_risk).all()
    amount = np.nan_to_num((found.up.at_risk if priced else found.up.leavers)[rows, horizon])
    unit = f"revenue at risk, {currency} a month".replace(", a", " a") if priced else "expected leavers"
    name = found.horizons[horizon]
    figure.suptitle(f"{found.task.name}: {unit} within {name}, by {found.level} ({len(rows):,} of them)")
    left, right = figure.subplots(1, 2)
    _bars(left, found, rows[:_BARS], amount[:_BARS], unit)
    _lorenz(right, amount, found.level, unit)
    figure.savefig(path, dpi=100)
    return path


def _bars(axes: Axes, found: Rolled, rows: np.ndarray, amount: np.ndarray, unit: str) -> None:
    places = np.arange(len(rows))
    axes.barh(places, amount, color=_BLUE)
    axes.set_yticks(places, [f"…{str(found.up.parent[i])[-6:]} ({found.up.scored[i]:,})" for i in rows], fontsize=8)
    axes.invert_yaxis()
    axes.set_title(f"The {len(rows)} with most")
    axes.set_xlabel(unit)
    axes.set_ylabel("end of the surrogate key (scored members)")
    axes.grid(axis="x", alpha=0.25)


def _lorenz(axes: Axes, amount: np.ndarray, level: str, unit: str) -> None:
    share = np.arange(len(amount) + 1) / max(len(amount), 1)
    held = np.concatenate([[0.0], np.cumsum(np.sort(amount)[::-1])]) / (amount.sum() or 1.0)
    tenth = float(np.interp(0.1, share, held))
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="all alike")
    axes.plot(share, held, color=_BLUE, label=f"the first tenth holds {tenth:.0%}")
    axes.set_title("How much few of them hold")
    axes.set_xlabel(f"share of {level}s, those with most first")
    axes.set_ylabel(f"share of the {unit.split(',')[0]}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid(alpha=0.25)
    axes.legend(loc="lower right", frameon=False)
