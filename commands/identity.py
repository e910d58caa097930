"""Commands that say whom the evidence makes of the keys, and why."""

import time
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
    split_key,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from features.history import History
    from features.identity.chain import Holding, Step
    from features.identity.nobody import Reason
    from features.identity.report import LinkReport
    from features.identity.tallies import Tally
    from features.identity.who import Answer, Span
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
    from features.identity.report import check_asked, link_report
    from features.identity.tallies import fact_tables

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
    from features.identity.who import check_leads, spans
    from features.identity.who import who as run

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
    from features.identity.chain import standing

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
    return _instant(value) if name in _TIMES and isinstance(value, int) else value


def _instant(value: int, timespec: str = "auto") -> str | None:
    """ISO text in UTC; None for ever and never."""
    if abs(value) > 2**61:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)).isoformat(timespec=timespec)


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
    screen.print(_keys(report), highlight=False)
    screen.print(_tallies(report), highlight=False)
    screen.print(_links(report), highlight=False)
    for line in _remarks(report):
        screen.print(line, highlight=False, soft_wrap=True)
    screen.print(
        f"derived from the evidence, not stored: keys joined in {seconds['joining']:g} s, "
        f"{seconds['all']:g} s with reading and counting the facts",
        highlight=False,
        soft_wrap=True,
    )


def _keys(report: "LinkReport") -> Table:
    table = Table("keys", "heard of", f"held by a {report.of} now", "guarded")
    for key in report.keys:
        held = "-" if key.held is None else f"{key.held:,}"
        table.add_row(key.key_type, f"{key.heard:,}", held, f"{key.guarded:,}")
    return table


def _tallies(report: "LinkReport") -> Table:
    columns = ("facts", "known", "by several", "guarded", "anonymous", "anonymous when they came", "of those known now")
    table = Table("", *columns, "days until then")
    groups = (report.facts, report.sources, report.key_types, report.phases, report.channels)
    for tallies in groups:
        for tally in tallies:
            table.add_row(*_cells(tally))
        table.add_section()
    return table


def _cells(tally: "Tally") -> list[str]:
    shares = (tally.identified, tally.several, tally.guarded, tally.anonymous, tally.anonymous_first, tally.stitched)
    words = ["-" if share is None else f"{share:.2%}" for share in shares]
    return [tally.name, f"{tally.facts:,}", *words, _days(tally.stitched_days)]


def _days(days: float | None) -> str:
    if days is None:
        return "-"
    return f"{days:.1f}" if days >= 1 else f"{days * 24:.0f} h" if days else "under 1 h"


def _links(report: "LinkReport") -> Table:
    guarded = {g.link: g for g in report.guarded}
    table = Table("evidence, rows", "linked", "unlinked", "withdrawn", "candidates", "guarded keys", "shared by")
    for said in report.evidence:
        found = guarded.get(said.link)
        spread = ", ".join(f"{name}: {n:,}" for name, n in found.parents.items()) if found else ""
        counts = (said.linked, said.unlinked, said.withdrawn, said.candidates)
        table.add_row(said.link, *(f"{n:,}" for n in counts), f"{found.keys:,}" if found else "-", spread)
    return table


def _remarks(report: "LinkReport") -> list[str]:
    """What the tables do not show, a line each."""
    lines = [
        f"{m.key_type}: {m.aliases:,} ids are aliases of {m.standing:,} others; {m.ever:,} ever were, and "
        f"{m.restored:,} of them are restored; {m.contradictory:,} merges contradicted what was known, "
        f"{m.never_merged:,} were undone that never were"
        for m in report.merges
    ]
    doubtful = sum(said.doubtful for said in report.evidence)
    lines += [f"{doubtful:,} keys that nobody holds have candidates"] if doubtful else []
    lines += [f"{report.elsewhere:,} facts are of keys that belong to no {report.of}"] if report.elsewhere else []
    if report.unconnected:
        lines.append(f"{report.unconnected:,} rows of evidence are between types that no link connects: declare a link")
    return lines


def _say_answer(answer: "Answer", held: "tuple[Span, ...] | None", named: bool | None, as_json: bool) -> None:
    """The answer in sentences, a step of the chain a line."""
    lines = _holder_lines(answer) if answer.holders else _nobody_lines(answer)
    if named is not None:
        lines.append(f"the {answer.of} asked about: {'yes' if named else 'no'}")
    screen = say if as_json else out
    for line in lines:
        screen.print(line, highlight=False, soft_wrap=True)
    if held is not None:
        screen.print(_span_table(answer, held), highlight=False)


