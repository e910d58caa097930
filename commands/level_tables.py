"""How a roll-up is told: tables, lines and one JSON object."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from models.nba.catalogue import Catalogue
    from training.levels import Rolled

_TENTH = 10
"""Of fewer the first tenth is not said."""


def members_in(found: "Rolled", rows: "np.ndarray") -> "pd.DataFrame":
    """Who is in it, the riskiest first: surrogate key, risks, charge, and why somebody was not scored."""
    import pandas as pd

    who = found.members_of(found.up.parent[rows])
    risks = found.scores.p[found.label][who]
    columns = {"key_id": found.scores.entity[who], "monthly_value": found.monthly[who], "why": found.scores.why[who]}
    columns |= {f"risk_{name}": risks[:, i] for i, name in enumerate(found.horizons)}
    return pd.DataFrame(columns).sort_values([f"risk_{found.horizons[-1]}", "key_id"], ascending=[False, True])


def level_table(found: "Rolled", frame: "pd.DataFrame", horizon: str, actions: "Catalogue | None") -> Table:
    """A row per account or site of `training.levels.table`, at one horizon."""
    table = Table()
    table.add_column(f"{found.level}\n(surrogate)", no_wrap=True)
    unit = f"{actions.currency} a month" if actions else "a month"
    for name in (
        "members\nscored",
        f"leave in {horizon}\n(expected)",
        "at least\none",
        f"at risk,\n{unit}",
        f"of\n{unit}",
    ):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("main reasons, strongest first")
    for row in frame.to_dict(orient="records"):
        why = main_reasons(row)
        table.add_row(
            str(row["key_id"]),
            f"{row['scored']:,} of {row['members']:,}",
            _number(row[f"leavers_{horizon}"], ",.2f"),
            _span(row[f"any_together_{horizon}"], row[f"any_apart_{horizon}"]),
            _number(row[f"monthly_at_risk_{horizon}"], ",.2f"),
            _number(row["monthly_value"], ",.2f"),
            "\n".join(why) or row["not_scored"],
        )
    return table


def main_reasons(row: Mapping[Hashable, object]) -> list[str]:
    """The reasons of a row of `training.levels.table`, strongest first; a missing one is ``None``, or NaN where others
    have it.
    """
    return [reason for i in (1, 2) if isinstance(reason := row.get(f"reason_{i}"), str)]


def member_table(found: "Rolled", members: "pd.DataFrame") -> Table:
    """A row per member of `members_in`."""
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
    return ends[0] if ends[0] == ends[1] else f"{low:.1%}-{high:.1%}"


def totals_of(found: "Rolled", rows: "np.ndarray", k: int) -> dict[str, object]:
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
        "first_tenth_holds": captured(at_risk, 0.1) if len(rows) >= _TENTH and np.nansum(at_risk) > 0 else None,
        "unpriced": int(found.up.unpriced[rows].sum()),
        "without": int((~found.present & found.scores.scored).sum()),
        "not_scored": unscored(found, found.up.parent[rows]),
    }


def notes(
    found: "Rolled",
    rows: "np.ndarray",
    totals: dict[str, object],
    k: int,
    actions: "Catalogue | None",
    written: list[Path],
) -> list[str]:
    """What the table does not show, a line each."""
    name, unit = found.horizons[k], f"{actions.currency} a month" if actions else ""
    lines = [
        f"{totals['parents']:,} {found.level}{'s' * (totals['parents'] != 1)}, {totals['scored']:,} scored members: "
        f"{totals['leavers']:,.2f} expected to leave within {name}"
    ]
    if totals["monthly_at_risk"] is not None:
        held = f"; the first tenth holds {totals['first_tenth_holds']:.0%}" if totals["first_tenth_holds"] else ""
        lines.append(f"{totals['monthly_at_risk']:,.2f} {unit} at risk{held}")
    if (found.up.scored[rows] > 1).any():
        lines.append("at least one: from what it is where all decide as one, to what it is where each decides alone")
    lines += [f"not scored: {n:,}, as {why}" for why, n in totals["not_scored"].items()]  # type: ignore[attr-defined]
    if totals["without"]:
        lines.append(f"{totals['without']:,} scored {found.task.entity}s belong to no {found.level} that is known")
    if totals["unpriced"]:
        lines.append(f"{totals['unpriced']:,} scored members have no known monthly charge and are in no revenue")
    if found.when.cutoff < found.when.seen:
        from features.dataset import instant

        lines.append(f"windows end at {instant(found.when.cutoff)}, where the feeds end")
    return lines + [f"written: {path}" for path in written]


def summary(
    found: "Rolled",
    version: int,
    k: int,
    actions: "Catalogue | None",
    totals: dict[str, object],
    frame: "pd.DataFrame",
    members: "pd.DataFrame | None",
) -> dict[str, object]:
    """Everything the tables and lines say, as JSON can."""
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
