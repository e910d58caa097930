"""Four panels that show how good a set of predictions is: ROC, precision-recall, calibration, lift."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from training import metrics
from training.evaluate import Scored

_BLUE, _GREY = "#1f5f99", "#888888"


def draw(scored: Scored, task: str, folder: Path) -> Path | None:
    """The PNG written for one label and horizon; ``None`` where there is one class, which has nothing to draw."""
    if not scored.y.any() or scored.y.all():
        return None
    figure = Figure(figsize=(11, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    rows, events = len(scored.y), int(scored.y.sum())
    figure.suptitle(
        f"{task}: {scored.label} by {scored.horizon}\n{rows:,} test pairs, {events:,} events ({events / rows:.1%})"
    )
    panels: tuple[Callable[[Axes, np.ndarray, np.ndarray], None], ...] = (_roc, _recall, _calibration, _lift)
    for axes, panel in zip(figure.subplots(2, 2).flat, panels, strict=True):
        panel(axes, scored.y, scored.p)
        axes.grid(alpha=0.25)
    path = folder / f"{scored.label}_{scored.horizon}.png"
    figure.savefig(path, dpi=100)
    return path


def _roc(axes: Axes, y: np.ndarray, p: np.ndarray) -> None:
    wrong, right, _ = roc_curve(y, p)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="chance")
    axes.plot(wrong, right, color=_BLUE, label=f"model: area {metrics.auc(y, p):.3f}")
    _say(axes, "ROC", "false alarms (share of those without the event)", "found (share of the events)", "lower right")


def _recall(axes: Axes, y: np.ndarray, p: np.ndarray) -> None:
    precision, recall, _ = precision_recall_curve(y, p)
    axes.axhline(y.mean(), color=_GREY, linestyle="--", linewidth=1, label=f"chance: {y.mean():.3f}")
    label = f"model: average {metrics.average_precision(y, p):.3f}"
    axes.step(recall, precision, where="post", color=_BLUE, label=label)
    axes.set_ylim(0, 1.02)
    _say(axes, "Precision and recall", "recall (share of the events found)", "precision", "upper right")


def _calibration(axes: Axes, y: np.ndarray, p: np.ndarray) -> None:
    found = metrics.bins(y, p)
    expected, observed = [b.expected for b in found], [b.observed for b in found]
    spread = np.maximum([[b.observed - b.low for b in found], [b.high - b.observed for b in found]], 0.0)
    top = 1.05 * max(*expected, *(b.high for b in found))
    axes.plot([0, top], [0, top], color=_GREY, linestyle="--", linewidth=1, label="perfect")
    label = f"{len(found)} equal-count bins, 95 % intervals\ncalibration error {metrics.calibration_error(y, p):.4f}"
    axes.errorbar(expected, observed, yerr=spread, fmt="o", color=_BLUE, capsize=3, label=label)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    title = f"Calibration: observed / expected {metrics.observed_expected(y, p):.2f}"
    _say(axes, title, "predicted probability (mean of the bin)", "observed share", "upper left")


def _lift(axes: Axes, y: np.ndarray, p: np.ndarray) -> None:
    share, lift = metrics.lift(y, p)
    tenth = float(np.interp(0.1, share, lift))
    axes.axhline(1, color=_GREY, linestyle="--", linewidth=1, label="chance")
    axes.plot(share, lift, color=_BLUE, label=f"model: {tenth:.1f} in the top tenth")
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.05, 0.1, 0.25, 0.5, 1], ["1 %", "5 %", "10 %", "25 %", "50 %", "100 %"])
    axes.minorticks_off()
    axes.set_xlim(0.01, 1)
    axes.set_ylim(0, 1.1 * max(1.0, float(lift[share >= 0.01].max())))
    _say(axes, "Lift", "riskiest share contacted (log scale)", "events found, times chance", "upper right")


def _say(axes: Axes, title: str, x: str, y: str, place: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.legend(loc=place, frameon=False)
