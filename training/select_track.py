"""A selection of variables in MLflow: the curve, what was kept and at what cost, for whoever reviews the shortlist."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.time import get_current_time_millis

from models.registry import speaking
from training import select_plots
from training.code import code_tags
from training.select import Chosen
from training.store import Store

JOB = "select"


def keep(found: Chosen, store: Store, tasks: Sequence[str], fingerprint: str) -> str:
    """The id of the run that holds a selection: ``<task>.<figure>`` against the number of variables as step, the kept
    variables with their costs, the twins and the picture.
    """
    with speaking(store.uri), tempfile.TemporaryDirectory() as scratch:
        tags = {"tieline.job": JOB, "lake_fingerprint": fingerprint, "mlflow.user": store.who, **code_tags()}
        run = store.client.create_run(store.experiment, run_name=f"select {', '.join(tasks)}", tags=tags)
        run_id, folder = run.info.run_id, Path(scratch)
        try:
            store.client.log_batch(
                run_id,
                metrics=_metrics(found),
                params=[Param("tasks", ", ".join(tasks)), Param("kept", str(len(found.kept)))],
                tags=[RunTag("mlflow.note.content", _note(found))],
            )
            select_plots.draw(found, folder / "selection.png")
            found.curve.to_csv(folder / "curve.csv", index=False)
            costs(found).to_csv(folder / "kept.csv", index=False)
            pd.Series(found.twins, name="stayed").rename_axis("left").to_csv(folder / "twins.csv")
            store.client.log_artifacts(run_id, str(folder))
        except BaseException:
            store.client.set_terminated(run_id, status="FAILED")
            raise
        store.client.set_terminated(run_id)
    return str(run_id)


def costs(found: Chosen) -> pd.DataFrame:
    """One row per kept variable: its share of the gain and the area lost when it is shuffled, most helpful first."""
    rows = [(name, found.gains[name], found.lost[name]) for name in found.kept]
    return pd.DataFrame(rows, columns=["variable", "share_of_gain", "area_lost"])


def _metrics(found: Chosen) -> list[Metric]:
    now = get_current_time_millis()
    return [
        Metric(f"{row['task']}.{name}", float(row[name]), now, int(row["variables"]))
        for row in found.curve.to_dict(orient="records")
        for name in ("auc", "brier", "observed_expected")
        if row.get(name) is not None and row[name] == row[name]
    ]


def _note(found: Chosen) -> str:
    lines = [
        f"{len(found.kept)} variables kept; {len(found.twins)} twins left first.",
        "",
        "| variable | share of gain | area lost when shuffled |",
        "|---|---:|---:|",
    ]
    return "\n".join([*lines, *(f"| {n} | {g:.1%} | {lost:+.4f} |" for n, g, lost in costs(found).to_numpy())])
