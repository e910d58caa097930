"""Pictures of the logging policy, of what actions do, of the truth's calibration and of the keys."""

import numpy as np
import pandas as pd
from history import BEGIN, DAY, History, month_edges
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measures import nameless
from style import BLACK, BLUE, GREEN, GREY, ORANGE, PALE, RED, SKY, note

from features.simulator.vocabulary import ACTIONS

HORIZON = 60
FEWEST = 40
"""Customers an action must be allowed for to be shown."""


def decisions(history: History) -> Figure:
    """What became of decisions, which actions were shown, and with what probability."""
    contact = history.facts["contact"]
    ours = contact[contact.origin.isin(["tieline", "control"]) & (contact.slot == 1)]
    shown = ours[ours.response == "shown"].drop_duplicates("decision")
    figure = plt.figure(figsize=(9, 5.2))
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 4.5), width_ratios=(1.1, 1))
    _flow(figure.add_subplot(grid[0, :]), shown, ours)
    treated = shown[shown.origin == "tieline"]
    _shares(figure.add_subplot(grid[1, 0]), treated)
    right = figure.add_subplot(grid[1, 1])
    right.hist(np.log10(treated.propensity), np.arange(-1.6, 0.01, 0.1), color=BLUE)
    ticks = (0.03, 0.05, 0.1, 0.2, 0.5, 1)
    right.set_xticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])
    right.set(xlabel="probability with which it was drawn (log scale)", ylabel="decisions")
    right.set_title(f"No probability under {treated.propensity.min():.2f}")
    return figure


def _flow(axes: Axes, shown: pd.DataFrame, ours: pd.DataFrame) -> None:
    known = {word: set(ours[ours.response == word].decision) for word in ("accepted", "declined")}
    treated = shown[(shown.origin == "tieline") & (shown.action != "do_nothing")]
    yes, no = (treated.decision.isin(known[word]).sum() for word in ("accepted", "declined"))
    parts = (
        ("control", (shown.origin == "control").sum(), GREY),
        ("nothing", ((shown.origin == "tieline") & (shown.action == "do_nothing")).sum(), PALE),
        ("yes", yes, GREEN),
        ("no", no, ORANGE),
        ("never answered", len(treated) - yes - no, SKY),
    )
    begin = 0.0
    for label, count, color in parts:
        share = 100 * count / len(shown)
        axes.barh(0, share, left=begin, color=color, edgecolor="white")
        axes.text(begin + share / 2, 0, f"{label}\n{share:.0f} %", ha="center", va="center", fontsize=8)
        begin += share
    axes.set(xlim=(0, 100), yticks=[])
    axes.set_xticks([])
    axes.grid(False)
    axes.set_title(f"What became of {len(shown):,} decisions")


def _shares(axes: Axes, treated: pd.DataFrame) -> None:
    shares = 100 * treated.action.value_counts(normalize=True)
    shares = shares.reindex(ACTIONS).fillna(0).sort_values()
    axes.barh([name.replace("_", " ") for name in shares.index], shares, color=BLUE)
    axes.set(xlabel="% of decisions outside the control group, slot 1")
    axes.set_title("Every action is tried")
    axes.grid(axis="y", visible=False)


def effects(table: pd.DataFrame) -> Figure:
    """The distribution of each action's effect on leaving, over those it may be shown to."""
    leave = f"leave_{HORIZON}"
    nothing = table[table.action == "do_nothing"].set_index("customer")[leave]
    table = table.assign(effect=100 * (table[leave] - table.customer.map(nothing)))
    groups = {name: rows.effect for name, rows in table[table.eligible].groupby("action") if len(rows) >= FEWEST}
    groups.pop("do_nothing")
    order = sorted(groups, key=lambda name: -groups[name].mean())
    figure, axes = plt.subplots(figsize=(9, 4.8))
    edges = (0.01, 0.05, 0.25, 0.75, 0.95, 0.99)
    most_harm = max(group.quantile(edges[-1]) for group in groups.values())
    for row, name in enumerate(order):
        low, few, quarter, most, many, high = groups[name].quantile(edges)
        axes.plot([low, high], [row, row], color=GREY, lw=0.8)
        axes.plot([few, many], [row, row], color=BLUE, lw=3, solid_capstyle="butt")
        axes.plot([quarter, most], [row, row], color=SKY, lw=8, solid_capstyle="butt")
        axes.plot(groups[name].mean(), row, "o", color=BLACK, ms=4)
        note(axes, most_harm + 0.1, row, f"{100 * (groups[name] > 0.02).mean():.0f} %", RED, va="center")
    note(axes, most_harm + 0.1, len(order) - 0.4, "harmed", RED, va="bottom", fontweight="bold")
    axes.axvline(0, color=BLACK, lw=1)
    axes.set_yticks(range(len(order)), [name.replace("_", " ") for name in order])
    lowest = min(group.quantile(edges[0]) for group in groups.values())
    axes.set_xlim(lowest - 0.2, most_harm + 0.5)
    axes.set_xlabel(f"change of the chance to leave within {HORIZON} days, in points (below zero helps)")
    title = "The same action helps some and harms others"
    axes.set_title(f"{title}\n(dot: mean; bars: middle half, 90 %; line: 98 % of those it may be shown to)")
    axes.grid(axis="y", visible=False)
    return figure


