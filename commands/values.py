"""Commands that say what was known: features as a file, described, and explained."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    check_suffix,
    emit,
    fail,
    narrator,
    out,
    progress,
    say,
    split_key,
)
from commands.value_tables import as_records, described_table, explained_lines, explained_record, facts_table

if TYPE_CHECKING:
    import pandas as pd

    from features.declare import Catalog
    from features.history import History
    from features.streamed import Progress
    from features.told.batch import Opened
    from features.told.pairs import Pairs

EntityOption = Annotated[
    str | None, typer.Option("--entity", help="Whose features: a type of key; default: customer.", show_default=False)
]


def features(
    cutoff: Annotated[
        list[str] | None, typer.Option(help="A date, or an instant with its zone; may be given several times.")
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="A .csv or .parquet file with a cutoff, and entity (key ids) or key (TYPE:VALUE), a row."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--out", help="Where to: a .parquet or .csv file.")] = None,
    entity: EntityOption = None,
    names: Annotated[
        str | None,
        typer.Option("--features", help="Names with commas between, or @FILE with one a line; default: all."),
    ] = None,
    memory: Annotated[float, typer.Option(min=0.1, help="Gigabytes of memory it may take.")] = 4.0,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was known of everybody at the cutoffs, or of the pairs in a file: a row each, a column per feature.

    Who objects to profiling is left out. With --pairs a column `row` says which row of the file it answers, from 1.
    """
    from features.told.asked import beyond, chosen, default_type, instants
    from features.told.batch import Opened, write
    from features.told.pairs import all_pairs
    from features.told.pairs_file import read_pairs

    if (cutoff is None) == (pairs is None):
        fail("give --cutoff T (everybody known then), or --pairs FILE")
    if file is None:
        fail("--out FILE is missing: where to?")
    check_suffix(file, (".parquet", ".csv"), "--out")
    begun = time.monotonic()
    at, named = instants(cutoff) if cutoff else None, read_pairs(pairs) if pairs else None
    place = Place.of(workspace)
    catalog = place.workspace.catalog
    entity_type = entity or default_type(catalog)
    asked = chosen(catalog, _names(names), entity_type)
    place.filled()
    with progress() as bar:
        shown = bar.add_task("reading who is who", total=None)
        opened = Opened.of(place.lake, catalog, asked, memory=int(memory * 1e9), everybody=named is None)
        found = (
            named.pairs(opened.who, entity_type, place.keyring) if named else all_pairs(opened.who, entity_type, at)  # type: ignore[arg-type]
        ).without_objections(opened.judge)

        def tell(now: "Progress") -> None:
            bar.update(shown, description=now.words, completed=now.done, total=now.pairs)

        rows = write(file, opened.frames(found, tell), asked, found, opened.snapshot.fingerprint)
    _say_written(opened, found, rows, file, beyond(opened.who, found.cutoff), time.monotonic() - begun, as_json)


def _names(said: str | None) -> list[str] | None:
    """Names with commas between, or the lines of ``@FILE`` less empty ones and remarks after ``#``."""
    if said is None:
        return None
    if not said.startswith("@"):
        return [name.strip() for name in said.split(",") if name.strip()]
    lines = (line.partition("#")[0].strip() for line in Path(said[1:]).read_text().splitlines())
    return [line for line in lines if line]


def _say_written(
    opened: "Opened", pairs: "Pairs", rows: int, file: Path, late: str | None, seconds: float, as_json: bool
) -> None:
    from features.told.asked import lacking, lacks

    missing = lacking(opened.held, opened.features)
    remarks = [lacks(name, n) for name, n in missing.items()]
    remarks += [*pairs.remarks(), *([late] if late else [])]
    if pairs.objected and not pairs.named:
        remarks.append(pairs.left_out)
    for words in remarks:
        say.print(f"[yellow]{words}[/yellow]", highlight=False, soft_wrap=True)
    screen = say if as_json else out
    screen.print(
        f"{rows:,} rows of {len(opened.features)} features in {file}, {seconds:.1f} s", highlight=False, soft_wrap=True
    )
    if as_json:
        emit(
            {
                "out": str(file),
                "rows": rows,
                "features": len(opened.features),
                "seconds": round(seconds, 2),
                "unknown_entities": pairs.unknown,
                "unknown_pairs": pairs.unknown_pairs,
                "aliases": pairs.aliases,
                "objected": pairs.objected,
                "missing_sources": list(missing),
                "fingerprint": opened.snapshot.fingerprint,
            }
        )


