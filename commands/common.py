"""What every command needs: where things are, how to speak, how to stop."""

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

if TYPE_CHECKING:
    from collections.abc import Callable

    from features.history import History
    from features.identity.keys import KeyRing
    from features.lake import Lake, Snapshot
    from features.workspace import Workspace

say = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
out = Console(width=None if sys.stdout.isatty() else 140)

WorkspaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        envvar="TIELINE_WORKSPACE",
        help="A folder with catalog.py and sql/; default: the built-in telecom one.",
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", help="The live store: a path or postgresql://...; default: TIELINE_STORE, or in the home."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="The last line of output is one JSON object.")]


def home() -> Path:
    """Where all state lies: ``TIELINE_HOME``, or ``.tieline`` in the present folder. It need not exist yet."""
    path = Path(os.environ.get("TIELINE_HOME") or ".tieline").resolve()
    found = next(p for p in (path, *path.parents) if p.exists())
    if not found.is_dir():
        fail(f"TIELINE_HOME: {found} is not a folder")
    return path


def tracking_uri() -> str:
    """The MLflow store: ``TIELINE_TRACKING_URI``, or a SQLite file in `home`."""
    return os.environ.get("TIELINE_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def review_url(host: str = "127.0.0.1", port: int = 5000) -> str:
    """Where the MLflow UI shows runs and models; without the last part it opens on traces of language models."""
    return f"http://{host}:{port}/#/experiments?workflowType=machine_learning"


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
        """Key names -> ids, by the secrets of this home."""
        from features.privacy.secrets import open_keyring

        return open_keyring(home(), self.lake)

    def filled(self) -> "Snapshot":
        """The lake as it is; an error where it holds nothing."""
        snapshot = self.lake.snapshot()
        if not snapshot.files:
            fail(f"the lake of workspace '{self.workspace.name}' is empty: run `tieline ingest` or `tieline simulate`")
        return snapshot

    def history(self) -> "History":
        """Everything the lake holds; an error where it holds nothing."""
        from features.history import History

        return History.load(self.lake, self.workspace.catalog, self.filled())


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


def split_key(key: str, hint: str) -> tuple[str, str]:
    """Type and value; ``-``: from the input, where they stand in no list of processes and no shell's history."""
    kind, colon, value = (sys.stdin.readline().strip() if key == "-" else key).partition(":")
    if not colon or not value:
        raise typer.BadParameter("a key is written TYPE:VALUE, such as customer:C000001", param_hint=hint)
    return kind, value


def check_suffix(path: Path | None, suffixes: tuple[str, ...], hint: str) -> None:
    """Nothing, or an error: the file's name must end as its kind does, in a folder that is there."""
    if path is None:
        return
    if path.suffix not in suffixes:
        raise typer.BadParameter(f"{path.name}: the name must end in {' or '.join(suffixes)}", param_hint=hint)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}", param_hint=hint)


def progress() -> Progress:
    """A spinner with words and elapsed time, on stderr, silent where that is no terminal."""
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=say, transient=True
    )


def narrator(bar: Progress, name: str) -> "Callable[[str], None]":
    """A callback that shows its words as one line of the progress display."""
    shown = bar.add_task(name, total=None)
    return lambda words: bar.update(shown, description=words)


def plain(value: Any) -> Any:
    """What JSON can say of a frozen record."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def emit(record: Any) -> None:
    """One JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(record, default=plain) + "\n")
