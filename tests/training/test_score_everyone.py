"""Everyone of a small simulated operator, scored and rolled up by a model of it, also from the command line."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Run
from oracle import World
from test_rule_of_time import link
from worlds import CATALOG as WORLD
from worlds import LINKS, MINUTE, TYPES, history

from features.catalog import CATALOG
from features.dataset import build
from features.declare import Link
from features.history import History
from features.identity.keys import KeyRing, load_secret
from features.lake import Lake
from features.objection import WORDS
from features.simulator.deliver import deliver
from features.workspace import load_workspace
from models.bundle import Model
from models.hazard import Params
from models.reasons import group_names
from training.fit import Settings
from training.levels import Money, Rolled, levels, reasons, rolled, table
from training.run import train
from training.score import Moment, ScoreError, blocks, heard_of, moment, needed, refused, score
from training.track import track

QUICK = Params(num_leaves=7, learning_rate=0.1, rounds=20, patience=5, folds=2, num_threads=1)
TASK = CATALOG.task("churn")
DAY = 86_400_000_000
CONSENT = next(f for f in CATALOG.features if f.name == "profile_consent_profiling_last")
MONEY = Money("profile_monthly_value_last", 12.0)


@dataclass(frozen=True)
class Operator:
    home: Path
    history: History
    keyring: KeyRing
    model: Model

    @property
    def now(self) -> Moment:
        return moment(self.history, TASK, self.model)

    def up(self, level: str = "account") -> Rolled:
        return rolled(self.history, TASK, self.model, level, self.now, money=MONEY)


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    home = tmp_path_factory.mktemp("home")
    lake, keyring = Lake(load_workspace().lake_folder(home)), KeyRing(load_secret(home))
    deliver(lake, keyring, CATALOG, 300, 7, 5)
    history = History.load(lake, CATALOG)
    middle = history.start + (history.end - history.start) * 2 // 3
    data = build(history, TASK, history.start, middle, middle)
    later = build(history, TASK, middle, history.end - DAY, history.end)
    record = train(data, later, settings=Settings(params=QUICK))
    track(record, f"sqlite:///{home}/mlflow.db", str(home / "mlartifacts"), who="tests")
    return Operator(home, history, keyring, record.model)


@pytest.fixture
def run(operator: Operator, monkeypatch: pytest.MonkeyPatch, command: Run) -> Run:
    """``run("roll-up", ...)`` in the operator's home: (exit code, stdout, stderr)."""
    monkeypatch.setenv("TIELINE_HOME", str(operator.home))

    return command


def test_a_score_is_what_the_model_says_of_the_row_training_would_build(operator: Operator) -> None:
    cutoff = operator.history.start + 120 * DAY
    found = score(operator.history, TASK, operator.model, Moment(cutoff, cutoff))
    scored = found.entity[found.scored]
    X = operator.history.frame("customer", scored, np.full(len(scored), cutoff), CATALOG.task_features(TASK))
    np.testing.assert_array_equal(found.p["leaves"][found.scored], operator.model.predict(X)["leaves"])
    assert operator.history.eligible(TASK, scored, np.full(len(scored), cutoff)).all()
    assert np.isnan(found.p["leaves"][~found.scored]).all()


