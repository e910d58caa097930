"""What the table of rates and the pictures both count."""

import numpy as np
import pandas as pd
from history import YEAR, History, month_edges, whose

HANDED_ON_DAYS = 2 / 24
"""Contacts of one customer about one topic so close together are one contact."""

REPEAT_DAYS = (7, 30)


def questions(history: History) -> pd.DataFrame:
    """Contacts in which customers asked something, with ``who``; those handed on are one."""
    journey = history.facts["journey"]
    asked = journey[(journey.phase == "ask") & (journey.channel != "field") & (journey.action != "cancel_enquiry")]
    asked = asked.assign(who=whose(asked, history)).dropna(subset="who")
    asked = asked.sort_values(["who", "topic", "day"], kind="stable")
    before = asked.groupby(["who", "topic"]).day.shift(fill_value=-np.inf)
    return asked[asked.day - before > HANDED_ON_DAYS]


def waits(asked: pd.DataFrame, history: History, by: list[str]) -> pd.Series:
    """Days from each contact to the next one of the same ``by`` (NaN: none), of those who were there for another 30."""
    ordered = asked.sort_values([*by, "day"], kind="stable")
    wait = -ordered.groupby(by).day.diff(-1)
    there = ordered.who.map(history.customers.left).fillna(history.days) - ordered.day >= max(REPEAT_DAYS)
    return wait[there]


def cases(history: History, key_type: str) -> pd.DataFrame:
    """Unplanned cases that were cleared, of sites or lines, with ``hours``."""
    faults = history.facts["faults"]
    cleared = faults[(faults.key_type == key_type) & (faults.state == "cleared") & (faults.planned != True)]  # noqa: E712
    return cleared.assign(hours=cleared.minutes / 60)


def nameless(history: History) -> pd.DataFrame:
    """Discover and explore facts with ``state``: named when made, named later, or never; ``wait``: days until named."""
    journey, evidence = history.facts["journey"], history.facts["evidence"]
    early = journey[journey.phase.isin(["discover", "explore"])]
    linked = evidence[evidence.key_type == "cookie"].groupby("key").known_at.min()
    named = early.key.map(linked)
    browser = early.key_type == "cookie"
    later = browser & ~(named <= early.known_at)
    state = np.select([~later, named.notna()], ["named", "later"], "never")
    return early.assign(state=state, wait=(named - early.known_at) / pd.Timedelta(days=1))


def monthly_use(history: History) -> pd.Series:
    """Mean gigabytes per line and month, by simulated month."""
    usage = history.facts["usage"]
    metered = usage[usage.metric == "gigabytes"]
    return metered.groupby(pd.cut(metered.day, month_edges(history.days), labels=False)).value.mean()


def long_outages(history: History, hours: float = 3.0) -> float:
    """The share of those who were customers for the whole first year whose site or line failed for so long in it."""
    sites, lines = cases(history, "site"), cases(history, "line")
    struck = sites[(sites.hours >= hours) & (sites.day < YEAR)]
    own = lines[(lines.hours >= hours) & (lines.day < YEAR)]
    evidence = history.facts["evidence"]
    home = evidence[(evidence.other_type == "site")].drop_duplicates("key").set_index("key").other
    whole = history.customers[(history.customers.from_day == 0) & (history.customers.to_day >= YEAR)].index
    hit = set(history.lines.owner.reindex(own.key.unique()).dropna())
    return float((home.reindex(whole).isin(struck.key) | whole.isin(hit)).mean())


def resting_days(numbers: pd.DataFrame, history: History) -> pd.Series:
    """Days from the end of one holder of a number to the next holder's beginning."""
    mine = history.owners[history.owners.key_type == "msisdn"].dropna(subset="customer").sort_values("since")
    mine = mine[mine.key.isin(numbers.key)]
    before = mine.groupby("key")[["until", "account"]].shift()
    other = before.account.notna() & (before.account != mine.account)
    return ((mine.since - before.until) / pd.Timedelta(days=1))[other].dropna().loc[lambda days: days > 0]