def calibration(table: pd.DataFrame, accounts: pd.Series) -> Figure:
    """Probabilities of the truth against what came, in ten groups; intervals allow for accounts that leave together."""
    told = came_true(table, accounts)
    figure, axes = plt.subplots(figsize=(5.6, 5))
    groups = told.groupby(pd.qcut(told.chance.rank(method="first"), 10, labels=False))
    chance, came = 100 * groups.chance.mean(), 100 * groups.came.mean()
    wide = 196 * groups.apply(_clustered)
    axes.errorbar(chance, came, wide, fmt="o", color=BLUE, capsize=3)
    most = 1.15 * max(chance.max(), came.max())
    axes.plot([0.1, most], [0.1, most], color=BLACK, lw=0.8)
    axes.set(xscale="log", yscale="log", xlim=(0.3, most), ylim=(0.2, most))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    axes.set(xlabel=f"chance to leave within {HORIZON} days, by forward replays, %", ylabel="left indeed, %")
    found, wide = slope(told)
    axes.set_title(
        f"Replays say what comes: slope {found:.2f} ± {wide:.2f}\n({len(told):,} customers and cutoffs, in tenths)"
    )
    return figure


def came_true(table: pd.DataFrame, accounts: pd.Series) -> pd.DataFrame:
    """``chance`` of leaving, whether it ``came``, and the ``account``, per customer and cutoff."""
    came = table.noticed < table.cutoff + HORIZON * DAY
    account = table.customer.map(accounts)
    return pd.DataFrame({"chance": table[f"leave_{HORIZON}"], "came": came.astype(float), "account": account})


def slope(told: pd.DataFrame, draws: int = 400) -> tuple[float, float]:
    """The slope of what came over the chances, and half of its 95 % interval, by drawing whole accounts again."""
    x, y = told.chance, told.came
    parts = pd.DataFrame({"n": 1.0, "x": x, "y": y, "xx": x * x, "xy": x * y}).groupby(told.account).sum().to_numpy()
    rng = np.random.default_rng(0)
    again = [_slope(parts[rng.integers(0, len(parts), len(parts))].sum(axis=0)) for _ in range(draws)]
    return _slope(parts.sum(axis=0)), 1.96 * float(np.std(again))


def _slope(sums: np.ndarray) -> float:
    n, x, y, xx, xy = sums
    return float((n * xy - x * y) / (n * xx - x * x))


def _clustered(rows: pd.DataFrame) -> float:
    """The standard error of a share whose members leave account by account."""
    surprise = (rows.came - rows.chance).groupby(rows.account).sum()
    return float(np.sqrt((surprise**2).sum()) / len(rows))


def keys(history: History) -> Figure:
    """By what early interest is known: at once, later, or never."""
    early = nameless(history)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=(1.5, 1))
    when = BEGIN + (month_edges(history.days)[:-1] + 15) * DAY
    month = pd.cut(early.day, month_edges(history.days), labels=False)
    shares = 100 * pd.crosstab(month, early.state, normalize="index")
    begin = np.zeros(len(shares))
    words = {"named": "named when made", "later": "named later by a login", "never": "never named"}
    for state, color in (("named", BLUE), ("later", ORANGE), ("never", GREY)):
        left.bar(when, shares[state], bottom=begin, width=26, color=color, label=words[state])
        begin += shares[state].to_numpy()
    left.set(ylim=(0, 100), ylabel="% of discover and explore facts", xticks=when[::3])
    left.xaxis.set_major_formatter(plt.matplotlib.dates.DateFormatter("%b %y"))
    nobody = 100 * (early.state != "named").mean()
    later = 100 * (early.state == "later").sum() / (early.state != "named").sum()
    left.set_title(f"{nobody:.0f} % are nameless when made, {later:.0f} % of those are named later")
    figure.legend(*left.get_legend_handles_labels(), ncols=3, loc="outside lower left")
    wait = np.sort(early.wait[early.state == "later"])
    right.plot(wait, 100 * np.arange(1, len(wait) + 1) / len(wait), color=ORANGE, lw=2)
    right.set(xlim=(0, 60), ylim=(0, 100), xlabel="days until a login names it", ylabel="% of those named later")
    right.set_title(f"{100 * (wait < 1).mean():.0f} % of them on the same day")
    return figure
