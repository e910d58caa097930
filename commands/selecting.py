"""The command that finds few variables."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    check_suffix,
    emit,
    home,
    narrator,
    out,
    progress,
    say,
    tracking_uri,
)

_PICTURES = (".png", ".svg", ".pdf")
_LATER_DAYS = 61
"""Before the training instant: the cutoffs a selection is judged on."""


def select(
    tasks: Annotated[list[str] | None, typer.Argument(help="The tasks that share the variables; default: all.")] = None,
    workspace: WorkspaceOption = None,
    budget: Annotated[int, typer.Option(min=1, help="How many variables all models together may read.")] = 40,
    plot: Annotated[Path | None, typer.Option(help="A picture of the curve (.png, .svg or .pdf).")] = None,
    seed: int = 0,
    as_json: JsonOption = False,
) -> None:
    """Which of all candidate features the models need, and what quality each number of them gives.

    Fits and judges on cutoffs before those `tieline train` tests on. Nothing is changed: put the names it prints where
    the catalogue says what its tasks read. The curve and the costs are kept as a run in MLflow.
    """
    check_suffix(plot, _PICTURES, "--plot")
    from features.conditions import DAY
    from features.dataset import build
    from features.told.asked import chosen
    from training import select as selection
    from training.fit import Settings
    from training.select_track import keep
    from training.split import windows
    from training.store import open_store

    place = Place.of(workspace)
    catalog = place.workspace.catalog
    declared = [catalog.task(name) for name in tasks or [task.name for task in catalog.tasks]]
    store = open_store(tracking_uri(), str(home() / "mlartifacts"), place.workspace.model_name("selection"))
    history, pairs = place.history(), []
    with progress() as bar:
        told = narrator(bar, "select")
        for task in declared:
            told(f"{task.name}: all candidates")
            split = windows(task, history.start, history.end)
            middle = split.train_to - _LATER_DAYS * DAY
            features = chosen(catalog, None, task.entity)
            pairs.append(
                (
                    build(history, task, split.train_from, middle, middle, features),
                    build(history, task, middle, split.train_to, split.train_to, features),
                )
            )
        found = selection.choose(pairs, Settings(seed=seed, progress=told), budget=budget)
        run_id = keep(found, store, [task.name for task in declared], history.fingerprint)
    console = say if as_json else out
    curve = Table("task", "variables", "horizon", "auc", "brier", "observed / expected")
    for row in found.curve.to_dict(orient="records"):
        figures = (f"{row[name]:.4f}" for name in ("auc", "brier", "observed_expected"))
        curve.add_row(row["task"], str(row["variables"]), str(row["horizon"]), *figures)
    console.print(curve)
    kept = Table("variable", "share of gain", "area lost when shuffled")
    for name in found.kept:
        kept.add_row(name, f"{found.gains[name]:.1%}", f"{found.lost[name]:+.4f}")
    console.print(kept)
    console.print(f"{len(found.twins)} twins left for a column that ranks everybody alike")
    console.print(f"kept in MLflow: experiment '{store.name}', run {run_id}")
    if plot:
        from training.select_plots import draw

        console.print(f"drawn: {draw(found, plot)}", soft_wrap=True, highlight=False)
    if as_json:
        said = {"kept": found.kept, "gains": found.gains, "lost": found.lost, "twins": found.twins}
        emit(said | {"run_id": run_id, "curve": json.loads(found.curve.to_json(orient="records"))})
