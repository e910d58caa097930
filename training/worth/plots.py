"""Three pictures: what a list is worth, whether reasons can be trusted, whom offers reach."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.worth.offered import Reach
from training.worth.profit import Retention, Worth
from training.worth.reasons_audit import Audit

_BLUE, _ORANGE, _GREEN, _GREY = "#1f5f99", "#c8641e", "#3b8a4f", "#888888"
_COLOURS = (_BLUE, _ORANGE, _GREEN, "#7a4f9a", "#a03030")
_TITLES = {
    "offered": "share with an offer in slot 1",
    "value": "value offered",
    "churn": "predicted leaving",
    "need": "likeliest need, predicted",
}


def profit(found: Retention, path: Path) -> Path | None:
    """Profit by share asked, and each action's best list with its interval; ``None`` where nothing was measured."""
    if not found.lists:
        return None
    shown, left_out = found.lists[: len(_COLOURS)], len(found.lists) - len(_COLOURS)
    one = shown[0]
    figure = _figure(13, 6)
    more = f"; {left_out} less profitable actions are not shown" if left_out > 0 else ""
    figure.suptitle(
        f"What a list by '{one.label}' by {one.horizon} is worth at the operator's own costs, {one.currency}{more}"
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    for each, colour in zip(shown, _COLOURS, strict=False):
        _curve(left, each, colour)
    left.plot([], [], color=_GREY, linestyle=":", label="as many, at random")
    left.axhline(0, color=_GREY, linewidth=1)
    left.set_ylim(*_profits(shown))
    _say(left, "Profit by share asked, likeliest first", "share asked of those who may get it", "profit of the list")
    left.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    left.yaxis.set_major_formatter("{x:,.0f}")
    left.legend(frameon=False, loc="lower left", fontsize=9)
    _lists(right, shown)
    figure.savefig(path, dpi=100)
    return path


def reasons(found: Audit, path: Path) -> Path:
    """Each group's size by the served reasons and by SHAP, and what leaving out the named group does."""
    figure = _figure(13, max(4.5, 1.8 + 0.36 * len(found.groups)))
    figure.suptitle(
        f"Reasons of '{found.label}' on {found.rows:,} test rows: rank correlation with SHAP {found.spearman:.2f}, "
        f"top reason in SHAP's top two {found.top_in_two:.0%} (chance {found.top_by_chance:.0%}), "
        f"same sign {found.sign:.0%}",
        fontsize=11,
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    _groups(left, found.groups)
    _drops(right, found)
    figure.savefig(path, dpi=100)
    return path


def reach(found: Reach, path: Path) -> Path | None:
    """A row of panels per column, a line per group; ``None`` where no column is held."""
    columns = list(dict.fromkeys(found.groups["column"]))
    if not columns:
        return None
    sizes = [int((found.groups["column"] == column).sum()) for column in columns]
    figure = _figure(15, 1.6 + sum(1.1 + 0.33 * size for size in sizes))
    figure.suptitle(f"Whom offers reach on '{found.channel}': {found.rows:,} test pairs, 95 % intervals")
    heights = [2.4 + size for size in sizes]
    grid = figure.subplots(len(columns), len(_TITLES), squeeze=False, height_ratios=heights)
    for row, column in zip(grid, columns, strict=True):
        groups = found.groups[found.groups["column"] == column]
        ratios = found.ratios[found.ratios["column"] == column].set_index("figure")
        for axes, name in zip(row, _TITLES, strict=True):
            _dots(axes, groups, ratios, name, found.currency)
        row[0].set_yticks(range(len(groups)), [f"{r.group} ({r.rows:,})" for r in groups.itertuples()])
        row[0].set_ylabel(column)
    figure.savefig(path, dpi=100)
    return path


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _curve(axes: Axes, one: Worth, colour: str) -> None:
    label = f"{one.action}: best at {one.share:.0%}" if one.asked else f"{one.action}: best not done"
    axes.plot(one.curve.share, one.curve.profit, color=colour, label=label)
    axes.plot([0, 1], [0, one.everybody], color=colour, linestyle=":", linewidth=1.2)
    axes.plot([one.share], [one.total], "o", color=colour)


def _profits(shown: tuple[Worth, ...]) -> tuple[float, float]:
    """Room for every best list; what asking everybody loses may run out of the picture."""
    top = max(max(one.total for one in shown), 1.0)
    low = min(min(float(one.curve.profit.min()) for one in shown), 0.0)
    return max(low, -1.5 * top) - 0.05 * top, 1.15 * top


def _lists(axes: Axes, shown: tuple[Worth, ...]) -> None:
    places = np.arange(len(shown))
    for place, one, colour in zip(places, shown, _COLOURS, strict=False):
        axes.plot([one.low, one.high], [place, place], color=colour, linewidth=2.5)
        axes.plot([one.total], [place], "o", color=colour, markersize=8)
        axes.plot([one.by_expected], [place], "D", color=colour, markerfacecolor="white")
        axes.plot([one.cautious], [place], "|", color="black", markersize=16)
    for marker, words, white in (
        ("o", "best list, 95 % interval", False),
        ("D", "whoever the model expects to be worth it", True),
        ("|", "best list if every stayer takes the offer", False),
    ):
        axes.plot([], [], marker, color="black", markerfacecolor="white" if white else "black", label=words)
    axes.axvline(0, color=_GREY, linewidth=1)
    names = [f"{one.action}\n{one.asked:,} of {one.rows:,} asked\n{one.per_asked:,.2f} each" for one in shown]
    axes.set_yticks(places, names)
    axes.set_ylim(len(shown) + 0.1, -0.5)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    _say(axes, "Each action's best list", "profit of the list", "")
    axes.legend(frameon=False, loc="lower right", fontsize=9)


def _groups(axes: Axes, groups: pd.DataFrame) -> None:
    places = np.arange(len(groups))
    axes.barh(places - 0.19, groups.effect_share, 0.36, color=_BLUE, label="served reasons")
    axes.barh(places + 0.19, groups.shap_share, 0.36, color=_ORANGE, label="SHAP")
    together = ["–" if np.isnan(r) else f"{r:.2f}" for r in groups.spearman]
    names = [
        f"{'! ' if row.flagged else ''}{row.group} ({row.features})   {r}"
        for row, r in zip(groups.itertuples(), together, strict=True)
    ]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    title = "How much each group moves"
    _say(axes, title, "share of all that is moved", "group (features)   rank correlation; !: disagreement")
    axes.legend(frameon=False, loc="lower right")


def _drops(axes: Axes, found: Audit) -> None:
    names = ("the named group", "SHAP's strongest", "any other group")
    drops = (found.named_drop, found.shap_drop, found.other_drop)
    if np.isnan(found.named_drop):
        axes.text(0.5, 0.5, "no reason raises any of these rows", ha="center", transform=axes.transAxes)
    bars = axes.bar(names, np.nan_to_num(drops), 0.55, color=(_BLUE, _ORANGE, _GREY))
    axes.bar_label(bars, [f"{drop:.2f}" for drop in drops], padding=3)
    axes.axhline(0, color="black", linewidth=1)
    axes.margins(y=0.15)
    verdict = "it tells more than another" if found.faithful else "not beyond chance"
    title = (
        f"What leaving out a group takes away\n{verdict}\n"
        f"named less other: {found.difference_low:.2f} to {found.difference_high:.2f} points (95 %)"
    )
    _say(axes, title, f"left out of {found.raised:,} rows that some group raises", "fall of the probability, points")


def _dots(axes: Axes, groups: pd.DataFrame, ratios: pd.DataFrame, name: str, currency: str) -> None:
    places = np.arange(len(groups))
    means = groups[name].to_numpy()
    for place, low, high in zip(places, groups[f"{name}_low"], groups[f"{name}_high"], strict=True):
        axes.plot([low, high], [place, place], color=_BLUE, linewidth=2)
    axes.plot(means, places, "o", color=_BLUE)
    known = means[~np.isnan(means)]
    top = float(np.nanmax([*groups[f"{name}_high"], 1e-9])) if len(known) else 1.0
    axes.set_xlim(0, 1.12 * top)
    for i, note in enumerate(groups.note):
        if note:
            axes.text(0.03 * top, i, note, va="center", color=_GREY, fontsize=9)
    axes.set_yticks(places, [])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    if name == "value":
        unit = f"{currency}, mean"
    else:
        unit = ""
        axes.xaxis.set_major_formatter(lambda x, _: f"{100 * x:.3g}%")
    title = _TITLES[name]
    if name in ratios.index:
        ratio = ratios.loc[name]
        title += f"\nlargest ratio {ratio.ratio:.2f} (by chance up to {ratio.chance:.2f})"
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(unit)
    axes.grid(axis="x", alpha=0.25)


def _say(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
