from datetime import UTC, datetime
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from key_users import spelled_alike
from one_operator import QUICK, operator, owners, quick, tables

from features.facts import SOURCES, TIME, Column
from features.simulator import Batch, Effects, Scenario, describe, simulate
from features.simulator.scenario import Memory, NeedRates

KEY_TYPES = {"customer", "account", "line", "msisdn", "email", "cookie", "device", "loyalty", "site", "market"}


def same_rows(one: Batch, other: Batch) -> bool:
    return one.source == other.source and one.covered == other.covered and one.rows.equals(other.rows)


def conforms(rows: pa.Table, column: Column) -> bool:
    values = rows[column.name]
    stored = values.type == column.arrow
    allowed = column.values is None or set(values.to_pylist()) <= {*column.values, None}
    return stored and allowed and not (column.required and values.null_count)


@given(seed=st.integers(0, 10**9), customers=st.integers(1, 60))
@settings(max_examples=4, deadline=None)
def test_every_batch_says_what_its_source_declares(seed: int, customers: int) -> None:
    for batch in simulate(customers, 1, seed, scenario=QUICK):
        rows, own = batch.rows, [c for c in SOURCES[batch.source].columns if c.kind != "key"]
        assert all(conforms(rows, column) for column in own)
        assert rows["at"].type == rows["known_at"].type == TIME
        assert set(rows["key_type"].to_pylist()) <= KEY_TYPES
        assert rows["void"].type == pa.bool_()
        assert all(rows[name].null_count == 0 for name in ("id", "key", "at", "known_at", "void"))


def test_same_seed_same_bytes_and_another_seed_another_story() -> None:
    again = list(simulate(80, 2, 3, scenario=QUICK))
    assert all(same_rows(a, b) for a, b in zip(quick(), again, strict=True))
    assert any(not same_rows(a, b) for a, b in zip(quick(), quick(seed=4), strict=True))


def test_a_longer_simulation_begins_with_the_shorter_one() -> None:
    longer = quick(months=3)[: len(quick())]
    assert all(same_rows(a, b) for a, b in zip(quick(), longer, strict=True))


def test_what_one_part_does_changes_no_other_parts_chances() -> None:
    calmer = tables(list(quick(scenario=Scenario(warm_up_days=20, complaints_yearly=0.0))))["faults"]
    usual = tables(list(quick()))["faults"]
    columns = ["key", "at", "minutes"]
    at_sites = [rows[rows.key_type == "site"][columns].sort_values(["at", "key"]) for rows in (usual, calmer)]
    assert len(at_sites[0]) > 0
    pd.testing.assert_frame_equal(*(rows.reset_index(drop=True) for rows in at_sites))


def test_batches_follow_the_months_and_hold_what_became_known_in_them() -> None:
    batches = quick()
    spans = sorted({span for batch in batches for span in batch.covered})
    months = [datetime(2025, m, 1, tzinfo=UTC) for m in (1, 2, 3)]
    edges = [int(month.timestamp()) * 10**6 for month in months]
    assert spans == list(pairwise(edges))
    for batch in batches:
        assert len(batch.covered) == 1
        known = batch.rows["known_at"].cast(pa.int64()).to_pandas()
        assert (known < batch.covered[0][1]).all()
        if batch.source != "evidence":  # links are older than the simulation
            assert (known >= batch.covered[0][0]).all()


def test_progress_counts_the_months() -> None:
    seen: list[tuple[int, int]] = []
    list(simulate(20, 2, 1, scenario=QUICK, progress=lambda done, all_of_them: seen.append((done, all_of_them))))
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_nothing_is_known_before_it_happens_and_ids_come_again_only_as_revisions(source: str) -> None:
    rows = operator()[source]
    assert (rows["at"] <= rows.known_at).all()
    again = rows[rows.id.duplicated(keep=False)].groupby("id")
    assert (again.known_at.nunique() == again.size()).all()
    assert (again[["key", "at"]].nunique() == 1).all().all()


def test_some_facts_are_corrected_later_and_some_withdrawn() -> None:
    rows = operator()["usage"].sort_values("known_at")
    corrected = rows[rows.id.duplicated(keep=False) & ~rows.void].groupby("id").value
    assert corrected.ngroups > 50
    assert (corrected.nunique()[corrected.size() > 1] == 2).all()
    assert rows.void.sum() > 10
    assert set(rows[rows.void].id) <= set(rows[~rows.void].id)


def test_every_customer_account_line_and_handset_is_introduced() -> None:
    evidence = operator()["evidence"]
    known = set(zip(evidence.key_type, evidence.key, strict=True)) | {
        (kind, key) for kind, key in zip(evidence.other_type, evidence.other, strict=True) if kind == "account"
    }
    for source, rows in operator().items():
        used = set(zip(rows.key_type, rows.key, strict=True))
        strangers = {key for key in used - known if key[0] in ("customer", "account", "line", "device")}
        assert not strangers, source


def strangers(kind: str) -> tuple[pd.Series, pd.Series]:
    """Journey keys of a type that no evidence names, and all of that type."""
    evidence, journey = operator()["evidence"], operator()["journey"]
    rows = journey[journey.key_type == kind]
    keys = spelled_alike(rows.key_type, rows.key)
    return keys[~keys.isin(set(spelled_alike(evidence.key_type, evidence.key)))], keys


def test_a_number_without_evidence_is_a_typo() -> None:
    unknown, every = strangers("msisdn")
    assert 0 < len(unknown) < 0.02 * len(every)
    assert not unknown.isin(owners().key).any()


def test_few_addresses_have_no_evidence() -> None:
    unknown, every = strangers("email")
    assert 0 < len(unknown) < 0.02 * len(every)


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("sites", lambda: Scenario(sites=0)),
        ("site_outages_yearly", lambda: Scenario(site_outages_yearly=-1.0)),
        ("login_share", lambda: Scenario(login_share=1.5)),
        ("churn_monthly", lambda: Scenario(churn_monthly=float("nan"))),
        ("memory.mood", lambda: Scenario(memory=Memory(mood=0.0))),
        ("customers_per_site", lambda: Scenario(customers_per_site=0.0)),
        ("roaming", lambda: Scenario(needs=NeedRates(roaming=-0.1))),
        ("effects.bound", lambda: Effects(bound=float("inf"))),
        ("customers", lambda: simulate(0, 1, 1)),
        ("customers", lambda: simulate(10**7, 1, 1)),
        ("customers", lambda: simulate(1.5, 1, 1)),  # type: ignore[arg-type]
        ("months", lambda: simulate(10, 1.5, 1)),  # type: ignore[arg-type]
        ("seed", lambda: simulate(10, 1, True)),
        ("months", lambda: simulate(10, 0, 1)),
        ("seed", lambda: simulate(10, 1, -1)),
        ("start must be a time in UTC", lambda: simulate(10, 1, 1, start=datetime(2025, 1, 1))),
        ("first of a month", lambda: simulate(10, 1, 1, start=datetime(2025, 1, 2, tzinfo=UTC))),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(field: str, make: object) -> None:
    with pytest.raises(ValueError, match=field):
        make()


def test_a_scenario_describes_every_rate_it_has() -> None:
    told = describe(Scenario(name="storm", site_outages_yearly=9.0))
    assert (told["name"], told["site_outages_yearly"], told["needs.roaming"]) == ("storm", 9.0, NeedRates().roaming)
