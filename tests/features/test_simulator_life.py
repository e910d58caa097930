"""What customers live through, as it shows in the facts."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from one_operator import customers_of, effective, ends, operator, quick, tables

from features.facts import CHANNELS, PHASES, REASONS
from features.simulator import Effects, Scenario
from features.simulator.scenario import NEEDS
from features.simulator.truth import hazards


def test_nothing_happens_to_customers_before_they_join_or_after_they_left() -> None:
    evidence = operator()["evidence"]
    joined = evidence[evidence.other_type == "account"].set_index("key")["at"]
    for source, rows in operator().items():
        whose = customers_of(rows)
        assert not (rows["at"] > whose.map(ends())).any(), source
        own = rows.key_type != "cookie"  # a browser's visits may be older than the relation
        assert not (rows["at"][own] < whose[own].map(joined)).any(), source


def last_known(column: str) -> pd.Series:
    """By customer, the last value of a profile column."""
    profile = effective(operator()["profile"]).dropna(subset=column).sort_values("at")
    return profile[profile.key_type == "customer"].groupby("key")[column].last()


def announced() -> pd.Series:
    """Days from the notice to the end, by customer who left voluntarily; missing where there was no notice."""
    profile = operator()["profile"]
    left = profile[(profile.status == "left") & (profile.reason == "voluntary")].set_index("key")["at"]
    noticed = profile[profile.status == "notice"].set_index("key")["at"]
    since = operator()["profile"]["at"].min()
    days = (left - noticed.reindex(left.index)).dt.total_seconds() / 86_400
    return days[(noticed.reindex(left.index) > since + timedelta(seconds=1)) | days.isna()]


def test_a_voluntary_end_is_announced_weeks_before_except_by_prepaid_who_fall_silent() -> None:
    days, segment, payment = announced(), last_known("segment"), last_known("payment")
    firm = segment.reindex(days.index) == "enterprise"
    assert days[firm].between(30, 61).all()
    assert days[~firm].dropna().between(14, 31).all()
    assert len(days[~firm].dropna()) > 50
    silent = days[days.isna()].index
    assert (payment.reindex(silent) == "prepaid").all()
    assert 0.4 < len(silent) / (payment.reindex(days.index) == "prepaid").sum() < 0.8
    profile = operator()["profile"]
    assert not profile[profile.status == "left"].key.duplicated().any()


def test_nobody_hears_of_the_silent_in_their_last_month() -> None:
    silent = announced().isna().pipe(lambda gone: gone[gone].index)
    gone = ends().reindex(silent)
    for source in ("journey", "usage", "contact"):
        rows = operator()[source]
        if source == "contact":  # the answer to an earlier offer may still come
            rows = rows[~rows.response.isin(["accepted", "declined"])]
        whose = customers_of(rows)
        late = whose.isin(silent) & (rows["at"] > whose.map(gone) - timedelta(days=29))
        assert not late.any(), source


def test_end_users_of_an_enterprise_leave_together() -> None:
    firms = Scenario(warm_up_days=20, enterprise_share=0.6, churn_monthly=0.06)
    facts = tables(list(quick(400, 3, scenario=firms)))
    account = facts["evidence"].query("other_type == 'account'").set_index("key").other
    profile = facts["profile"]
    firm = profile.dropna(subset="segment").groupby("key").segment.last() == "enterprise"
    noticed = profile[(profile.status == "notice") & (profile["at"] > profile["at"].min() + timedelta(seconds=1))]
    noticed = noticed[noticed.key.map(firm)]
    dates = noticed.groupby(noticed.key.map(account))["at"]
    assert dates.ngroups > 3
    assert (dates.nunique() == 1).all()
    assert dates.size().max() > 3


def test_customers_leave_for_every_reason_and_the_base_stays_stable() -> None:
    profile = operator()["profile"]
    reasons = profile[profile.status == "left"].reason.value_counts()
    assert {"voluntary", "involuntary", "moved"} <= set(reasons.index) <= {*REASONS}
    here = profile[profile.active_since.notna()].key.nunique() - len(ends())
    assert 0.93 * 1500 < here < 1.04 * 1500


def test_all_phases_all_channels_and_all_needs_are_heard() -> None:
    journey = operator()["journey"]
    assert set(journey.phase) == set(PHASES)
    assert set(journey.channel) == set(CHANNELS)
    voiced = journey[journey.action.isin(["request", "order"]) & journey.phase.isin(["ask", "buy"])]
    assert set(NEEDS) <= set(voiced.topic)


def test_much_early_interest_is_nameless_at_first_and_about_half_of_it_named_later() -> None:
    journey = effective(operator()["journey"])
    early = journey[journey.phase.isin(["discover", "explore"])]
    evidence = operator()["evidence"]
    linked = evidence[evidence.key_type == "cookie"].groupby("key").known_at.min()
    named = early.key.map(linked)
    nameless = (early.key_type == "cookie") & ~(named <= early.known_at)
    assert nameless.mean() >= 0.3
    assert 0.35 < named[nameless].notna().mean() < 0.65


def test_signs_of_a_need_go_before_its_voice() -> None:
    journey = effective(operator()["journey"])
    journey = journey.assign(who=customers_of(journey)).dropna(subset="who")
    chance = {True: [0, 0], False: [0, 0]}
    cut = datetime(2025, 4, 1, tzinfo=UTC)
    everyone = operator()["profile"].key.nunique()
    for need in ("roaming", "faster_line", "help_using", "security"):
        about = journey[journey.topic == need]
        searched = set(about[(about["at"] < cut) & about.action.isin(["search", "view"])].who)
        asked = set(about[(about["at"] >= cut) & about.action.isin(["request", "order"])].who)
        for sign, group in ((True, searched & asked), (False, asked - searched)):
            size = len(searched) if sign else everyone - len(searched)
            chance[sign][0] += len(group)
            chance[sign][1] += size
    assert chance[True][0] / chance[True][1] > 3 * chance[False][0] / chance[False][1]


def test_an_outage_of_a_site_makes_its_customers_call() -> None:
    journey = effective(operator()["journey"])
    calls = journey[(journey.action == "call") & (journey.topic == "outage")]
    who = customers_of(calls)
    evidence = operator()["evidence"].sort_values("at")
    home = evidence[evidence.other_type == "site"].groupby("key").other.first()
    faults = effective(operator()["faults"])
    outages = faults[(faults.key_type == "site") & (faults.state == "cleared") & ~faults.planned.astype(bool)]
    long = outages[outages.minutes > 240]
    begun = long["at"] - pd.to_timedelta(long.minutes, "min")
    during = elsewhere = 0
    for site, start, stop in zip(long.key, begun, long["at"], strict=True):
        now = calls["at"].between(start, stop)
        during += (who[now].map(home) == site).sum()
        elsewhere += (who[now].map(home) != site).sum()
    assert during > 3 * elsewhere / (home.nunique() - 1)


def test_cases_open_once_and_clear_after_the_minutes_they_say() -> None:
    rows = operator()["faults"]
    first = rows.drop_duplicates("id")  # the first version of each, before any correction
    opened = first[first.state == "opened"].set_index("case")["at"]
    cleared = first[first.state == "cleared"].set_index("case")
    assert opened.index.is_unique
    assert cleared.index.is_unique
    assert set(cleared.index) <= set(opened.index)
    assert rows[rows.state == "opened"].minutes.isna().all()
    took = (cleared["at"] - opened.reindex(cleared.index)).dt.total_seconds() / 60
    assert (took - cleared.minutes).abs().max() <= 1


def test_an_sla_is_breached_exactly_when_it_says_so() -> None:
    first = operator()["sla"].drop_duplicates("id")
    hours = first[first.metric == "resolution_hours"]
    share = first[first.metric == "availability"]
    assert (hours.breached == (hours.actual > hours.target.round(2)))[(hours.actual - hours.target).abs() > 0.01].all()
    assert (share.breached == (share.actual < share.target))[(share.actual - share.target).abs() > 0.001].all()
    assert ((first.credit > 0) == first.breached).all()


def test_truth_names_the_notices_and_expects_as_many() -> None:
    truth = hazards(1500, 6, 11).to_pandas()
    profile = operator()["profile"]
    since = truth.month.min()
    given = profile[(profile.status == "notice") & (profile["at"] > since + timedelta(seconds=1))].key
    # Rows that would become known after the last month are not delivered: at most a few notices of the last day.
    missing = set(truth[truth.noticed].key) - set(given)
    assert set(given) <= set(truth[truth.noticed].key)
    assert len(missing) <= 5
    expected = truth.hazard.sum()
    assert abs(truth.noticed.sum() - expected) < 4 * expected**0.5
    assert 0.012 < expected / truth.days.sum() * 30.44 < 0.028


def test_without_effects_and_frailty_everybody_is_equally_likely_to_leave() -> None:
    flat = Effects(**dict.fromkeys(Effects.__dataclass_fields__, 0.0))
    even = Scenario(warm_up_days=10, effects=flat, frailty_variance=0.0, churn_monthly=0.1, control_share=1.0)
    truth = hazards(60, 1, 5, scenario=even)
    first = truth["first"].to_pandas()
    assert first.nunique() == 1
    assert first[0] == pytest.approx(0.1 / 30.4375, rel=0.01)


def test_a_larger_effect_of_downtime_makes_broken_lines_leave_more() -> None:
    scenarios = [Scenario(effects=Effects(downtime=effect), warm_up_days=40) for effect in (0.0, 2.0)]
    usual, harsh = (hazards(300, 1, 9, scenario=scenario).to_pandas() for scenario in scenarios)
    both = usual.merge(harsh, on=["key", "month"])
    assert both.hazard_y.sum() > 1.3 * both.hazard_x.sum()
