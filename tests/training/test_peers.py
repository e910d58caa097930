"""Peers of the hazard: fitted on mature answers alone, tested on the same rows, shown side by side."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pairs import DAY, FEATURES, dataset

from features.dataset import COMPETING, Dataset, Outcome
from models.bundle import Model
from models.hazard import Params
from training import evaluate, peer_plots
from training.fit import Settings, fit
from training.peers import BOOSTER, LOGISTIC, OURS, boosters, flat, log_loss, logistic, peers

QUICK = Settings(params=Params(num_leaves=7, learning_rate=0.1, rounds=60, patience=10, folds=2, num_threads=1))
TRAIN = dataset(6_000, start=0, days=180, seen=180)
TEST = dataset(6_000, start=180, days=60, seen=400, seed=5)


@cache
def model() -> Model:
    return fit(TRAIN, QUICK)


@cache
def table() -> pd.DataFrame:
    return peers(model(), TRAIN, TEST, QUICK)


def at(found: pd.DataFrame, name: str) -> pd.DataFrame:
    return found[found.model == name].set_index("horizon")


def test_three_models_stand_side_by_side_at_every_horizon() -> None:
    assert table().horizon.unique().tolist() == ["30d", "60d", "90d"]
    assert table().model.to_list() == [OURS, BOOSTER, LOGISTIC] * 3
    ours = evaluate.table(evaluate.score(model(), TEST)).set_index("horizon")
    assert at(table(), OURS).auc.to_list() == ours.auc.to_list()
    for name in (BOOSTER, LOGISTIC):
        assert (at(table(), name)["rows"] == ours["rows"]).all()
        assert (at(table(), name).events == ours.events).all()


def test_where_nothing_drifts_the_peers_are_good_models_too() -> None:
    for name in (BOOSTER, LOGISTIC):
        found = at(table(), name)
        assert (found.auc > 0.68).all()
        assert found.observed_expected.to_numpy() == pytest.approx(1, abs=0.15)
        assert found.calibration_slope.to_numpy() == pytest.approx(1, abs=0.3)
        assert (found.log_loss < [log_loss(y.y, np.full(len(y.y), y.y.mean())) for y in scored()]).all()


def scored() -> list[evaluate.Scored]:
    return evaluate.score(model(), TEST)


def test_a_peer_learns_from_rows_followed_past_its_horizon_only() -> None:
    followed = TRAIN.followed()
    assert at(table(), BOOSTER).train_rows.to_list() == [int(np.sum(followed >= d * DAY)) for d in (30, 60, 90)]
    assert at(table(), LOGISTIC).train_rows.to_list() == at(table(), BOOSTER).train_rows.to_list()


@pytest.mark.parametrize("kind", [BOOSTER, LOGISTIC])
def test_what_is_not_mature_changes_no_peer(kind: str) -> None:
    """Endings that are known of rows not yet followed past a horizon say nothing about it."""
    young = TRAIN.followed() < 90 * DAY
    (outcome,) = TRAIN.outcomes
    told = Outcome("leaves", np.where(young, 1, outcome.ending).astype(np.int8), np.where(young, 0, outcome.after))
    other = replace(TRAIN, outcomes=(told,))

    def last(data: Dataset) -> np.ndarray:
        found = boosters(model(), data, QUICK) if kind == BOOSTER else logistic(data, QUICK)
        return found[-1].predict(TEST.X)

    assert np.array_equal(last(TRAIN), last(other))


def test_a_competing_ending_is_an_answer_no() -> None:
    (outcome,) = TRAIN.outcomes
    competing = outcome.ending == COMPETING
    quiet = Outcome("leaves", np.where(competing, 0, outcome.ending).astype(np.int8), outcome.after)
    assert competing.any()
    for fitted, again in zip(boosters(model(), TRAIN, QUICK), boosters(model(), with_(quiet), QUICK), strict=True):
        assert np.array_equal(fitted.predict(TEST.X), again.predict(TEST.X))


def with_(outcome: Outcome) -> Dataset:
    return replace(TRAIN, outcomes=(outcome,))


def test_who_cannot_be_fitted_says_why_and_the_others_stand() -> None:
    early = dataset(2_000, start=0, days=60, seen=89)  # nobody has been followed for 90 days
    named = {(p.model, p.horizon): p for p in (*boosters(model(), early, QUICK), *logistic(early, QUICK))}
    for name in (BOOSTER, LOGISTIC):
        assert named[name, "30d"].note == named[name, "60d"].note == ""
        assert named[name, "90d"].note
        assert named[name, "90d"].rows == 0
        assert np.isnan(named[name, "90d"].predict(TEST.X)).all()


def test_test_outcomes_that_are_not_known_yet_leave_blanks() -> None:
    test = dataset(600, start=180, days=60, seen=270, seed=5)
    found = peers(model(), TRAIN, replace(test, seen=240 * DAY), QUICK)
    late = found[found.horizon == "90d"]
    assert (late["rows"] == 0).all()
    assert late[["auc", "log_loss", "observed_expected"]].isna().all(axis=None)


def test_values_never_seen_missing_or_unknown_are_read_by_every_peer() -> None:
    number, plan = FEATURES[0].name, FEATURES[1].name
    X = TEST.X.head(4).assign(
        **{number: np.float32(np.nan), plan: pd.Series(["new", None, "flex", "basic"]).astype("category")}
    )
    typical = X.assign(**{number: np.float32(model().manifest.features[0].typical)})
    for peer in (*boosters(model(), TRAIN, QUICK), *logistic(TRAIN, QUICK)):
        # The median of the mature rows, which logistic regression takes, is not quite that of all.
        within = 0.1 if peer.model == LOGISTIC else 1e-12
        assert peer.predict(X) == pytest.approx(peer.predict(typical), rel=within)
        assert ((peer.predict(X) > 0) & (peer.predict(X) < 1)).all()


def test_the_end_of_an_open_ended_task_is_a_horizon_too() -> None:
    train = dataset(3_000, start=0, days=180, seen=300, open_ended=True)
    test = dataset(500, start=300, days=10, seen=400, seed=3, open_ended=True)
    found = peers(fit(train, QUICK), train, test, QUICK)
    end = at(found[found.horizon == "end"].assign(horizon=found.model), BOOSTER)
    assert end.train_rows.item() == np.sum(train.outcomes[0].ending > 0)
    assert found[found.horizon == "end"].auc.notna().all()


def test_several_labels_are_told_apart() -> None:
    found = peers(
        fit(pair := dataset(3_000, 0, 180, 200, labels=2), QUICK), pair, dataset(800, 200, 9, 400, 5, 2), QUICK
    )
    assert len(found) == 2 * 3 * 3
    assert set(found.label) == {"leaves", "calls"}


def test_the_figures_of_peers_are_named_apart_from_the_models_own() -> None:
    found = flat(table())
    assert found["peers.one_booster_per_horizon.leaves.60d.auc"] == at(table(), BOOSTER).auc["60d"]
    assert not [name for name in found if OURS in name.split(".")]


def test_the_picture_is_drawn_and_nothing_to_draw_draws_nothing(tmp_path: Path) -> None:
    written = peer_plots.draw(table(), "churn", tmp_path / "peers.png")
    assert written is not None
    assert written.stat().st_size > 10_000
    empty = table().assign(auc=np.nan, observed_expected=np.nan)
    assert peer_plots.draw(empty, "churn", tmp_path / "none.png") is None


def test_log_loss_of_soft_labels_is_least_at_the_truth() -> None:
    truth = np.array([0.1, 0.5, 0.9])
    assert log_loss(truth, truth) < min(log_loss(truth, truth * 0.9), log_loss(truth, truth * 1.1))
    assert log_loss(np.array([1, 0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))
