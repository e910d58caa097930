"""Tuning: the default is never beaten by luck alone, a search goes on where it was, whatever ended the last call."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.trial import TrialState
from pairs import dataset

from features.dataset import Dataset
from models.hazard import LabelError, Params, folds
from models.registry import RegistryError
from training.fit import Settings
from training.store import Store, open_store
from training.tuning.measure import FOLDS, Measure
from training.tuning.runs import PARENT
from training.tuning.search import SURE, Tuned, tune, tuned
from training.tuning.study import RUN, SPACE, TuneError, searched

DAY = 86_400_000_000
BASE = Params(num_leaves=7, learning_rate=0.1, rounds=20, patience=5, folds=2, num_threads=1)
QUICK = Settings(params=BASE)
POOR = Settings(params=replace(BASE, learning_rate=0.02, rounds=3, min_child_samples=500))
END, INNER = 240, 180


def pair(n: int = 500, seed: int = 0, labels: int = 1) -> tuple[Dataset, Dataset]:
    """The same customers with labels known by the inner instant, and by T."""
    later = dataset(n, start=0, days=END, seen=END, seed=seed, labels=labels)
    whole = dataset(n, start=0, days=END, seen=INNER, seed=seed, labels=labels)
    before = whole.cutoff < INNER * DAY
    outcomes = tuple(replace(o, ending=o.ending[before], after=o.after[before]) for o in whole.outcomes)
    known = replace(
        whole, X=whole.X[before], entity=whole.entity[before], cutoff=whole.cutoff[before], outcomes=outcomes
    )
    return known, later


KNOWN, LATER = pair()


@pytest.fixture(scope="module")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an MLflow store that has been opened once, as making one takes seconds."""
    folder = tmp_path_factory.mktemp("made")
    open_store(f"sqlite:///{folder}/mlflow.db", str(folder / "artifacts"), "churn", who="ann")
    return folder


@pytest.fixture
def home(fresh_store: Path, tmp_path: Path) -> Path:
    shutil.copy(fresh_store / "mlflow.db", tmp_path / "mlflow.db")
    return tmp_path


def store(home: Path) -> Store:
    return open_store(f"sqlite:///{home}/mlflow.db", str(home / "artifacts"), "churn", who="ann")


def search(home: Path, settings: Settings = QUICK, **options: object) -> Tuned:
    return tune(KNOWN, LATER, store(home), home / "tuning", settings, **{"minutes": 5, "trials": 2, **options})


def study(home: Path, which: int = -1) -> optuna.Study:
    url = f"sqlite:///{home}/tuning/churn.db"
    return optuna.load_study(study_name=optuna.get_all_study_names(url)[which], storage=url)


