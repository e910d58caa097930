"""The picture of one customer's journey."""

import numpy as np
import pandas as pd
from history import BEGIN, DAY, History, whose
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measures import cases
from style import BLACK, BLUE, GREEN, GREY, PINK, RED, SKY, YELLOW, note

from features.facts import CHANNELS

DAYS_SHOWN, MOST_TOUCHES = 120, 42
PHASE_COLORS = {"discover": YELLOW, "explore": BLUE, "buy": GREEN, "use": SKY, "ask": RED, "engage": PINK}
OUTCOME_MARKS = {"open": "o", "handed_off": ">", "abandoned": "X"}
ABOVE = ("shown", "promise broken", "line fault", "site outage")
ROOM, LEVELS = 1.5, 4
"""Rows that the names of actions take, and on how many heights they stand, one after the other."""


def journey(history: History) -> Figure:
    """The last months of a customer who left, by channel and phase, with what the network did."""
    touches = history.facts["journey"]
    touches = touches.assign(who=whose(touches, history)).dropna(subset="who")
    who = _eventful(touches, history)
    end = history.customers.told[who]
    mine = touches[(touches.who == who) & (touches.day > end - DAYS_SHOWN)]
    channels = [name for name in CHANNELS if name in set(mine.channel)]
    rows: dict[str, float] = {name: place for place, name in enumerate(channels)}
    rows |= {name: len(channels) + (place + ROOM if place else 0) for place, name in enumerate(ABOVE)}
    figure, axes = plt.subplots(figsize=(9.5, 5.4))
    _touches(axes, mine, rows)
    _around(axes, history, who, (end - DAYS_SHOWN, history.customers.left[who]), rows)
    axes.axvline(_date(end), color=BLACK, lw=1.2)
    note(axes, _date(end + 1), rows[ABOVE[-1]] + 0.6, "gives\nnotice", BLACK, va="top")
    axes.set_yticks(list(rows.values()), [name.replace("_", " ") for name in rows])
    axes.axhline(len(channels) - 0.5, color=GREY, lw=0.8)
    axes.set(ylim=(-0.7, rows[ABOVE[-1]] + 0.7), xlim=(_date(end - DAYS_SHOWN - 2), _date(end + 14)))
    axes.xaxis.set_major_formatter(plt.matplotlib.dates.DateFormatter("%d %b"))
    profile = history.customers.loc[who]
    axes.set_title(f"One customer ({profile.segment}, {profile.payment}) before they gave notice: {len(mine)} touches")
    figure.legend(ncols=8, loc="outside lower center", fontsize=8, handletextpad=0.1, columnspacing=1)
    return figure


def _eventful(touches: pd.DataFrame, history: History) -> str:
    """The customer with the most to see among those who gave notice."""
    people = history.customers
    left = people[people.told.notna() & ~people.silent & (people.told > DAYS_SHOWN) & (people.segment != "enterprise")]
    last = touches[touches.who.isin(left.index)]
    last = last[(last.who.map(left.told) - last.day).between(0, DAYS_SHOWN)]
    marked = last.outcome.isin(["open", "handed_off"])
    seen = last.assign(open=marked, complained=last.action == "complain").groupby("who")
    score = (
        seen.channel.nunique() + 2 * seen.phase.nunique() + seen.open.sum().clip(upper=4) + 2 * seen.complained.any()
    )
    broken = _failures(history).merge(left[["told"]], left_on="owner", right_index=True)
    broken = broken[(broken.told - broken.day).between(0, DAYS_SHOWN - 10)]
    score += 2 * broken.groupby("owner").size().clip(upper=3).reindex(score.index).fillna(0)
    score += 3 * score.index.isin(_struck(history, left))
    return str(score[seen.size() <= MOST_TOUCHES].idxmax())


