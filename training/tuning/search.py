"""How boosters are grown, searched for: tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for
Hyper-Parameter Optimization"), beginning with what is grown untuned.

A search that is asked for again goes on where it was. The best is proposed only where it beats the default by more than
chance gives: the least of many losses measured on the same rows is low by luck as well.
"""

import json
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from optuna.study import Study

from features import durable
from features.dataset import Dataset
from models.hazard import Params
from training.alone import alone
from training.fit import Settings, instant
from training.store import Store
from training.tuning import study as studies
from training.tuning.measure import Measure
from training.tuning.runs import Runs, close
from training.tuning.study import SPACE, TuneError, searched

SURE = 2.0
"""How many standard errors the best must gain over the default to be proposed."""


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    ``params``: what it proposes, the default where the ``best`` is not surely better; ``gain``: the share of the
    default's loss the best saves, with its standard error; ``loss``, ``default_loss``: mean log-loss over labels and
    horizons; ``trials``: completed in all; ``made``: in this call; ``resumed``: an earlier call had begun it;
    ``replaced``: one had, but with another lake, task or seed; ``path``: the file `tuned` reads.
    """

    name: str
    params: Params
    best: Params
    gain: float
    gain_error: float
    loss: float
    default_loss: float
    trials: int
    made: int
    resumed: bool
    run_id: str
    path: Path
    replaced: bool = False
    interrupted: bool = False
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """One sentence."""
        if self.gain <= 0:
            return f"none of {self.trials} trials is better than the default"
        said = f"the best of {self.trials} trials saves {self.gain:.2%} ± {self.gain_error:.2%} of the default's loss"
        return said if self.params == self.best else f"{said}, no more than chance gives: the default stays"


@dataclass(frozen=True)
class _Search:
    """A study at work: what it is measured by, the losses of the default, where its runs go."""

    study: Study
    measure: Measure
    settings: Settings
    default: np.ndarray
    runs: Runs


def tune(
    known: Dataset,
    later: Dataset,
    store: Store,
    folder: Path,
    settings: Settings | None = None,
    *,
    minutes: float = 10.0,
    trials: int | None = None,
    fresh: bool = False,
) -> Tuned:
    """Search on for ``minutes``, or for ``trials`` more if these are done before, and keep what came of it.

    ``known``: pairs before the inner instant M with labels known by M; ``later``: pairs before T, labels known by T
    (see `training.tuning.measure`). The search is kept as ``folder/<store.name>.db``, what it proposes beside it as
    ``.json``, its trials as runs nested in one run of ``store``. ``fresh`` forgets the same search. The time is looked
    at between trials, and a call makes one at least; an interrupt ends it and keeps what was done.

    Raises `TuneError`, `training.alone.BusyError` while somebody else searches for the same model, and what fitting
    and the store raise.
    """
    settings, begun = settings or Settings(), time.monotonic()
    _check(minutes, trials)
    durable.make_directory(folder)
    with alone(folder / f"tune-{store.name}.lock"), studies.database(folder / f"{store.name}.db") as storage:
        close(store, studies.left_open(storage))
        measure = Measure.of(known, later, settings.seed)
        default = measure.losses(_telling(settings, "the default"))
        seconds = time.monotonic() - begun
        key = studies.key_of(measure, default, settings)
        study, other = studies.open_study(storage, key, settings.seed, fresh=fresh)
        start = len(study.trials)
        search = _Search(study, measure, settings, default, _begin_run(store, measure, settings, study))
        try:
            if not start:
                studies.begin(study, settings.params, _mean(measure, default), other)
                _track(search, default, seconds)
            more = math.inf if trials is None else trials - (not start)
            interrupted = _go_on(search, begun + 60 * minutes, more, least=int(bool(start)))
            found = replace(
                _found(search, folder / f"{store.name}.json", start),
                replaced=not start and other is not None,
                interrupted=interrupted,
                seconds=time.monotonic() - begun,
            )
            _keep(found, search)
        except BaseException:
            search.runs.fail()
            raise
    return found


def tuned(folder: Path, name: str) -> Params | None:
    """What the last search for the model ``name`` kept in ``folder`` proposes; ``None`` where there was none.

    What is not searched for stays as it is in `models.hazard.Params`. Raises `TuneError`, naming the file, for a
    parameter that is not searched for or a value outside its range.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    try:
        held = json.loads(path.read_bytes())
    except ValueError as error:
        raise TuneError(f"{path} is not JSON ({error}): tune anew, or delete it") from None
    params = held.get("params") if isinstance(held, dict) else None
    if not isinstance(params, dict):
        raise TuneError(f"{path} holds no 'params': tune anew, or delete it")
    for parameter, value in params.items():
        _check_value(path, parameter, value)
    return replace(Params(), **params)


