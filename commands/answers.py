"""Commands that answer."""

import os
import sys
from typing import Annotated

import typer

from commands.common import WorkspaceOption, home, tracking_uri


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    workspace: WorkspaceOption = None,
    as_of: Annotated[str, typer.Option(help="lake: the last instant the lake covers; now; or an instant.")] = "lake",
) -> None:
    """Answer the CRM: POST /v1/decisions. The first start makes an API key and prints it."""
    from serving.run import run
    from serving.settings import Settings

    run(Settings(home=home(), tracking_uri=tracking_uri(), workspace=workspace, as_of=as_of, host=host, port=port))


def ui(host: str = "127.0.0.1", port: int = 5000) -> None:
    """The MLflow UI over this home's runs and models."""
    command = ["server", "--backend-store-uri", tracking_uri(), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])
