"""Pictures of who leaves, when, and how long customers stay."""

import numpy as np
import pandas as pd
from history import BEGIN, DAY, MONTH, History, month_edges, monthly, standing
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from style import BLACK, BLUE, GREEN, GREY, ORANGE, PINK, RED, note

EVERY = 5.0
POSTPAID_BAND, PREPAID_BAND = (0.76, 1.29), (2.75, 4.24)
"""Public rates, per cent of lines and month, all reasons: mobile postpaid to fibre; prepaid."""

CONTRACT_BINS = (-np.inf, -365, -90, -45, 0, 20, 90, 180, 365, np.inf)
CONTRACT_LABELS = ("> 365", "365-90", "90-45", "45-0", "0-20", "20-90", "90-180", "180-365", "> 365")
TENURE_BINS = (0, 3, 6, 12, 24, 48, 96, np.inf)
TENURE_LABELS = ("0-3", "3-6", "6-12", "12-24", "24-48", "48-96", "> 96")
SEGMENT_COLORS = {"consumer": BLACK, "youth": RED, "family": BLUE, "senior": GREEN, "enterprise": ORANGE}


def churn_by_month(history: History) -> Figure:
    """Monthly ends by kind, beside the public bands."""
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 5.2), sharex=True, height_ratios=(1.5, 1))
    when = BEGIN + (month_edges(history.days)[:-1] + 15) * DAY
    people = history.customers
    for kind, color, band in (("prepaid", ORANGE, PREPAID_BAND), ("postpaid", BLUE, POSTPAID_BAND)):
        upper.axhspan(*band, color=color, alpha=0.15, lw=0)
        rate = monthly(people[people.payment == kind], history.days).voluntary
        upper.plot(when, rate, color=color, marker="o", ms=3)
        told = f"public:\n{kind} lines,\nall reasons"
        note(upper, when[-1] + 22 * DAY, sum(band) / 2, told, color, va="center")
        note(upper, when[0] - 14 * DAY, rate.iloc[0], f"{kind} ", color, ha="right", va="center", fontweight="bold")
    upper.set(ylim=(0, None), xlim=(when[0] - 75 * DAY, when[-1] + 95 * DAY), ylabel="% of customers a month")
    upper.set_title("Decisions to leave: prepaid customers three times as often; both near what operators publish")
    ends = monthly(people, history.days)
    words = {"involuntary": "unpaid bills", "moved": "moved out of reach", "deceased": "deceased"}
    for (reason, label), color, style in zip(words.items(), (RED, GREY, PINK), ("-", "--", ":"), strict=True):
        lower.plot(when, ends[reason], color=color, ls=style, label=label)
    lower.axhline(0.3, color=BLACK, lw=0.8, ls=(0, (1, 3)))
    note(lower, when[-1] + 22 * DAY, 0.305, "public: unpaid\nbills (UK)", BLACK, va="bottom")
    lower.set(ylim=(0, 1.3 * ends[list(words)].max().max()), ylabel="% of customers a month")
    lower.set_title("Ends that nobody decided")
    lower.legend(ncols=3, loc="upper left")
    return figure


def hazards(history: History) -> Figure:
    """The monthly rate of decisions to leave, by what is left of the contract and by tenure."""
    seen = standing(history, EVERY)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), sharey=True, width_ratios=(1.25, 1))
    postpaid = seen[(seen.payment == "postpaid") & seen.remaining.notna()]
    late = pd.cut(-postpaid.remaining, CONTRACT_BINS, labels=False)
    _rates(left, postpaid.told.groupby(late), BLUE)
    left.axvline(3.5, color=BLACK, lw=0.8)
    note(left, 3.45, 0.22, "contract ends ", BLACK, ha="right", va="bottom", rotation=90)
    left.set_xticks(range(len(CONTRACT_LABELS)), CONTRACT_LABELS, rotation=30)
    left.set(xlabel="days before | after the end of the contract (postpaid)", ylabel="% a month (log scale)")
    left.set(yscale="log", ylim=(0.2, 30), yticks=(0.2, 0.5, 1, 2, 5, 10, 20))
    left.yaxis.set_major_formatter("{x:g}")
    left.set_title("Few leave while bound, most around the end")
    for kind, color, shift in (("postpaid", BLUE, -0.08), ("prepaid", ORANGE, 0.08)):
        some = seen[seen.payment == kind]
        _rates(right, some.told.groupby(pd.cut(some.tenure, TENURE_BINS, labels=False)), color, shift, kind)
    right.set_xticks(range(len(TENURE_LABELS)), TENURE_LABELS, rotation=30)
    right.set(xlabel="months with the operator")
    right.set_title("Prepaid: three times the rate, most in the first year")
    right.legend()
    return figure


def _rates(axes: Axes, groups: object, color: str, shift: float = 0.0, label: str | None = None) -> None:
    """Rates per month with their 95 % intervals."""
    told = groups.agg(["sum", "size"])
    told = told[told["sum"] > 0]
    rate, wide = 100 * MONTH / EVERY * told["sum"] / told["size"], np.exp(1.96 / np.sqrt(told["sum"]))
    axes.errorbar(
        told.index + shift,
        rate,
        (rate - rate / wide, rate * wide - rate),
        fmt="o",
        ms=4,
        color=color,
        capsize=2,
        label=label,
    )


def survival(history: History, months: int = 48) -> Figure:
    """The share of customers still there after so many months, by segment (Kaplan and Meier, with late entry)."""
    figure, axes = plt.subplots(figsize=(8, 4.2))
    people = history.customers
    grid = np.arange(0, months + 0.25, 0.25)
    ends = {}
    for segment, color in SEGMENT_COLORS.items():
        some = people[people.segment == segment]
        stays = _staying(some, grid)
        axes.plot(grid, 100 * stays, color=color, label=segment)
        ends[segment] = 100 * stays[-1]
    heights = _apart(pd.Series(ends), 4.0)
    for segment, height in heights.items():
        note(axes, months + 0.5, height, f"{segment} {ends[segment]:.0f} %", SEGMENT_COLORS[str(segment)], va="center")
    axes.axvline(24, color=GREY, lw=0.8, ls=":")
    note(axes, 24.3, 101, "most first contracts end", GREY, va="bottom")
    axes.set(xlim=(0, months * 1.17), xticks=range(0, months + 1, 6), ylim=(0, 106), xlabel="months with the operator")
    axes.set_ylabel("% still customers (all reasons)")
    axes.set_title("Youths leave soonest; enterprises as whole firms, in jumps")
    return figure


def _staying(people: pd.DataFrame, grid: np.ndarray) -> np.ndarray:
    entry = ((people.from_day - people.since) / MONTH).to_numpy()
    leaving = ((people.to_day - people.since) / MONTH).to_numpy()
    ended = people[["told", "left"]].notna().any(axis=1).to_numpy() & (leaving > entry)
    times = np.sort(leaving[ended])
    present = np.searchsorted(np.sort(entry), times, side="left") - np.searchsorted(
        np.sort(leaving), times, side="left"
    )
    steps = np.cumprod(1 - 1 / np.maximum(present, 1))
    return np.concatenate([[1.0], steps])[np.searchsorted(times, grid, side="right")]


def _apart(heights: pd.Series, least: float) -> pd.Series:
    """Heights of labels, moved up where they would touch."""
    ordered = heights.sort_values()
    for place in range(1, len(ordered)):
        ordered.iloc[place] = max(ordered.iloc[place], ordered.iloc[place - 1] + least)
    return ordered
