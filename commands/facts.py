"""Commands that bring facts in and look at them."""

import time
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.common import JsonOption, Place, WorkspaceOption, emit, fail, micros, narrator, out, progress, say

if TYPE_CHECKING:
    from features.lake import Receipt
    from features.simulator import Scenario


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
        place.lake.finish()
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
    (say if as_json else out).print(_table(receipts))
    if as_json:
        emit({r.source: asdict(r) for r in receipts})


def _table(receipts: "list[Receipt]") -> Table:
    counted = ("read", "kept", "already_known", "revised", "quarantined", "suppressed")
    table = Table("source", *[c.replace("_", " ") for c in counted], "lake version")
    for receipt in receipts:
        table.add_row(receipt.source, *[f"{getattr(receipt, c):,}" for c in counted], str(receipt.version))
    return table


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
    """What is wrong with a feed: rows a day, lag, gaps, keys that no other source knows; its purposes."""
    from features.ingest import check_source as check

    place = Place.of(workspace)
    report = check(place.lake, source, narrowed=place.workspace.catalog.purposes)
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
    customers: Annotated[int, typer.Option(min=1, help="How many there are at any one time.")] = 5_000,
    months: Annotated[int, typer.Option(min=1)] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another history.")] = 0,
    scenario: Annotated[str, typer.Option(help="default, storm, price_rise, dirty or small.")] = "default",
    start: Annotated[str, typer.Option(help="The first of a month, YYYY-MM-01.")] = "2025-01-01",
    describe: Annotated[
        bool, typer.Option("--describe", help="Only say what the scenario declares, and what the default is pinned to.")
    ] = False,
    registers: Annotated[
        Path | None, typer.Option(help="Also write crm.csv and shops.csv, registers without a common key, here.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """A telecom operator whose truth is known, as facts in the built-in workspace's lake."""
    from features import simulator

    try:
        chosen = simulator.scenario_named(scenario)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--scenario") from None
    if describe:
        _describe(chosen, as_json)
        return
    since, first = time.monotonic(), _first(start)
    if registers:
        registers.mkdir(parents=True, exist_ok=True)
    receipts = simulated(Place.of(None), customers, months, seed, start=first, scenario=chosen)
    _say_simulated(receipts, time.monotonic() - since, as_json)
    if registers:
        with progress() as bar:
            bar.add_task("living it again for the registers", total=None)
            simulator.registers(customers, months, seed, start=first, scenario=chosen).write(registers)
        say.print(f"crm.csv and shops.csv are in {registers}", highlight=False)


def _describe(scenario: "Scenario", as_json: bool) -> None:
    """What a scenario declares; the default's pinned figures beside their bounds."""
    from features import simulator
    from features.simulator import pinned

    declared, pins = simulator.describe(scenario), pinned.pins()
    if as_json:
        emit({"scenario": declared, "fingerprint": simulator.fingerprint(scenario), "pinned": asdict(pins)})
        return
    values = Table("scenario", scenario.name)
    for name, value in declared.items():
        values.add_row(name, _brief(value))
    out.print(values)
    bars = Table("pinned (default scenario)", "figure", "from", "to", "what it is")
    for bar in pinned.BARS:
        measured = f"{pins.figures[bar.name]:.4g}"
        bars.add_row(bar.name, measured, f"{bar.low:g}", f"{bar.high:g}", bar.meaning)
    out.print(bars)
    for name, figure in pins.others.items():
        out.print(f"{name}: {figure:.4g}", highlight=False)
    out.print(f"measured on {pins.words}", highlight=False)
    if not pins.current:
        say.print("[yellow]the default scenario has changed since: run `make pin`[/yellow]")


def _first(text: str) -> datetime:
    """The instant at which a month begins."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not a date such as 2025-01-01", param_hint="--start") from None
    if day.day != 1:
        raise typer.BadParameter(f"'{text}' is not the first of a month", param_hint="--start")
    return datetime(day.year, day.month, 1, tzinfo=UTC)


def _say_simulated(receipts: "list[Receipt]", seconds: float, as_json: bool) -> None:
    """The receipts, how much and how long it was altogether, and how many rows were refused."""
    rows, refused = sum(r.read for r in receipts), sum(r.quarantined for r in receipts)
    screen = say if as_json else out
    screen.print(_table(receipts))
    screen.print(f"{rows:,} rows in {seconds:,.0f} s", highlight=False)
    if refused:
        screen.print(f"{refused:,} rows were refused, with the reasons: see `tieline quarantine`", highlight=False)
    if as_json:
        sources = {r.source: asdict(r) for r in receipts}
        emit({"rows": rows, "refused": refused, "seconds": round(seconds, 1), "sources": sources})


def simulated(
    place: Place,
    customers: int,
    months: int,
    seed: int,
    *,
    start: datetime | None = None,
    scenario: "Scenario | None" = None,
) -> "list[Receipt]":
    """Simulate into the place's lake, with progress; by default the default scenario from its usual start."""
    from features.simulator.deliver import deliver
    from features.simulator.run import START
    from features.simulator.scenario import DEFAULT

    with progress() as bar:
        task = bar.add_task(f"simulating {customers:,} customers", total=months)

        def note(done: int, total: int, rows: int) -> None:
            words = f"simulating {customers:,} customers: month {done} of {total}, {rows:,} rows"
            bar.update(task, completed=done, total=total, description=words if done < total else "storing the rows")

        return deliver(
            place.lake,
            place.keyring(),
            place.workspace.catalog,
            customers,
            months,
            seed,
            start=start or START,
            scenario=scenario or DEFAULT,
            progress=note,
        )
