"""Risks of customers rolled up to what they belong to."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from commands.common import JsonOption, Place, WorkspaceOption, emit, fail, micros, out, progress, say, tracking_uri

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

    _check_suffix(file, tuple(_WRITERS), "--out")
    _check_suffix(plot, _PICTURES, "--plot")
    instant = micros(at) if at else None
    place = Place.of(workspace)
    declared, version, model = place.workspace.catalog.task(task), *_champion(place, task)
    k = _horizon(model, horizon)
    history, actions = place.history(), _actions(place)
    when = moment(history, declared, model, instant)
    with progress() as bar:
        words = f"scoring every {declared.entity}"
        shown = bar.add_task(words, total=None)
        found = rolled(
            history, declared, model, level, when, label=label, money=_money(actions, history),
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
    console.print(_table(found, frame[:top], found.horizons[k], actions), highlight=False)
    members = _members(found, rows) if key else None
    if members is not None:
        console.print(_member_table(found, members), highlight=False)
    totals = _totals(found, rows, k)
    for line in _notes(found, totals, k, actions, [path for path in (file, plot) if path]):
        console.print(line, highlight=False)
    if as_json:
        emit(_summary(found, version, k, actions, totals, frame[:top], members))


def _check_suffix(path: Path | None, suffixes: tuple[str, ...], option: str) -> None:
    if path is None:
        return
    if path.suffix not in suffixes:
        raise typer.BadParameter(f"{path.name}: the name must end in {' or '.join(suffixes)}", param_hint=option)
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}", param_hint=option)


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


def _actions(place: Place) -> "Catalogue | None":
    """The workspace's actions, which say what keeping a customer is worth."""
    from features.facts import CHANNELS
    from models.nba import load

    path = place.workspace.actions_path
    kinds = {f.name: f.kind for f in place.workspace.catalog.features}
    return load.load(path, kinds, CHANNELS) if path else None


def _money(actions: "Catalogue | None", history: "History") -> "Money | None":
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


def _members(found: "Rolled", rows: "np.ndarray") -> "pd.DataFrame":
    """Who is in it, the riskiest first: surrogate key, risks, charge, and why somebody was not scored."""
    import pandas as pd

    who = found.members_of(found.up.parent[rows])
    risks = found.scores.p[found.label][who]
    columns = {"key_id": found.scores.entity[who], "monthly_value": found.monthly[who], "why": found.scores.why[who]}
    columns |= {f"risk_{name}": risks[:, i] for i, name in enumerate(found.horizons)}
    return pd.DataFrame(columns).sort_values([f"risk_{found.horizons[-1]}", "key_id"], ascending=[False, True])


def _table(found: "Rolled", frame: "pd.DataFrame", horizon: str, actions: "Catalogue | None") -> Table:
    unit = f" {actions.currency}/month" if actions else ""
    table = Table(
        f"{found.level} (surrogate)", "members", "scored", f"expected to leave in {horizon}", "at least one", "all",
        f"monthly value{unit}", f"at risk{unit}", "main reasons",
    )  # fmt: skip
    for row in frame.to_dict(orient="records"):
        why = [row[f"reason_{i}"] for i in (1, 2) if row.get(f"reason_{i}")]
        table.add_row(
            str(row["key_id"]),
            f"{row['members']:,}",
            f"{row['scored']:,}",
            _number(row[f"leavers_{horizon}"], ",.2f"),
            _span(row[f"any_together_{horizon}"], row[f"any_apart_{horizon}"]),
            _span(row[f"all_apart_{horizon}"], row[f"all_together_{horizon}"]),
            _number(row["monthly_value"], ",.2f"),
            _number(row[f"monthly_at_risk_{horizon}"], ",.2f"),
            "; ".join(why) or row["not_scored"],
        )
    return table


def _member_table(found: "Rolled", members: "pd.DataFrame") -> Table:
    table = Table(
        f"{found.task.entity} (surrogate)", *[f"leaves in {h}" for h in found.horizons], "monthly value", "not scored"
    )
    for row in members.to_dict(orient="records"):
        risks = [_number(row[f"risk_{h}"], ".1%") for h in found.horizons]
        table.add_row(str(row["key_id"]), *risks, _number(row["monthly_value"], ",.2f"), row["why"])
    return table


def _number(value: float, form: str) -> str:
    return "-" if value != value else format(value, form)


def _span(low: float, high: float) -> str:
    """Both ends in per cent, or the one number where they say the same."""
    if low != low:
        return "-"
    ends = (f"{low:.1%}", f"{high:.1%}")
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _totals(found: "Rolled", rows: "np.ndarray", k: int) -> dict[str, object]:
    """The sums over what is listed, and what was left out of them."""
    import numpy as np

    from models.rollup import captured
    from training.levels import unscored

    at_risk = found.up.at_risk[rows, k]
    return {
        "parents": len(rows),
        "members": int(found.up.members[rows].sum()),
        "scored": int(found.up.scored[rows].sum()),
        "leavers": float(np.nansum(found.up.leavers[rows, k])),
        "monthly_at_risk": None if np.isnan(at_risk).all() else float(np.nansum(at_risk)),
        "first_tenth_holds": None if np.isnan(share := captured(at_risk, 0.1)) else share,
        "unpriced": int(found.up.unpriced[rows].sum()),
        "without": int((~found.present & found.scores.scored).sum()),
        "not_scored": unscored(found),
    }


def _notes(
    found: "Rolled", totals: dict[str, object], k: int, actions: "Catalogue | None", written: list[Path]
) -> list[str]:
    """What the table does not show, a line each."""
    name, unit = found.horizons[k], f"{actions.currency} a month" if actions else ""
    lines = [
        f"{totals['parents']:,} {found.level}s, {totals['scored']:,} scored members: "
        f"{totals['leavers']:,.1f} expected to leave within {name}"
    ]
    if totals["monthly_at_risk"] is not None:
        lines.append(
            f"{totals['monthly_at_risk']:,.2f} {unit} at risk; the first tenth holds {totals['first_tenth_holds']:.0%}"
        )
    lines += [f"not scored: {n:,}, as {why}" for why, n in totals["not_scored"].items()]  # type: ignore[attr-defined]
    if totals["without"]:
        lines.append(f"{totals['without']:,} scored {found.task.entity}s belong to no {found.level} that is known")
    if totals["unpriced"]:
        lines.append(f"{totals['unpriced']:,} scored members have no known monthly charge and are in no revenue")
    if found.when.cutoff < found.when.seen:
        from features.dataset import instant

        lines.append(f"windows end at {instant(found.when.cutoff)}, where the feeds end")
    return lines + [f"written: {path}" for path in written]


def _summary(
    found: "Rolled",
    version: int,
    k: int,
    actions: "Catalogue | None",
    totals: dict[str, object],
    frame: "pd.DataFrame",
    members: "pd.DataFrame | None",
) -> dict[str, object]:
    import json

    from features.dataset import instant

    told = {
        "level": found.level,
        "task": found.task.name,
        "label": found.label,
        "horizon": found.horizons[k],
        "windows_end": instant(found.when.cutoff),
        "visible_to": instant(found.when.seen),
        "model_version": version,
        "model_id": found.model.id,
        "currency": actions.currency if actions else None,
        **totals,
        "top": json.loads(frame.to_json(orient="records", double_precision=6)),
    }
    return told if members is None else told | {"who": json.loads(members.to_json(orient="records"))}
