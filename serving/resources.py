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
from serving.champion import Follower, Source
from serving.errors import StartError
from serving.settings import Settings
from serving.taking import Ready


@dataclass(frozen=True)
class Resources:
    """The workspace, its actions and their text, the champions, the lake and the secret that turns keys into ids."""

    workspace: Workspace
    actions: Catalogue
    rules: bytes
    follower: Follower[Ready]
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
    source = Source(settings.models, workspace, actions, settings.home, settings.shadow)
    follower: Follower[Ready] = Follower.open(source, every=settings.follow)
    return Resources(workspace, actions, _path(workspace).read_bytes(), follower, lake, keyring)


def _path(workspace: Workspace) -> Path:
    if workspace.actions_path is None:
        raise StartError(f"{workspace.folder}: serving decides on actions, and there is no actions.yaml")
    return workspace.actions_path


def _actions(workspace: Workspace) -> Catalogue:
    return read_actions(_path(workspace), workspace)


def read_actions(path: Path, workspace: Workspace) -> Catalogue:
    """The action catalogue in a file, checked against what a workspace declares."""
    kinds = {f.name: f.kind for f in workspace.catalog.features}
    served = objection.served(workspace.catalog) if workspace.catalog.objection else None
    return actions_yaml.load(path, kinds, CHANNELS, served)


def _lake(workspace: Workspace, settings: Settings) -> Lake:
    lake = Lake(workspace.lake_folder(settings.home))
    if not lake.snapshot().version:
        raise StartError(f"the lake {lake.root} is empty: run `tieline simulate` or `tieline ingest` first")
    return lake
