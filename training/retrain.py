"""A retraining that nobody watches: look at the feeds and at drift, train, judge beside the champion, promote or keep.

Whatever happens the champion stays unless the gate let another pass; a run that was killed leaves a challenger at most,
and the next one closes the run it left open.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from features.conditions import DAY
from features.dataset import instant
from features.declare import Feature, Task
from features.history import History
from models import bundle
from models.registry import Registry, speaking, visitors_name
from models.waivers import waivers
from training.drift import Drift
from training.fit import Settings
from training.gates import Check, Margins, Verdict
from training.parts import Wanted
from training.prepare import prepare, standing
from training.review import Review, moved, read_back, review, spoken
from training.run import TrainRecord, noted, train_on
from training.split import windows
from training.store import Store
from training.track import keep
from training.visitor_gate import judged_visitors

JOB = {"tieline.job": "retrain"}
STALE_DAYS = 7
PROMOTED, KEPT, DRY = "promoted", "kept", "would be promoted"


class RetrainError(RuntimeError):
    """No model that may answer came of it; the message says why. Whoever was champion still is."""


@dataclass(frozen=True)
class Outcome:
    """What a retraining came to. ``champion``: the version that answers now; ``version``: the one that was made;
    ``visitors``: what became of the model of those without a name, if one was made.
    """

    task: str
    outcome: str
    why: str
    champion: int | None
    version: int | None = None
    run_id: str | None = None
    drift: Drift | None = None
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    visitors: str = ""


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
    visitors: bool = True
    wanted: Wanted = field(default_factory=Wanted)


def retrain(asked: Asked) -> Outcome:
    """Train, judge, and promote or keep. Raises `RetrainError`, and what reading, fitting and the store raise."""
    begun, say = time.monotonic(), asked.settings.progress
    history, task, store = asked.history, asked.task, asked.store
    close_left_open(store)
    stands = standing(store)
    fed(history, history.catalog.task_features(task))
    split = windows(task, history.start, history.end)
    prepared = prepare(
        history, task, split, stands.models.values(), visitors=asked.visitors, more=asked.wanted.columns, progress=say
    )
    told = spoken(stands, prepared.test)
    drift = moved(stands, told, prepared)
    number = stands.versions.get("champion")
    if asked.if_drifted and drift and not drift.found:
        return Outcome(task.name, KEPT, drift.words, number, drift=drift, seconds=time.monotonic() - begun)
    record = train_on(prepared, asked.settings)
    say(f"{task.name}: judging")
    waived = waivers(store.uri, store.name)
    found = review(record, prepared, stands, told=told, margins=asked.margins, waived=waived, wanted=asked.wanted)
    verdict = found.verdict
    result = Outcome(task.name, KEPT, verdict.words, number, drift=drift, checks=verdict.checks)
    unnamed = _judge_visitors(record, asked)
    if unnamed and not unnamed.passed and not Registry(store.uri).answers(visitors_name(store.name)):
        record = noted(replace(record, visitors=None), f"no model of visitors: it was {unnamed.words}")
    if asked.dry_run:
        result = replace(result, outcome=DRY if verdict.passed else KEPT)
    elif number is None and not verdict.passed:
        raise RetrainError(f"there is no champion, and the first model was {verdict.words}")
    else:
        result = _kept(result, record, found, store, unnamed)
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


def _judge_visitors(record: TrainRecord, asked: Asked) -> Verdict | None:
    """Of the model of those without a name, alone where its champion cannot be read; ``None`` where there is none."""
    if record.visitors is None:
        return None
    name, registry = visitors_name(asked.store.name), Registry(asked.store.uri)
    try:
        old = bundle.load(registry.champion(name).path) if registry.answers(name) else None
    except bundle.BundleError as error:  # nobody can answer with it either
        asked.settings.progress(f"visitors: not compared with their champion: {error}")
        old = None
    verdict = judged_visitors(record.visitors, old, asked.margins)
    return verdict.waiving(waivers(asked.store.uri, name))


def _kept(result: Outcome, record: TrainRecord, found: Review, store: Store, unnamed: Verdict | None) -> Outcome:
    """Registered, judged, and promoted where nothing speaks against it."""
    before, registry = result.champion, Registry(store.uri)
    record = keep(record, store, found, JOB)
    assert record.version is not None
    if record.visitors and record.visitors.version and unnamed:
        result = replace(result, visitors=_kept_visitors(record.visitors.version, unnamed, store))
    again = read_back(record, bundle.load(registry.files(store.name, record.version)))
    verdict = Verdict((*found.verdict.checks, again))
    registry.judge(store.name, record.version, verdict.words)
    result = replace(result, why=verdict.words, version=record.version, run_id=record.run_id, checks=verdict.checks)
    if not verdict.passed:
        return result
    if before is not None:
        registry.promote(store.name, record.version, who=store.who, why=f"retrain: {verdict.words}")
    return replace(result, outcome=PROMOTED, champion=record.version)


def _kept_visitors(version: int, verdict: Verdict, store: Store) -> str:
    """Judged, and promoted where it passed and did not already answer as the first; what became of it, in words."""
    name, registry = visitors_name(store.name), Registry(store.uri)
    registry.judge(name, version, verdict.words)
    if verdict.passed and registry.champion(name).version != version:
        registry.promote(name, version, who=store.who, why=f"retrain: {verdict.words}")
    return f"version {version} {PROMOTED if verdict.passed else KEPT}: {verdict.words}"
