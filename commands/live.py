"""Commands for the live store: what fills it from the lake, and brings back what it learned."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.common import JsonOption, Place, StoreOption, WorkspaceOption, emit, home, out, plain, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID

    from serving.live.store import Store
    from serving.settings import Settings


def load(
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="What is now in a new store: 'lake' (its last covered instant; the default), 'now', or an instant.",
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Empty the store first.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="With --anew: also facts and decisions the lake does not have.")
    ] = False,
    store: StoreOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fill the live store from the lake; again: bring what is new in the lake. `tieline serve` answers from it."""
    from serving.champion import CHURN
    from serving.live.archive import folder_of
    from serving.live.empty import empty
    from serving.live.load import load as run
    from serving.live.sync import turn

    if discard and not anew:
        raise typer.BadParameter("it says what --anew may throw away: give both", param_hint="--discard")
    place, settings = _place(workspace, store, as_of)
    place.filled()
    catalog = place.workspace.catalog
    with _opened(settings, place) as live, turn(folder_of(home(), place.workspace.name)), progress() as bar:
        if anew:
            empty(live, discard)
        again = "fingerprint" in live.texts()
        done = run(live, place.lake, catalog, catalog.task(CHURN).entity, now=settings.now, progress=_bars(bar))
        now = live.clock()
    if as_json:
        emit({**plain(done), "now": _iso(now), "first": not again})
        return
    table = Table("source", "new rows")
    for name, count in done.rows.items():
        table.add_row(name, f"{count:,}")
    out.print(table)
    out.print(f"{done.keys:,} new keys; the store's clock says {_iso(now)}", highlight=False)


def sync(store: StoreOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Bring facts, decisions and outcomes from the live store back: into the lake, and to files for notebooks."""
    from serving.live.archive import folder_of
    from serving.live.open import exists, shown, waiting
    from serving.live.store import StoreError
    from serving.live.sync import sync as run
    from serving.live.sync import turn

    place, settings = _place(workspace, store, None)
    folder, url = folder_of(home(), place.workspace.name), settings.live(place.workspace.name)
    if not exists(url):
        raise StoreError(f"there is no live store at {shown(url)}: `tieline load` makes one")
    with _opened(settings, place) as live, turn(folder), progress() as bar:
        waiting(url, home(), place.workspace.name).deliver(live)  # what a service that was killed left
        done = run(live, place.lake, place.workspace.catalog, place.keyring(), folder, progress=_bars(bar))
    if as_json:
        emit(plain(done))
        return
    if not (done.rows or done.decisions or done.outcomes):
        out.print("nothing is new in the live store")
    table = Table("source", "rows sent", "new", "revised", "known", "quarantined", "of forgotten people")
    for receipt in done.receipts:
        if sent := done.rows.get(receipt.source, 0):
            counts = (receipt.kept, receipt.revised, receipt.already_known, receipt.quarantined, receipt.suppressed)
            table.add_row(receipt.source, f"{sent:,}", *(f"{n:,}" for n in counts))
    if done.rows:
        out.print(table)
    if done.decisions or done.outcomes:
        out.print(f"{done.decisions:,} decisions and {done.outcomes:,} outcomes are in {folder}", highlight=False)
    if done.receipts:
        out.print(f"the lake is at version {max(r.version for r in done.receipts)}", highlight=False)


def _place(workspace: Path | None, store: str | None, as_of: str | None) -> "tuple[Place, Settings]":
    from serving.settings import read_settings

    return Place.of(workspace), read_settings(home=home(), workspace=workspace, store=store, as_of=as_of)


@contextmanager
def _opened(settings: "Settings", place: Place) -> "Iterator[Store]":
    from serving.live.open import open_store

    store = open_store(settings.live(place.workspace.name))
    try:
        yield store
    finally:
        store.close()


def _bars(bar: "Progress") -> "Callable[[str, int, int], None]":
    """A bar for each thing that is done."""
    shown: dict[str, TaskID] = {}

    def told(what: str, done: int, of: int) -> None:
        if what not in shown:
            shown[what] = bar.add_task(what, total=max(of, 1))
        bar.update(shown[what], completed=done, total=max(of, 1))

    return told


def _iso(micros: int) -> str:
    from serving.settings import instant

    return instant(micros).isoformat()
