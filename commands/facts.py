"""Commands that bring facts in and look at them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.common import JsonOption, Place, WorkspaceOption, emit, fail, narrator, out, progress, say

if TYPE_CHECKING:
    from features.lake import Receipt


def ingest(
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
            narrate = narrator(bar, f"{name}: reading")
            receipts.append(
                run(
                    place.lake,
                    place.keyring(),
                    name,
                    path,
                    input,
                    key_types=place.workspace.catalog.key_types,
                    assume_delay=assume_delay,
                    prepare=place.workspace.prepare_sql if sql is None else None,
                    progress=lambda rows, narrate=narrate, name=name: narrate(f"{name}: {rows:,} rows"),  # type: ignore[misc]
                )
            )
    report(receipts, as_json)
    if sum(r.quarantined for r in receipts) > max_quarantined:
        fail("rows were quarantined; nothing is lost: see `tieline quarantine`, mend the SQL or the feed, ingest again")


def report(receipts: "list[Receipt]", as_json: bool) -> None:
    """A table of what became of each source's rows, or one JSON object by source."""
    counted = ("read", "kept", "already_known", "revised", "quarantined")
    table = Table("source", *[c.replace("_", " ") for c in counted], "lake version")
    for receipt in receipts:
        table.add_row(receipt.source, *[f"{getattr(receipt, c):,}" for c in counted], str(receipt.version))
    (say if as_json else out).print(table)
    if as_json:
        emit({r.source: asdict(r) for r in receipts})


def quarantine(
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


def check_source(
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


def compact(
    sources: Annotated[list[str] | None, typer.Argument(help="Which sources; default: all.")] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Rewrite facts sorted by key, so that they are read without sorting."""
    place = Place.of(workspace)
    with progress() as bar:
        bar.add_task("compacting", total=None)
        place.lake.compact(sources or None)
    out.print(f"compacted; the lake is at version {place.lake.snapshot().version}")


def simulate(
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
    receipts = simulated(Place.of(None), customers, months, seed)
    report(receipts, as_json)
    if any(r.quarantined for r in receipts):
        fail("the lake already holds another simulation: set TIELINE_HOME to a new folder")


def simulated(place: Place, customers: int, months: int, seed: int) -> "list[Receipt]":
    """Simulate into the place's lake, with progress."""
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
