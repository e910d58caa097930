"""The models that answer: the champions of the registry, checked against what the workspace declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.visitors import NAMED
from features.workspace import BUILT_IN, Workspace
from models import bundle
from models.bundle import BundleError, Model
from models.nba.catalogue import Catalogue
from models.registry import Registry, RegistryError, visitors_name
from serving.errors import StartError

CHURN, NEEDS = "churn", "needs"


@dataclass(frozen=True)
class Champion:
    """A loaded model and the version it is registered as."""

    version: int
    model: Model


@dataclass(frozen=True)
class Champions:
    """The two models a decision needs. ``churn`` has one label.

    ``visitors``: task -> the model of those without a name, where there is one.
    """

    churn: Champion
    needs: Champion
    visitors: Mapping[str, Champion] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Champion]:
        """Task -> champion."""
        return {CHURN: self.churn, NEEDS: self.needs}

    @property
    def all(self) -> dict[str, Champion]:
        """Name -> champion, those for visitors too."""
        return self.named | {visitors_name(task): c for task, c in self.visitors.items()}

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
    visitors = _visitors(registry, workspace)
    champions = Champions(_load(registry, CHURN, workspace), _load(registry, NEEDS, workspace), visitors)
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
    for task, visitor in champions.visitors.items():
        _belong_together(workspace.model_name(task), champions.named[task].model, visitor.model)
    return champions


def _belong_together(name: str, model: Model, visitor: Model) -> None:
    """Whether a visitor model tells of the same outcomes; it was trained, and may be promoted, apart."""
    same = {*visitor.labels} == {*model.labels, NAMED} and visitor.edges == model.edges
    if not same or visitor.manifest.entity != model.manifest.entity:
        raise StartError(
            f"champions '{name}' and '{visitors_name(name)}' are not about the same outcomes: train and promote both"
        )


def train_command(workspace: Workspace, task: str) -> str:
    """What makes a workspace's model."""
    return f"tieline train {task}" + ("" if workspace.name == BUILT_IN else f" --workspace {workspace.folder}")


def _visitors(registry: Registry, workspace: Workspace) -> dict[str, Champion]:
    """The visitor models there are; without one nobody without a name gets that score, which is no error."""
    declared = workspace.catalog.visitors
    if declared is None:
        return {}
    names = {task: visitors_name(workspace.model_name(task)) for task in (CHURN, NEEDS)}
    features = {f.name for f in declared.features}
    return {
        task: _champion(registry, name, train_command(workspace, task), features)
        for task, name in names.items()
        if registry.answers(name)
    }


def _load(registry: Registry, task: str, workspace: Workspace) -> Champion:
    features = {f.name for f in workspace.catalog.features}
    return _champion(registry, workspace.model_name(task), train_command(workspace, task), features)


def _champion(registry: Registry, name: str, command: str, features: set[str]) -> Champion:
    try:
        version, path = registry.champion(name)
        model = bundle.load(path)
    except (RegistryError, BundleError) as error:
        # The registry knows models, not workspaces: the command it advises lacks the folder.
        raise StartError(str(error).replace(f"`tieline train {name}`", f"`{command}`")) from error
    unknown = sorted(set(model.features) - features)
    if unknown:
        raise StartError(
            f"champion '{name}' version {version} reads the feature '{unknown[0]}', which this workspace does not "
            f"declare: run `{command}` again, or serve the workspace it was trained on"
        )
    return Champion(version, model)
