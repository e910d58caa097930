"""tieline: customer need and churn prediction for telecom operators.

The command line (``tieline --help``), and for notebooks the public names: ``import tieline; tieline.Lake(...)``.
Commands import their layer when they run, so that ``--help`` is instant.
"""

import importlib
import json
import os
import sys
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from features.history import History
    from features.identity.keys import KeyRing
    from features.lake import Lake, Receipt
    from features.workspace import Workspace
    from serving.schemas import DecisionAnswer, FactAnswer
    from training.run import TrainRecord

_PUBLIC = {
    "Lake": "features.lake",
    "History": "features.history",
    "KeyRing": "features.identity.keys",
    "load_secret": "features.identity.keys",
    "Feature": "features.declare",
    "Task": "features.declare",
    "Catalog": "features.declare",
    "build": "features.dataset",
    "load_workspace": "features.workspace",
    "simulate": "features.simulator",
    "deliver": "features.simulator.deliver",
    "windows": "training.split",
    "Engine": "serving.engine",
    "append_facts": "features.ingest",
    "ingest": "features.ingest",
    "check_source": "features.ingest",
    "train": "training.run",
    "track": "training.run",
    "Registry": "models.registry",
}
_OURS = {"features", "models", "training", "serving"}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
say = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
out = Console(width=None if sys.stdout.isatty() else 140)

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", help="A folder with catalog.py and sql/; default: the built-in telecom one."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="The last line of output is one JSON object.")]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'tieline' has no attribute '{name}'")


def home() -> Path:
    """Where all state lies: ``TIELINE_HOME``, or ``.tieline`` in the present folder."""
    return Path(os.environ.get("TIELINE_HOME", ".tieline")).resolve()


def tracking_uri() -> str:
    """The MLflow store: ``TIELINE_TRACKING_URI``, or a SQLite file in `home`."""
    return os.environ.get("TIELINE_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


@dataclass(frozen=True)
class Place:
    """What a command works on: a workspace with its lake and the secret behind its keys."""

    workspace: "Workspace"
    lake: "Lake"

    @classmethod
    def of(cls, folder: Path | None) -> "Place":
        """The workspace in a folder (``None``: the built-in one) with its lake under `home`."""
        from features.lake import Lake
        from features.workspace import load_workspace

        workspace = load_workspace(folder)
        return cls(workspace, Lake(workspace.lake_folder(home())))

    def keyring(self) -> "KeyRing":
        """Key names -> ids, by the secret of this home."""
        from features.identity.keys import KeyRing, load_secret

        return KeyRing(load_secret(home()))

    def history(self) -> "History":
        """Everything the lake holds; an error where it holds nothing."""
        from features.history import History

        snapshot = self.lake.snapshot()
        if not snapshot.files:
            fail(f"the lake of workspace '{self.workspace.name}' is empty: run `tieline ingest` or `tieline simulate`")
        return History.load(self.lake, self.workspace.catalog, snapshot)


def fail(message: str) -> NoReturn:
    """Say what is wrong and stop with exit code 1."""
    say.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def micros(text: str) -> int:
    """UTC microseconds of an ISO date or instant; a date is its UTC midnight, an instant needs its zone."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is not a date (2016-04-15) or an instant (2016-04-15T09:00+02:00)"
        ) from None
    if parsed.tzinfo is None:
        if len(text) > len("2016-04-15"):
            raise typer.BadParameter(f"'{text}' has no time zone: write for example {text}+00:00")
        parsed = parsed.replace(tzinfo=UTC)
    since = parsed - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def progress() -> Progress:
    """A spinner with words and elapsed time, on stderr, silent where that is no terminal."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=say, transient=True
    )


def _narrator(bar: Progress, name: str) -> "Callable[[str], None]":
    shown = bar.add_task(name, total=None)
    return lambda words: bar.update(shown, description=words)


