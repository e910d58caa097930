"""Risks of customers rolled up to what they belong to."""

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
    micros,
    out,
    progress,
    say,
    tracking_uri,
)
from commands.level_tables import level_table, member_table, members_in, notes, summary, totals_of
from commands.reviewing import actions as actions_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from features.history import History
    from models.bundle import Model
    from models.nba.catalogue import Catalogue
    from training.levels import Money, Rolled

_WRITERS = {".csv": "to_csv", ".parquet": "to_parquet"}
_PICTURES = (".png", ".svg", ".pdf")


def roll_up(
    level: Annotated[str, typer.Argument(help="account, site, or any type of key a link leads to.")] = "account",
    at: Annotated[str | None, typer.Option(help="As of a date or instant; default: the last the lake covers.")] = None,
    horizon: Annotated[str | None, typer.Option(help="By when, such as 90d; default: the last the model has.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    min_members: Annotated[int, typer.Option(min=1, help="Only those with so many scored members.")] = 1,
    key: Annotated[
        str | None,
        typer.Option(help="TYPE:VALUE: the one with this key, or that its holder belongs to; and who is in it."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--out", help="All of them, to a .csv or .parquet file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="A picture of where the risk is (.png, .svg or .pdf).")] = None,
    task: Annotated[str, typer.Option(help="Whose champion scores the members.")] = "churn",
    label: Annotated[str | None, typer.Option(help="Which label, where the task has several.")] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Expected leavers, revenue at risk and the main reasons of accounts, sites or whatever customers belong to.

    Revenue at risk is a month's: the members' monthly charges times their probabilities of leaving by the horizon.
    """
    from training.levels import rolled
    from training.score import moment

    check_suffix(file, tuple(_WRITERS), "--out")
    check_suffix(plot, _PICTURES, "--plot")
    instant = micros(at) if at else None
    place = Place.of(workspace)
    declared, version, model = place.workspace.catalog.task(task), *_champion(place, task)
    k = _horizon(model, horizon)
    history, actions = place.history(), actions_of(place)
    when = moment(history, declared, model, instant)
    with progress() as bar:
        words = f"scoring every {declared.entity}"
        shown = bar.add_task(words, total=None)
        found = rolled(
            history, declared, model, level, when, label=label, money=_money(actions),
            progress=lambda done, total: bar.update(shown, description=words, completed=done, total=total),
        )  # fmt: skip
    rows = _chosen(place, history, found, key, k, min_members)
    if plot:
        from training.level_plots import draw

        draw(found, rows, k, plot, actions.currency if actions else "")
    frame = _frame(history, found, rows if file else rows[:top], k)
    if file:
        getattr(frame, _WRITERS[file.suffix])(file, index=False)
    console = say if as_json else out
    console.print(level_table(found, frame[:top], found.horizons[k], actions), highlight=False)
    members = members_in(found, rows) if key else None
    if members is not None:
        console.print(member_table(found, members), highlight=False)
    totals = totals_of(found, rows, k)
    for line in notes(found, rows, totals, k, actions, [path for path in (file, plot) if path]):
        console.print(line, highlight=False)
    if as_json:
        emit(summary(found, version, k, actions, totals, frame[:top], members))


def _champion(place: Place, task: str) -> "tuple[int, Model]":
    """The registered model of a task. A SQLite store that is not there would be created, empty, by merely asking it."""
    from models import bundle
    from models.registry import Registry

    name, uri = place.workspace.model_name(task), tracking_uri()
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
        fail(f"there is no model store at {uri.removeprefix('sqlite:///')}: run `tieline train {task}` first")
    version, path = Registry(uri).champion(name)
    return version, bundle.load(path)


def _horizon(model: "Model", asked: str | None) -> int:
    """Which of the model's horizons was asked for; the last by default."""
    from features.conditions import DAY

    names = [f"{edge / DAY:g}d" for edge in model.edges] + (["end"] if model.manifest.open_ended else [])
    if asked is None:
        return len(names) - 1
    if asked not in names:
        raise typer.BadParameter(f"the model knows {', '.join(names)}, not '{asked}'", param_hint="--horizon")
    return names.index(asked)


def _money(actions: "Catalogue | None") -> "Money | None":
    from training.levels import Money

    if actions is None:
        return None
    worth = actions.customer_value
    return Money(worth.monthly_value, worth.months * worth.margin_rate)


def _chosen(place: Place, history: "History", found: "Rolled", key: str | None, k: int, least: int) -> "np.ndarray":
    """Positions of what is shown, ranked; an error where there is nothing to show."""
    import numpy as np

    if not found.present.any():
        fail(f"none of {len(found.present):,} {found.task.entity}s belongs to any {found.level} that is known by then")
    if key:
        return np.searchsorted(found.up.parent, _parents_of(place, history, found, key))
    rows = found.up.ranked(k, least)
    if not len(rows):
        fail(f"no {found.level} has {least} scored members; the largest has {found.up.scored.max()}")
    return rows


def _parents_of(place: Place, history: "History", found: "Rolled", key: str) -> "np.ndarray":
    """Ids of the accounts or sites a key names, or that its holders belong to. No message repeats the key."""
    import numpy as np

    key_type, colon, value = key.partition(":")
    if not colon or key_type not in history.catalog.key_types:
        known = ", ".join(history.catalog.key_types)
        raise typer.BadParameter(f"write TYPE:VALUE, with a type among {known}", param_hint="--key")
    try:
        key_id = place.keyring().key_id(key_type, value)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--key") from None
    if key_type == found.level:
        parents = np.array([key_id])
    else:
        now = found.when.seen
        holders = history.find(key_type, key_id, now, now, found.task.entity)
        parents = np.unique(found.parent[found.present & np.isin(found.scores.entity, holders)])
    parents = parents[np.isin(parents, found.up.parent)]
    if not len(parents):
        fail(f"no {found.level} with {found.task.entity}s in it is known by that {key_type}")
    return parents


def _frame(history: "History", found: "Rolled", rows: "np.ndarray", k: int) -> "pd.DataFrame":
    from training.levels import reasons, table

    moves = reasons(history, found, found.up.parent[rows], k)
    return table(found, rows, moves, dict(history.catalog.groups))
