"""A retraining that nobody watches: look at the feeds and at drift, train, judge beside the champion, promote or keep.

Whatever happens the champion stays unless the gate let another pass; a run that was killed leaves a challenger at most,
and the next one closes the run it left open.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from features.conditions import DAY
from features.dataset import Dataset, build, instant
from features.declare import Feature, Task
from features.history import History
from models import bundle
from models.bundle import Model
from models.registry import Registry, speaking
from training import evaluate, gates
from training.drift import Drift, drift
from training.evaluate import Scored
from training.fit import Settings
from training.gates import Check, Margins, Verdict, Window
from training.run import TrainRecord, keep, train
from training.split import Windows, windows
from training.store import Store

JOB = {"tieline.job": "retrain"}
STALE_DAYS = 7
PROMOTED, KEPT, DRY = "promoted", "kept", "would be promoted"
_MOST_SLICED = 12
_SAMPLE = 2_000


class RetrainError(RuntimeError):
    """No model that may answer came of it; the message says why. Whoever was champion still is."""


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to. ``champion``: the version that answers now; ``version``: the one that was made."""

    task: str
    outcome: str
    why: str
    champion: int | None
    version: int | None = None
    run_id: str | None = None
    drift: Drift | None = None
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    """What is retrained, and how. ``if_drifted``: only where something moved; ``dry_run``: nothing is kept."""

    history: History
    task: Task
    store: Store
    settings: Settings = field(default_factory=Settings)
    margins: Margins = field(default_factory=Margins)
    if_drifted: bool = False
    dry_run: bool = False


def retrain(asked: Asked) -> Outcome:
    """Train, judge, and promote or keep. Raises `RetrainError`, and what reading, fitting and the store raise."""
    begun, say = time.monotonic(), asked.settings.progress
    history, task, store = asked.history, asked.task, asked.store
    registry = Registry(store.uri)
    close_left_open(store)
    champion = registry.champion(store.name) if registry.answers(store.name) else None
    old = bundle.load(champion.path) if champion else None
    frozen = registry.reference(store.name)
    others = {"champion": old} if old else {}
    others |= {"reference": bundle.load(frozen.path)} if frozen else {}
    fed(history, history.catalog.task_features(task))
    split = windows(task, history.start, history.end)
    say(f"{task.name}: features and labels")
    own, train_data, test_data = _datasets(history, task, split, others.values())
    told = {name: evaluate.score(model, test_data.select(model.features)) for name, model in others.items()}
    moved = _drift(old, told["champion"], train_data, test_data) if old else None
    number = champion.version if champion else None
    if asked.if_drifted and moved and not moved.found:
        return Outcome(task.name, KEPT, moved.words, number, drift=moved, seconds=time.monotonic() - begun)
    record = train(train_data.select(own), test_data.select(own), settings=asked.settings, train_to=split.train_to)
    say(f"{task.name}: judging")
    verdict = judged(record, test_data, told, asked.margins)
    result = Outcome(task.name, KEPT, verdict.words, number, drift=moved, checks=verdict.checks)
    if asked.dry_run:
        result = replace(result, outcome=DRY if verdict.passed else KEPT)
    elif number is None and not verdict.passed:
        raise RetrainError(f"there is no champion, and the first model was {verdict.words}")
    else:
        result = _kept(result, record, verdict, store, registry)
    return replace(result, seconds=time.monotonic() - begun)


def close_left_open(store: Store) -> int:
    """How many runs that a killed retraining left running were closed. Hold the lock (`alone`) when calling this."""
    with speaking(store.uri):
        said = " and ".join(f"tags.`{key}` = '{value}'" for key, value in JOB.items())
        left = store.client.search_runs([store.experiment], f"attributes.status = 'RUNNING' and {said}")
        for run in left:
            store.client.set_terminated(run.info.run_id, status="KILLED")
    return len(left)


def fed(history: History, features: Sequence[Feature]) -> None:
    """Raise `RetrainError` where a feed the features' windows read ended days before the others."""
    for name in sorted({f.source for f in features if f.window is not None}):
        held = history.coverage.get(name)
        if held and history.end - held[-1][1] > STALE_DAYS * DAY:
            days = (history.end - held[-1][1]) / DAY
            raise RetrainError(
                f"the feed '{name}' ends at {instant(held[-1][1])}, {days:.0f} days before the newest: load what is "
                "missing, or nothing can be said of the present"
            )