def test_blocks_of_any_size_say_the_same(operator: Operator) -> None:
    whole = score(operator.history, TASK, operator.model, operator.now, also=(MONEY.monthly,))
    done: list[tuple[int, int]] = []
    parts = score(
        operator.history, TASK, operator.model, operator.now,
        also=(MONEY.monthly,), block=37, progress=lambda *so_far: done.append(so_far),
    )  # fmt: skip
    np.testing.assert_array_equal(whole.entity, parts.entity)
    np.testing.assert_array_equal(whole.why, parts.why)
    np.testing.assert_array_equal(whole.p["leaves"], parts.p["leaves"])
    pd.testing.assert_frame_equal(whole.also, parts.also)
    assert done[-1] == (len(whole.entity), len(whole.entity))
    assert len(done) == -(-len(whole.entity) // 37)


def test_no_block_holds_more_than_it_may(operator: Operator) -> None:
    entities = heard_of(operator.history, TASK, operator.now)
    sizes = [
        len(part.entity) for part in blocks(operator.history, TASK, operator.model, operator.now, entities, block=100)
    ]
    assert sizes == [100] * (len(entities) // 100) + [len(entities) % 100] * (len(entities) % 100 > 0)


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
def test_the_command_writes_what_everybody_scores(operator: Operator, run: Run, tmp_path: Path, name: str) -> None:
    code, said, error = run("score", "--out", tmp_path / name, "--json")
    assert code == 0, error
    expected = score(operator.history, TASK, operator.model, operator.now)
    found = pd.read_parquet(tmp_path / name) if name.endswith("parquet") else pd.read_csv(tmp_path / name)
    assert found.columns.tolist() == ["entity", "why", "leaves.30d", "leaves.60d", "leaves.90d"]
    np.testing.assert_array_equal(found["entity"], expected.entity)
    np.testing.assert_allclose(found.iloc[:, 2:], expected.p["leaves"], rtol=1e-12)
    told = json.loads(said.splitlines()[-1])
    assert told["rows"] == len(found)
    assert told["scored"] == int(expected.scored.sum()) == found["leaves.90d"].notna().sum()
    assert sum(told["without"].values()) == told["rows"] - told["scored"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_who_cannot_be_asked_about_is_told_with_the_rule_and_the_value(operator: Operator) -> None:
    found = score(operator.history, TASK, operator.model, operator.now)
    statuses = {f"status of the relationship is {x}" for x in ("left", "notice", "not known")}
    assert set(found.why) == {"", WORDS, *statuses}


def test_who_objects_to_profiling_has_no_score_and_is_in_no_sum(operator: Operator) -> None:
    found = operator.up()
    now = np.full(len(found.scores.entity), found.when.seen)
    said = operator.history.frame("customer", found.scores.entity, now, [CONSENT])[CONSENT.name].to_numpy() == 0
    assert said.sum() > 5
    assert (found.scores.why[said] == WORDS).all()
    assert np.isnan(found.scores.p["leaves"][said]).all()
    early = Moment(operator.history.start + 60 * DAY, operator.history.start + 60 * DAY)
    then = score(operator.history, TASK, operator.model, early)
    assert (then.why[np.isin(then.entity, found.scores.entity[said])] == WORDS).all()


@pytest.mark.parametrize(
    ("operator_", "value", "row", "says"),
    [
        ("is", "active", None, "status of the relationship is not known"),
        ("is", "active", "left", "status of the relationship is left"),
        ("present", None, None, "status of the relationship is not known"),
        ("missing", None, "left", "status of the relationship is left"),
    ],
)
def test_a_broken_rule_in_words(operator_: str, value: str | None, row: str | None, says: str) -> None:
    rule = replace(TASK.eligible[0], operator=operator_, value=value)
    X = pd.DataFrame({rule.feature: pd.Categorical([row], categories=["left", "active"])})
    assert refused((rule,), X, {f.name: f for f in CATALOG.features}).tolist() == [says]


def test_a_broken_rule_about_a_number_in_words() -> None:
    rule = replace(TASK.eligible[0], feature=MONEY.monthly, operator="at_least", value=10.0)
    X = pd.DataFrame({rule.feature: np.array([9, 10, np.nan], np.float32)})
    found = refused((rule,), X, {f.name: f for f in CATALOG.features}).tolist()
    assert found == ["monthly charge is not at least 10.0", "", "monthly charge is not known"]


def test_who_was_not_heard_of_yet_is_nobodys_member(operator: Operator) -> None:
    early = operator.history.start + 20 * DAY
    found = heard_of(operator.history, TASK, Moment(early, early))
    assert 0 < len(found) < len(heard_of(operator.history, TASK, operator.now))


def test_two_who_are_one_are_asked_about_once_while_that_is_believed() -> None:
    one = [link("same", 2, 1, 10, 12), link("apart", 2, 1, 20, 22, "unlinked")]
    evidence = [link("hers", 1, 41, 0, 0), link("his", 2, 41, 0, 1), *one]
    linked = (*LINKS, Link("customer", "customer", back=None))
    history_ = history(World({}, evidence, TYPES, linked, {}), replace(WORLD, links=linked))
    for minute, wanted in ((11, [1, 2]), (15, [1]), (25, [1, 2])):
        assert heard_of(history_, TASK, Moment(minute * MINUTE, minute * MINUTE)).tolist() == wanted


@pytest.mark.parametrize("days", [-1, 0, 10_000])
def test_an_instant_the_lake_cannot_speak_of(operator: Operator, days: int) -> None:
    with pytest.raises(ScoreError, match="is not an instant this lake can speak of: it covers 2025-01-01"):
        moment(operator.history, TASK, operator.model, operator.history.start + days * DAY)


def test_a_feature_the_workspace_no_longer_declares(operator: Operator) -> None:
    read = CATALOG.task_features(TASK)[-1]
    others = tuple(feature for feature in CATALOG.features if feature is not read)
    less = replace(operator.history, catalog=replace(CATALOG, features=others, tasks=()))
    with pytest.raises(ScoreError, match=f"reads the feature '{read.name}'"):
        needed(less, TASK, operator.model)


def test_the_levels_are_what_links_lead_to() -> None:
    assert levels(CATALOG, "customer") == ("account", "site", "market")
    assert levels(CATALOG, "line") == ("customer", "account", "site", "market")
    assert levels(CATALOG, "market") == ()


@pytest.mark.parametrize("level", ["account", "site"])
def test_a_level_adds_up_to_its_members(operator: Operator, level: str) -> None:
    found = operator.up(level)
    inside = found.present & found.scores.scored
    risks, monthly = found.scores.p["leaves"], found.monthly
    assert found.up.scored.sum() == inside.sum() > 200
    assert np.nansum(found.up.leavers, axis=0) == pytest.approx(risks[inside].sum(axis=0))
    assert np.nansum(found.up.at_risk[:, -1]) == pytest.approx(np.nansum(risks[inside, -1] * monthly[inside]))
    most = found.up.parent[np.argmax(found.up.members)]
    assert len(found.members_of(np.array([most]))) == found.up.members.max() > 1


def test_the_reasons_of_an_account_are_those_of_its_members_in_money(operator: Operator) -> None:
    found = operator.up()
    rows = found.up.ranked(2)[:10]
    moves = reasons(operator.history, found, found.up.parent[rows], 2)
    assert moves.shape == (10, len(group_names(operator.model)))
    np.testing.assert_allclose(reasons(operator.history, found, found.up.parent[rows], 2, block=3), moves, atol=1e-9)
    np.testing.assert_allclose(reasons(operator.history, found, found.up.parent[rows[::-1]], 2), moves[::-1], atol=1e-9)
    told = table(found, rows, moves, dict(CATALOG.groups))
    assert told.reason_1.dropna().isin(CATALOG.groups.values()).all()
    assert (told.moved_1.dropna() > 0).all()
    assert (told.value_at_risk_90d / told.monthly_at_risk_90d).to_numpy() == pytest.approx(12)


def test_without_money_leavers_are_rolled_up_all_the_same(operator: Operator) -> None:
    found = rolled(operator.history, TASK, operator.model, "account", operator.now)
    assert np.isnan(found.up.at_risk).all()
    rows = found.up.ranked(2)[:3]
    assert (np.diff(found.up.leavers[rows, 2]) <= 0).all()
    assert reasons(operator.history, found, found.up.parent[rows], 2).any()
    assert "value_at_risk_90d" not in table(found, rows, np.zeros((3, len(group_names(operator.model)))))


def test_a_level_no_link_leads_to_and_a_label_there_is_not(operator: Operator) -> None:
    with pytest.raises(
        ScoreError, match=r"no link leads from 'customer' to 'cookie' \(one does to: account, site, market\)"
    ):
        operator.up("cookie")
    with pytest.raises(ScoreError, match="no label 'moves': choose one of leaves"):
        rolled(operator.history, TASK, operator.model, "account", operator.now, label="moves")


def test_the_command_shows_writes_and_draws(run: Run, operator: Operator, tmp_path: Path) -> None:
    code, out, err = run(
        "roll-up", "--top", 3, "--out", tmp_path / "a.csv", "--plot", tmp_path / "a.png", "--json"
    )  # fmt: skip
    told, written = json.loads(out.splitlines()[-1]), pd.read_csv(tmp_path / "a.csv")
    found = operator.up()
    assert code == 0
    assert (told["level"], told["horizon"], told["model_version"], told["currency"]) == ("account", "90d", 1, "EUR")
    assert told["parents"] == len(written) == len(found.up.ranked(2))
    assert told["leavers"] == pytest.approx(written.leavers_90d.sum(), rel=1e-6)
    assert told["monthly_at_risk"] == pytest.approx(written.monthly_at_risk_90d.sum(), rel=1e-6)
    assert [row["key_id"] for row in told["top"]] == written.key_id.head(3).tolist()
    assert written.monthly_at_risk_90d.is_monotonic_decreasing
    assert (tmp_path / "a.png").stat().st_size > 10_000
    assert "expected to leave within 90d" in err


def test_the_command_writes_parquet_and_keeps_to_a_nearer_horizon(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("roll-up", "site", "--horizon", "30d", "--min-members", 3, "--out", tmp_path / "s.parquet")
    written = pd.read_parquet(tmp_path / "s.parquet")
    assert code == 0
    assert (written.scored >= 3).all()
    assert written.monthly_at_risk_30d.is_monotonic_decreasing
    assert "expected to leave within 30d" in out


def test_one_account_by_its_key_or_a_members_shows_who_is_in_it(run: Run, operator: Operator) -> None:
    found = operator.up()
    code, out, _ = run("roll-up", "--key", "customer:C000001", "--json")
    told = json.loads(out.splitlines()[-1])
    customer = operator.keyring.key_id("customer", "C000001")
    account = found.parent[found.scores.entity == customer][0]
    assert (code, [row["key_id"] for row in told["top"]]) == (0, [account])
    assert customer in [row["key_id"] for row in told["who"]]
    assert len(told["who"]) == told["members"]
    assert sum(told["not_scored"].values()) == told["members"] - told["scored"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("cookie",), "no link leads from 'customer' to 'cookie'"),
        (("--key", "account:nobody-has-this"), "no account with customers in it is known by that account"),
        (("--key", "C000001"), "write TYPE:VALUE"),
        (("--key", "nothing:C000001"), "write TYPE:VALUE"),
        (("--at", "2019-01-01"), "is not an instant this lake can speak of"),
        (("--at", "soon"), "'soon' is not a date"),
        (("--horizon", "45d"), "the model knows 30d, 60d, 90d"),
        (("--min-members", 5_000), "no account has 5000 scored members"),
        (("--task", "needs"), "tieline train needs"),
        (("--task", "nothing"), "no task 'nothing'"),
        (("--label", "moves"), "no label 'moves'"),
        (("--out", "table.xlsx"), "must end in .csv or .parquet"),
        (("--plot", "nowhere/a.png"), "there is no folder nowhere"),
    ],
    ids=str,
)
def test_what_cannot_be_rolled_up_says_why(run: Run, words: tuple[object, ...], says: str) -> None:
    code, _, err = run("roll-up", *words)
    assert code != 0
    assert says in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert "nobody-has-this" not in err
    assert "C000001" not in err


def test_without_a_model_nothing_is_made_and_it_says_what_makes_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))
    code, _, err = run("roll-up")
    assert (code, "run `tieline train churn` first" in err) == (1, True)
    assert not (tmp_path / "home").exists()
