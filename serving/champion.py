"""The models that answer: the champions of the registry, checked against what the workspace declares."""

from dataclasses import dataclass

from features.workspace import BUILT_IN, Workspace
from models import bundle
from models.bundle import BundleError, Model
from models.nba.catalogue import Catalogue
from models.registry import Registry, RegistryError
from serving.errors import StartError

CHURN, NEEDS = "churn", "needs"


@dataclass(frozen=True)
class Champion:
    """A loaded model and the version it is registered as."""

    version: int
    model: Model


@dataclass(frozen=True)
class Champions:
    """The two models a decision needs. ``churn`` has one label."""

    churn: Champion
    needs: Champion

    @property
    def named(self) -> dict[str, Champion]:
        """Task -> champion."""
        return {CHURN: self.churn, NEEDS: self.needs}

    @property
    def churn_label(self) -> str:
        """What the churn model calls leaving."""
        return self.churn.model.labels[0]


def load(uri: str, workspace: Workspace, actions: Catalogue) -> Champions:
    """The champions a workspace has in the model store at ``uri``.

    Raises `StartError` when there is none, when a file was changed, and when a model and the workspace do not belong
    together.
    """
    registry = Registry(uri)
    champions = Champions(_load(registry, CHURN, workspace), _load(registry, NEEDS, workspace))
    if len(champions.churn.model.labels) != 1:
        name = workspace.model_name(CHURN)
        raise StartError(f"champion '{name}' has labels {champions.churn.model.labels}; serving needs exactly one")
    entities = [c.model.manifest.entity for c in champions.named.values()]
    if len(set(entities)) > 1:
        names = " and ".join(f"'{workspace.model_name(task)}'" for task in champions.named)
        raise StartError(f"champions {names} are about different entities: {' and '.join(entities)}")
    unknown = sorted({n for a in actions.actions for n in a.needs} - set(champions.needs.model.labels))
    if unknown:
        raise StartError(
            f"actions.yaml serves the need '{unknown[0]}', which champion '{workspace.model_name(NEEDS)}' version "
            f"{champions.needs.version} does not predict (it predicts: {', '.join(champions.needs.model.labels)})"
        )
    return champions


def train_command(workspace: Workspace, task: str) -> str:
    """What makes a workspace's model."""
    return f"tieline train {task}" + ("" if workspace.name == BUILT_IN else f" --workspace {workspace.folder}")


def _load(registry: Registry, task: str, workspace: Workspace) -> Champion:
    name, command = workspace.model_name(task), train_command(workspace, task)
    try:
        version, path = registry.champion(name)
        model = bundle.load(path)
    except (RegistryError, BundleError) as error:
        # The registry knows models, not workspaces: the command it advises lacks the folder.
        raise StartError(str(error).replace(f"`tieline train {name}`", f"`{command}`")) from error
    unknown = sorted(set(model.features) - {f.name for f in workspace.catalog.features})
    if unknown:
        raise StartError(
            f"champion '{name}' version {version} reads the feature '{unknown[0]}', which this workspace does not "
            f"declare: run `{command}` again, or serve the workspace it was trained on"
        )
    return Champion(version, model)
