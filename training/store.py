"""Where a training run will be kept: found, opened and named before any work is done."""

import getpass
import os
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from models.registry import RegistryError, already_there, quiet, shown, speaking

REACH_SECONDS = 10.0


@dataclass(frozen=True)
class Store:
    """An MLflow store that answered, the experiment (its id) of a registered name, and who is training."""

    uri: str
    name: str
    who: str
    experiment: str
    client: MlflowClient = field(repr=False)


def open_store(uri: str, artifacts: str, name: str, *, who: str | None = None) -> Store:
    """The store at ``uri`` with the experiment ``name``, made with artifacts under ``artifacts`` if there is none.

    Raises `RegistryError` within `REACH_SECONDS` when a server does not answer, and where a store cannot be used.
    """
    quiet()
    _reach(uri)
    with speaking(uri):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = _experiment(client, name, f"{artifacts.rstrip('/')}/{name}")
    return Store(uri, name, who or user(), experiment, client)


def user() -> str:
    """The name of who runs this, or ``uid-<number>`` where the system has no name for them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


def _reach(uri: str) -> None:
    """MLflow's own client would try for minutes; any answer, also a refusal, shows that somebody is there."""
    if not uri.startswith(("http://", "https://")):
        return
    try:
        http_request(
            get_default_host_creds(uri), "/health", "GET", max_retries=0, timeout=REACH_SECONDS, raise_on_status=False
        )
    except (MlflowException, OSError) as error:
        raise RegistryError(
            f"the model store {shown(uri)} does not answer: start it, or set TIELINE_TRACKING_URI ({shown(str(error))})"
        ) from None


def _experiment(client: MlflowClient, name: str, place: str) -> str:
    if client.get_experiment_by_name(name) is None:
        with already_there():  # somebody else may train for the first time in the same moment
            client.create_experiment(name, artifact_location=place)
    found = client.get_experiment_by_name(name)
    if found.lifecycle_stage != "active":
        raise RegistryError(f"the experiment '{name}' was deleted: restore it with `mlflow experiments restore`")
    return str(found.experiment_id)
