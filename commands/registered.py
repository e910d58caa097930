"""Commands over registered models: what there is, which one answers, and how that is changed."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from commands.common import JsonOption, emit, fail, out, say, tracking_uri

NameArgument = Annotated[str, typer.Argument(help="A registered model, such as churn.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, kept in the audit trail.")]


def models(
    name: Annotated[str | None, typer.Argument(help="A registered model; default: all.")] = None,
    audit: Annotated[bool, typer.Option("--audit", help="Also every change of an alias: who, when, why.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Versions of the registered models with aliases, figures and verdicts."""
    from models.registry import Registry

    registry = Registry(tracking_uri())
    names = [name] if name else registry.names()
    if not names:
        fail("no model is registered yet: run `tieline train churn` first")
    console, told = say if as_json else out, {}
    for each in names:
        versions = [(version, registry.figures(version)) for version in registry.versions(each)]
        table = Table("version", "aliases", "made", *_FIGURES, "verdict", title=each, title_justify="left")
        for version, figures in versions:
            shown = (f"{figures[k]:.4g}" if k in figures else "" for k in _FIGURES)
            table.add_row(str(version.number), ", ".join(version.aliases), version.made, *shown, version.verdict)
        console.print(table)
        told[each] = {"versions": [asdict(version) | {"figures": figures} for version, figures in versions]}
        if audit:
            entries = registry.audit(each)
            told[each]["audit"] = [asdict(entry) for entry in entries]
            for entry in entries:
                before = f"version {entry.before}" if entry.before else "nobody"
                words = f"{entry.when} {entry.who}: {entry.alias} from {before} to version {entry.after}: {entry.why}"
                console.print(words, markup=False, soft_wrap=True)
    if as_json:
        emit(told)


def promote(
    name: NameArgument,
    version: Annotated[int, typer.Argument(min=1, help="The version that shall answer.")],
    why: WhyOption,
    reference: Annotated[
        bool,
        typer.Option("--reference", help="Not to answer: the frozen reference later ones are judged beside."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version answer from now on; whichever did before can be had back by `tieline rollback`."""
    from models.registry import Registry
    from training.store import user

    registry = Registry(tracking_uri())
    change = registry.freeze if reference else registry.promote
    entry = change(name, version, who=user(), why=why)
    (say if as_json else out).print(f"'{name}' version {entry.after} is the {entry.alias}{_instead(entry.before)}")
    if as_json:
        emit(asdict(entry))


def rollback(name: NameArgument, why: WhyOption, as_json: JsonOption = False) -> None:
    """Let the version answer that answered before the last change."""
    from models.registry import Registry
    from training.store import user

    entry = Registry(tracking_uri()).roll_back(name, who=user(), why=why)
    (say if as_json else out).print(f"'{name}' version {entry.after} is the champion again{_instead(entry.before)}")
    if as_json:
        emit(asdict(entry))


def waive(
    name: NameArgument,
    check: Annotated[
        str | None, typer.Argument(help="A check as retrain prints it, such as 'leaking column'; default: list.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason, kept with your name.")] = "",
    until: Annotated[str | None, typer.Option(help="The last day it holds (YYYY-MM-DD); default: for ever.")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Let the check refuse again.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Decide that a check of the gate shall not refuse a model, on the record; without a check, what was decided."""
    from datetime import date

    from models import waivers
    from training.store import user

    console = say if as_json else out
    if check is None:
        found = waivers.recorded(tracking_uri(), name)
        for each in found:
            console.print(f"{each.check}: {each.words}", markup=False, soft_wrap=True)
        if not found:
            console.print(f"nothing is waived for '{name}'")
        return emit({"waivers": [asdict(each) for each in found]}) if as_json else None
    if revoke:
        waivers.revoke(tracking_uri(), name, check)
        console.print(f"'{check}' refuses models of '{name}' again")
        return emit({"check": check, "revoked": True}) if as_json else None
    try:
        day = date.fromisoformat(until) if until else None
    except ValueError:
        fail(f"--until: '{until}' is no date; write for example 2027-01-31")
    waiver = waivers.waive(tracking_uri(), name, check, who=user(), why=why, until=day)
    console.print(f"'{check}' does not refuse models of '{name}': {waiver.words}", markup=False, soft_wrap=True)
    return emit(asdict(waiver)) if as_json else None


def _instead(before: int | None) -> str:
    return f", instead of version {before}" if before else ""


_FIGURES = ("auc", "average_precision", "observed_expected", "calibration_slope")