def judged(record: TrainRecord, test_data: Dataset, told: Mapping[str, Sequence[Scored]], margins: Margins) -> Verdict:
    """The gate's checks for every label of a fitted model, beside what others (the champion, the reference) ``told`` of
    the same rows.
    """
    horizon = record.headline.get("horizon")
    if horizon is None:
        return Verdict((Check("outcomes", False, "no test outcome is known yet"),))
    mine = [s for s in record.scored if s.horizon == horizon]
    checks: list[Check] = []
    for scored in mine:
        beside = {
            name: s.p for name, said in told.items() for s in said if (s.label, s.horizon) == (scored.label, horizon)
        }
        window = Window(
            scored.y,
            scored.p,
            test_data.entity[scored.known],
            beside,
            _slices(test_data.X[scored.known]),
            record.test.X[scored.known],
        )
        found = gates.judge(window, margins, share=len(mine))
        name = f"{scored.label} {scored.horizon}, " if len(mine) > 1 else ""
        checks += [replace(check, name=f"{name}{check.name}") for check in found.checks]
    checks.append(_speed(record.model, record.test.X, margins))
    return Verdict(tuple(checks))


def _kept(result: Outcome, record: TrainRecord, verdict: Verdict, store: Store, registry: Registry) -> Outcome:
    """Registered, judged, and promoted where nothing speaks against it."""
    before = result.champion
    record = keep(record, store, JOB)
    assert record.version is not None
    read_back = _read_back(record, registry.files(store.name, record.version))
    verdict = Verdict((*verdict.checks, read_back))
    registry.judge(store.name, record.version, verdict.words)
    result = replace(result, why=verdict.words, version=record.version, run_id=record.run_id, checks=verdict.checks)
    if not verdict.passed:
        return result
    if before is not None:
        registry.promote(store.name, record.version, who=store.who, why=f"retrain: {verdict.words}")
    return replace(result, outcome=PROMOTED, champion=record.version)


def _datasets(
    history: History, task: Task, split: Windows, others: Iterable[Model]
) -> tuple[tuple[str, ...], Dataset, Dataset]:
    """The names of the task's own features, and train and test rows with those and the others'."""
    own = history.catalog.task_features(task)
    declared = {f.name: f for f in history.catalog.features}
    mine = {f.name for f in own}
    more = [name for name in dict.fromkeys(n for model in others for n in model.features) if name not in mine]
    if gone := [name for name in more if name not in declared]:
        raise RetrainError(
            f"a champion or reference reads '{gone[0]}', which is no longer declared: declare it, or change the alias"
        )
    features = (*own, *(declared[name] for name in more))
    train_data = build(history, task, split.train_from, split.train_to, split.train_to, features)
    test_data = build(history, task, split.test_from, split.test_to, history.end + 1, features)
    return tuple(f.name for f in own), train_data, test_data


def _drift(old: Model, told: Sequence[Scored], train_data: Dataset, test_data: Dataset) -> Drift:
    """Of the columns the champion reads: since the later half of the cutoffs it was trained on, as long windows are
    missing where the feeds began; of its levels: on matured outcomes.
    """
    seen = train_data.cutoff <= old.manifest.cutoffs[1]
    seen &= train_data.cutoff >= np.median(train_data.cutoff[seen]) if seen.any() else seen
    names, newest = list(old.features), test_data.cutoff == test_data.cutoff.max()
    before = train_data.X.loc[seen if seen.any() else np.ones(len(seen), bool), names]
    last: Mapping[str, tuple[np.ndarray, np.ndarray]] = {s.label: (s.y, s.p) for s in told if len(s.y)}
    return drift(before, test_data.X.loc[newest, names], dict(last))


def _slices(X: pd.DataFrame) -> dict[str, np.ndarray]:
    """The columns with few words, by which quality is looked at apart."""
    few = [n for n in X if isinstance(X[n].dtype, pd.CategoricalDtype) and 1 < X[n].nunique() <= _MOST_SLICED]
    return {str(name): X[name].astype(object).where(X[name].notna(), "(missing)").to_numpy() for name in few}


def _speed(model: Model, X: pd.DataFrame, margins: Margins) -> Check:
    rows = X.head(_SAMPLE)
    begun = time.perf_counter()
    model.predict(rows)
    return gates.quick_enough(time.perf_counter() - begun, len(rows), margins)


def _read_back(record: TrainRecord, path: Path) -> Check:
    """What was registered answers as what was judged, whatever order the columns stand in."""
    from_disk = bundle.load(path)
    rows = record.test.X.head(_SAMPLE)
    mine, theirs = record.model.predict(rows), from_disk.predict(rows[rows.columns[::-1]])
    return gates.same_answers(*(np.concatenate([p.ravel() for p in said.values()]) for said in (mine, theirs)))
