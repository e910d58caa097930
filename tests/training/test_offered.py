"""Whom offers reach: what a call would be answered with, by group, and whether groups differ beyond chance."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pairs import FEATURES, dataset

from features.dataset import Dataset
from models.bundle import Model
from models.hazard import Params
from models.nba.catalogue import Catalogue
from models.nba.policy import Policy
from training.fit import Settings, fit
from training.worth import offered, plots
from training.worth.offered import FIGURES, Reach, slot

QUICK = Settings(params=Params(num_leaves=7, learning_rate=0.1, rounds=30, patience=10, folds=2, num_threads=1))
PLAN = FEATURES[1].name
WORDS = {"agent": "a", "customer": "c"}
KEEP = {
    "id": "keep", "kind": "retention", "words": WORDS, "channels": ["app", "shop"],
    "cost": 1.0, "discount": 20.0, "prior_effect": {"stay": 5.0, "accept": 0.5},
}  # fmt: skip
SELL = {
    "id": "sell", "kind": "upsell", "words": WORDS, "channels": ["app"], "needs": ["calls"], "consent": "marketing",
    "margin": 30.0, "cost": 0.5, "worth": 0.25, "prior_effect": {"stay": 0.0, "accept": 0.5},
}  # fmt: skip
TELL = {
    "id": "tell", "kind": "service_message", "words": WORDS, "channels": ["app"], "worth": 2.0, "cost": 0.1,
    "eligibility": [{"feature": "open", "operator": "at_least", "value": 1}], "prior_effect": {"stay": 0, "accept": 1},
}  # fmt: skip


def catalogue(*actions: dict[str, object]) -> Catalogue:
    return Catalogue.model_validate(
        {
            "currency": "EUR",
            "customer_value": {"monthly_value": "monthly", "months": 10, "margin_rate": 0.5},
            "typical_churn": 0.1,
            "consents": {"marketing": "consent"},
            "needs": {"calls": "a call"},
            "do_nothing": {"agent": "help", "customer": ""},
            "actions": actions or (KEEP, SELL, TELL),
        }
    )


@cache
def churn() -> Model:
    return fit(dataset(3_000, start=0, days=180, seen=400), QUICK)


@cache
def needs() -> Model:
    """A model whose label "calls" is taken for a need."""
    return fit(dataset(3_000, start=0, days=180, seen=400, seed=4, labels=2), QUICK)


def words(values: np.ndarray) -> pd.Series:
    return pd.Series(values).astype("category")


@cache
def people(n: int = 2_000, seed: int = 7) -> Dataset:
    """Pairs with what the rules read, a band and a region that mean nothing; two cutoffs of each customer."""
    rng, data = np.random.default_rng(seed), dataset(n, start=300, days=30, seen=500, seed=seed)
    columns = {
        "monthly": rng.choice([np.nan, 10, 30, 60], n).astype(np.float32),
        "consent": rng.choice([np.nan, 0, 1], n).astype(np.float32),
        "open": rng.choice([0, 0, 0, 1], n).astype(np.float32),
        "profile_segment_last": words(np.tile(rng.choice(["youth", "senior", "family"], n // 2), 2)),
        "profile_region_last": words(np.tile(rng.choice(["north", "south"], n // 2), 2)),
    }
    return replace(data, X=data.X.assign(**columns), entity=np.tile(np.arange(n // 2), 2))


def reach(data: Dataset | None = None, actions: Catalogue | None = None, **asked: object) -> Reach:
    models = {"churn": churn(), "needs": needs(), "channel": "app", **asked}
    found = offered.of(data or people(), actions or catalogue(), **models)  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.mark.parametrize("channel", ["app", "shop"])
def test_slot_one_is_what_a_call_would_be_answered_with(channel: str) -> None:
    X, actions = people().X.head(150), catalogue()
    found = slot(X, actions, channel, churn(), needs())
    policy = Policy(actions)
    risk, wanted = offered.last(churn(), X)["leaves"], offered.last(needs(), X)
    for i in range(len(X)):
        person = policy.known(X.iloc[[i]], np.array([True]))
        told = {name: p[[i]] for name, p in wanted.items()}
        best = policy.best(policy.judge(person, policy.likely(told, risk[[i]]), channel), 1)[0, 0]
        assert found.first[i] == best
        assert (found.churn[i], found.need[i]) == (risk[i], max(float(p[0]) for p in told.values()))
    assert len(set(found.first.tolist())) == {"app": 4, "shop": 2}[channel]


def test_what_is_offered_counts_by_its_discount_and_worth_and_a_message_is_no_offer() -> None:
    actions = catalogue()
    figures = offered.Slot(actions.choices, np.arange(4), np.zeros(4), np.zeros(4)).figures()
    assert figures["offered"].tolist() == [1, 1, 0, 0]
    assert figures["value"].tolist() == [20, 0.25, 0, 0]
    assert figures["spent"].tolist() == [11, 0.5, 0.1, 0]


def test_groups_are_means_of_their_members() -> None:
    found, data = reach(), people()
    rows = found.groups.set_index(["column", "group"])
    assert rows.loc["profile_region_last", "rows"].sum() == found.rows == 2_000
    member = (data.X["profile_segment_last"] == "youth").to_numpy()
    figures = slot(data.X, catalogue(), "app", churn(), needs()).figures()
    youth = rows.loc[("profile_segment_last", "youth")]
    assert youth["customers"] == member.sum() / 2
    for name in FIGURES:
        assert youth[name] == pytest.approx(figures[name][member].mean())
        assert youth[f"{name}_low"] < youth[name] < youth[f"{name}_high"]
    assert found.actions.sum() == pytest.approx(1)


def test_groups_that_mean_nothing_do_not_differ_beyond_chance() -> None:
    ratios = reach().ratios
    assert (ratios.ratio <= 1.1 * ratios.chance).all()
    assert (ratios.ratio_low <= ratios.ratio).all()
    assert (ratios.ratio <= ratios.ratio_high).all()
    assert reach().metrics()["offered.profile_region_last.value.ratio"] >= 1


def test_a_rule_that_shuts_a_region_out_shows() -> None:
    south = {"feature": "profile_region_last", "operator": "is", "value": "south"}
    found = reach(actions=catalogue({**KEEP, "eligibility": [south]}))
    ratio = found.ratios.set_index(["column", "figure"]).loc[("profile_region_last", "offered")]
    assert (ratio.high, ratio.low) == ("south", "north")
    assert np.isinf(ratio.ratio)
    assert ratio.ratio_low > ratio.chance
    assert "offered.profile_region_last.offered.ratio" not in found.metrics(), "JSON and MLflow cannot say infinite"


def test_a_group_of_less_than_thirty_rows_is_too_few() -> None:
    data = people()
    region = data.X["profile_region_last"].astype(object).to_numpy(copy=True)
    region[:29], region[29:59] = "isle", "coast"
    rows = reach(replace(data, X=data.X.assign(profile_region_last=words(region)))).groups.set_index("group")
    assert rows.loc["isle", "note"] == "too few"
    assert rows.loc["isle", [*FIGURES, "offered_low", "need_high"]].isna().all()
    assert rows.loc["coast", "note"] == ""
    assert rows.loc["coast", "offered"] >= 0


def test_one_group_that_is_large_enough_has_nobody_to_be_held_against(tmp_path: Path) -> None:
    data = people()
    region = words(np.where(np.arange(2_000) < 10, "isle", "coast"))
    found = reach(replace(data, X=data.X.assign(profile_region_last=region)))
    assert set(found.ratios["column"]) == {"profile_segment_last"}
    assert all("region" not in name for name in found.metrics())
    assert plots.reach(found, tmp_path / "reach.png") is not None


def test_who_has_no_band_is_a_group_too_and_numbers_are_banded() -> None:
    data = people()
    bands = data.X["profile_segment_last"].where(np.arange(2_000) > 200)
    found = reach(
        replace(data, X=data.X.assign(profile_segment_last=bands)), by=("profile_segment_last", PLAN, "monthly")
    )
    assert "(missing)" in set(found.groups["group"])
    assert set(found.groups["column"]) == {"profile_segment_last", PLAN, "monthly"}
    monthly = found.groups.loc[found.groups["column"] == "monthly", "group"].tolist()
    assert monthly == ["1: 10 to 30", "2: 30 to 60", "3: from 60", "(missing)"], "in the order of the numbers"


def test_rows_of_the_same_customers_do_not_make_it_surer() -> None:
    data = people()
    more = replace(
        data,
        X=pd.concat([data.X] * 4, ignore_index=True),
        entity=np.tile(data.entity, 4),
        cutoff=np.tile(data.cutoff, 4),
    )
    once, again = (found.groups.set_index("group") for found in (reach(), reach(more)))
    width = once.offered_high - once.offered_low
    assert (again.offered_high - again.offered_low).to_numpy() == pytest.approx(width.to_numpy())


def test_where_a_column_is_not_held_a_note_says_so(tmp_path: Path) -> None:
    data = people()
    bare = replace(data, X=data.X.drop(columns=["profile_segment_last", "profile_region_last"]), objected=12)
    found = reach(bare)
    assert found.groups.empty
    assert found.ratios.empty
    assert found.metrics() == {}
    assert "not by 'profile_region_last': it is not held" in found.notes
    assert any(note.startswith("12 cutoffs of who objects") for note in found.notes)
    assert plots.reach(found, tmp_path / "none.png") is None


def test_what_the_policy_cannot_read_is_left_out_with_a_note() -> None:
    data = people()
    blind = replace(data, X=data.X.drop(columns=["consent", "monthly"]))
    assert offered.lacking(catalogue(), blind.X) == ("consent", "monthly")
    found = reach(blind)
    assert set(found.actions.index) == {"tell", "do_nothing"}, "staying is worth nothing then"
    assert any("left out, as their rules read columns that are not held: sell" in note for note in found.notes)
    assert any("'monthly' is not held" in note for note in found.notes)


def test_without_a_model_its_term_counts_for_nothing() -> None:
    found = reach(needs=None)
    assert "sell" not in found.actions.index
    assert found.groups["need"].isna().all()
    assert "need" not in set(found.ratios["figure"])
    assert "keep" not in reach(churn=None).actions.index


def test_without_actions_there_is_no_policy() -> None:
    assert offered.of(people(), None, churn=churn(), needs=needs()) is None


def test_the_usual_channel_is_the_one_with_most_actions() -> None:
    assert offered.usual_channel(catalogue()) == "app"
    assert offered.usual_channel(catalogue(KEEP)) == "app"


def test_the_picture_is_drawn_also_with_too_few(tmp_path: Path) -> None:
    data = people()
    region = data.X["profile_region_last"].astype(object).to_numpy(copy=True)
    region[:5] = "isle"
    found = reach(replace(data, X=data.X.assign(profile_region_last=words(region))), needs=None)
    path = plots.reach(found, tmp_path / "reach.png")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")