def _struck(history: History, left: pd.DataFrame) -> set[str]:
    """Those whose site was out for some hours in the time shown."""
    evidence, sites = history.facts["evidence"], cases(history, "site")
    homes = evidence[evidence.other_type == "site"].drop_duplicates("key")[["key", "other"]]
    both = homes.merge(left[["told"]], left_on="key", right_index=True)
    both = both.merge(
        sites.loc[sites.hours > 3, ["key", "day"]], left_on="other", right_on="key", suffixes=("", "_site")
    )
    return set(both[(both.told - both.day).between(0, DAYS_SHOWN - 10)].key)


def _failures(history: History) -> pd.DataFrame:
    """Line faults and broken promises, with the line's owner."""
    sla = history.facts["sla"]
    broken = sla[sla.breached]
    both = pd.concat([cases(history, "line")[["key", "day"]], broken[["key", "day"]]])
    return both.assign(owner=both.key.map(history.lines.owner)).dropna(subset="owner")


def _touches(axes: Axes, mine: pd.DataFrame, rows: dict[str, float]) -> None:
    for phase, color in PHASE_COLORS.items():
        for outcome, mark in ({"": "o"} | OUTCOME_MARKS).items():
            special = mine.outcome.isin(list(OUTCOME_MARKS))
            some = mine[(mine.phase == phase) & ((mine.outcome == outcome) if outcome else ~special)]
            face = "white" if outcome == "open" else color
            place = some.channel.map(rows).astype(float) + np.where(some.key_type == "cookie", -0.18, 0.0)
            edge = color if outcome == "open" else BLACK
            axes.scatter(
                _date(some.day),
                place,
                s=46,
                marker=mark,
                color=face,
                edgecolor=edge,
                lw=0.6 if edge == BLACK else 2,
                zorder=3,
            )
        axes.scatter([], [], s=40, color=color, edgecolor=BLACK, lw=0.6, label=phase)
    axes.scatter([], [], s=40, color="white", edgecolor=RED, lw=2, label="left open")
    axes.scatter([], [], s=40, marker=">", color=RED, edgecolor=BLACK, lw=0.6, label="handed to a call")


def _around(axes: Axes, history: History, who: str, span: tuple[float, float], rows: dict[str, float]) -> None:
    """What the network and the operator did meanwhile."""
    evidence, contact, sla = (history.facts[name] for name in ("evidence", "contact", "sla"))
    mine = history.lines.index[history.lines.owner == who]
    homes = evidence[(evidence.key == who) & (evidence.other_type == "site")].other
    for label, key_type, keys, color in (("line fault", "line", mine, RED), ("site outage", "site", homes, BLUE)):
        found = cases(history, key_type)
        found = found[found.key.isin(keys) & found.day.between(*span)]
        begun = found.day - found.hours / 24
        wide = np.maximum(found.hours / 24, 0.35)
        place = rows[label] + 0.3 * (
            found.key.map({key: number for number, key in enumerate(keys)}) - 0.5 * (len(keys) - 1)
        )
        axes.barh(place, wide * DAY, left=_date(begun), height=0.25, color=color)
        for at, height, hours in zip(begun + wide, place, found.hours, strict=True):
            note(axes, _date(at + 0.5), height, f"{hours:.0f} h", color, fontsize=7, va="center")
    broken = sla[sla.key.isin(mine) & sla.breached & sla.day.between(*span)]
    axes.scatter(_date(broken.day), [rows[ABOVE[1]]] * len(broken), marker="X", s=60, color=RED)
    shown = contact[
        (contact.key == who) & (contact.slot == 1) & (contact.response == "shown") & contact.day.between(*span)
    ]
    axes.scatter(_date(shown.day), [rows[ABOVE[0]]] * len(shown), marker="|", s=80, color=BLACK)
    shown = shown.drop_duplicates("decision")
    for number, (at, action) in enumerate(zip(shown.day, shown.action, strict=True)):
        height = rows[ABOVE[0]] + 0.3 + number % LEVELS * ROOM / LEVELS
        note(axes, _date(at - 0.4), height, action.replace("_", " "), GREY, fontsize=7, va="bottom")


def _date(day: object) -> object:
    return BEGIN + day * DAY
