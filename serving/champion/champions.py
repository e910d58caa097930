"""The models that answer together, and what they must agree on with each other, the workspace and its actions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.visitors import NAMED
from features.workspace import BUILT_IN, Workspace
from models.bundle import Model
from models.nba.catalogue import Catalogue
from models.registry import visitors_name
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

    ``visitors``: task -> the model of those without a name, where there is one. ``challengers``: task -> the model that
    is compared in the shadow of the champion and answers nobody.
    """

    churn: Champion
    needs: Champion
    visitors: Mapping[str, Champion] = field(default_factory=dict)
    challengers: Mapping[str, Champion] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Champion]:
        """Task -> champion."""
        return {CHURN: self.churn, NEEDS: self.needs}

    @property
    def all(self) -> dict[str, Champion]:
        """Name -> champion, those for visitors too; no challenger."""
        return self.named | {visitors_name(task): c for task, c in self.visitors.items()}

    @property
    def churn_label(self) -> str:
        """What the churn model calls leaving."""
        return self.churn.model.labels[0]

    @property
    def versions(self) -> dict[str, int]:
        """Name -> the version that answers."""
        return {name: champion.version for name, champion in self.all.items()}


def train_command(workspace: Workspace, task: str) -> str:
    """What makes a workspace's model."""
    return f"tieline train {task}" + ("" if workspace.name == BUILT_IN else f" --workspace {workspace.folder}")


def check(champions: Champions, workspace: Workspace, actions: Catalogue) -> None:
    """Raises `StartError` unless the models belong together and can serve the workspace and its actions."""
    for task, champion in champions.named.items():
        _reads_what_is_declared(champion, workspace, task, workspace.model_name(task), visitor=False)
    for task, champion in champions.visitors.items():
        name = visitors_name(workspace.model_name(task))
        _reads_what_is_declared(champion, workspace, task, name, visitor=True)
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
        belong_together(workspace.model_name(task), champions.named[task].model, visitor.model)


def belong_together(name: str, model: Model, visitor: Model) -> None:
    """Whether a visitor model tells of the same outcomes; it was trained, and may be promoted, apart."""
    same = {*visitor.labels} == {*model.labels, NAMED} and visitor.edges == model.edges
    if not same or visitor.manifest.entity != model.manifest.entity:
        raise StartError(
            f"champions '{name}' and '{visitors_name(name)}' are not about the same outcomes: train and promote both"
        )


def check_challenger(challenger: Champion, champion: Champion, workspace: Workspace, task: str) -> None:
    """Raises `StartError` unless a challenger tells of the same outcomes and reads what the workspace declares."""
    name, model = workspace.model_name(task), champion.model
    _reads_what_is_declared(challenger, workspace, task, name, visitor=False, role="challenger")
    found = challenger.model
    same = {*found.labels} == {*model.labels} and found.manifest.entity == model.manifest.entity
    if not same or any(_last(found, label) != _last(model, label) for label in model.labels):
        raise StartError(
            f"challenger '{name}' version {challenger.version} tells of other outcomes than the champion, "
            f"version {champion.version}"
        )


def _last(model: Model, label: str) -> int:
    return model.manifest.edges_of(label)[-1]


def _reads_what_is_declared(
    champion: Champion, workspace: Workspace, task: str, name: str, *, visitor: bool, role: str = "champion"
) -> None:
    declared = workspace.catalog.visitors if visitor else workspace.catalog
    features = {f.name for f in declared.features} if declared else set()
    unknown = sorted(set(champion.model.features) - features)
    if unknown:
        raise StartError(
            f"{role} '{name}' version {champion.version} reads the feature '{unknown[0]}', which this workspace does "
            f"not declare: run `{train_command(workspace, task)}` again, or serve the workspace it was trained on"
        )
