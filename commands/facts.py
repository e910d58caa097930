"""Commands that bring facts in and look at them."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.common import JsonOption, Place, WorkspaceOption, emit, fail, micros, narrator, out, progress, say

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
    covers: Annotated[
        list[str] | None, typer.Option(help="FROM/TO the feed is complete for; default: first at to last known_at.")
    ] = None,
    gaps: Annotated[list[str] | None, typer.Option("--gap", help="FROM/TO the feed has nothing for.")] = None,
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
                    links=place.workspace.catalog.links,
                    covered=[interval(text) for text in covers] if covers else None,
                    gaps=[interval(text) for text in gaps or ()],
                    assume_delay=assume_delay,
                    prepare=place.workspace.prepare_sql if sql is None else None,
                    progress=lambda rows, narrate=narrate, name=name: narrate(f"{name}: {rows:,} rows"),  # type: ignore[misc]
                )
            )
    report(receipts, as_json)
    if sum(r.quarantined for r in receipts) > max_quarantined:
        fail("rows were quarantined; nothing is lost: see `tieline quarantine`, mend the SQL or the feed, ingest again")


def interval(text: str) -> tuple[int, int]:
    """Half-open UTC microseconds of ``FROM/TO``."""
    low, slash, high = text.partition("/")
    if not slash or micros(low) >= micros(high):
        raise typer.BadParameter(f"'{text}' is not FROM/TO, such as 2025-03-01/2025-03-08")
    return micros(low), micros(high)


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
    limit: Annotated[int, typer.Option(help="Rows to show, of each reason.")] = 3,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The rows that were refused, by reason. They stay as a record, also after mended rows were taken in."""
    from features.facts import source as declared

    if source is not None:
        declared(source)
    rows = [r for r in Place.of(workspace).lake.quarantine().to_pylist() if source in (None, r["source"])]
    if as_json:
        emit({"rows": len(rows), "first": rows[: 10 * limit]})
        return
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        reasons.setdefault((row["source"], row["reason"]), []).append(str(row["position"]))
    table = Table("source", "rows", "reason", "at input rows")
    for (name, reason), places in sorted(reasons.items(), key=lambda item: -len(item[1])):
        table.add_row(name, f"{len(places):,}", reason, ", ".join(places[:limit]) + (", ..." if places[limit:] else ""))
    out.print(table)
    out.print(f"{len(rows):,} rows in quarantine")


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
            place.workspace.catalog,
            customers,
            months,
            seed,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
