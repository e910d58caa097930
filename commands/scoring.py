"""The command that scores everybody."""

from pathlib import Path
from typing import Annotated

import typer

from commands.common import (
    JsonOption,
    Place,
    WorkspaceOption,
    check_suffix,
    emit,
    micros,
    out,
    progress,
    say,
    tracking_uri,
)


def score(
    target: Annotated[Path, typer.Option("--out", help="A .parquet or .csv file, written whole or not at all.")],
    task: Annotated[str, typer.Argument(help="churn, needs, or a task of the workspace.")] = "churn",
    workspace: WorkspaceOption = None,
    at: Annotated[str | None, typer.Option(help="The instant it is; default: the last the lake covers.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Score everybody the lake has heard of with the champion, in bounded memory.

    A row each: `entity` (a key id), `why` there is no score ("" where there is one), and a column for every label and
    horizon. Who objects to profiling has none.
    """
    from models import bundle
    from models.registry import Registry
    from training import score as scoring
    from training.scores_file import SUFFIXES, write

    check_suffix(target, SUFFIXES, "--out")
    place = Place.of(workspace)
    declared = place.workspace.catalog.task(task)
    champion = Registry(tracking_uri()).champion(place.workspace.model_name(task))
    model, history = bundle.load(champion.path), place.history()
    when = scoring.moment(history, declared, model, micros(at) if at else None)
    entities = scoring.heard_of(history, declared, when)
    with progress() as bar:
        shown = bar.add_task(f"scoring {len(entities):,}", total=len(entities))
        found = write(
            target,
            model,
            scoring.blocks(history, declared, model, when, entities),
            lambda rows: bar.update(shown, advance=rows),
        )
    words = f"{found.scored:,} of {found.rows:,} scored by version {champion.version}, written to {target}"
    (say if as_json else out).print(words, soft_wrap=True, highlight=False)
    if as_json:
        said = {"rows": found.rows, "scored": found.scored, "without": found.without, "version": champion.version}
        emit({**said, "model_id": model.id, "out": str(target)})
