"""A search as it is kept: an Optuna study in a SQLite file, one study per thing searched, one file per model."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import OptunaError
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial
from sqlalchemy.exc import SQLAlchemyError

from models.hazard import Params
from training.fit import Settings
from training.tuning.measure import Measure

SPACE: Mapping[str, IntDistribution | FloatDistribution] = {
    "num_leaves": IntDistribution(4, 128, log=True),
    "learning_rate": FloatDistribution(0.02, 0.2, log=True),
    "min_child_samples": IntDistribution(10, 500, log=True),
    "lambda_l2": FloatDistribution(0.01, 100.0, log=True),
    "feature_fraction": FloatDistribution(0.3, 1.0),
}
RUN = "run"
"""The study's attribute that names the MLflow run of the last call."""


class TuneError(ValueError):
    """A search that cannot be made, or a file of tuned parameters that cannot be used; the message says why."""


@dataclass(frozen=True)
class Result:
    """One trial: mean log-loss over labels and horizons, the share of the default's loss it saves, and the standard
    error of that.
    """

    number: int
    params: Mapping[str, float]
    loss: float
    gain: float
    gain_error: float


@contextmanager
def database(path: Path) -> Iterator[RDBStorage]:
    """The file's studies; `TuneError` where it is none, or cannot be written any more."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        storage = RDBStorage(f"sqlite:///{path}")
    except (SQLAlchemyError, OptunaError, RuntimeError) as error:
        raise TuneError(f"the search in {path} cannot be read: move it away, and a new one begins ({error})") from None
    try:
        yield storage
    except (SQLAlchemyError, OptunaError) as error:
        raise TuneError(f"the search in {path} cannot be kept: {error}") from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def left_open(storage: RDBStorage) -> list[str]:
    """The MLflow runs of former calls, after the trials that a killed one left running were given up.

    Nobody else may be searching (`training.alone`).
    """
    runs = []
    for study in _studies(storage):
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        runs += [str(study.user_attrs[RUN])] if RUN in study.user_attrs else []
    return runs


def key_of(measure: Measure, default: np.ndarray, settings: Settings) -> str:
    """What was searched, in 16 letters: another lake, task, seed or space has another key, and so has other code, as
    soon as the ``default`` has other losses.
    """
    data = measure.later
    space = {name: repr(distribution) for name, distribution in SPACE.items()}
    losses = {cell: f"{loss:.6g}" for cell, loss in measure.means(default).items()}
    what = (data.fingerprint, data.task, data.features, measure.known.seen, data.seen)
    how = (space, settings.seed, settings.params, losses)
    return hashlib.sha256(repr((what, how)).encode()).hexdigest()[:16]


def open_study(storage: RDBStorage, key: str, seed: int, *, fresh: bool) -> tuple[Study, Study | None]:
    """The study of that name, empty where it is new or to be ``fresh``, and the one begun last under another name."""
    others = [study for study in _studies(storage) if study.study_name != key]
    if fresh and len(others) < len(storage.get_all_studies()):
        optuna.delete_study(study_name=key, storage=storage)
    study = optuna.create_study(storage=storage, study_name=key, load_if_exists=True)
    # Whoever goes on with the same seed would draw the same trials again.
    state = np.random.SeedSequence([seed, len(study.trials)]).generate_state(1)
    study.sampler = TPESampler(seed=int(state[0]))
    return study, others[-1] if others else None


def begin(study: Study, default: Params, loss: float, other: Study | None) -> None:
    """Make the default trial 0, and what was best in another study the first to be tried."""
    values = searched(default)
    study.add_trial(create_trial(params=values, distributions=dict(SPACE), value=1.0, user_attrs=_told(loss, 0.0)))
    if other and (done := results(other)):
        study.enqueue_trial(dict(max(done, key=lambda result: result.gain).params))


def ask(study: Study, default: Params) -> tuple[Trial, Params]:
    """The next trial and what to fit with."""
    trial = study.ask(dict(SPACE))
    return trial, replace(default, **trial.params)


def tell(study: Study, trial: Trial, loss: float, gain: float, gain_error: float) -> None:
    """Keep what a trial came to."""
    for name, value in _told(loss, gain_error).items():
        trial.set_user_attr(name, value)
    study.tell(trial, 1.0 - gain)


def give_up(study: Study, trial: Trial) -> None:
    """A trial that broke off does not count."""
    study.tell(trial, state=TrialState.FAIL)


def results(study: Study) -> list[Result]:
    """Every completed trial, in order; the default is the first."""
    return [_result(trial) for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]


def importances(study: Study) -> dict[str, float]:
    """Parameter -> its share of the variance of the loss (fANOVA: Hutter, Hoos & Leyton-Brown 2014), the largest first;
    empty where there are too few trials to tell.
    """
    values = [result.gain for result in results(study)]
    if len(values) < 10 or np.ptp(values) == 0:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def searched(params: Params) -> dict[str, float]:
    """The values of what is searched for."""
    return {name: value for name, value in asdict(params).items() if name in SPACE}


def _studies(storage: RDBStorage) -> list[Study]:
    return [optuna.load_study(study_name=held.study_name, storage=storage) for held in storage.get_all_studies()]


def _told(loss: float, gain_error: float) -> dict[str, float]:
    return {"log_loss": loss, "gain_error": gain_error}


def _result(trial: FrozenTrial) -> Result:
    assert trial.value is not None
    told = trial.user_attrs
    return Result(trial.number, trial.params, told["log_loss"], 1.0 - trial.value, told["gain_error"])
