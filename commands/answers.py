"""Commands that answer."""

import os
import sys
from typing import Annotated

import typer

from commands.common import WorkspaceOption, home, out, review_url, tracking_uri


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; or TIELINE_HOST; else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Or TIELINE_PORT; else 8000; 0: any free one.")] = None,
    workspace: WorkspaceOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            help="Which instant is now: lake (the last instant it covers), now (the clock), or an instant with its "
            "zone; or TIELINE_AS_OF; else lake."
        ),
    ] = None,
) -> None:
    """Answer the CRM: POST /v1/decisions. The first start makes an API key and prints it."""
    from serving.run import run
    from serving.settings import read_settings

    place = {"home": home(), "tracking_uri": tracking_uri(), "workspace": workspace}
    run(read_settings(**place, as_of=as_of, host=host, port=port))


def ui(host: str = "127.0.0.1", port: int = 5000) -> None:
    """The MLflow UI over this home's runs and models."""
    out.print(f"open {review_url(host, port)}", highlight=False)
    command = ["server", "--backend-store-uri", tracking_uri(), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", *command])
