"""Commands that make models."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    emit,
    home,
    micros,
    narrator,
    out,
    progress,
    say,
    tracking_uri,
)
from commands.reviewing import TunedOption, params, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from features.history import History
    from training.run import TrainRecord

DateOption = Annotated[str | None, typer.Option(help="A date, or an instant with its zone.")]


def train(
    task: Annotated[str, typer.Argument(help="churn, needs, or a task of the workspace.")],
    workspace: WorkspaceOption = None,
    train_from: DateOption = None,
    train_to: Annotated[
        str | None, typer.Option(help="The training instant T: cutoffs before it, labels known by it.")
    ] = None,
    labels_known_by: Annotated[
        str | None, typer.Option(help="Let labels be known later than T: a retrospective analysis, marked as such.")
    ] = None,
    test_from: Annotated[str | None, typer.Option(help="Test cutoffs from here; default: T.")] = None,
    test_to: Annotated[str | None, typer.Option(help="Test cutoffs before this.")] = None,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also show what history adds to the own fields.")] = False,
    visitors: Annotated[
        bool, typer.Option(help="Also fit the model of those nobody has a name for, where the workspace declares them.")
    ] = True,
    peers: Annotated[
        bool, typer.Option(help="Also fit one booster per horizon and logistic regression, to stand beside it.")
    ] = False,
    tuned: TunedOption = False,
    seed: int = 0,
    as_json: JsonOption = False,
) -> None:
    """Fit on cutoffs up to T with labels known by T, test on later ones, track and register in MLflow.

    Without dates the last two months whose outcomes are known are the test, and T is where they begin.
    """
    given = {"train-from": train_from, "train-to": train_to, "test-from": test_from, "test-to": test_to}
    known_by = micros(labels_known_by) if labels_known_by else None
    dates = {name: micros(text) if text else None for name, text in given.items()}
    place = Place.of(workspace)
    place.workspace.catalog.task(task)
    history = place.history()
    with progress() as bar:
        told = narrator(bar, task)
        record, ablation = fit(
            place, history, task, dates, known_by, ablate, seed, told, visitors, peers=peers, tuned=tuned
        )
    show(record, ablation, as_json)


def fit(
    place: Place,
    history: "History",
    name: str,
    dates: dict[str, int | None],
    known_by: int | None = None,
    ablate: bool = False,
    seed: int = 0,
    progress: "Callable[[str], None]" = lambda words: None,
    visitors: bool = True,
    peers: bool = False,
    tuned: bool = False,
) -> "tuple[TrainRecord, pd.DataFrame | None]":
    """Fit, test, track and register a task; with ``visitors`` also their model; with ``ablate`` what history adds.

    ``dates`` maps the options' names to UTC microseconds or ``None``.
    """
    from models.bundle import BundleError
    from models.registry import RegistryError
    from models.waivers import waivers
    from training import evaluate
    from training.fit import Settings
    from training.prepare import Standing, prepare, standing
    from training.review import review
    from training.run import noted, train_on
    from training.split import windows
    from training.store import open_store
    from training.track import keep

    task = place.workspace.catalog.task(name)
    split = windows(task, history.start, history.end, **{k.replace("-", "_"): v for k, v in dates.items()})
    store = open_store(tracking_uri(), str(home() / "mlartifacts"), place.workspace.model_name(name))
    settings = Settings(seed=seed, progress=progress, params=params(store.name, tuned))
    beside = wanted(place, name, peers)
    stands, gone = Standing(), None
    try:
        stands = standing(store)
    except (RegistryError, BundleError) as error:  # a new model can be made without it, though not judged beside it
        gone = f"not compared with the champion: {error}"
    prepared = prepare(
        history,
        task,
        split,
        stands.models.values(),
        known_by=known_by,
        visitors=visitors,
        more=beside.columns,
        progress=progress,
    )
    record = train_on(prepared, settings)
    record = noted(record, gone) if gone else record
    ablation = None
    if ablate:
        ablation = evaluate.ablation(record.train, record.test, evaluate.history_subsets(record.train), settings)
    found = review(record, prepared, stands, waived=waivers(store.uri, store.name), wanted=beside)
    return keep(record, store, found), ablation


def show(record: "TrainRecord", ablation: "pd.DataFrame | None", as_json: bool) -> None:
    """The figures as a table, notes and what to do next; with ``as_json`` one JSON object last on stdout."""
    summary = record.summary()
    console = say if as_json else out
    table = Table("label", "horizon", *_FIGURES)
    for row in record.detail.to_dict(orient="records"):
        table.add_row(row["label"], row["horizon"], *[f"{row[name]:,.4g}" for name in _FIGURES])
    console.print(table)
    if ablation is not None:
        shown = ablation[["subset", "features", *_FIGURES[2:]]]
        console.print(shown.to_string(index=False, float_format="%.4f"))
        summary["ablation"] = json.loads(ablation.to_json(orient="records"))
    for note in record.headline.get("notes", ()):  # type: ignore[attr-defined]
        console.print(f"note: {note}")
    if summary["objected"]:
        console.print(f"note: {summary['objected']:,} cutoffs were left out because they object to profiling")
    if record.retrospective:
        console.print("[yellow]retrospective[/yellow]: trained with labels that were not yet known at T")
    champion = "the champion" if record.champion else "registered; the champion stays what it was"
    if record.visitors:
        console.print(_visitors(record.visitors.summary()))
    console.print(f"'{summary['task']}' version {record.version}: {champion}. Review it with `tieline ui`.")
    if as_json:
        emit(summary)


def _visitors(summary: "Mapping[str, object]") -> str:
    figures = ", ".join(
        f"{name.replace('_', ' ')} {value:.3f}"
        for name in ("auc", "observed_expected")
        if isinstance(value := summary[name], float)
    )
    return f"visitors, given a customer: {figures or 'no figures'}, on {summary['rows']:,} later visits soon named"


_FIGURES = ("rows", "events", "auc", "average_precision", "brier", "calibration_error", "observed_expected")
