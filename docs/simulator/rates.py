"""The operator's main rates, measured from its facts, beside public figures."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from history import MONTH, YEAR, History, exposure, month_edges, standing
from measures import REPEAT_DAYS, cases, long_outages, monthly_use, nameless, questions, resting_days, waits
from public import LINES, SURVEYS, cited

PORTED_RANGE = "+3248"
"""Where numbers of other operators begin."""


@dataclass(frozen=True)
class Rate:
    """One line of the table; ``public`` is empty where nothing can be compared."""

    what: str
    here: str
    public: str = ""
    source: str = ""


def measured(history: History) -> list[Rate]:
    """All rates."""
    parts = (_ends, _contracts, _contacts, _network, _money, _people, _keys, _answers, _use)
    return [rate for part in parts for rate in part(history)]


def markdown(rates: list[Rate]) -> str:
    """The rates as a table in Markdown."""
    rows = [f"| {rate.what} | {rate.here} | {rate.public} | {rate.source} |" for rate in rates]
    return "\n".join(["| quantity | here | public figure | source |", "|---|---|---|---|", *rows])


def _percent(part: float, whole: float, digits: int = 1) -> str:
    return f"{100 * part / whole:.{digits}f} %"


def _per_month(ends: int, rows: pd.DataFrame) -> str:
    return f"{100 * ends / (exposure(rows) / MONTH):.2f} %/month"


def _ends(history: History) -> Iterator[Rate]:
    people, lines = history.customers, history.lines
    for kind in ("postpaid", "prepaid"):
        some = people[people.payment == kind]
        yield Rate(f"customers who decided to leave, {kind}", _per_month(some.told.notna().sum(), some), *SURVEYS[kind])
    for kind in ("postpaid", "prepaid"):
        some = lines[(lines.payment == kind)]
        yield Rate(f"lines that ended for any reason, {kind}", _per_month(some.left.notna().sum(), some), *LINES[kind])
    firm = lines[lines.segment == "enterprise"]
    yield Rate("lines of enterprises that ended", _per_month(firm.left.notna().sum(), firm), *LINES["enterprise"])
    unpaid, ended = people.reason == "involuntary", people.left.notna().sum()
    yield Rate(
        "ended for unpaid bills (share of all ends)",
        f"{_per_month(unpaid.sum(), people)} ({_percent(unpaid.sum(), ended)})",
        "about 0.3 %, read as per month (UK, fixed and mobile)",
        cited("Ofcom 2020 arrears"),
    )
    others = people.reason.isin(["moved", "deceased"]).sum()
    yield Rate("moved out of reach or died, share of all ends", _percent(others, ended))


def _contracts(history: History) -> Iterator[Rate]:
    seen = standing(history, every=30.0)
    bound = seen[(seen.payment == "postpaid")]
    yield Rate(
        "postpaid customers out of contract",
        _percent((bound.remaining < 0).sum(), len(bound)),
        "25 to 27 % mobile, 35 to 40 % broadband (UK)",
        cited("Ofcom 2021 contracts"),
    )
    yield Rate(
        "prepaid share of customers",
        _percent((seen.payment == "prepaid").sum(), len(seen)),
        "4, 18 and 33 % (US carriers); about 26 % (UK, worked out)",
        cited("US connections 2018", "Ofcom Q1 2024"),
    )


def _contacts(history: History) -> Iterator[Rate]:
    asked = questions(history)
    years = exposure(history.customers) / YEAR
    yield Rate(
        "contacts with a question, per customer and year",
        f"{len(asked) / years:.2f}",
        "1.9 support calls (US broadband, 2003); care calls below 12 (Sprint, 2007)",
        cited("Zanthus 2003", "Sprint 2007"),
    )
    same, any_topic = waits(asked, history, ["who", "topic"]), waits(asked, history, ["who"])
    for days in REPEAT_DAYS:
        yield Rate(
            f"asked again within {days} days: same topic (any topic)",
            f"{_percent((same <= days).sum(), len(same))} ({_percent((any_topic <= days).sum(), len(any_topic))})",
            "39 % say it was not resolved at the first call" if days == 7 else "20 % asked three times or more",
            cited("SQM") if days == 7 else cited("Which? 2014"),
        )
    spoken = asked.channel.isin(["call_center", "ivr"])
    yield Rate(
        "of these by telephone",
        _percent(spoken.sum(), len(spoken)),
        "77 % mobile, 90 % fixed (UK)",
        cited("Ofcom 2022 channels"),
    )
    complained = asked[asked.action == "complain"]
    share = complained.groupby(complained.day // YEAR).who.nunique()[0] / len(history.customers.query("from_day == 0"))
    yield Rate(
        "customers who complained in a year (complaints per customer and year)",
        f"{100 * share:.1f} % ({len(complained) / years:.2f})",
        "13 % broadband, 4 % mobile (UK)",
        cited("Ofcom 2016 complaints"),
    )


def _network(history: History) -> Iterator[Rate]:
    sites, lines = cases(history, "site"), cases(history, "line")
    evidence = history.facts["evidence"]
    site_years = evidence[evidence.other_type == "site"].other.nunique() * history.days / YEAR
    hours = sites.hours
    yield Rate(
        "outages per site and year; their median, mean, longest of a hundred",
        f"{len(sites) / site_years:.1f}; {hours.median():.1f} h, {hours.mean():.1f} h, {hours.quantile(0.99):.0f} h",
        "36 to 45 h, but for large disturbances by nature only",
        cited("ENISA 2011"),
    )
    yield Rate(
        "outages of up to 30 minutes",
        _percent((hours <= 0.5).sum(), len(hours)),
        "the most common kind, a daily event",
        cited("short outages 2016"),
    )
    yield Rate(
        "customers without service for 3 hours or more at least once in a year",
        f"{100 * long_outages(history):.0f} %",
        "41 % of adults at home (UK, survey)",
        cited("Uswitch 2023"),
    )
    yield from _line_faults(history, lines)


def _line_faults(history: History, lines: pd.DataFrame) -> Iterator[Rate]:
    yield Rate(
        "faults per 100 lines and year",
        f"{100 * len(lines) / (exposure(history.lines) / YEAR):.1f}",
        "about 7 (Australia 2024, mixed, worked out); 25 to 31 (Ireland 2007, copper)",
        cited("ACCC 2024", "eircom 2008"),
    )
    for days, public, source in (
        (2, "84 to 88 % in two working days; 77 %", cited("Openreach 2018", "eir 2016")),
        (5, "92 %", cited("eir 2016")),
    ):
        share = _percent((lines.hours <= 24 * days).sum(), len(lines))
        yield Rate(f"line faults cleared within {days} days", share, public, source)
    yield Rate(
        "line faults with a technician's visit",
        _percent(lines.truck_roll.astype(bool).sum(), len(lines)),
        "order of a fifth (vendor's survey)",
        cited("Sweepr 2020"),
    )


def _money(history: History) -> Iterator[Rate]:
    usage = history.facts["usage"]
    bills = usage[(usage.metric == "bill") & (usage.key_type == "customer")]
    late = usage[usage.metric == "late_days"]
    yield Rate("bills paid late or not at all", _percent(len(late), len(bills)), "not found")
    months = month_edges(history.days)
    behind, payers = (
        rows.groupby(pd.cut(rows.day, months, labels=False)).key.nunique() for rows in (late[late.value >= 30], bills)
    )
    yield Rate(
        "payers a month or more behind, at any time",
        f"{100 * (behind / payers).mean():.1f} %",
        "2 % fixed, 3 % mobile in arrears; just over 2 % missed one or more (UK)",
        cited("Ofcom 2020 arrears", "Ofcom 2023 debt"),
    )


def _people(history: History) -> Iterator[Rate]:
    evidence, people = history.facts["evidence"], history.customers
    sites = evidence[(evidence.other_type == "site") & (evidence.state == "linked")]
    moves = sites[sites.key.duplicated()].assign(account=lambda rows: rows.key.map(people.account))
    moved = moves.drop_duplicates(["account", "at"])
    accounts = people.groupby("account").agg({"from_day": "min", "to_day": "max"})
    yield Rate(
        "accounts that move house",
        _percent(len(moved), exposure(accounts) / YEAR) + " a year",
        "8.4 % of people, 9.8 % of households (US)",
        cited("US Census 2021", "movers 2022"),
    )
    first = people[people.from_day == 0].groupby("account").agg(size=("size", "first"), segment=("segment", "first"))
    firms, homes = first[first.segment == "enterprise"]["size"], first[first.segment != "enterprise"]["size"]
    shared, everyone = homes[homes > 1], first["size"].sum()
    yield Rate(
        "customers in shared households; in enterprises",
        f"{_percent(shared.sum(), everyone)} (mean {shared.mean():.1f} each); {_percent(firms.sum(), everyone)}",
    )
    yield Rate(
        "end users per enterprise: mean, largest",
        f"{firms.mean():.1f}, {firms.max():.0f}",
        "5.0 persons per firm (EU)",
        cited("Eurostat 2022"),
    )


def _keys(history: History) -> Iterator[Rate]:
    evidence = history.facts["evidence"]
    numbers = evidence[(evidence.key_type == "msisdn") & (evidence.state == "linked")]
    new = numbers[(numbers.day > 0) & numbers.key.str.startswith("+324") & ~numbers.duplicated(["key", "other"])]
    yield Rate(
        "new mobile lines with a number brought along",
        _percent(new.key.str.startswith(PORTED_RANGE).sum(), len(new)),
        "57 and 40 % of leavers kept theirs (UK polls); ports are 14 % of lines a year (Spain, worked out)",
        cited("uSwitch 2009", "CNMC 2018"),
    )
    ages = resting_days(numbers, history)
    yield Rate(
        "rest of a number before somebody else gets it: shortest, median",
        f"{ages.min():.0f} days, {ages.median():.0f} days",
        "45 to 90 days (US), 6 months (Switzerland)",
        cited("FCC 2020", "ATIS", "UVEK"),
    )
    early = nameless(history)
    web = early[early.channel == "web"]
    yield Rate(
        "web visits to discover or explore, nameless when made",
        _percent((web.state != "named").sum(), len(web)),
        "95 to 99 % of sessions (vendor's glossary)",
        cited("KISSmetrics"),
    )
    states = early.state.value_counts(normalize=True)
    yield Rate(
        "all discover and explore facts: named, named later, never",
        " / ".join(f"{100 * states[name]:.0f}" for name in ("named", "later", "never")) + " %",
    )


def _answers(history: History) -> Iterator[Rate]:
    contact = history.facts["contact"]
    campaigns = contact[contact.origin == "other"]
    yield Rate(
        "campaigns of other systems accepted",
        _percent((campaigns.response == "accepted").sum(), len(campaigns)),
        "e-mail 0.12 %, letter 3.4 %, phone 13 % (all sectors); text messages about 3 % (Peru)",
        cited("DMA 2012", "Peru"),
    )
    ours = contact[(contact.origin == "tieline") & (contact.slot == 1)]
    shown = ours[ours.response == "shown"].drop_duplicates("decision")
    yes = set(ours[ours.response == "accepted"].decision)
    said = [shown[shown.action.isin(actions)].decision.isin(yes) for actions in _GROUPS.values()]
    yield Rate(
        f"said yes: {', '.join(_GROUPS)}",
        ", ".join(_percent(one.sum(), len(one)) for one in said),
        "50 % to an offer, of those who called to leave (Cell2Cell data set, computed)",
    )


_GROUPS = {
    "offers to stay": ("loyalty_discount", "right_size_plan", "contract_renewal"),
    "things to buy": ("faster_plan", "device_offer", "roaming_pass", "extra_line", "security_pack"),
    "care": ("bill_review", "line_check", "tech_visit", "goodwill_credit", "owner_call_back", "how_to_help"),
}


def _use(history: History) -> Iterator[Rate]:
    use = monthly_use(history)
    quarters = use.groupby(use.index // 3).mean()
    yield Rate(
        "data per line and month",
        f"{use.mean():.1f} GB",
        "13 GB mobile (UK 2025, worked out); 664 GB fixed (US 2025), 190 GB (UK 2017)",
        cited("UK mobile 2025", "OpenVault 2025", "Ofcom 2017 use"),
    )
    yield Rate(
        "data in the second quarter against the first",
        f"{100 * (quarters[1] / quarters[0] - 1):+.1f} %",
        "-6 % in 2021, +0.2 % in 2025 (US, fixed)",
        cited("OpenVault 2021", "OpenVault 2025"),
    )