def plain(value: Any) -> Any:
    """What JSON can say of a frozen record."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def emit(record: Any) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(record, default=plain) + "\n")


# --- facts in -----------------------------------------------------------------------------------------------------


@app.command("ingest")
def ingest_command(
    source: Annotated[
        str | None, typer.Argument(help="Which source; default: every sql/*.sql of the workspace.")
    ] = None,
    input: Annotated[
        Path | None, typer.Option("--input", help="The raw file: CSV, JSON lines or Parquet, also .gz.")
    ] = None,
    sql: Annotated[Path | None, typer.Option("--sql", help="A SELECT over the relation `input`.")] = None,
    workspace: WorkspaceOption = None,
    assume_delay: Annotated[
        str | None, typer.Option(help="known_at = at + this (such as 1h), where the feed does not say it.")
    ] = None,
    max_quarantined: Annotated[int, typer.Option(help="Exit 1 when more rows than this are refused.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Raw rows -> facts, by the user's SQL. Good rows are kept; refused ones go to quarantine with the reason."""
    from features.ingest import ingest as run

    place = Place.of(workspace)
    if input is None:
        fail("--input FILE is missing: which raw file?")
    if sql is not None and source is None:
        fail("--sql needs the source its rows are facts of: tieline ingest SOURCE --sql FILE --input FILE")
    files = place.workspace.sql_files if sql is None else {str(source): sql}
    if not files or (source is not None and source not in files):
        fail(f"workspace '{place.workspace.name}' has no sql/{source or '*'}.sql: name a source and give --sql FILE")
    receipts = []
    with progress() as bar:
        for name, path in files.items() if source is None else [(source, files[source])]:
            narrate = _narrator(bar, f"{name}: reading")
            receipts.append(
                run(
                    place.lake,
                    place.keyring(),
                    name,
                    path,
                    input,
                    key_types=place.workspace.catalog.key_types,
                    assume_delay=assume_delay,
                    progress=lambda rows, narrate=narrate, name=name: narrate(f"{name}: {rows:,} rows"),  # type: ignore[misc]
                )
            )
    _report(receipts, as_json)
    if sum(r.quarantined for r in receipts) > max_quarantined:
        fail("rows were quarantined; nothing is lost: see `tieline quarantine`, mend the SQL or the feed, ingest again")


def _report(receipts: "list[Receipt]", as_json: bool) -> None:
    counted = ("read", "kept", "already_known", "revised", "quarantined")
    table = Table("source", *[c.replace("_", " ") for c in counted], "lake version")
    for receipt in receipts:
        table.add_row(receipt.source, *[f"{getattr(receipt, c):,}" for c in counted], str(receipt.version))
    (say if as_json else out).print(table)
    if as_json:
        emit({r.source: asdict(r) for r in receipts})