def _holder_lines(answer: "Answer") -> list[str]:
    lines = []
    for holding in answer.holders:
        holds = f"holds this {answer.key_type}" if holding.steps else "is the key itself"
        lines.append(f"{answer.of} {holding.entity} {holds} {_as_of(answer)}{_also(holding)}")
        lines += [f"  {line}" for step in holding.steps for line in _step_lines(step)]
    return lines + _candidate_lines(answer)


def _as_of(answer: "Answer") -> str:
    known = "" if answer.at == answer.seen else f", as known at {_instant(answer.seen)}"
    return f"at {_instant(answer.at)}{known}"


def _also(holding: "Holding") -> str:
    return f" (and stands for {', '.join(map(str, holding.aliases))})" if holding.aliases else ""


def _step_lines(step: "Step") -> list[str]:
    if step.rule == "alias":
        first = f"{step.child_type} {step.child} is an alias of {step.parent}, the older id"
    else:
        first = f"{step.child_type} {step.child} -> {step.parent_type} {step.parent}: {_rule(step)}"
    spans = f"holds {_span(step.at_from, step.at_to)}, known {_span(step.known_from, step.known_to)}"
    ended = f", ended by {'a newer link' if step.ended == 'newer link' else 'evidence that they are apart'}"
    shown = [*step.evidence[:1], *step.evidence[1:][-1:]]
    more = f"    (and {len(step.evidence) - 2:,} more between them)" if len(step.evidence) > 2 else ""
    rows = [
        f"    evidence {s.id}: {s.state} at {_instant(s.at)}, known {_instant(s.known_at)}"
        + ("" if s.confidence is None else f", confidence {s.confidence:.3g}")
        for s in shown
    ]
    return [first, f"    {spans}{ended if step.ended else ''}", *rows, *([more] if more else [])]


def _rule(step: "Step") -> str:
    if step.rule == "link":
        return "seen together before"
    reach = "since ever" if step.back is None else f"{step.back} back"
    return f"seen together only afterwards, and such a link holds {reach}"


def _span(low: int, high: int) -> str:
    begin, end = _instant(low), _instant(high)
    return f"{f'from {begin}' if begin else 'since ever'}{f' to {end}' if end else ''}"


def _nobody_lines(answer: "Answer") -> list[str]:
    first = f"no {answer.of} is known to hold this {answer.key_type} {_as_of(answer)}"
    return [first, *(f"  {_reason(reason)}" for reason in answer.reasons), *_candidate_lines(answer)]


def _reason(reason: "Reason") -> str:
    from features.identity.nobody import WHAT

    said = f"{reason.child_type}: {WHAT[reason.what]}"
    said += f" ({reason.link}{'' if reason.parent is None else f', to {reason.parent}'})" if reason.link else ""
    said += f", {reason.parents:,} do" if reason.parents else ""
    said += f", {'until' if reason.what == 'ended' else 'from'} {_instant(reason.at)}" if reason.at else ""
    said += f", by {reason.by}" if reason.by and reason.what in ("ended", "dropped") else ""
    said += f", known {_instant(reason.known)}" if reason.known and _instant(reason.known) else ""
    ids = ", ".join(s.id for s in reason.evidence[:3])
    return said + (f"; evidence {ids}" if ids else "")


def _candidate_lines(answer: "Answer") -> list[str]:
    certain = len(answer.entities) == 1 and {e for e, _ in answer.candidates} <= set(answer.entities)
    if certain or not answer.candidates:
        return []
    shown = ", ".join(f"{entity} ({p:.1%})" for entity, p in answer.candidates[:5])
    return [f"who may come with it just then: {shown}"]


def _span_table(answer: "Answer", held: "tuple[Span, ...]") -> Table:
    table = Table(answer.of, "from", "to", "known from", "known to")
    for span in held:
        bounds = (_instant(v, "seconds") for v in (span.at_from, span.at_to, span.known_from, span.known_to))
        table.add_row(str(span.entity), *(bound or "-" for bound in bounds))
    return table
