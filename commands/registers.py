"""The command that links two registers without a common key."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    check_suffix,
    emit,
    fail,
    micros,
    narrator,
    out,
    progress,
    say,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from features.declare import Catalog
    from features.identity.registers.propose import Proposals
    from features.identity.registers.proposed import Appended


def propose(
    left: Annotated[Path, typer.Argument(help="The register others belong to, such as the CRM's: .csv or .parquet.")],
    right: Annotated[Path, typer.Argument(help="The register whose keys belong to them, such as loyalty cards.")],
    keys: Annotated[str, typer.Option(help="The key columns, named by key type, left first: customer,loyalty.")],
    link: Annotated[float, typer.Option(help="From this confidence on, a link.")] = 0.95,
    candidate: Annotated[float, typer.Option(help="From this probability on, a candidate.")] = 0.5,
    without: Annotated[list[str] | None, typer.Option(help="A column the registers do not have.")] = None,
    known_at: Annotated[str | None, typer.Option(help="When this becomes known; default: now.")] = None,
    append: Annotated[bool, typer.Option("--append", help="Into the lake, as evidence.")] = False,
    output: Annotated[Path | None, typer.Option("--out", help="As evidence, to a .csv or .parquet file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture of what was learned, to a .png file.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Links between two people registers without a common key, by what else agrees (needs the extra `splink`)."""
    check_suffix(output, (".csv", ".parquet"), "--out")
    check_suffix(plot, (".png",), "--plot")
    try:
        from features.identity.registers.propose import propose as run
    except ModuleNotFoundError as error:
        fail(str(error))
    from features.identity.registers.compare import PERSONS

    place = Place.of(workspace)
    named = _named(keys, place.workspace.catalog)
    at = (
        datetime.now(UTC)
        if known_at is None
        else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros(known_at))
    )
    with progress() as bar:
        narrator(bar, "comparing the registers")
        plan = PERSONS.without(*without) if without else PERSONS
        found = run(left, right, named, plan=plan, link=link, candidate=candidate, seed=seed, threads=threads)
    # The evidence would move the end of the lake: where it was is asked first.
    early = _not_yet(place, at) if append else None
    appended = _appended(place, found, at) if append else None
    if output:
        _write(place, found, at, output)
    if plot:
        _draw(found, plot)
    _say(found, appended, as_json, early)


def _named(keys: str, catalog: "Catalog") -> tuple[str, str]:
    """The two key types, between which a link must be declared."""
    parent, comma, child = (part.strip() for part in keys.partition(","))
    if not (parent and comma and child) or "," in child:
        raise typer.BadParameter(f"'{keys}' is not two key types, such as customer,loyalty", param_hint="--keys")
    declared = sorted(f"{link.parent},{link.child}" for link in catalog.links)
    if f"{parent},{child}" not in declared:
        fail(f"--keys {keys}: no link is declared from '{child}' to '{parent}' (declared: {' '.join(declared)})")
    return parent, child


def _appended(place: Place, found: "Proposals", at: datetime) -> "Appended":
    from features.identity.registers.proposed import append_proposals

    catalog = place.workspace.catalog
    return append_proposals(place.lake, place.keyring(), found, at, key_types=catalog.key_types, links=catalog.links)


def _not_yet(place: Place, at: datetime) -> str | None:
    """Words where what is appended is known only after the lake's end, at which `link`, `who` and `serve` stand."""
    coverage = place.lake.snapshot().coverage
    end = max((high for intervals in coverage.values() for _, high in intervals), default=None)
    if end is None or (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) < end:
        return None
    ends, known = (
        f"{moment:%Y-%m-%dT%H:%MZ}" for moment in (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=end), at)
    )
    return (
        f"known only at {known}, not before the lake's end ({ends}), at which link, who and serve stand: nothing of it "
        "counts there yet. See it with --at and a later instant, or give --known-at before the end"
    )


def _write(place: Place, found: "Proposals", at: datetime, path: Path) -> None:
    from pyarrow import csv, parquet

    from features.identity.registers.proposed import evidence

    table: pa.Table = evidence(found, place.keyring(), at)
    (csv.write_csv if path.suffix.lower() == ".csv" else parquet.write_table)(table, path)


def _say(found: "Proposals", appended: "Appended | None", as_json: bool, early: str | None = None) -> None:
    """What was learned, and how many links there are, as a table or as JSON."""
    screen, said = (say if as_json else out), summary(found, appended)
    table = Table("compared", "level", "m: of one person", "u: of two", "bits")
    for weight in found.weights:
        table.add_row(weight.comparison, weight.level, f"{weight.m:.4f}", f"{weight.u:.2g}", f"{weight.bits:+.1f}")
    screen.print(table)
    screen.print(
        f"{said['links']:,} links and {said['candidates']:,} candidates (of {said['in_doubt']:,} keys) for "
        f"{said['right_rows']:,} {found.right_type} keys, of which about {found.found:.0%} belong to one of "
        f"{found.left_rows:,} {found.left_type} keys; {found.compared:,} pairs weighed in {found.seconds:,.0f} s",
        highlight=False,
        soft_wrap=True,
    )
    if appended:
        counts = ", ".join(f"{n:,} {what}" for what, n in asdict(appended).items() if what != "version")
        screen.print(f"evidence: {counts}; the lake is at version {appended.version}", highlight=False)
    if early:
        screen.print(early, highlight=False, soft_wrap=True)
    if as_json:
        emit(said)


def summary(found: "Proposals", appended: "Appended | None" = None) -> dict[str, Any]:
    """The figures of a run, without a key's name."""
    doubtful = found.pairs.loc[found.pairs["state"] == "candidate", "right"]
    return {
        "links": found.count("linked"),
        "candidates": found.count("candidate"),
        "in_doubt": int(doubtful.nunique()),
        "left_rows": found.left_rows,
        "right_rows": len(found.judged),
        "found": round(found.found, 4),
        "compared": found.compared,
        "seconds": round(found.seconds, 1),
        "weights": [asdict(weight) | {"bits": round(weight.bits, 2)} for weight in found.weights],
        "appended": asdict(appended) if appended else None,
    }


def _draw(found: "Proposals", path: Path) -> None:
    """Left: how many bits every level says; right: how many pairs have which confidence."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6.5), layout="constrained")
    bits, heap = figure.subplots(1, 2, width_ratios=(2, 1))
    names = [f"{weight.comparison}: {weight.level}" for weight in found.weights]
    colors = ["tab:blue" if weight.bits > 0 else "tab:orange" for weight in found.weights]
    bits.barh(names, [weight.bits for weight in found.weights], color=colors)
    bits.invert_yaxis()
    bits.set(xlabel="bits for one person (negative: for two)", title="what an agreement says")
    heap.bar([tenth / 10 + 0.05 for tenth in range(10)], found.heaps, width=0.09)
    heap.set(xlabel="confidence", ylabel="pairs", yscale="symlog", title="how sure the pairs are")
    figure.savefig(path, dpi=120)