def describe(
    cutoff: Annotated[
        str | None, typer.Option(help="Also what they say then; a date, an instant with its zone, or 'lake': its end.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    source: Annotated[str | None, typer.Option(help="Only what reads this source.")] = None,
    entity: EntityOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """The features of the catalogue: what each says, and, with --cutoff, how often it is missing and what it says."""
    from features.told.asked import micros
    from features.told.describe import describe as run

    at = micros(cutoff) if cutoff and cutoff != "lake" else None
    place = Place.of(workspace)
    catalog = place.workspace.catalog
    if cutoff is None:
        _say_described(run(catalog, entity_type=entity, group=group, source=source), catalog, as_json)
        return
    with progress() as bar:
        narrator(bar, "reading the lake")
        history = place.history()
        found = run(history, cutoff=at, entity_type=entity, group=group, source=source)
    _say_described(found, catalog, as_json)


def _say_described(found: "pd.DataFrame", catalog: "Catalog", as_json: bool) -> None:
    from features.dataset import instant

    if as_json:
        at = {"cutoff": instant(found.attrs["cutoff"]), "entities": found.attrs["entities"]} if found.attrs else {}
        emit({**at, "features": as_records(found.reset_index())})
        return
    out.print(described_table(found, catalog.groups), highlight=False)
    told = f", at {instant(found.attrs['cutoff'])} of {found.attrs['entities']:,} entities" if found.attrs else ""
    out.print(f"{len(found)} features{told}", highlight=False)


def explain(
    feature: Annotated[str, typer.Argument(help="Its name; `tieline describe` lists them.")],
    key: Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="Such as customer:C1; '-': read it from the input.")],
    at: Annotated[str, typer.Option(help="The cutoff: a date, or an instant with its zone.")],
    seen: Annotated[str | None, typer.Option(help="As known when; default: at the same instant.")] = None,
    entity: EntityOption = None,
    limit: Annotated[int, typer.Option(min=1, help="So many facts to show, the latest.")] = 20,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """One value and the very facts behind it, or why it is missing.

    Names are not kept: keys are shown by type and surrogate `key_id`. The key asked for is never repeated.
    """
    from features.history import History
    from features.told.asked import chosen, default_type, micros, narrowed
    from features.told.explain import explain as run

    cutoff = micros(at)
    known = micros(seen) if seen else cutoff
    place = Place.of(workspace)
    catalog = place.workspace.catalog
    entity_type = entity or default_type(catalog)
    asked = chosen(catalog, feature, entity_type)
    taken = place.filled()
    key_type, key_id = _key(place, key)
    with progress() as bar:
        narrator(bar, "reading the lake")
        history = History.load(place.lake, narrowed(catalog, asked), taken)
        who = _who(history, entity_type, key_type, key_id, cutoff, known)
        found = run(history, asked[0], who, cutoff, known, entity_type=entity_type)
    if as_json:
        emit(explained_record(found))
        return
    for line in explained_lines(found):
        out.print(line, highlight=False, soft_wrap=True)
    if len(found.facts):
        out.print(facts_table(found, limit), highlight=False)
    if len(found.facts) > limit:
        out.print(f"(and {len(found.facts) - limit:,} earlier ones: --limit, --json)", highlight=False)


def _key(place: Place, key: str) -> tuple[str, int]:
    """Type and id; no message repeats the key."""
    kind, value = split_key(key, "TYPE:VALUE")
    known = place.workspace.catalog.key_types
    if kind not in known:
        fail(f"TYPE:VALUE: that is not a type of key (there are: {', '.join(known)})")
    try:
        return kind, place.keyring().key_id(kind, value)
    except ValueError as error:
        fail(f"TYPE:VALUE: {error}")


def _who(history: "History", entity_type: str, key_type: str, key_id: int, cutoff: int, seen: int) -> int:
    """The entity meant: who alone holds the key just before the cutoff (of an alias the one that stands for it)."""
    found = history.find(key_type, key_id, cutoff - 1, seen, entity_type).tolist()
    if key_type == entity_type and not found:
        return key_id
    if len(found) != 1:
        whose = f"{len(found)} {entity_type}s hold" if found else f"no {entity_type} is known to hold"
        fail(f"{whose} this {key_type} at that time: `tieline who` tells why")
    return int(found[0])
