"""Commands that say whom the evidence makes of the keys, and why."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    split_key,
)
from commands.identity_tables import (
    holder_lines,
    instant_words,
    keys_table,
    links_table,
    nobody_lines,
    remarks,
    span_table,
    tallies_table,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from features.history import History
    from features.identity.told.report import LinkReport
    from features.identity.told.who import Answer, Span
    from features.lake import Snapshot

_PICTURES = (".png", ".svg", ".pdf")
_TIMES = ("at", "seen", "known", "known_at", "until", "at_from", "at_to", "known_from", "known_to")

OfOption = Annotated[str, typer.Option("--of", help="What the keys belong to.")]


def link(
    at: Annotated[str | None, typer.Option(help="As of a date or instant; default: the last the lake covers.")] = None,
    of: OfOption = "customer",
    plot: Annotated[Path | None, typer.Option(help="A picture of who is not known (.png, .svg or .pdf).")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Join all keys by the evidence, and say how much of what happened has a customer behind it.

    Nothing is stored: who belongs to whom follows from the evidence whenever it is read.
    """
    from features.identity.told.report import check_asked, link_report
    from features.identity.told.tallies import fact_tables

    check_suffix(plot, _PICTURES, "--plot")
    instant = micros(at) if at else None
    place = Place.of(workspace)
    taken = place.filled()
    begun = time.monotonic()
    with progress() as bar:
        narrate = narrator(bar, "reading the evidence")
        evidence = place.lake.read("evidence", taken)
        keys, read = place.lake.keys(taken), time.monotonic()
        narrate("joining keys")
        history = _linked(place, taken, evidence, keys)
        check_asked(history, history.end if instant is None else instant, of)
        history.reach(of)
        joined = time.monotonic()
        narrate("counting facts")
        report = link_report(history, fact_tables(place.lake, taken), instant, of)
    seconds = {"joining": round(joined - read, 1), "all": round(time.monotonic() - begun, 1)}
    _warn_after_end(history, instant)
    if plot:
        from training.link_plots import draw

        draw(report, plot)
    _say_report(report, seconds, as_json)
    if as_json:
        emit({**asdict(report), "seconds": seconds})


def who(
    key: Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="Such as cookie:ab12; '-': read it from the input.")],
    at: Annotated[str | None, typer.Option(help="When the key was used; default: the last the lake covers.")] = None,
    seen: Annotated[str | None, typer.Option(help="As known when; default: at the same instant.")] = None,
    suspected: Annotated[
        str | None, typer.Option("--is", metavar="TYPE:VALUE", help="Is it this one? Such as customer:C000123.")
    ] = None,
    ever: Annotated[bool, typer.Option("--history", help="Also all who ever held it, as known when.")] = False,
    of: OfOption = "customer",
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Which customer holds a key at an instant, as known then, and by which evidence; or why none is known.

    Names are not kept: a customer is shown by the surrogate `key_id`. The key asked for is never repeated.
    """
    from features.identity.told.who import check_leads, spans
    from features.identity.told.who import who as run

    place = Place.of(workspace)
    taken = place.filled()
    key_type, key_id = _key(place, key, "TYPE:VALUE")
    other = _key(place, suspected, "--is") if suspected else None
    with progress() as bar:
        narrator(bar, "joining keys")
        evidence = place.lake.read("evidence", taken)
        history = _linked(place, taken, evidence, place.lake.keys(taken))
        check_leads(history, key_type, of)
        when = micros(at) if at else history.end
        answer = run(history, evidence, key_type, key_id, when, micros(seen) if seen else when, of)
        held = spans(history, key_id, of) if ever else ()
    _warn_after_end(history, answer.seen)
    told = _told(answer, held)
    if other:
        told["is"] = _is(history, answer, other)
    _say_answer(answer, held if ever else None, told.get("is"), as_json)
    if as_json:
        emit(told)


def _linked(place: Place, taken: "Snapshot", evidence: "pa.Table", keys: "pa.Table") -> "History":
    """The key graph, without any facts."""
    from features.history import History

    return History.of({}, evidence, keys, dict(taken.coverage), place.workspace.catalog, taken.fingerprint)


def _warn_after_end(history: "History", instant: int | None) -> None:
    from features.dataset import instant as words

    if instant is not None and instant > history.end:
        say.print(f"[yellow]the lake covers no more than up to {words(history.end)}[/yellow]", highlight=False)


def _key(place: Place, key: str, hint: str) -> tuple[str, int]:
    """Type and id; no message repeats the key."""
    kind, value = split_key(key, hint)
    known = place.workspace.catalog.key_types
    if kind not in known:
        fail(f"{hint}: that is not a type of key (there are: {', '.join(known)})")
    try:
        return kind, place.keyring().key_id(kind, value)
    except ValueError as error:
        fail(f"{hint}: {error}")


def _is(history: "History", answer: "Answer", other: tuple[str, int]) -> bool:
    """Whether a suspected customer, by any id they have, is among the holders."""
    from features.identity.told.chain import standing

    kind, key_id = other
    if kind != answer.of:
        fail(f"--is: write {answer.of}:VALUE; who holds a key is a {answer.of}")
    return standing(history, kind, key_id, answer.seen) in answer.entities


def _told(answer: "Answer", held: "tuple[Span, ...]") -> dict[str, Any]:
    told: dict[str, Any] = _iso({**asdict(answer), "history": [asdict(span) for span in held]})
    told["candidates"] = [{answer.of: entity, "probability": p} for entity, p in answer.candidates]
    return told


def _iso(value: Any, name: str = "") -> Any:
    """The same with instants as ISO text in UTC; null where there is no bound."""
    if isinstance(value, dict):
        return {key: _iso(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_iso(part, name) for part in value]
    return instant_words(value) if name in _TIMES and isinstance(value, int) else value


def _say_report(report: "LinkReport", seconds: dict[str, float], as_json: bool) -> None:
    """The report as tables."""
    screen = say if as_json else out
    screen.print(
        f"as of {report.at}: {report.entities:,} {report.of}s; who holds any keys holds "
        f"{report.keys_each.median:g} of them in the middle, {report.keys_each.p99:g} at the 99th percentile, "
        f"{report.keys_each.most} at most; {report.keys_each.none:,} hold none",
        highlight=False,
        soft_wrap=True,
    )
    screen.print(keys_table(report), highlight=False)
    screen.print(tallies_table(report), highlight=False)
    screen.print(links_table(report), highlight=False)
    for line in remarks(report):
        screen.print(line, highlight=False, soft_wrap=True)
    screen.print(
        f"derived from the evidence, not stored: keys joined in {seconds['joining']:g} s, "
        f"{seconds['all']:g} s with reading and counting the facts",
        highlight=False,
        soft_wrap=True,
    )


def _say_answer(answer: "Answer", held: "tuple[Span, ...] | None", named: bool | None, as_json: bool) -> None:
    """The answer in sentences, a step of the chain a line."""
    lines = holder_lines(answer) if answer.holders else nobody_lines(answer)
    if named is not None:
        lines.append(f"the {answer.of} asked about: {'yes' if named else 'no'}")
    screen = say if as_json else out
    for line in lines:
        screen.print(line, highlight=False, soft_wrap=True)
    if held is not None:
        screen.print(span_table(answer, held), highlight=False)