@app.command("quarantine")
def quarantine_command(
    source: Annotated[str | None, typer.Argument(help="Only this source.")] = None,
    limit: Annotated[int, typer.Option(help="Rows to show.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The refused rows and why."""
    rows = Place.of(workspace).lake.quarantine()
    found = [r for r in rows.to_pylist() if source in (None, r["source"])]
    if as_json:
        emit({"rows": len(found), "first": found[:limit]})
        return
    table = Table("source", "row", "reason")
    for row in found[:limit]:
        table.add_row(row["source"], str(row.get("position") or ""), row["reason"])
    out.print(table)
    out.print(f"{len(found):,} rows in quarantine")


@app.command("check-source")
def check_source_command(
    source: Annotated[str, typer.Argument(help="Which source.")],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is wrong with a feed: rows a day, lag, gaps, keys that no other source knows."""
    from features.ingest import check_source as check

    report = check(Place.of(workspace).lake, source)
    if as_json:
        emit(report)
        return
    table = Table("of the feed", source)
    for name, value in asdict(report).items():
        table.add_row(name.replace("_", " "), _brief(value))
    out.print(table)


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    text = str(value)
    return text if len(text) < 400 else f"{text[:400]}... (whole with --json)"


@app.command("compact")
def compact_command(
    sources: Annotated[list[str] | None, typer.Argument(help="Which sources; default: all.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Rewrite facts sorted by key, so that they are read without sorting."""
    place = Place.of(workspace)
    with progress() as bar:
        bar.add_task("compacting", total=None)
        place.lake.compact(sources or None)
    out.print(f"compacted; the lake is at version {place.lake.snapshot().version}")


@app.command("simulate")
def simulate_command(
    customers: Annotated[int, typer.Option(min=1)] = 5_000,
    months: Annotated[int, typer.Option(min=1)] = 12,
    seed: int = 0,
    describe: Annotated[bool, typer.Option("--describe", help="Only say what the scenario is.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A telecom operator whose truth is known, as facts in the built-in workspace's lake."""
    from features import simulator

    if describe:
        emit(simulator.describe())
        return
    receipts = _simulate(Place.of(None), customers, months, seed)
    _report(receipts, as_json)
    if any(r.quarantined for r in receipts):
        fail("the lake already holds another simulation: set TIELINE_HOME to a new folder")


def _simulate(place: Place, customers: int, months: int, seed: int) -> "list[Receipt]":
    from features.simulator.deliver import deliver

    with progress() as bar:
        task = bar.add_task(f"simulating and storing {customers:,} customers", total=months)
        return deliver(
            place.lake,
            place.keyring(),
            place.workspace.catalog.key_types,
            customers,
            months,
            seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


# --- models --------------------------------------------------------------------------------------------------------

DateOption = Annotated[str | None, typer.Option(help="A date, or an instant with its zone.")]


@app.command("train")
def train_command(
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
        record, ablation = _train(place, history, task, dates, known_by, ablate, seed, _narrator(bar, task))
    _show_training(record, ablation, as_json)


def _train(
    place: Place,
    history: "History",
    name: str,
    dates: dict[str, int | None],
    known_by: int | None = None,
    ablate: bool = False,
    seed: int = 0,
    progress: "Callable[[str], None]" = lambda words: None,
) -> "tuple[TrainRecord, pd.DataFrame | None]":
    from features.dataset import build
    from training import evaluate
    from training.fit import Settings
    from training.run import track
    from training.run import train as fit
    from training.split import windows

    task = place.workspace.catalog.task(name)
    split = windows(task, history.start, history.end, **{k.replace("-", "_"): v for k, v in dates.items()})
    settings = Settings(seed=seed, progress=progress)
    progress(f"{name}: features and labels")
    train_data = build(history, task, split.train_from, split.train_to, known_by or split.train_to)
    test_data = build(history, task, split.test_from, split.test_to, history.end + 1)
    record = fit(train_data, test_data, settings=settings, train_to=split.train_to)
    ablation = None
    if ablate:
        ablation = evaluate.ablation(train_data, test_data, evaluate.history_subsets(train_data), settings)
    progress(f"{name}: tracking in MLflow")
    return track(record, tracking_uri(), str(home() / "mlartifacts")), ablation


def _show_training(record: "TrainRecord", ablation: "pd.DataFrame | None", as_json: bool) -> None:
    summary = record.summary()
    console = say if as_json else out
    table = Table("label", "horizon", *_FIGURES)
    for row in record.detail.to_dict(orient="records"):
        table.add_row(row["label"], row["horizon"], *[f"{row[name]:,.4g}" for name in _FIGURES])
    console.print(table)
    if ablation is not None:
        console.print(ablation.to_string(index=False, float_format="%.4f"))
        summary["ablation"] = json.loads(ablation.to_json(orient="records"))
    for note in record.headline.get("notes", ()):  # type: ignore[attr-defined]
        console.print(f"note: {note}")
    if record.retrospective:
        console.print("[yellow]retrospective[/yellow]: trained with labels that were not yet known at T")
    champion = "the champion" if record.champion else "registered; the champion stays what it was"
    console.print(f"'{summary['task']}' version {record.version}: {champion}. Review it with `tieline ui`.")
    if as_json:
        emit(summary)


_FIGURES = ("rows", "events", "auc", "average_precision", "brier", "calibration_error", "observed_expected")


# --- answers -------------------------------------------------------------------------------------------------------


@app.command("serve")
def serve_command(
    host: str = "127.0.0.1",
    port: int = 8000,
    workspace: WorkspaceOption = None,
    as_of: Annotated[str, typer.Option(help="lake: the last instant the lake covers; now; or an instant.")] = "lake",
) -> None:
    """Answer the CRM: POST /v1/decisions. The first start makes an API key and prints it."""
    from serving.run import run
    from serving.settings import Settings

    run(Settings(home=home(), tracking_uri=tracking_uri(), workspace=workspace, as_of=as_of, host=host, port=port))


@app.command("ui")
def ui_command(host: str = "127.0.0.1", port: int = 5000) -> None:
    """The MLflow UI over this home's runs and models."""
    command = ["server", "--backend-store-uri", tracking_uri(), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])


# --- the whole way -------------------------------------------------------------------------------------------------


@app.command("demo")
def demo_command(
    customers: Annotated[int, typer.Option(min=500)] = 4_000,
    months: Annotated[int, typer.Option(min=9)] = 12,
    seed: int = 0,
) -> None:
    """Simulate an operator, train churn and needs, and decide for a few of its customers."""
    from features.simulator import simulate as deliver
    from serving.auth import open_keys

    place = Place.of(None)
    out.rule("1. facts: a simulated operator, one table per system")
    _report(_simulate(place, customers, months, seed), as_json=False)
    history = place.history()
    for step, task in enumerate(("churn", "needs"), start=2):
        out.rule(f"{step}. training '{task}' out of time")
        with progress() as bar:
            record, _ = _train(place, history, task, {}, seed=seed, progress=_narrator(bar, task))
        _show_training(record, None, as_json=False)
    out.rule("4. decisions: who may leave, why, and what to do")
    rows = next(b.rows for b in deliver(customers, 1, seed) if b.source == "profile")
    _decisions(rows.filter(rows["key_type"].to_numpy(zero_copy_only=False) == "customer")["key"].to_pylist())
    _, key = open_keys(home())
    out.rule("next")
    out.print("make ui      review the runs and models: http://127.0.0.1:5000")
    out.print("make serve   answer a CRM: http://127.0.0.1:8000/docs")
    if key:
        out.print(f"             with the API key (shown only this once) {key}", highlight=False)
    out.print("notebooks/01_tour.ipynb   the same way, step by step")


def _decisions(customers: list[str], asked: int = 300) -> None:
    """Ask for a spread of customers and somebody nobody knows; show the most at risk, the middle and the stranger."""
    from serving.engine import Engine
    from serving.resources import open_resources
    from serving.schemas import ChurnScored, DecisionRequest, Key
    from serving.settings import Settings

    settings = Settings(home=home(), tracking_uri=tracking_uri())
    engine = Engine.load(settings, open_resources(settings))

    def ask(kind: str, value: str) -> "DecisionAnswer":
        return engine.answer(DecisionRequest(keys=[Key(type=kind, value=value)], channel="call_center"))

    chosen = customers[:: max(1, len(customers) // asked)]
    answers = [(name, ask("customer", name)) for name in chosen]
    risks = {name: max(a.churn.curve.values()) for name, a in answers if isinstance(a.churn, ChurnScored)}
    scored = sorted(((n, a) for n, a in answers if n in risks), key=lambda pair: -risks[pair[0]])
    shown = [*scored[:4], *scored[len(scored) // 2 :][:2], ("an unknown cookie", ask("cookie", "never-seen-before"))]
    table = Table("who", "leaves within", "likely needs", "why", "what to do", show_lines=True)
    for name, answer in shown:
        table.add_row(name, *_decision_cells(answer))
    out.print(table)
    out.print(f"windows end and facts are seen up to {shown[0][1].cuts.windows_end:%Y-%m-%d %H:%M} UTC")


def _decision_cells(answer: "DecisionAnswer") -> tuple[str, str, str, str]:
    if answer.churn.status == "scored":
        risk = "\n".join(f"{days} days {p:.1%}" for days, p in answer.churn.curve.items()) + f"\n{answer.churn.band}"
    else:
        risk = f"not applicable: {answer.churn.why}"
    needs = "\n".join(f"{n.words} {n.probability:.0%}" for n in (answer.needs or [])[:2])
    why = "\n".join(f"{r.effect_points:+.1f} {r.words}{_because(r.facts)}" for r in answer.reasons[:3])
    return risk, needs, why, "\n".join(f"{a.slot}. {a.words.agent} ({a.value:+.2f})" for a in answer.actions[:2])


def _because(facts: "list[FactAnswer]") -> str:
    def said(value: float | str | None) -> str:
        return "none" if value is None else f"{value:,.3g}" if isinstance(value, float) else value

    return "".join(f": {f.meaning} {said(f.value)}, usually {said(f.typical)}" for f in facts[:1])


def main() -> None:
    """Run a command; an error our packages raise is the user's to read, not a traceback."""
    try:
        app()
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _OURS:
            raise
        say.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
