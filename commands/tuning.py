"""The command that searches for how boosters are grown."""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    emit,
    fail,
    home,
    narrator,
    out,
    progress,
    say,
    tracking_uri,
)
from commands.retraining import BUSY

if TYPE_CHECKING:
    from training.tuning.search import Tuned

INTERRUPTED = 130
"""What shells say of SIGINT."""


def tune(
    task: Annotated[str, typer.Argument(help="churn, needs, or a task of the workspace.")],
    workspace: WorkspaceOption = None,
    minutes: Annotated[float, typer.Option(help="How long to search; looked at between trials.")] = 10.0,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Stop after as many more; default: when time is up.")
    ] = None,
    seed: int = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the same search, and begin it anew.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search for how to grow the task's boosters; asked again, go on where the search was.

    Looks only at cutoffs and labels `tieline train` trains on, never at its test. Trial 0 is the default, and stays
    where nothing is better by more than chance. Ctrl-C keeps what was done. Exit 0: searched; 130: interrupted; 75:
    another search for the same model runs; 1: it failed.
    """
    if not (math.isfinite(minutes) and minutes > 0):
        raise typer.BadParameter(f"{minutes:g} is no time to search in: give more than 0", param_hint="--minutes")
    from training.alone import BusyError

    place = Place.of(workspace)
    try:
        with progress() as bar:
            found = _run(place, task, narrator(bar, task), minutes, trials, seed, fresh)
    except BusyError as error:
        say.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(BUSY) from None
    _show(found, as_json)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _run(place: Place, name: str, told: Any, minutes: float, trials: int | None, seed: int, fresh: bool) -> "Tuned":
    from features.dataset import build
    from training.fit import Settings
    from training.split import windows
    from training.store import open_store
    from training.tuning.measure import HELD_DAYS, held_from
    from training.tuning.search import tune as search

    task = place.workspace.catalog.task(name)
    store = open_store(tracking_uri(), str(home() / "mlartifacts"), place.workspace.model_name(name))
    history = place.history()
    split = windows(task, history.start, history.end)
    inner = held_from(split.train_to)
    if inner <= split.train_from:
        fail(f"task '{name}': tuning holds out the last {HELD_DAYS} days that train, and there are no more: load more")
    told(f"{name}: features and labels")
    known = build(history, task, split.train_from, inner, inner)
    later = build(history, task, split.train_from, split.train_to, split.train_to)
    settings = Settings(seed=seed, progress=lambda words: told(f"{name}: {words}"))
    return search(known, later, store, home() / "tuning", settings, minutes=minutes, trials=trials, fresh=fresh)


def _show(found: "Tuned", as_json: bool) -> None:
    from models.hazard import Params
    from training.tuning.study import searched

    console = say if as_json else out
    if found.replaced:
        console.print("the last search was for another lake, task or seed: a new one began, with its best tried first")
    table = Table("parameter", "default", "best")
    default, best = searched(Params()), searched(found.best)
    for name, value in default.items():
        table.add_row(name, f"{value:.4g}", f"{best[name]:.4g}")
    table.add_row("log-loss, held out", f"{found.default_loss:.5f}", f"{found.loss:.5f}")
    console.print(table)
    went = "resumed" if found.resumed else "begun"
    console.print(f"{went}; trials: {found.made} in {found.seconds / 60:.1f} minutes, {found.trials} in all")
    console.print(f"'{found.name}': {found.words}", soft_wrap=True)
    console.print(f"kept in {found.path}", soft_wrap=True, highlight=False)
    if found.interrupted:
        console.print("interrupted: what was done is kept; ask again to go on")
    if as_json:
        emit(_said(found))


def _said(found: "Tuned") -> dict[str, object]:
    from dataclasses import asdict

    from training.tuning.study import searched

    kept = {"params": searched(found.params), "best": searched(found.best), "path": str(found.path)}
    return {**asdict(found), **kept, "words": found.words}
