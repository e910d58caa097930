"""What `tieline link` and `tieline who` show: tables, and sentences with a step of the chain a line."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from features.identity.told.chain import Holding, Step
    from features.identity.told.nobody import Reason
    from features.identity.told.report import LinkReport
    from features.identity.told.tallies import Tally
    from features.identity.told.who import Answer, Span


def instant_words(value: int, timespec: str = "auto") -> str | None:
    """ISO text in UTC; None for ever and never."""
    if abs(value) > 2**61:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)).isoformat(timespec=timespec)


def keys_table(report: "LinkReport") -> Table:
    """A line per type of key."""
    table = Table("keys", "heard of", f"held by a {report.of} now", "guarded")
    for key in report.keys:
        held = "-" if key.held is None else f"{key.held:,}"
        table.add_row(key.key_type, f"{key.heard:,}", held, f"{key.guarded:,}")
    return table


def tallies_table(report: "LinkReport") -> Table:
    """A line per source, type of key, phase and channel."""
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


def links_table(report: "LinkReport") -> Table:
    """A line per link: what was said, and what too many share."""
    guarded = {g.link: g for g in report.guarded}
    table = Table("evidence, rows", "linked", "unlinked", "withdrawn", "candidates", "guarded keys", "shared by")
    for said in report.evidence:
        found = guarded.get(said.link)
        spread = ", ".join(f"{name}: {n:,}" for name, n in found.parents.items()) if found else ""
        counts = (said.linked, said.unlinked, said.withdrawn, said.candidates)
        table.add_row(said.link, *(f"{n:,}" for n in counts), f"{found.keys:,}" if found else "-", spread)
    return table


def remarks(report: "LinkReport") -> list[str]:
    """What the tables do not show, a line each."""
    lines = [
        f"{m.key_type}: {m.aliases:,} ids are aliases of {m.standing:,} others; {m.ever:,} ever were, and "
        f"{m.restored:,} of them are restored; {m.contradictory:,} merges contradicted what was known, "
        f"{m.too_many:,} would have joined too many, "
        f"{m.never_merged:,} were undone that never were"
        for m in report.merges
    ]
    doubtful = sum(said.doubtful for said in report.evidence)
    lines += [f"{doubtful:,} keys that nobody holds have candidates"] if doubtful else []
    lines += [f"{report.elsewhere:,} facts are of keys that belong to no {report.of}"] if report.elsewhere else []
    if report.unconnected:
        lines.append(f"{report.unconnected:,} rows of evidence are between types that no link connects: declare a link")
    return lines


def holder_lines(answer: "Answer") -> list[str]:
    """Who holds the key, and by which steps."""
    lines = []
    for holding in answer.holders:
        holds = f"holds this {answer.key_type}" if holding.steps else "is the key itself"
        lines.append(f"{answer.of} {holding.entity} {holds} {_as_of(answer)}{_also(holding)}")
        lines += [f"  {line}" for step in holding.steps for line in _step_lines(step)]
    return lines + _candidate_lines(answer)


def _as_of(answer: "Answer") -> str:
    known = "" if answer.at == answer.seen else f", as known at {instant_words(answer.seen)}"
    return f"at {instant_words(answer.at)}{known}"


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
        f"    evidence {s.id}: {s.state} at {instant_words(s.at)}, known {instant_words(s.known_at)}"
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
    begin, end = instant_words(low), instant_words(high)
    return f"{f'from {begin}' if begin else 'since ever'}{f' to {end}' if end else ''}"


def nobody_lines(answer: "Answer") -> list[str]:
    """That nobody is known to, and why."""
    first = f"no {answer.of} is known to hold this {answer.key_type} {_as_of(answer)}"
    return [first, *(f"  {_reason(reason)}" for reason in answer.reasons), *_candidate_lines(answer)]


def _reason(reason: "Reason") -> str:
    from features.identity.told.nobody import WHAT

    said = f"{reason.child_type}: {WHAT[reason.what]}"
    said += f" ({reason.link}{'' if reason.parent is None else f', to {reason.parent}'})" if reason.link else ""
    said += f", {reason.parents:,} do" if reason.parents else ""
    said += f", {'until' if reason.what == 'ended' else 'from'} {instant_words(reason.at)}" if reason.at else ""
    said += f", by {reason.by}" if reason.by and reason.what in ("ended", "dropped") else ""
    said += f", known {instant_words(reason.known)}" if reason.known and instant_words(reason.known) else ""
    ids = ", ".join(s.id for s in reason.evidence[:3])
    return said + (f"; evidence {ids}" if ids else "")


def _candidate_lines(answer: "Answer") -> list[str]:
    certain = len(answer.entities) == 1 and {e for e, _ in answer.candidates} <= set(answer.entities)
    if certain or not answer.candidates:
        return []
    shown = ", ".join(f"{entity} ({p:.1%})" for entity, p in answer.candidates[:5])
    return [f"who may come with it just then: {shown}"]


def span_table(answer: "Answer", held: "tuple[Span, ...]") -> Table:
    """A line per rectangle; times to the second."""
    table = Table(answer.of, "from", "to", "known from", "known to")
    for span in held:
        bounds = (instant_words(v, "seconds") for v in (span.at_from, span.at_to, span.known_from, span.known_to))
        table.add_row(str(span.entity), *(bound or "-" for bound in bounds))
    return table
