"""Reasons held against SHAP and against leaving facts out: honest ones agree, crooked ones are caught."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pairs import FEATURES, dataset

from features.dataset import COMPETING, NO_ENDING, Dataset, Outcome
from models.bundle import Model
from models.hazard import Params
from training.fit import Settings, fit
from training.worth import plots, reasons_audit
from training.worth.reasons_audit import Audit, audit, by_group, shares, start

QUICK = Settings(
    params=Params(
        num_leaves=7,
        learning_rate=0.1,
        rounds=60,
        patience=10,
        folds=2,
        num_threads=1,
        min_child_samples=50,
        feature_fraction=0.8,
        lambda_l2=1.0,
    )
)
PAIN, PLAN, NOISE = (feature.name for feature in FEATURES)
OWN = tuple(replace(f, group=group) for f, group in zip(FEATURES, ("pain", "plan", "noise"), strict=True))


def grouped(n: int, start: int = 0, seed: int = 0, open_ended: bool = False) -> Dataset:
    """Pairs whose every feature is a group of its own."""
    return replace(dataset(n, start, days=180, seen=start + 400, seed=seed, open_ended=open_ended), features=OWN)


def without_competing(data: Dataset) -> Dataset:
    def quiet(one: Outcome) -> Outcome:
        other = one.ending == COMPETING
        return replace(one, ending=np.where(other, NO_ENDING, one.ending), after=np.where(other, -1, one.after))

    return replace(data, outcomes=tuple(quiet(one) for one in data.outcomes))


@cache
def model(competing: bool = True, open_ended: bool = False) -> Model:
    data = grouped(5_000, open_ended=open_ended)
    return fit(data if competing else without_competing(data), QUICK)


TEST = grouped(1_500, start=400, seed=3)


@cache
def honest() -> Audit:
    return audit(model(), TEST, "leaves")


def crooked(typical: float) -> Model:
    """The same trees, but the typical pain is a lie."""
    features = tuple(
        spec.model_copy(update={"typical": typical}) if spec.name == PAIN else spec
        for spec in model().manifest.features
    )
    return replace(model(), manifest=model().manifest.model_copy(update={"features": features}))


@pytest.mark.parametrize(("competing", "open_ended"), [(True, False), (False, False), (True, True)])
@pytest.mark.parametrize("horizon", [0, -1])
def test_a_rows_shares_add_up_to_its_probability_less_where_all_start(
    competing: bool, open_ended: bool, horizon: int
) -> None:
    found, X = model(competing, open_ended), TEST.X.head(200)
    assert found.hazards["leaves"].classes == 2 + competing
    p = found.hazards["leaves"].curve(found.encoder.transform(X))[:, horizon]
    said = shares(found, X, "leaves", horizon)
    assert said.sum(axis=1) == pytest.approx(p - start(found, X, "leaves", horizon), abs=1e-5)
    assert np.ptp(p) > 0.05


def test_what_moves_nothing_gets_nothing_and_what_moves_most_gets_most() -> None:
    table = honest().groups.set_index("group")
    assert table.index.tolist() == ["pain", "plan", "noise"]
    assert table.loc["noise", "shap_share"] < 0.1
    assert table.loc["noise", "effect_share"] < 0.1
    assert table.loc["pain", "features"] == 1


def test_honest_reasons_agree_and_leaving_out_the_named_group_tells() -> None:
    found = honest()
    assert found.rows == reasons_audit.ROWS
    assert found.spearman_low > 0.4, "with three groups, and another row to start from, ranks swap easily"
    assert found.spearman_low <= found.spearman <= found.spearman_high
    assert found.top_in_two > 0.95
    assert found.sign > 0.8
    assert found.faithful
    assert found.named_drop > 0.9 * found.shap_drop > 5
    assert found.other_drop < 1
    assert found.named_wins > 0.8
    assert set(found.metrics()) > {"reasons.leaves.spearman", "reasons.leaves.seconds_shap"}


def test_reasons_from_a_wrong_typical_row_are_caught() -> None:
    found = audit(crooked(-6.0), TEST, "leaves")
    assert found.sign < honest().sign - 0.1
    assert "pain" in found.flagged
    assert found.spearman < honest().spearman - 0.3
    assert not found.faithful
    assert found.named_drop < honest().named_drop / 5
    assert found.named_wins == pytest.approx(0.5, abs=0.1)


def test_groups_are_flagged_for_their_sign_or_their_order_unless_they_are_negligible() -> None:
    rng, names = np.random.default_rng(0), ("pain", "plan", "noise")
    shap = rng.normal(size=(400, 3)) * [1, 1, 0.01]
    said = shap * [1, -1, -1]
    found = by_group(names, model(), said, shap).set_index("group")
    assert found["sign"].to_dict() == {"pain": 1, "plan": 0, "noise": 0}
    assert found["flagged"].to_dict() == {"pain": False, "plan": True, "noise": False}
    assert found.loc["plan", "spearman"] == pytest.approx(-1)


def test_the_same_seed_asks_the_same_rows() -> None:
    first, again, other = (audit(model(), TEST, "leaves", rows=50, donors=2, seed=s) for s in (1, 1, 2))
    assert first.groups.equals(again.groups)
    assert (first.spearman, first.named_drop) == (again.spearman, again.named_drop)
    assert first.spearman != other.spearman
    assert reasons_audit.table([first, other])["rows"].tolist() == [50, 50]


def test_rows_that_nothing_raises_are_not_judged(tmp_path: Path) -> None:
    lowest = replace(TEST, X=TEST.X.assign(**{PAIN: np.float32(-3)}))
    lowest = replace(lowest, X=lowest.X.assign(**{PLAN: lowest.X[PLAN].where(lowest.X[PLAN] == "basic", "basic")}))
    lowest = replace(lowest, X=lowest.X.assign(**{NOISE: np.float32(model().typical[2])}))
    found = audit(model(), lowest, "leaves", rows=40, donors=2)
    assert found.raised == 0
    assert np.isnan(found.named_drop)
    assert not found.faithful
    assert "reasons.leaves.named_drop" not in found.metrics()
    assert plots.reasons(found, tmp_path / "none.png").exists()


def test_one_group_has_nothing_to_rank() -> None:
    alone = replace(model(), manifest=model().manifest.model_copy(update={"features": _one_group()}))
    with pytest.raises(ValueError, match=r"one group of features, 'all'"):
        audit(alone, TEST, "leaves")


def _one_group() -> tuple:
    return tuple(spec.model_copy(update={"group": "all"}) for spec in model().manifest.features)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    assert plots.reasons(honest(), tmp_path / "reasons.png").read_bytes().startswith(b"\x89PNG")
