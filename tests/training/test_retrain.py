"""The nightly job: it promotes what is no worse, keeps who is better, and a killed one leaves no trace that matters."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from features.catalog import CATALOG
from features.conditions import DAY
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake
from features.simulator.deliver import deliver
from features.workspace import load_workspace
from models import bundle
from models.hazard import Params
from models.registry import Registry, RegistryError
from models.waivers import WaiverError, revoke, waive, waivers
from training.alone import BusyError, alone
from training.fit import Settings
from training.retrain import JOB, Asked, Outcome, RetrainError, close_left_open, fed, retrain
from training.store import Store, open_store

QUICK = Settings(params=Params(num_leaves=7, learning_rate=0.1, rounds=60, patience=10, folds=2, num_threads=1))
BAD = replace(QUICK, params=replace(QUICK.params, rounds=1, learning_rate=0.001))
TASK = CATALOG.task("churn")
KILLS = int(os.environ.get("TIELINE_KILLS", "6"))


@dataclass(frozen=True)
class Home:
    folder: Path
    history: History

    def store(self, name: str) -> Store:
        return open_store(f"sqlite:///{self.folder}/mlflow.db", str(self.folder / "mlartifacts"), name, who="tests")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("home")
    lake = Lake(load_workspace().lake_folder(folder))
    deliver(lake, KeyRing(b"always the same customers"), CATALOG, 900, 13, 5)
    return Home(folder, History.load(lake, CATALOG))


def run(home: Home, name: str, settings: Settings = QUICK, **options: bool) -> Outcome:
    return retrain(Asked(home.history, TASK, home.store(name), settings, **{"visitors": False, **options}))


def champion(home: Home, name: str) -> int:
    """The version that answers, whose bundle loads."""
    version, path = Registry(home.store(name).uri).champion(name)
    bundle.load(path)
    return version


def test_an_equal_is_promoted_and_a_worse_one_is_not(home: Home) -> None:
    first = run(home, "nightly")
    assert (first.outcome, first.version, first.champion, first.drift) == ("promoted", 1, 1, None)
    again = run(home, "nightly", replace(QUICK, seed=1))
    assert (again.outcome, again.version, again.champion) == ("promoted", 2, 2), again.why
    bad = run(home, "nightly", BAD)
    assert (bad.outcome, bad.version, bad.champion) == ("kept", 3, 2)
    assert "refused" in bad.why
    assert champion(home, "nightly") == 2
    versions = {
        v.number: (v.aliases, v.verdict.split(":")[0]) for v in Registry(home.store("nightly").uri).versions("nightly")
    }
    assert versions[2][0] == ("champion",)
    assert versions[1][0] == ("previous",)
    assert versions[3] == (("challenger",), "refused")
    assert {check.name for check in again.checks} >= {"no worse than the champion", "level", "slope", "bundle", "speed"}


def test_who_falls_behind_the_frozen_reference_is_kept_though_no_worse_than_the_champion(home: Home) -> None:
    registry = Registry(home.store("frozen").uri)
    run(home, "frozen")
    registry.freeze("frozen", 1, who="ann", why="the one we agreed on")
    poor = replace(QUICK, params=replace(QUICK.params, min_child_samples=10**6))
    assert run(home, "frozen", poor).outcome == "kept"
    registry.promote("frozen", 2, who="eve", why="by mistake")
    again = run(home, "frozen", poor)
    assert again.outcome == "kept"
    assert "no worse than the reference" in again.why
    assert "no worse than the champion" not in again.why
    assert [(e.alias, e.who) for e in registry.audit("frozen") if e.alias == "reference"] == [("reference", "ann")]


def test_the_run_shows_a_reviewer_all_that_decides(home: Home) -> None:
    run(home, "reviewed")
    found = run(home, "reviewed", replace(QUICK, seed=1))
    client = MlflowClient(tracking_uri=home.store("reviewed").uri)
    told = client.get_run(found.run_id)
    assert found.why.startswith(told.data.tags["verdict"][:6])
    assert {d.tags[0].value for d in told.inputs.dataset_inputs} == {"training", "testing"}
    assert len(told.data.tags["code"]) == 64
    assert told.data.metrics["live.leaves.30d.observed_expected"] > 0
    assert "champion.leaves.90d.auc" in told.data.metrics
    files = {f.path for f in client.list_artifacts(found.run_id)}
    assert files >= {"beside.csv", "slices.csv", "verdict.json", "bundle", "plots"}
    plots = {f.path for f in client.list_artifacts(found.run_id, "plots")}
    assert plots >= {"plots/beside.png", "plots/slices_leaves.png"}
    card = client.get_model_version("reviewed", "2").description
    assert card == told.data.tags["mlflow.note.content"]
    for words in ("**Verdict**: passed", "| champion (version 1) | calendar |", "| this model | live |", "objects to"):
        assert words in card


def test_the_same_data_have_the_same_digest_and_others_another(home: Home) -> None:
    client = MlflowClient(tracking_uri=home.store("digests").uri)
    runs = [run(home, "digests").run_id, run(home, "digests", replace(QUICK, seed=1)).run_id]
    told = [{d.tags[0].value: d.dataset.digest for d in client.get_run(r).inputs.dataset_inputs} for r in runs]
    assert told[0] == told[1]
    assert told[0]["training"] != told[0]["testing"]


def test_what_was_waived_does_not_refuse_and_stays_on_the_record(home: Home) -> None:
    run(home, "waived")
    uri = home.store("waived").uri
    refused = run(home, "waived", BAD)
    assert refused.outcome == "kept"
    against = [check.name for check in refused.checks if not check.passed]
    for check in against:
        waive(uri, "waived", check, who="ann", why="a new network: the old figures mean nothing")
    passed = run(home, "waived", BAD)
    assert (passed.outcome, passed.champion) == ("promoted", 3)
    assert "waived by ann" in passed.why
    assert "waived by ann" in next(
        e.why for e in Registry(uri).audit("waived") if e.after == 3 and e.alias == "champion"
    )
    for check in against:
        revoke(uri, "waived", check)
    assert waivers(uri, "waived") == {}


def test_a_waiver_without_reason_or_model_or_of_a_day_gone_by_is_refused(home: Home) -> None:
    uri = home.store("waived").uri
    with pytest.raises(WaiverError, match="needs a reason"):
        waive(uri, "waived", "leak", who="ann", why=" ")
    with pytest.raises(WaiverError, match="already ended"):
        waive(uri, "waived", "leak", who="ann", why="so", until=date(2020, 1, 1))
    with pytest.raises(RegistryError):
        waive(uri, "nobody", "leak", who="ann", why="so")
    with pytest.raises(RegistryError, match="'leak' is not waived"):
        revoke(uri, "waived", "leak")


def test_the_model_of_those_without_a_name_is_judged_too(home: Home) -> None:
    first = run(home, "unnamed", visitors=True)
    again = run(home, "unnamed", replace(QUICK, seed=1), visitors=True)
    assert first.visitors.startswith("version 1 promoted: passed"), first.why
    assert again.visitors.startswith("version 2 "), again.why
    answers = Registry(home.store("unnamed").uri).champion("unnamed.visitors").version
    assert answers == (2 if "promoted" in again.visitors else 1)


def test_a_dry_run_judges_and_keeps_nothing(home: Home) -> None:
    run(home, "dry")
    found = run(home, "dry", dry_run=True)
    assert found.outcome in ("would be promoted", "kept")
    assert found.checks
    assert len(Registry(home.store("dry").uri).versions("dry")) == 1


def test_a_first_model_that_does_not_pass_never_answers(home: Home) -> None:
    with pytest.raises(RetrainError, match="there is no champion, and the first model was refused"):
        run(home, "first", BAD)
    assert not Registry(home.store("first").uri).answers("first")


def test_a_champion_whose_files_are_gone_stays_and_is_named(home: Home) -> None:
    run(home, "gone")
    version, path = Registry(home.store("gone").uri).champion("gone")
    manifest = (path / bundle.MANIFEST).read_text()
    (path / bundle.MANIFEST).write_text(manifest.replace("churn", "nruhc"))
    with pytest.raises(bundle.BundleError, match="was changed"):
        run(home, "gone")
    shutil.rmtree(path)
    with pytest.raises(RegistryError, match="the files of 'gone' version 1 are gone"):
        run(home, "gone")
    assert {v.number: v.aliases for v in Registry(home.store("gone").uri).versions("gone")} == {version: ("champion",)}


def test_a_feed_that_ended_long_before_the_others_stops_it(home: Home) -> None:
    features = CATALOG.task_features(TASK)
    fed(home.history, features)
    journey = home.history.coverage["journey"]
    short = {**home.history.coverage, "journey": ((journey[0][0], home.history.end - 20 * DAY),)}
    with pytest.raises(RetrainError, match=r"the feed 'journey' ends at .*, 20 days before the newest"):
        fed(replace(home.history, coverage=short), features)


def test_a_run_left_open_is_closed_by_the_next(home: Home) -> None:
    store = home.store("left")
    mine = store.client.create_run(store.experiment, tags=JOB)
    other = store.client.create_run(store.experiment)
    assert close_left_open(store) == 1
    status = {run.info.run_id: store.client.get_run(run.info.run_id).info.status for run in (mine, other)}
    assert status == {mine.info.run_id: "KILLED", other.info.run_id: "RUNNING"}


def test_two_at_once_are_one(tmp_path: Path) -> None:
    lock, busy = tmp_path / "retrain-churn.lock", pytest.raises(BusyError, match=f"process {os.getpid()}")
    with alone(lock), busy, alone(lock):
        pass
    with alone(lock):
        pass


@pytest.fixture
def command(home: Home) -> Callable[..., subprocess.Popen]:
    def call(*words: str) -> subprocess.Popen:
        env = {**os.environ, "TIELINE_HOME": str(home.folder)}
        return subprocess.Popen(
            [sys.executable, "tieline.py", "retrain", *words],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return call


@pytest.mark.slow
def test_killed_at_any_moment_it_leaves_a_champion_and_the_next_succeeds(home: Home, command: Callable) -> None:
    run(home, "churn")
    begun = time.monotonic()
    done = command("churn")
    out, err = done.communicate()
    assert done.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["outcome"] in ("promoted", "kept")
    long, draw = time.monotonic() - begun, np.random.default_rng(7)
    for moment in np.sort(draw.uniform(0.3, 1.0, KILLS)) * long:
        process = command("churn")
        time.sleep(float(moment))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert champion(home, "churn") >= 1
    first, second = command("churn"), command("churn")
    outs = [process.communicate()[0] for process in (first, second)]
    assert sorted(process.returncode for process in (first, second)) == [0, 75], outs
    client = MlflowClient(tracking_uri=home.store("churn").uri)
    experiment = client.get_experiment_by_name("churn").experiment_id
    assert not client.search_runs([experiment], "attributes.status = 'RUNNING'")
    assert champion(home, "churn") >= 1


def limited(home: Home, kilobytes: int, **more: str) -> subprocess.CompletedProcess:
    """The command where no file may grow beyond that: what a full disk does, without filling one."""
    words = ["bash", "-c", f"ulimit -f {kilobytes}; exec {sys.executable} tieline.py retrain churn"]
    env = {**os.environ, "TIELINE_HOME": str(home.folder), **more}
    return subprocess.run(words, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_full_disk_while_logging_fails_in_words_and_the_champion_stays(home: Home) -> None:
    if not Registry(home.store("churn").uri).answers("churn"):
        run(home, "churn")
    before = champion(home, "churn")
    done = limited(home, 64)
    assert done.returncode == 1
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["outcome"] == "failed"
    assert "Traceback" not in done.stderr
    assert champion(home, "churn") == before


def test_a_registry_that_is_down_fails_in_words_before_any_work(home: Home) -> None:
    begun = time.monotonic()
    done = limited(home, 10**6, TIELINE_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 1
    told = json.loads(done.stdout.splitlines()[-1])
    assert "does not answer" in told["why"]
    assert "Traceback" not in done.stderr
    assert time.monotonic() - begun < 120


def test_the_command_says_why_it_failed_in_one_line(tmp_path: Path) -> None:
    env = {**os.environ, "TIELINE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "tieline.py", "retrain"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout.splitlines()[-1])["outcome"] == "failed" if done.stdout else "empty" in done.stderr
