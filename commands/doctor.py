"""The command that looks whether everything a service needs is there and well."""

import typer
from rich.markup import escape

from commands.common import JsonOption, StoreOption, WorkspaceOption, emit, home, out

_COLOURS = {"ok": "green", "warn": "yellow", "bad": "red"}


def doctor(store: StoreOption = None, workspace: WorkspaceOption = None, as_json: JsonOption = False) -> None:
    """Look whether everything `tieline serve` needs is there and well; exit code 1 where anything is bad."""
    from serving.doctor import examine
    from serving.settings import read_settings

    findings = []
    for found in examine(read_settings(home=home(), workspace=workspace, store=store)):
        findings.append(found)
        if not as_json:
            help_ = f" [dim]-> {escape(found.help)}[/dim]" if found.help else ""
            state = f"[{_COLOURS[found.state]}]{found.state:4}[/{_COLOURS[found.state]}]"
            out.print(f"{state} {found.about}: {escape(found.words)}{help_}", highlight=False, soft_wrap=True)
    bad = any(found.state == "bad" for found in findings)
    if as_json:
        emit({"well": not bad, "findings": [vars(found) for found in findings]})
    if bad:
        raise typer.Exit(1)
