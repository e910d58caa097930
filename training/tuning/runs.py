"""A search in MLflow: one run per call, a run nested in it per trial."""

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.time import get_current_time_millis
from optuna.study import Study

from models.registry import RegistryError, speaking
from training.store import Store
from training.tuning.plots import draw
from training.tuning.study import Result, importances, results

JOB = {"tieline.job": "tune"}
PARENT = "mlflow.parentRunId"


@dataclass(frozen=True)
class Runs:
    """The run of a call and its store."""

    store: Store
    run_id: str

    @classmethod
    def begin(cls, store: Store, name: str, params: Mapping[str, object], tags: Mapping[str, str]) -> "Runs":
        """A run that stands for the whole call."""
        with speaking(store.uri):
            run = store.client.create_run(
                store.experiment, run_name=name, tags={**tags, **JOB, "mlflow.user": store.who}
            )
            _log(store, run.info.run_id, params, {})
        return cls(store, str(run.info.run_id))

    def trial(self, result: Result, more: Mapping[str, float], seconds: float) -> None:
        """A trial that is over, as a run nested in this one."""
        now = get_current_time_millis()
        figures = {"gain": result.gain, "gain_error": result.gain_error, "log_loss": result.loss, **more}
        with speaking(self.store.uri):
            run = self.store.client.create_run(
                self.store.experiment,
                run_name=f"trial {result.number}",
                start_time=now - int(1000 * seconds),
                tags={PARENT: self.run_id, **JOB, "mlflow.user": self.store.who},
            )
            _log(self.store, run.info.run_id, result.params, figures)
            self.store.client.set_terminated(run.info.run_id)
            self.store.client.log_metric(self.run_id, "trial_gain", result.gain, now, result.number)

    def end(
        self,
        study: Study,
        words: str,
        file: Path,
        params: Mapping[str, object],
        figures: Mapping[str, float],
        *,
        interrupted: bool,
    ) -> None:
        """Close the run with what came of the search in ``words``, its ``file`` and its history drawn."""
        important = importances(study)
        more = {f"importance.{name}": share for name, share in important.items()}
        with speaking(self.store.uri), tempfile.TemporaryDirectory() as scratch:
            picture = draw(results(study), important, f"{self.store.name}: {words}", Path(scratch) / "history.png")
            self.store.client.log_artifact(self.run_id, str(picture))
            self.store.client.log_artifact(self.run_id, str(file))
            _log(self.store, self.run_id, params, {**figures, **more})
            self.store.client.set_tag(self.run_id, "mlflow.note.content", words)
            self.store.client.set_terminated(self.run_id, status="KILLED" if interrupted else "FINISHED")

    def fail(self) -> None:
        """Close the run of a search that broke off, where the store still answers."""
        with suppress(MlflowException, RegistryError):
            self.store.client.set_terminated(self.run_id, status="FAILED")


def close(store: Store, run_ids: Iterable[str]) -> None:
    """Mark as killed which of these runs, and of those nested in them, are still running."""
    known = set(run_ids)
    with speaking(store.uri):
        said = f"tags.`tieline.job` = '{JOB['tieline.job']}' and attributes.status = 'RUNNING'"
        for run in store.client.search_runs([store.experiment], said):
            if known & {run.info.run_id, run.data.tags.get(PARENT)}:
                store.client.set_terminated(run.info.run_id, status="KILLED")


def _log(store: Store, run_id: str, params: Mapping[str, object], figures: Mapping[str, float]) -> None:
    now = get_current_time_millis()
    store.client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, 0) for name, value in figures.items()],
        params=[Param(name, str(value)) for name, value in params.items()],
        tags=[RunTag("mlflow.source.name", "tieline tune")],
    )
