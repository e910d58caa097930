"""Pictures of what breaks, who asks about it, and how use follows the seasons."""

import numpy as np
import pandas as pd
from history import BEGIN, DAY, MONTH, History, month_edges
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from measures import cases, monthly_use, questions, waits
from style import BLACK, BLUE, GREEN, GREY, ORANGE, RED, note


def outages(history: History) -> Figure:
    """How long sites and lines are out, beside what is published of repairs."""
    sites, lines = cases(history, "site").hours, cases(history, "line").hours
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.9))
    ticks = {5: "5 min", 15: "15 min", 60: "1 h", 180: "3 h", 720: "12 h", 2880: "2 days"}
    left.hist(np.log10(60 * sites), np.arange(0.6, 3.8, 0.1), color=BLUE, weights=np.full(len(sites), 100 / len(sites)))
    left.set_xticks(np.log10(list(ticks)), list(ticks.values()))
    left.set(xlabel="length of an outage of a site (log scale)", ylabel="% of outages", xlim=(0.6, 3.8))
    left.axvline(np.log10(60 * sites.median()), color=BLACK, lw=1)
    top = 1.12 * left.get_ylim()[1]
    left.set_ylim(0, top)
    note(left, np.log10(60 * sites.median()) + 0.05, 0.98 * top, f"median {sites.median():.1f} h", BLACK, va="top")
    left.set_title(f"Sites: {100 * (sites > 12).mean():.0f} % of outages last over 12 hours")
    hours = np.sort(lines)
    right.plot(hours, 100 * np.arange(1, len(hours) + 1) / len(hours), color=GREEN, lw=2)
    right.vlines(48, 84, 88, color=RED, lw=6)
    note(right, 51, 85, "Openreach 2017/18, working days", RED, va="top")
    right.plot([48, 120], [77, 92], "s", color=ORANGE, mec=BLACK, ms=7, ls="none")
    note(right, 52, 76, "eir 2016, 2 days", BLACK, va="top")
    note(right, 118, 89.5, "eir 2016, 5 days", BLACK, va="top", ha="right")
    right.set(xlim=(0, 150), ylim=(0, 102), xticks=range(0, 151, 24), xlabel="hours since the fault was opened")
    right.set_ylabel("% of line faults cleared")
    right.set_title(f"Lines: {100 * (lines <= 48).mean():.0f} % cleared in two days")
    return figure


def repeats(history: History, most: int = 30) -> Figure:
    """How soon customers ask again."""
    asked = questions(history)
    left_open = asked.index[asked.outcome == "open"]
    same, any_topic = waits(asked, history, ["who", "topic"]), waits(asked, history, ["who"])
    figure, axes = plt.subplots(figsize=(8, 4))
    grid = np.linspace(0, most, 301)
    for label, wait, color, lift in (
        ("left open: same topic", same[same.index.isin(left_open)], ORANGE, 2),
        ("all: any topic", any_topic, BLUE, -1),
        ("all: same topic", same, RED, 0),
    ):
        share = 100 * np.searchsorted(np.sort(wait), grid, side="right") / len(wait)
        axes.plot(grid, share, color=color, lw=2)
        note(axes, most + 0.3, share[-1] + lift, f"{label} {share[-1]:.0f} %", color, va="center", fontweight="bold")
        week = np.interp(7, grid, share)
        note(axes, 7.4, week - 0.8, f"{week:.0f} %", color, va="top")
    axes.vlines(7, 0, 37, color=BLACK, lw=0.8)
    axes.hlines(39, 0, most, color=GREY, lw=0.8, ls="--")
    note(axes, 0.2, 39.4, "public: 39 % say the first call did not solve it (SQM)", GREY, va="bottom")
    axes.set(xlim=(0, most * 1.3), ylim=(0, None), xticks=range(0, most + 1, 5), xlabel="days since the contact")
    axes.set_ylabel("% of contacts followed by another")
    axes.set_title("What is left open comes back, mostly within a week")
    return figure


def season(history: History) -> Figure:
    """Data use and roaming needs through the year."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    edges = month_edges(history.days)
    when = BEGIN + (edges[:-1] + 15) * DAY
    use = monthly_use(history).reindex(range(len(when)))
    left.plot(when, use, color=BLUE, marker="o", ms=3)
    first = use.iloc[:3].mean()
    left.plot(when[3:6], [0.94 * first] * 3, color=RED, lw=3)
    lowest = 0.8 * use.min()
    note(left, when[0], 1.03 * lowest, "red, public: second quarter 6 % under\nthe first (US, fixed, 2021)", RED)
    left.set(ylabel="GB per line and month", ylim=(lowest, 1.08 * use.max()))
    left.set_title(f"Data use is lowest in summer, {100 * (use.max() / use.min() - 1):.0f} % higher in winter")
    journey = history.facts["journey"]
    voiced = journey[journey.action.isin(["request", "order"]) & (journey.topic == "roaming")]
    years = np.diff(edges) / MONTH * (history.customers.from_day == 0).sum()
    right.bar(when, 1000 * np.histogram(voiced.day, edges)[0] / years, width=24, color=GREEN)
    right.set(ylabel="requests and orders per 1,000 customers")
    right.set_title("Roaming is asked for in summer")
    for axes in (left, right):
        axes.set_xticks(pd.date_range(BEGIN, when[-1], freq="QS"))
        axes.xaxis.set_major_formatter(plt.matplotlib.dates.DateFormatter("%b %y"))
    return figure
