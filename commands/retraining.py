"""The command a scheduler runs every night."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.common import Place, WorkspaceOption, emit, home, narrator, progress, say, tracking_uri
from commands.reviewing import TunedOption, params, wanted

if TYPE_CHECKING:
    from training.retrain import Outcome

BUSY = 75
"""EX_TEMPFAIL: try again later."""


def retrain(
    task: Annotated[str, typer.Argument(help="churn, needs, or a task of the workspace.")] = "churn",
    workspace: WorkspaceOption = None,
    if_drifted: Annotated[bool, typer.Option("--if-drifted", help="Only where columns or outcomes moved.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Train and judge, but keep nothing.")] = False,
    tuned: TunedOption = False,
    seed: int = 0,
) -> None:
    """Train on all that is known by now, judge beside the champion, promote or keep.

    The last line of stdout is one JSON object. Exit 0: promoted or kept; 75: another retraining holds the lock; 1: it
    failed, and whoever was champion still is.
    """
    from training.alone import BusyError, alone

    place = Place.of(workspace)
    name = place.workspace.model_name(task)
    try:
        with alone(home() / "locks" / f"retrain-{name}.lock"), progress() as bar:
            outcome = _run(place, task, narrator(bar, task), if_drifted, dry_run, tuned, seed)
    except BusyError as error:
        emit({"task": task, "outcome": "busy", "why": str(error)})
        raise typer.Exit(BUSY) from None
    except Exception as error:
        emit({"task": task, "outcome": "failed", "why": str(error)})
        raise
    for check in outcome.checks:
        say.print(
            f"{'passed' if check.passed else 'REFUSED'}  {check.name}: {check.words}", markup=False, soft_wrap=True
        )
    if outcome.drift:
        say.print(f"drift: {outcome.drift.words}", markup=False, soft_wrap=True)
    if outcome.visitors:
        say.print(f"visitors: {outcome.visitors}", markup=False, soft_wrap=True)
    say.print(f"'{name}': {outcome.outcome}, {outcome.why}", markup=False, soft_wrap=True)
    emit(asdict(outcome))


def _run(place: Place, task: str, told: Any, if_drifted: bool, dry_run: bool, tuned: bool, seed: int) -> "Outcome":
    from training.fit import Settings
    from training.retrain import Asked
    from training.retrain import retrain as run
    from training.store import open_store

    declared = place.workspace.catalog.task(task)
    store = open_store(tracking_uri(), str(home() / "mlartifacts"), place.workspace.model_name(task))
    settings = Settings(seed=seed, progress=told, params=params(store.name, tuned))
    beside = wanted(place, task, peers=False)
    return run(Asked(place.history(), declared, store, settings, if_drifted=if_drifted, dry_run=dry_run, wanted=beside))