def runs(home: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    return list(client.search_runs([e.experiment_id for e in client.search_experiments()]))


def interrupt_at(trial: int) -> Callable[[str], None]:
    def told(words: str) -> None:
        if words.startswith(f"trial {trial},"):
            raise KeyboardInterrupt

    return told


def test_trial_0_is_the_default_and_nothing_worse_is_proposed(home: Path) -> None:
    found = search(home, trials=3)
    first, *others = study(home).trials
    assert first.params == searched(BASE)
    assert first.value == 1.0
    assert len(others) == 2
    assert found.trials == found.made == 3
    assert found.loss <= found.default_loss or found.gain > 0
    assert found.gain == pytest.approx(max(0.0, *(1.0 - trial.value for trial in others)))
    assert found.params == (found.best if found.gain > SURE * found.gain_error else BASE)


def test_a_default_that_is_poor_is_surely_beaten(home: Path) -> None:
    found = search(home, POOR, trials=6)
    assert found.params == found.best != POOR.params
    assert found.loss < found.default_loss
    assert found.gain > SURE * found.gain_error > 0
    assert "saves" in found.words
    assert tuned(home / "tuning", "churn") == replace(Params(), **searched(found.best))


def test_a_second_call_goes_on_with_other_trials(home: Path) -> None:
    first = search(home, trials=3)
    second = search(home, trials=3)
    assert (first.resumed, second.resumed) == (False, True)
    assert (second.made, second.trials) == (3, 6)
    drawn = [tuple(trial.params.values()) for trial in study(home).trials]
    assert len(set(drawn)) == 6
    assert second.gain >= first.gain


def test_fresh_forgets_the_same_search(home: Path) -> None:
    search(home, trials=3)
    found = search(home, trials=2, fresh=True)
    assert (found.resumed, found.replaced, found.trials) == (False, False, 2)


def test_another_lake_begins_a_new_search_with_the_best_of_the_last(home: Path) -> None:
    best = search(home, POOR, trials=5).best
    other = replace(LATER, fingerprint="another lake")
    found = tune(KNOWN, other, store(home), home / "tuning", POOR, trials=2)
    assert (found.resumed, found.replaced, found.trials) == (False, True, 2)
    assert [trial.params for trial in study(home).trials] == [searched(POOR.params), searched(best)]
    assert len(study(home, 0).trials) == 5


def test_a_search_that_measures_something_else_is_another_one(home: Path) -> None:
    search(home, trials=1)
    assert not search(home, replace(QUICK, seed=1), trials=1).resumed
    assert not search(home, POOR, trials=1).resumed
    assert search(home, trials=1).resumed


def test_trials_are_runs_nested_in_one_run_with_the_best_and_its_picture(home: Path) -> None:
    found = search(home, trials=3)
    parent = next(run for run in runs(home) if run.info.run_id == found.run_id)
    nested = [run for run in runs(home) if run.data.tags.get(PARENT) == found.run_id]
    assert {run.info.run_name for run in nested} == {"trial 0", "trial 1", "trial 2"}
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    assert all(set(run.data.params) == set(SPACE) for run in nested)
    losses = [run.data.metrics["log_loss"] for run in nested]
    assert parent.data.metrics["log_loss"] == pytest.approx(found.loss)
    assert found.loss in losses
    assert parent.data.metrics["default_log_loss"] == found.default_loss
    assert parent.data.metrics["gain"] == pytest.approx(found.gain)
    best = {name: float(parent.data.params[f"best.{name}"]) for name in SPACE}
    assert best == pytest.approx(searched(found.best))
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    assert {file.path for file in client.list_artifacts(found.run_id)} == {"history.png", "churn.json"}
    assert len(client.get_metric_history(found.run_id, "trial_gain")) == 3


def test_what_mattered_stands_on_the_run_when_there_are_trials_enough(home: Path) -> None:
    found = search(home, trials=10)
    parent = next(run for run in runs(home) if run.info.run_id == found.run_id)
    shares = {name: value for name, value in parent.data.metrics.items() if name.startswith("importance.")}
    assert set(shares) == {f"importance.{name}" for name in SPACE}
    assert sum(shares.values()) == pytest.approx(1.0)


def test_time_is_obeyed_to_within_one_trial(home: Path) -> None:
    begun, trials = [], []

    def told(words: str) -> None:
        trials.append(words.split(",")[0])
        begun.append(time.monotonic())

    start = time.monotonic()
    found = search(home, replace(QUICK, progress=told), minutes=2 / 60, trials=None)
    last = begun[trials.index(trials[-1])]
    assert last - start <= 2.0 + 1.5  # it began in time, but for what lies between the clock and its first words
    assert found.trials >= 1


def test_a_call_without_time_makes_one_trial_more(home: Path) -> None:
    assert search(home, minutes=1e-6, trials=None).trials == 1
    assert search(home, minutes=1e-6, trials=None).trials == 2


def test_an_interrupt_keeps_what_was_done(home: Path) -> None:
    found = search(home, replace(QUICK, progress=interrupt_at(2)), trials=9)
    assert found.interrupted
    assert (found.trials, found.made) == (2, 2)
    assert study(home).trials[2].state == TrialState.FAIL
    assert json.loads(found.path.read_text())["trials"] == 2
    assert {run.info.status for run in runs(home)} == {"KILLED", "FINISHED"}
    again = search(home, trials=1)
    assert (again.resumed, again.trials) == (True, 3)


def test_what_a_killed_search_left_open_neither_counts_nor_blocks(home: Path) -> None:
    first = search(home, trials=2)
    left, opened = study(home), store(home)
    left.ask(dict(SPACE))
    opened.client.update_run(first.run_id, status="RUNNING")
    elsewhere = opened.client.create_run(opened.experiment, tags={"tieline.job": "tune"})
    assert left.user_attrs[RUN] == first.run_id
    found = search(home, trials=1)
    assert (found.trials, found.made) == (3, 1)
    assert [trial.state.name for trial in study(home).trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    status = {run.info.run_id: run.info.status for run in runs(home)}
    assert status[first.run_id] == "KILLED"
    assert status[elsewhere.info.run_id] == "RUNNING"  # another home, at the same store, is searching


KILLED = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from pathlib import Path
from test_tune import QUICK, replace, search
def told(words):
    print(words, flush=True)
search(Path({home!r}), replace(QUICK, progress=told), minutes=5, trials=None)
"""


def test_a_search_that_is_killed_goes_on(home: Path) -> None:
    here = Path(__file__).parent
    code = KILLED.format(tests=str(here), root=str(here.parents[1]), home=str(home))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("trial 2,"):
                os.kill(process.pid, signal.SIGKILL)
    assert any(trial.state == TrialState.RUNNING for trial in study(home).trials)
    found = search(home, trials=1)
    assert found.resumed
    assert found.trials >= 3
    assert not any(trial.state == TrialState.RUNNING for trial in study(home).trials)
    assert not any(run.info.status == "RUNNING" for run in runs(home))


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf")])
def test_no_time_is_refused(home: Path, minutes: float) -> None:
    with pytest.raises(TuneError, match="give more than 0"):
        search(home, minutes=minutes)


def test_no_trials_are_refused(home: Path) -> None:
    with pytest.raises(TuneError, match="at least 1"):
        search(home, trials=0)


def test_a_file_that_is_no_search_is_named(home: Path) -> None:
    (home / "tuning").mkdir()
    (home / "tuning" / "churn.db").write_text("no database, only a text that is long enough to be looked at" * 50)
    with pytest.raises(TuneError, match=r"churn\.db cannot be read: move it away"):
        search(home)


def test_a_store_that_goes_away_ends_the_search_but_keeps_the_trials(home: Path) -> None:
    opened = store(home)

    def told(words: str) -> None:
        if words.startswith("trial 2,"):
            opened.client.delete_run(study(home).user_attrs[RUN])

    with pytest.raises(RegistryError, match="refuses"):
        tune(KNOWN, LATER, opened, home / "tuning", replace(QUICK, progress=told), trials=5)
    assert [trial.state.name for trial in study(home).trials] == ["COMPLETE"] * 3
    assert search(home, trials=1).trials == 4


@pytest.mark.parametrize("ending", [0, 1])
def test_one_class_is_the_usual_error_and_leaves_no_run(home: Path, ending: int) -> None:
    def only(data: Dataset) -> Dataset:
        after = np.where(ending, 1, -1)
        same = [
            replace(o, ending=np.full_like(o.ending, ending), after=np.full_like(o.after, after)) for o in data.outcomes
        ]
        return replace(data, outcomes=tuple(same))

    with pytest.raises(LabelError, match="'churn'"):
        tune(only(KNOWN), only(LATER), store(home), home / "tuning", QUICK, trials=1)
    assert runs(home) == []


def test_all_labels_count(home: Path) -> None:
    known, later = pair(labels=2)
    found = tune(known, later, store(home), home / "tuning", QUICK, trials=1)
    (nested,) = (run for run in runs(home) if run.data.tags.get(PARENT) == found.run_id)
    cells = {name for name in nested.data.metrics if name.startswith("log_loss.")}
    assert cells == {
        f"log_loss.{label}.{horizon}" for label in ("leaves", "calls") for horizon in ("30d", "60d", "90d")
    }
    assert found.loss == pytest.approx(np.mean([nested.data.metrics[cell] for cell in cells]))


def test_what_is_judged_became_known_after_the_inner_instant_and_by_t() -> None:
    measure = Measure.of(KNOWN, LATER, seed=0)
    for (_, horizon), judged in zip(measure.cells, measure.judged.T, strict=True):
        matures = LATER.cutoff[judged] + int(horizon[:-1]) * DAY
        assert judged.any()
        assert matures.min() > INNER * DAY
        assert matures.max() <= END * DAY


def test_a_customers_pairs_are_held_out_together() -> None:
    known, later = (replace(data, entity=data.entity // 5) for data in (KNOWN, LATER))
    measure = Measure.of(known, later, seed=0)
    whole = np.concatenate([known.entity, later.entity])
    fold = np.concatenate([measure.fold_known, measure.fold_later])
    assert {len(set(fold[whole == who])) for who in set(whole)} == {1}
    assert set(fold) == set(range(FOLDS))
    assert np.array_equal(fold, folds(whole, FOLDS, 0))


def test_labels_that_became_known_between_m_and_t_teach_nothing() -> None:
    """Whatever came after M, the same is predicted: only what is judged changes."""
    flipped = replace(
        LATER,
        outcomes=tuple(
            replace(o, ending=np.zeros_like(o.ending), after=np.full_like(o.after, -1)) for o in LATER.outcomes
        ),
    )
    measure = Measure.of(KNOWN, LATER, seed=0)
    losses = measure.losses(QUICK)
    quiet = replace(measure, later=flipped, y=np.zeros_like(measure.y)).losses(QUICK)
    was = measure.judged & ~measure.y
    assert np.array_equal(losses[was], quiet[was])
    came = measure.judged & measure.y
    assert np.allclose(np.exp(-losses[came]) + np.exp(-quiet[came]), 1.0)


def test_a_gain_is_a_mean_over_horizons_and_its_error_is_of_customers() -> None:
    measure = Measure.of(KNOWN, LATER, seed=0)
    default = np.where(measure.judged, 0.5, np.nan)
    gain, _ = measure.gain(np.where(measure.judged, 0.4, np.nan), default)
    assert gain == pytest.approx(0.2)
    noise = np.random.default_rng(0).normal(0, 0.1, default.shape)
    drawn = [
        measure.gain(default - np.random.default_rng(i).normal(0, 0.1, default.shape), default)[0] for i in range(300)
    ]
    assert measure.gain(default - noise, default)[1] == pytest.approx(np.std(drawn), rel=0.25)
    assert measure.gain(default, default) == (0.0, 0.0)
