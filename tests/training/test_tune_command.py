"""What a search proposes is read back as it was kept or refused by name; the command searches on what trains."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.catalog import CATALOG
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from features.workspace import load_workspace
from models.hazard import Params
from training.alone import alone
from training.tuning.search import tuned
from training.tuning.study import SPACE, TuneError, searched


@given(
    st.fixed_dictionaries(
        {
            name: st.integers(int(space.low), int(space.high))
            if isinstance(space.low, int)
            else st.floats(space.low, space.high)
            for name, space in SPACE.items()
        }
    )
)
def test_a_file_of_tuned_parameters_says_what_it_says(tmp_path_factory: pytest.TempPathFactory, values: dict) -> None:
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "churn.json").write_text(json.dumps({"params": values}))
    found = tuned(folder, "churn")
    assert found is not None
    assert searched(found) == values
    assert found == Params(**values)


def test_without_a_file_nothing_is_proposed(tmp_path: Path) -> None:
    assert tuned(tmp_path, "churn") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"params": {"num_leafs": 31}}', "'num_leafs' is not searched for; known are num_leaves"),
        ('{"params": {"rounds": 31}}', "'rounds' is not searched for"),
        ('{"params": {"num_leaves": 31.5}}', "num_leaves is 31.5, not a whole number from 4 to 128"),
        ('{"params": {"num_leaves": true}}', "num_leaves is true, not a whole number"),
        ('{"params": {"num_leaves": 4000}}', "num_leaves is 4000"),
        ('{"params": {"learning_rate": "fast"}}', 'learning_rate is "fast", not a number from 0.02 to 0.2'),
        ('{"params": {"learning_rate": NaN}}', "learning_rate is NaN"),
        ('{"params": [31]}', "holds no 'params'"),
        ("[]", "holds no 'params'"),
        ('{"params": {"num_le', "is not JSON"),
        ("\udcff", "is not JSON"),
    ],
)
def test_a_file_that_was_spoilt_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "churn.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(TuneError) as refused:
        tuned(tmp_path, "churn")
    assert said in str(refused.value)
    assert str(tmp_path / "churn.json") in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value"), [("--minutes", "0"), ("--minutes", "-3"), ("--minutes", "nan"), ("--trials", "0")]
)
def test_the_command_refuses_no_time_and_no_trials(command, option: str, value: str) -> None:
    code, _, told = command("tune", "churn", option, value)
    assert code == 2
    assert option in told


def test_the_command_searches_on_what_trains_and_says_it_in_json(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path))
    lake = Lake(load_workspace().lake_folder(tmp_path))
    deliver(lake, KeyRing(b"always the same customers"), CATALOG, 500, 12, 5)
    code, first, _ = command("tune", "churn", "--trials", "1", "--json")
    assert code == 0
    said = json.loads(first.splitlines()[-1])
    assert (said["trials"], said["made"], said["resumed"], said["interrupted"]) == (1, 1, False, False)
    assert said["params"] == said["best"] == searched(Params())
    assert tuned(tmp_path / "tuning", "churn") == Params()
    with alone(tmp_path / "tuning" / "tune-churn.lock"):
        assert command("tune", "churn", "--trials", "1")[0] == 75


def test_the_command_says_where_history_is_too_short_to_hold_any_out(
    command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path))
    lake = Lake(load_workspace().lake_folder(tmp_path))
    deliver(lake, KeyRing(b"always the same customers"), CATALOG, 50, 7, 5)
    code, _, told = command("tune", "churn", "--trials", "1")
    assert code == 1
    assert "holds out the last 60 days" in told


def test_the_default_can_be_searched_from() -> None:
    for name, value in searched(Params()).items():
        assert SPACE[name].low <= value <= SPACE[name].high
