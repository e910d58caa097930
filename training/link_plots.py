"""Two panels that show what linking is worth: touches nobody is known behind, over time and by phase."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from features.identity.told.report import LinkReport

_BLUE, _LIGHT, _GREY, _ORANGE = "#1f5f99", "#8fb8de", "#888888", "#d98032"
_FEW = 0.01


def figure(report: LinkReport) -> Figure:
    """Left: the share of each month's touches that nobody was, and is, known behind. Right: the same by phase."""
    drawn = Figure(figsize=(12, 5.5), layout="constrained")
    FigureCanvasAgg(drawn)
    touches = report.touches[0].facts if report.touches else 0
    drawn.suptitle(f"{touches:,} touches of the journey, by whom is known behind them on {report.at[:10]}")
    left, right = drawn.subplots(1, 2)
    _months(left, report)
    _phases(right, report)
    return drawn


def draw(report: LinkReport, path: Path) -> Path:
    """The figure written to ``path`` (PNG, SVG or PDF by suffix)."""
    figure(report).savefig(path, dpi=100)
    return path


def _months(axes: Axes, report: LinkReport) -> None:
    most = max((month.facts for month in report.months), default=0)
    months = [month for month in report.months if month.facts >= _FEW * most]
    first = np.array([month.anonymous_first for month in months])
    now = np.array([1 - month.identified for month in months])
    guarded = np.array([month.guarded for month in months])
    place = np.arange(len(months))
    axes.plot(place, first, color=_GREY, marker="o", markersize=4, label="nobody known when they came")
    axes.fill_between(place, now, first, color=_LIGHT, alpha=0.4, linewidth=0, label="joined to somebody since")
    axes.plot(place, now, color=_BLUE, marker="o", markersize=4, label="nobody known now")
    axes.plot(place, guarded, color=_ORANGE, linestyle="--", label="of those, as too many share the key")
    axes.set_xticks(place, [month.name for month in months], rotation=45, ha="right")
    axes.set_ylim(0, 1.1 * max(0.01, float(first.max(initial=0))))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("Over time")
    axes.set_ylabel("share of the month's touches")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False, ncols=2)


def _phases(axes: Axes, report: LinkReport) -> None:
    phases = report.phases[::-1]
    stitched = np.array([p.anonymous_first * (p.stitched or 0.0) for p in phases])
    parts = {
        "known at once": (np.array([p.identified for p in phases]) - stitched, _BLUE),
        "known later": (stitched, _LIGHT),
        "anonymous": (np.array([p.anonymous for p in phases]), _GREY),
        "guarded": (np.array([p.guarded for p in phases]), _ORANGE),
    }
    start = np.zeros(len(phases))
    for label, (share, color) in parts.items():
        axes.barh([f"{p.name} ({p.facts:,})" for p in phases], share, left=start, color=color, label=label)
        start = start + share
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_title("By phase")
    axes.set_xlabel("share of the phase's touches")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False, ncols=2)
