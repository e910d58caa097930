"""What serving needs before it can load anything, checked when the app is made so that a start fails at once."""

from dataclasses import dataclass
from pathlib import Path

from features import objection
from features.facts import CHANNELS
from features.identity.keys import KeyRing
from features.lake import Lake, LakeError
from features.privacy.secrets import open_keyring
from features.workspace import Workspace, load_workspace
from models.nba import load as actions_yaml
from models.nba.catalogue import Catalogue
from serving import champion
from serving.champion import CHURN, NEEDS, Champions
from serving.errors import StartError
from serving.settings import Settings


@dataclass(frozen=True)
class Resources:
    """The workspace, its actions, the champions, the lake and the secret that turns keys into ids."""

    workspace: Workspace
    actions: Catalogue
    champions: Champions
    lake: Lake
    keyring: KeyRing


def open_resources(settings: Settings) -> Resources:
    """Everything that can be checked without reading facts; `StartError` says what is missing and what makes it."""
    try:
        workspace = load_workspace(settings.workspace)
        actions = _actions(workspace)
        lake = _lake(workspace, settings)
        keyring = open_keyring(settings.home, lake)
    except (ValueError, LakeError) as error:
        raise StartError(str(error)) from error
    _store_exists(settings, workspace)
    return Resources(workspace, actions, champion.load(settings.models, workspace, actions), lake, keyring)


def _actions(workspace: Workspace) -> Catalogue:
    if workspace.actions_path is None:
        raise StartError(f"{workspace.folder}: serving decides on actions, and there is no actions.yaml")
    kinds = {f.name: f.kind for f in workspace.catalog.features}
    served = objection.served(workspace.catalog) if workspace.catalog.objection else None
    return actions_yaml.load(workspace.actions_path, kinds, CHANNELS, served)


def _lake(workspace: Workspace, settings: Settings) -> Lake:
    lake = Lake(workspace.lake_folder(settings.home))
    if not lake.snapshot().version:
        raise StartError(f"the lake {lake.root} is empty: run `tieline simulate` or `tieline ingest` first")
    return lake


def _store_exists(settings: Settings, workspace: Workspace) -> None:
    """A SQLite store that is not there would be created, empty, by merely asking it."""
    path = Path(settings.models.removeprefix("sqlite:///"))
    if settings.models.startswith("sqlite:///") and not path.is_file():
        commands = " and ".join(f"`{champion.train_command(workspace, task)}`" for task in (CHURN, NEEDS))
        raise StartError(f"there is no model store at {path}: run {commands} first")
