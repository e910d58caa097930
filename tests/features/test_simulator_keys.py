from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from key_users import spelled_alike, uses_of

from features.catalog import CATALOG
from features.identity.keys import KeyRing, normalise
from features.lake import Lake
from features.simulator import KeyHabits, Scenario, registers, simulate
from features.simulator.deliver import deliver
from features.simulator.truth import hazards, owners

QUICK = Scenario(warm_up_days=20)
RUN = (1000, 13, 11)
"""Customers, months and seed of the operator most tests look at: long enough for numbers to come back."""
SETTLED = Scenario(warm_up_days=60)
SHORT = (1000, 4, 11)
"""One whose registers are looked at: long enough for people to move."""


@cache
def facts() -> dict[str, pd.DataFrame]:
    parts: dict[str, list[pa.Table]] = {}
    for batch in simulate(*RUN, scenario=SETTLED):
        parts.setdefault(batch.source, []).append(batch.rows)
    return {name: pa.concat_tables(rows).to_pandas() for name, rows in parts.items()}


@cache
def truth() -> pd.DataFrame:
    return owners(*RUN, scenario=SETTLED).to_pandas()


def journey_usage_and_faults() -> pd.DataFrame:
    sources = facts()
    rows = pd.concat([sources["journey"], sources["usage"], sources["faults"]], ignore_index=True)
    return rows[~rows.key_type.isin(["customer", "account", "site"])]


def test_every_fact_of_a_key_lies_within_the_time_of_somebody_who_used_it() -> None:
    rows = journey_usage_and_faults()
    rows = rows.assign(key=spelled_alike(rows.key_type, rows.key))
    held = truth()
    real = rows[rows.key.isin(held.key)]
    assert set(real.key_type) == {"line", "msisdn", "email", "cookie", "device", "loyalty"}
    assert set(real.index) == set(uses_of(real, held).row)
    assert len(real) > 0.99 * len(rows)


def overlaps(held: pd.DataFrame) -> pd.DataFrame:
    """Stretches of use that begin before the last one of the same key is over."""
    held = held.sort_values(["key", "since"])
    return held[held.since < held.groupby("key").until.shift().where(held.key == held.key.shift())]


@pytest.mark.parametrize("kind", ["device", "email", "loyalty"])
def test_nobody_shares_a_handset_an_address_or_a_card(kind: str) -> None:
    held = truth()
    held = held[held.key_type == kind]
    still = held.until.isna() & held.key.eq(held.key.shift(-1))
    assert len(overlaps(held)) == 0
    assert not (still & (kind == "email")).any()


def reassigned() -> pd.DataFrame:
    """Mobile numbers that two accounts had, in order."""
    held = truth()
    held = held[held.key.str.startswith("+3247")].sort_values(["key", "since"])
    return held[held.groupby("key").account.transform("nunique") > 1]


def test_numbers_are_given_to_others_after_they_rested() -> None:
    numbers = reassigned()
    assert numbers.key.nunique() > 20
    rested = numbers.since - numbers.groupby("key").until.shift()
    assert rested.dropna().min() >= pd.Timedelta(days=90)
    journey = facts()["journey"]
    calls = journey[journey.key_type == "msisdn"].reset_index(drop=True)
    calls["key"] = spelled_alike(calls.key_type, calls.key)
    of_new = uses_of(calls, numbers[numbers.key.duplicated()])
    assert len(of_new) > 20


def test_most_ends_of_numbers_are_told_and_some_are_not() -> None:
    told = facts()["evidence"]
    unlinked = told[(told.state == "unlinked") & (told.key_type == "msisdn")]
    held = truth()
    over = held[held.key.str.startswith("+324") & held.until.notna()].drop_duplicates("key")
    over = over[over.until > facts()["journey"]["at"].min()]
    share = over.key.isin(unlinked.key).mean()
    assert 0.6 < share < 0.8


