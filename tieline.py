"""tieline: customer need and churn prediction for telecom operators.

The command line (``tieline --help``), and for notebooks the public names: ``import tieline; tieline.Lake(...)``.
Commands import their layer when they run, so that ``--help`` is instant.
"""

import importlib
import os
import sys
from typing import Any

import typer
from rich.markup import escape

from commands import (
    answers,
    demo,
    doctor,
    facts,
    flat_tables,
    identity,
    keys,
    levels,
    live,
    models,
    privacy,
    registered,
    registers,
    retraining,
    scoring,
    selecting,
    tuning,
    values,
)
from commands.common import say

_PUBLIC = {
    "Lake": "features.lake",
    "History": "features.history",
    "KeyRing": "features.identity.keys",
    "load_secret": "features.identity.keys",
    "open_keyring": "features.privacy.secrets",
    "forget": "features.privacy.forget",
    "export": "features.privacy.export",
    "Feature": "features.declare",
    "Task": "features.declare",
    "Catalog": "features.declare",
    "FeatureWarning": "features.told.asked",
    "frame": "features.told.frame",
    "describe": "features.told.describe",
    "explain": "features.told.explain",
    "build": "features.dataset",
    "load_workspace": "features.workspace",
    "simulate": "features.simulator",
    "deliver": "features.simulator.deliver",
    "windows": "training.split",
    "Desk": "serving.desk",
    "append_facts": "features.ingest",
    "ingest": "features.ingest",
    "check_source": "features.ingest",
    "propose": "features.identity.registers.propose",
    "fact_tables": "features.identity.told.tallies",
    "link_report": "features.identity.told.report",
    "who": "features.identity.told.who",
    "prepare": "training.prepare",
    "review": "training.review",
    "standing": "training.prepare",
    "train": "training.run",
    "train_on": "training.run",
    "Wanted": "training.parts",
    "open_store": "training.store",
    "track": "training.track",
    "card": "training.card",
    "Registry": "models.registry",
}
_OURS = {"features", "models", "training", "serving"}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command("ingest")(facts.ingest)
app.command("quarantine")(facts.quarantine)
app.command("check-source")(facts.check_source)
app.command("compact")(facts.compact)
app.command("simulate")(facts.simulate)
app.command("propose")(registers.propose)
app.command("link")(identity.link)
app.command("who")(identity.who)
app.command("describe")(values.describe)
app.command("features")(values.features)
app.command("explain")(values.explain)
app.command("train")(models.train)
app.command("train-table")(flat_tables.train_table)
app.command("retrain")(retraining.retrain)
app.command("select")(selecting.select)
app.command("tune")(tuning.tune)
app.command("score")(scoring.score)
app.command("models")(registered.models)
app.command("promote")(registered.promote)
app.command("rollback")(registered.rollback)
app.command("waive")(registered.waive)
app.command("roll-up")(levels.roll_up)
app.command("load")(live.load)
app.command("sync")(live.sync)
app.command("doctor")(doctor.doctor)
app.command("forget")(privacy.forget)
app.command("export")(privacy.export)
app.command("scan")(privacy.scan)
app.command("rotate-secret")(privacy.rotate_secret)
app.add_typer(keys.app, name="keys")
app.command("serve")(answers.serve)
app.command("ui")(answers.ui)
app.command("demo")(demo.demo)


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'tieline' has no attribute '{name}'")


def main() -> None:
    """Run a command; an error our packages or the system raise is the user's to read, not a traceback."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # what an operator trains is nobody else's business
    try:
        app()
    except Exception as error:
        if type(error).__module__.split(".")[0] not in _OURS and not isinstance(error, OSError):
            raise
        say.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
