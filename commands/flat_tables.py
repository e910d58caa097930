"""The command for people who have no more than a flat table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from commands.common import JsonOption, emit, narrator, out, progress, say

_SHOWN = 15


def train_table(
    input_: Annotated[Path, typer.Option("--input", help="CSV (also .csv.gz) or Parquet, a row per customer.")],
    label: Annotated[str, typer.Option(help="The column that is predicted.")],
    positive: Annotated[str, typer.Option(help="The value of it that is looked for, such as Yes.")],
    id_: Annotated[
        str | None, typer.Option("--id", help="Whom a row is about: never learned from, never on both sides of a fold.")
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be given again.")] = None,
    folds: Annotated[int, typer.Option(min=2, max=50, help="In how many parts rows are held out in turn.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="How often the folds are drawn anew.")] = 1,
    seed: Annotated[int, typer.Option(help="The first of these draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Cross-validate the churn estimator on a flat table: how well it tells, how honest its probabilities are.

    Such a table does not say when its columns were known: one written after the label makes every figure worthless.
    """
    from training import flat, metrics

    table = flat.read_table(input_, label, positive, id_column=id_, drop=drop or ())
    with progress() as bar:
        told = narrator(bar, input_.name)
        judged = flat.judge(table, folds=folds, seeds=range(seed, seed + seeds), progress=told)
    whole = metrics.score(table.y, judged.p)
    console = say if as_json else out
    console.print(f"{len(table.y):,} rows, {int(table.y.sum()):,} {label}={positive}, {len(table.X.columns)} columns")
    spread = judged.folds.groupby("seed")["auc"].mean()
    shown = Table("held out", "auc", "average precision", "brier", "observed / expected", "calibration slope")
    for words, row in (("mean of folds", judged.folds.mean(numeric_only=True)), (f"all rows, seed {seed}", whole)):
        shown.add_row(words, *(f"{row[k]:.4f}" for k in _FIGURES))
    console.print(shown)
    if seeds > 1:
        console.print(f"AUC over {seeds} fold seeds: {spread.min():.4f} to {spread.max():.4f}, sd {spread.std():.4f}")
    gains = Table("column", "share of gain")
    for name, share in judged.gains.head(_SHOWN).items():
        gains.add_row(str(name), f"{share:.1%}")
    console.print(gains)
    for note in table.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if as_json:
        emit(
            {
                "rows": len(table.y),
                "events": int(table.y.sum()),
                "columns": list(table.X.columns),
                "auc": judged.auc,
                "auc_of_seeds": {int(s): float(value) for s, value in spread.items()},  # type: ignore[call-overload]
                "held_out": whole,
                "folds": judged.folds.to_dict(orient="records"),
                "gains": {str(name): float(share) for name, share in judged.gains.items()},
                "notes": list(table.notes),
            }
        )


_FIGURES = ("auc", "average_precision", "brier", "observed_expected", "calibration_slope")
