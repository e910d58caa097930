"""What the simulated operator's systems delivered, as frames, and the customers' stories read from them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from features.facts import REASONS
from features.identity.keys import normalise
from features.simulator import Scenario, simulate
from features.simulator.run import START
from features.simulator.truth import owners

BEGIN = pd.Timestamp(START)
DAY = pd.Timedelta(days=1)
MONTH = 365.25 / 12
YEAR = 365.25
INSTANT = 1e-6
"""Of a day: what the opening books say is older than the simulation."""


@dataclass(frozen=True)
class History:
    """``facts``: by source, the last revision of every row that was not withdrawn, with ``day`` (float, days since the
    start). ``customers``: one row per customer. ``lines``: one row per line. ``owners``: the truth of every key.
    ``days``: how many were simulated.
    """

    facts: dict[str, pd.DataFrame]
    customers: pd.DataFrame
    lines: pd.DataFrame
    owners: pd.DataFrame
    days: float


def lived(customers: int, months: int, seed: int, scenario: Scenario) -> History:
    """One simulation, read."""
    parts: dict[str, list[pa.Table]] = {}
    for batch in simulate(customers, months, seed, scenario=scenario):
        parts.setdefault(batch.source, []).append(batch.rows)
    facts = {name: _effective(pa.concat_tables(rows).to_pandas()) for name, rows in parts.items()}
    days = ((BEGIN + pd.DateOffset(months=months)) - BEGIN) / DAY
    people = _customers(facts, days)
    truth = owners(customers, months, seed, scenario=scenario).to_pandas()
    return History(facts, people, _lines(facts["evidence"], people, days), truth, days)


def _effective(rows: pd.DataFrame) -> pd.DataFrame:
    last = rows.sort_values("known_at", kind="stable").drop_duplicates("id", keep="last")
    last = last[~last.void].sort_values("at", kind="stable", ignore_index=True)
    return last.assign(day=since_start(last["at"]))


def since_start(instants: pd.Series) -> pd.Series:
    """(n,) days since the start, as floats; NaN where there is no instant."""
    return (instants - BEGIN) / DAY


def _customers(facts: dict[str, pd.DataFrame], days: float) -> pd.DataFrame:
    """By customer: segment, payment, reason of the end, account and its ``size``, whether ``silent`` or ``control``.

    In days since the start: ``since``, ``told`` (notice, or the conclusion that a silent one left) and ``left`` (NaN:
    not yet), ``from_day`` and ``to_day``, between which they were seen as customers who had not told.
    """
    profile, evidence = facts["profile"], facts["evidence"]
    people = profile[profile.active_since.notna()].set_index("key")[["segment", "payment"]]
    people["since"] = since_start(profile[profile.active_since.notna()].set_index("key").active_since)
    ends = profile[profile.status == "left"].set_index("key")
    people["left"], people["reason"] = ends.day, ends.reason
    people["notice"] = profile[profile.status == "notice"].drop_duplicates("key").set_index("key").day
    people["silent"] = (people.reason == "voluntary") & people.notice.isna()
    told = people.notice.fillna(people.left.where(people.reason == "voluntary"))
    people["told"] = told.where(told > INSTANT)
    belongs = evidence[evidence.other_type == "account"].drop_duplicates("key").set_index("key").other
    people["account"] = belongs.reindex(people.index)
    people["size"] = people.groupby("account").since.transform("size")
    contact = facts["contact"]
    people["control"] = people.index.isin(contact[contact.origin == "control"].key)
    people["from_day"] = people.since.clip(lower=0)
    before = told <= INSTANT
    people["to_day"] = people[["told", "left"]].min(axis=1).fillna(days).where(~before, people.from_day)
    return people


def _lines(evidence: pd.DataFrame, people: pd.DataFrame, days: float) -> pd.DataFrame:
    """By line: ``owner``, ``from_day`` and ``to_day`` in the run, and of the owner left, reason, payment, segment."""
    made = evidence[(evidence.key_type == "line") & (evidence.state == "linked")].drop_duplicates("key")
    lines = made.set_index("key")[["other", "day"]].rename(columns={"other": "owner"})
    lines = lines.join(people[["left", "reason", "payment", "segment"]], on="owner").dropna(subset="payment")
    lines["from_day"] = lines.pop("day").clip(lower=0)
    lines["to_day"] = lines.left.fillna(days)
    return lines[lines.from_day < lines.to_day]


def whose(rows: pd.DataFrame, history: History) -> pd.Series:
    """(n,) the customer behind each row, by the truth; null where nobody or more than one used its key then."""
    keys = _spelled_alike(rows)
    asked = pd.DataFrame({"row": rows.index, "key_type": rows.key_type, "key": keys, "at": rows["at"]})
    uses = asked.merge(history.owners, on=["key_type", "key"])
    uses = uses[(uses.since <= uses["at"]) & ~(uses.until < uses["at"])]
    alone = uses[~uses.row.duplicated(keep=False)].set_index("row").customer
    return alone.reindex(rows.index).where(rows.key_type != "customer", rows.key)


def _spelled_alike(rows: pd.DataFrame) -> pd.Series:
    """(n,) keys in the spelling in which systems agree."""
    styled = rows.key_type.isin(["msisdn", "email"])
    pairs = rows.loc[styled, ["key_type", "key"]].drop_duplicates()
    alike = [normalise(kind, key, "32") for kind, key in zip(pairs.key_type, pairs.key, strict=True)]
    return rows.key.replace({}).where(~styled, rows.key.map(dict(zip(pairs.key, alike, strict=True))))


def monthly(people: pd.DataFrame, days: float) -> pd.DataFrame:
    """(months, reasons) ends per 100 customers and month: ``voluntary`` when it was told, the others at the end."""
    edges = month_edges(days)
    table = {}
    for reason in REASONS:
        came = people.told if reason == "voluntary" else people.left.where(people.reason == reason)
        table[reason] = np.histogram(came.dropna(), edges)[0]
    stayed = np.array([_overlap(people, low, high) for low, high in pairwise(edges)])
    return pd.DataFrame(table).div(stayed / MONTH, axis=0) * 100


def month_edges(days: float) -> np.ndarray:
    """(months + 1,) the first day of each simulated month and the end, in days since the start."""
    firsts = pd.date_range(BEGIN, BEGIN + days * DAY, freq="MS")
    return ((firsts - BEGIN) / DAY).to_numpy()


def _overlap(rows: pd.DataFrame, low: float, high: float) -> float:
    return float((rows.to_day.clip(upper=high) - rows.from_day.clip(lower=low)).clip(lower=0).sum())


def exposure(rows: pd.DataFrame) -> float:
    """Days at risk, over all rows."""
    return float((rows.to_day - rows.from_day).sum())


def standing(history: History, every: float = 5.0) -> pd.DataFrame:
    """Customers every few days: day, payment, segment, ``tenure`` in months, ``remaining`` days of the contract (NaN:
    none), and whether they ``told`` within the next ``every`` days that they leave.
    """
    profile = history.facts["profile"]
    ends = profile[profile.contract_end.notna()][["key", "day", "contract_end"]].sort_values("day")
    ends = ends.assign(ends=since_start(ends.contract_end))[["key", "day", "ends"]]
    parts = []
    for day in np.arange(1.0, history.days - every, every):
        here = history.customers[(history.customers.from_day <= day) & (history.customers.to_day > day)]
        last = ends[ends.day <= day].drop_duplicates("key", keep="last").set_index("key").ends
        parts.append(
            pd.DataFrame(
                {
                    "day": day,
                    "tenure": (day - here.since) / MONTH,
                    "remaining": last.reindex(here.index) - day,
                    "payment": here.payment,
                    "segment": here.segment,
                    "told": here.told < day + every,
                }
            )
        )
    return pd.concat(parts)