def _check(minutes: float, trials: int | None) -> None:
    if not (math.isfinite(minutes) and minutes > 0):
        raise TuneError(f"{minutes:g} minutes are no time to search in: give more than 0")
    if trials is not None and trials < 1:
        raise TuneError(f"{trials} trials are no search: give at least 1")


def _check_value(path: Path, name: str, value: object) -> None:
    if name not in SPACE:
        raise TuneError(f"{path}: '{name}' is not searched for; known are {', '.join(SPACE)}")
    space = SPACE[name]
    whole = isinstance(space.low, int)
    number = isinstance(value, int | float) and not isinstance(value, bool) and (isinstance(value, int) or not whole)
    if not number or not space.low <= value <= space.high:  # type: ignore[operator]
        kind = "a whole number" if whole else "a number"
        raise TuneError(f"{path}: {name} is {json.dumps(value)}, not {kind} from {space.low:g} to {space.high:g}")


def _go_on(search: _Search, until: float, most: float, least: int) -> bool:
    """Trial after trial; whether somebody interrupted."""
    made = 0
    try:
        while made < least or (made < most and time.monotonic() < until):
            _one(search, until)
            made += 1
    except KeyboardInterrupt:
        close(search.runs.store, [search.runs.run_id])
        return True
    return False


def _one(search: _Search, until: float) -> None:
    begun, best = time.monotonic(), max(result.gain for result in studies.results(search.study))
    left = max(0.0, until - begun) / 60
    trial, params = studies.ask(search.study, search.settings.params)
    told = f"trial {trial.number}, {left:.1f} minutes left, {best:.2%} saved so far"
    try:
        losses = search.measure.losses(_telling(replace(search.settings, params=params), told))
    except BaseException:
        studies.give_up(search.study, trial)
        raise
    gain, error = search.measure.gain(losses, search.default)
    studies.tell(search.study, trial, _mean(search.measure, losses), gain, error)
    _track(search, losses, time.monotonic() - begun)


def _track(search: _Search, losses: np.ndarray, seconds: float) -> None:
    """The trial that was told last, as a run."""
    cells = {f"log_loss.{label}.{horizon}": loss for (label, horizon), loss in search.measure.means(losses).items()}
    search.runs.trial(studies.results(search.study)[-1], cells, seconds)


def _begin_run(store: Store, measure: Measure, settings: Settings, study: Study) -> Runs:
    params = {
        "seed": settings.seed,
        "features": len(measure.later.features),
        "pairs": len(measure.later.entity),
        "answers_judged": int(measure.judged.sum()),
        "fitted_with_labels_known_by": instant(measure.known.seen),
        "judged_with_labels_known_by": instant(measure.later.seen),
    }
    tags = {"task": measure.later.task.name, "lake_fingerprint": measure.later.fingerprint, "study": study.study_name}
    runs = Runs.begin(store, f"tune {store.name} {instant(measure.later.seen)}", params, tags)
    study.set_user_attr(studies.RUN, runs.run_id)
    return runs


def _found(search: _Search, path: Path, start: int) -> Tuned:
    results, base = studies.results(search.study), search.settings.params
    best = max(results, key=lambda result: result.gain)
    params = replace(base, **best.params)  # type: ignore[arg-type]
    return Tuned(
        name=search.runs.store.name,
        params=params if best.gain > SURE * best.gain_error else base,
        best=params,
        gain=best.gain,
        gain_error=best.gain_error,
        loss=best.loss,
        default_loss=results[0].loss,
        trials=len(results),
        made=sum(result.number >= start for result in results),
        resumed=bool(start),
        run_id=search.runs.run_id,
        path=path,
    )


def _keep(found: Tuned, search: _Search) -> None:
    """The file that `tuned` reads, and the end of the run."""
    data = search.measure.later
    kept = {"params": searched(found.params), "best": searched(found.best)}
    figures = {
        "gain": found.gain,
        "gain_error": found.gain_error,
        "log_loss": found.loss,
        "default_log_loss": found.default_loss,
        "trials": found.trials,
    }
    told = {
        "task": data.task.name,
        "words": found.words,
        "labels_known_by": instant(data.seen),
        "lake_fingerprint": data.fingerprint,
        "run_id": found.run_id,
    }
    durable.replace(json.dumps({**told, **figures, **kept}, indent=2).encode(), found.path)
    params = {f"{kind}.{name}": value for kind, values in kept.items() for name, value in values.items()}
    search.runs.end(search.study, found.words, found.path, params, figures, interrupted=found.interrupted)


def _mean(measure: Measure, losses: np.ndarray) -> float:
    return float(np.mean(list(measure.means(losses).values())))


def _telling(settings: Settings, words: str) -> Settings:
    return replace(settings, progress=lambda more: settings.progress(f"{words}: {more}"))