def luhn(digits: str) -> int:
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(d // 10 + d % 10 for d in doubled) % 10


def test_handsets_have_a_check_digit_and_change_hands() -> None:
    held = truth()
    held = held[held.key_type == "device"]
    assert held.key.str.fullmatch(r"[0-9]{15}").all()
    assert not held.key.map(luhn).any()
    owners_of_each = held.groupby("key").customer.nunique()
    assert (owners_of_each > 1).sum() > 10
    home = held.groupby("key").account.nunique()
    assert ((owners_of_each > 1) & (home == 1)).any()
    assert (home > 1).any()


def test_evidence_follows_a_handset_to_its_next_user() -> None:
    held = truth()
    held = held[(held.key_type == "device") & (held.since > facts()["journey"]["at"].min())]
    told = facts()["evidence"]
    pairs = set(zip(told.key, told.other, strict=True))
    due = held[held.since < told.known_at.max() - pd.Timedelta(hours=2)]
    assert all(pair in pairs for pair in zip(due.key, due.customer, strict=True))


def test_browsers_are_shared_at_home_and_tablets_by_many() -> None:
    held = truth()
    held = held[held.key_type == "cookie"].dropna(subset=["customer"])
    users, homes = held.groupby("key").customer.nunique(), held.groupby("key").account.nunique()
    assert ((users > 1) & (homes == 1)).sum() > 100
    assert (homes > 30).sum() == 1  # 1000 customers, 10 sites, one shop
    assert held.groupby("customer").key.nunique().max() > 2


def test_many_members_of_an_enterprise_call_from_one_number() -> None:
    held = truth()
    users = held[held.key_type == "msisdn"].groupby("key").customer.nunique()
    assert (users[users > 10].index.str.startswith("+322")).sum() > 2
    assert not (users[users > 10].index.str.startswith("+324")).any()


def test_a_household_s_line_is_held_by_one_and_used_by_all() -> None:
    evidence = facts()["evidence"]
    holder = evidence[(evidence.key_type == "msisdn") & (evidence.state == "linked")].drop_duplicates("key")
    holder = holder.set_index("key").other
    journey = facts()["journey"]
    calls = journey[(journey.channel == "call_center") & (journey.key_type == "msisdn")].reset_index(drop=True)
    uses = uses_of(calls, truth())
    shared = uses[uses.row.duplicated(keep=False)]
    assert shared.row.nunique() > 0.05 * len(calls)
    first = spelled_alike(calls.key_type, calls.key).map(holder)
    assert (shared.customer != shared.row.map(first)).any()
    held = truth()[truth().held & truth().key.str.startswith("+322")]
    assert not held.key.duplicated().any()
    assert (held.key.map(holder).dropna() == held.customer[held.key.isin(holder.index)]).mean() > 0.99


def test_written_keys_mend_without_a_country() -> None:
    journey = facts()["journey"]
    pairs = journey[journey.key_type.isin(["msisdn", "email"])][["key_type", "key"]].drop_duplicates()
    mended = [normalise(kind, key) for kind, key in zip(pairs.key_type, pairs.key, strict=True)]
    assert np.mean([key != other for key, other in zip(pairs.key, mended, strict=True)]) > 0.1
    assert pairs.key.str.contains(" ").any()
    assert pairs.key.str.startswith("0032").any()
    assert (pairs.key != pairs.key.str.lower())[pairs.key_type == "email"].any()


def test_national_numbers_come_only_where_the_scenario_says_so() -> None:
    dirty = Scenario(warm_up_days=20, keys=KeyHabits(national_share=0.5))
    for scenario, expected in ((QUICK, False), (dirty, True)):
        rows = pd.concat(b.rows.to_pandas() for b in simulate(150, 2, 3, scenario=scenario) if b.source == "journey")
        numbers = rows.key[rows.key_type == "msisdn"]
        assert numbers.str.match(r"0[1-9]").any() == expected


def test_some_wrong_links_are_taken_back_and_put_right() -> None:
    careless = Scenario(warm_up_days=20, keys=KeyHabits(typo_share=0.3, mixed_up_share=0.3))
    told = pd.concat(b.rows.to_pandas() for b in simulate(200, 2, 5, scenario=careless) if b.source == "evidence")
    told = told[told.key_type == "email"]
    taken_back = told[told.state == "unlinked"]
    assert len(taken_back) > 30
    wrong = spelled_alike(taken_back.key_type, taken_back.key)
    mixed_up = wrong.isin(owners(200, 2, 5, scenario=careless)["key"].to_pylist())
    assert 3 < mixed_up.sum() < 0.5 * len(taken_back)
    right = told[told.state == "linked"].groupby("other")["at"].max()
    corrected = taken_back[~mixed_up]
    assert (corrected.other.map(right) >= corrected["at"]).all()


def test_half_of_the_cards_are_known_to_nobody() -> None:
    held = truth()
    cards = set(held[(held.key_type == "loyalty") & held.customer.notna()].key)
    told = facts()["evidence"]
    told = told[told.key_type == "loyalty"]
    assert set(told.key) <= cards
    assert set(told.other_type) == {"email", "customer"}
    assert 0.3 < len(set(told.key)) / len(cards) < 0.5
    shown = facts()["journey"]
    shown = shown[shown.key_type == "loyalty"]
    assert set(shown.channel) == {"retail"}
    assert set(shown.key) <= cards


def numbers_in(keys: pd.Series) -> np.ndarray:
    return keys.str.replace(r"\D", "", regex=True).str[-9:].astype(int).to_numpy()


@pytest.mark.parametrize("kind", ["line", "msisdn", "email", "cookie", "device", "loyalty", "account"])
def test_the_name_of_a_key_tells_nothing_of_the_customer(kind: str) -> None:
    held = truth()
    if kind == "account":
        held = held.dropna(subset=["account"]).drop_duplicates("account").assign(key=lambda t: t.account)
    else:
        held = held[(held.key_type == kind) & held.customer.notna()].drop_duplicates("key")
    customer, name = held.customer.str[1:].astype(int).to_numpy(), numbers_in(held.key)
    order = np.argsort(customer, kind="stable")
    for values in (name[order], np.diff(name[order], prepend=0)):
        rho = np.corrcoef(np.argsort(np.argsort(values)), np.argsort(np.argsort(customer[order])))[0, 1]
        assert abs(rho) < 4 / len(held) ** 0.5


@cache
def both_registers() -> tuple[pd.DataFrame, pd.DataFrame]:
    both = registers(*SHORT, scenario=QUICK)
    return both.crm.to_pandas(), both.shops.to_pandas()


@cache
def matched() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cards of customers beside their rows in the CRM, and cards of strangers."""
    crm, shops = both_registers()
    held = owners(*SHORT, scenario=QUICK).to_pandas()
    held = held[held.key_type == "loyalty"].drop_duplicates("key").set_index("key").customer
    shops = shops.assign(customer=shops.loyalty.map(held))
    assert set(shops.loyalty) == set(held.index)
    ours = shops.dropna(subset=["customer"])
    return ours.merge(crm, on="customer", suffixes=("", "_crm")), shops[shops.customer.isna()]


def test_the_registers_agree_mostly_but_not_quite() -> None:
    pairs, strangers = matched()
    assert 0.05 < len(strangers) / len(pairs) < 0.35
    agreed = {
        name: (pairs[name] == pairs[f"{name}_crm"])[pairs[name].notna()].mean()
        for name in ("first_name", "last_name", "street", "number", "postcode", "city", "birth_date", "email")
    }
    assert 0.7 < agreed["first_name"] < 0.9  # nicknames
    assert 0.9 < agreed["last_name"] < 0.98
    assert 0.92 < agreed["birth_date"] < 0.999
    assert 0.75 < agreed["street"] < 0.95  # slips, and those who moved
    assert pairs.birth_date.isna().mean() > 0.15
    nicknames = pairs[(pairs.first_name != pairs.first_name_crm) & pairs.first_name.str.endswith("y", na=False)]
    assert len(nicknames) > 20


def test_no_key_and_no_single_field_joins_the_registers() -> None:
    crm, shops = both_registers()
    assert set(crm.columns) & set(shops.columns) == {
        "first_name",
        "last_name",
        "street",
        "number",
        "postcode",
        "city",
        "birth_date",
        "email",
    }
    pairs, _ = matched()
    for name in ("first_name", "last_name", "street"):
        assert pairs[name].isin(crm[name][crm[name].duplicated(keep=False)]).mean() > 0.5
    assert pairs.email.notna().mean() < 0.4


def test_who_owns_what_is_the_same_whenever_asked_and_does_not_end_with_the_run() -> None:
    short, again = (owners(80, 1, 3, scenario=QUICK) for _ in range(2))
    assert short.equals(again)
    later = owners(80, 2, 3, scenario=QUICK).to_pandas()
    begun = short.to_pandas()[["key_type", "key", "customer", "since"]]
    assert len(begun.merge(later, on=["key_type", "key", "customer", "since"])) > 0.97 * len(begun)
    assert begun.isna().sum().drop("customer").sum() == 0


def test_how_keys_are_handled_moves_nobody() -> None:
    other = KeyHabits(
        number_ageing_days=5.0,
        home_browser_share=0.9,
        home_line_share=0.0,
        tablet_share=0.9,
        typo_share=0.5,
        card_share=0.0,
        handed_on_share=1.0,
        sold_on_share=0.0,
    )
    lives = (hazards(150, 3, 5, scenario=Scenario(warm_up_days=60, keys=keys)) for keys in (KeyHabits(), other))
    assert next(lives).equals(next(lives))


def test_what_is_delivered_by_default_is_accepted_whole(tmp_path: Path) -> None:
    receipts = deliver(Lake(tmp_path), KeyRing(b"sixteen bytes or more"), CATALOG, 150, 3, 5)
    assert sum(receipt.quarantined for receipt in receipts) == 0


def test_habits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="handed_on_share"):
        KeyHabits(handed_on_share=0.6, sold_on_share=0.6)
    with pytest.raises(ValueError, match="typo_share"):
        KeyHabits(typo_share=1.5)
    with pytest.raises(ValueError, match="number_ageing_days"):
        KeyHabits(number_ageing_days=-1.0)
