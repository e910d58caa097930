"""Commands for what a person may ask for, and for the secrets that stand before their names."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.common import (
    JsonOption,
    Place,
    StoreOption,
    WorkspaceOption,
    emit,
    fail,
    home,
    narrator,
    out,
    plain,
    progress,
    say,
    split_key,
)

if TYPE_CHECKING:
    from features.privacy.forget import Forgotten
    from serving.live.forget import Erased

KeyOption = Annotated[
    str, typer.Option("--key", help="TYPE:VALUE, such as msisdn:+32471234567; '-': read it from the input.")
]
EntityOption = Annotated[str, typer.Option("--of", help="What a person is in this workspace.")]


def forget(
    key: KeyOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    of: EntityOption = "customer",
    store: StoreOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget the person who holds a key: in the lake, the live store and all decisions; dropped if it comes again."""
    from serving.forgetting import forget as run
    from serving.settings import read_settings

    place = _place(workspace)
    url = read_settings(home=home(), workspace=workspace, store=store).live(place.workspace.name)
    kind, value = split_key(key, "--key")
    ring = place.keyring()
    if not yes:
        say.print(
            f"whoever holds this {kind} now is forgotten in workspace '{place.workspace.name}'; nothing undoes it"
        )
        typer.confirm("go on?", abort=True, err=True)
    with progress() as bar:
        told = narrator(bar, "forgetting")
        done = run(url, home(), place.workspace, place.lake, ring, kind, value, of=of, told=told)
    if as_json:
        emit({**plain(done.lake), "complete": done.complete, "live": plain(done.live) if done.live else None})
    else:
        _say_forgotten(kind, done.lake)
        if done.live is not None:
            _say_erased(done.live)
    if not done.complete:
        fail(
            "nobody can read them any more, but somebody is at work in the lake or in the live store: "
            "run it again to remove the last files"
        )


def _say_forgotten(kind: str, done: "Forgotten") -> None:
    if done.nothing:
        out.print(f"nothing is kept under this {kind}")
        return
    table = Table("gone" if done.customers else "gone (of a visitor nobody could name)", "rows")
    for name, count in {**done.facts, "quarantine": done.quarantined}.items():
        table.add_row(name, f"{count:,}")
    out.print(table)
    out.print("keys: " + (", ".join(f"{n} {name}" for name, n in done.keys.items()) or "none"), highlight=False)


def _say_erased(done: "Erased") -> None:
    facts = sum(done.facts.values()) + done.evidence
    out.print(
        f"live store: {facts:,} facts, {done.keys} keys and {done.decisions:,} decisions about them are gone",
        highlight=False,
    )


def export(
    key: KeyOption,
    target: Annotated[
        Path | None, typer.Option("--out", help="Write here, for its owner only; default: stdout.")
    ] = None,
    of: EntityOption = "customer",
    workspace: WorkspaceOption = None,
) -> None:
    """All that is kept about the person who holds a key, as one JSON document."""
    from features.privacy.export import export as run

    place = _place(workspace)
    found = run(place.lake, place.workspace.catalog, place.keyring(), *split_key(key, "--key"), of=of)
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    if target is None:
        sys.stdout.write(text)
        return
    _write(target, text)
    out.print(f"{sum(len(s['facts']) for s in found['sources'].values()):,} facts in {target}", highlight=False)


def _write(target: Path, text: str) -> None:
    """Into a file of its owner alone, also where one that others could read was there before."""
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        if stat.S_ISREG(os.fstat(handle).st_mode):
            os.fchmod(handle, 0o600)
        file.write(text)


def scan(
    key: KeyOption,
    of: EntityOption = "customer",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search every file of the home for a person: their key as written, and the hashes and ids of all their keys."""
    from features.privacy.person import needles
    from features.privacy.scan import scan as run

    place = _place(workspace)
    wanted = needles(place.lake, place.workspace.catalog, place.keyring(), *split_key(key, "--key"), of)
    with progress() as bar:
        narrate = narrator(bar, "scanning")
        found = run(home(), wanted, lambda done, total: narrate(f"scanning: {done:,} of {total:,} files"))
    places = sorted({(f.path, f.where) for f in found})
    if as_json:
        emit({"needles": len(wanted), "found": [{"path": path, "where": where} for path, where in places]})
    else:
        for path, where in places:
            out.print(f"{path}: {where}", highlight=False)
        out.print(f"{len(places):,} places hold something of {len(wanted)} names, hashes and ids")


def rotate_secret(
    new_from_env: Annotated[
        str | None, typer.Option(help="The variable that holds the new secret; default: a random one is made.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Replace every hash and id of a key, in all lakes of the home, by those of a new secret."""
    from features.privacy.rotation import rotate

    if new_from_env is not None and not os.environ.get(new_from_env):
        fail(f"--new-from-env: the variable {new_from_env} is not set")
    with progress() as bar:
        narrate = narrator(bar, "rotating")
        done = rotate(
            home(),
            os.environ[new_from_env] if new_from_env else None,
            progress=lambda lake, files, total: narrate(f"{lake}: {files:,} of {total:,} files"),
        )
    if as_json:
        emit(plain(done))
    else:
        what = "an unfinished rotation is finished" if done.finished else "rotated"
        out.print(f"{what}: {', '.join(done.lakes) or 'no lake'} at generation {done.generation} of the secret")
        out.print("start a running `tieline serve` anew: it knows the ids of before")
    if not done.stored:
        say.print("[yellow]set TIELINE_SECRET to its present value and, on a line of its own, the new secret[/yellow]")
    if not done.complete:
        fail(
            "files of before are left, because somebody is at work in a lake: run `tieline forget` or this again later"
        )


def _place(workspace: Path | None) -> Place:
    place = Place.of(workspace)
    if not place.lake.snapshot().version:
        fail(f"the lake of workspace '{place.workspace.name}' is empty: nothing is kept about anybody")
    return place
