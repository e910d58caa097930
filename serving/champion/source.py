"""Where the models that answer come from: the registry, and at a start without it the last ones that were served."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from features.workspace import Workspace
from models import bundle
from models.bundle import BundleError
from models.nba.catalogue import Catalogue
from models.registry import CHALLENGER, CHAMPION, Holder, Registry, RegistryError, reach, shown, visitors_name
from serving.champion.champions import CHURN, NEEDS, Champion, Champions, check, check_challenger, train_command
from serving.champion.copies import Copies
from serving.errors import StartError

TASKS = (CHURN, NEEDS)


@dataclass(frozen=True)
class Look:
    """Who has the aliases, at one look. ``champions``: name -> holder, for visitors too; ``challengers`` by task."""

    champions: Mapping[str, Holder]
    challengers: Mapping[str, Holder] = field(default_factory=dict)


@dataclass(frozen=True)
class Loaded:
    """Models that passed every check, and in words why a challenger is not among them."""

    champions: Champions
    trouble: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """The model store at ``uri``, as one workspace and its actions see it.

    ``home``: where copies of what was served are kept (``None``: nowhere). ``shadow``: whether challengers are loaded.
    """

    uri: str
    workspace: Workspace
    actions: Catalogue
    home: Path | None = None
    shadow: bool = False

    @cached_property
    def copies(self) -> Copies | None:
        """The copies this workspace has in the home."""
        return None if self.home is None else Copies(self.home / "champions" / self.workspace.name)

    def look(self) -> Look:
        """Who has the aliases now; one call for each. `RegistryError` where the store does not answer."""
        _impatient()
        if self.uri.startswith("sqlite") or "_registry" not in vars(self):
            self._reach()
        wanted = {task: self.workspace.model_name(task) for task in TASKS}
        if self.workspace.catalog.visitors is not None:
            wanted |= {visitors_name(task): visitors_name(self.workspace.model_name(task)) for task in TASKS}
        champions = {name: self._registry.holder(model, CHAMPION) for name, model in wanted.items()}
        challengers = {t: self._registry.holder(wanted[t], CHALLENGER) for t in TASKS} if self.shadow else {}
        return Look(_there(champions), _there(challengers))

    def load(self, look: Look, known: Champions | None = None) -> Loaded:
        """The models a look found, those in ``known`` not read again.

        Raises `StartError` when a champion is missing, a file was changed, or the models, the workspace and its
        actions do not belong together. A challenger with such a fault is left out.
        """
        copies = self.copies
        read = {
            name: self._champion(name, holder, _served(known, name), copies) for name, holder in look.champions.items()
        }
        for task in TASKS:
            if task not in read:
                raise StartError(
                    f"no champion for '{self.workspace.model_name(task)}' in {shown(self.uri)}: "
                    f"run `{train_command(self.workspace, task)}` first"
                )
        champions = _together(read)
        check(champions, self.workspace, self.actions)
        challengers, trouble = {}, []
        for task, holder in look.challengers.items():
            try:
                challenger = self._champion(task, holder, None if known is None else known.challengers.get(task))
                check_challenger(challenger, champions.named[task], self.workspace, task)
            except StartError as error:
                trouble.append(str(error))
            else:
                challengers[task] = challenger
        return Loaded(Champions(champions.churn, champions.needs, champions.visitors, challengers), tuple(trouble))

    def keep(self, champions: Champions) -> None:
        """Note the models that are served now in the home, if there is one, with a copy of each.

        Raises `OSError`, `RegistryError` and `BundleError`.
        """
        if self.copies is None:
            return
        for name, champion in champions.all.items():
            if not self.copies.has(champion.model.id):
                with self._registry.opened(self._registered(name), champion.version) as folder:
                    self.copies.add(champion.model.id, folder)
        self.copies.note({name: Holder(c.version, c.model.id) for name, c in champions.all.items()})

    def kept(self) -> Champions | None:
        """The last models that were served and are still whole and fit to serve; ``None`` where there are none."""
        if (copies := self.copies) is None:
            return None
        for holders in copies.noted():
            try:
                read = {name: Champion(h.version, copies.load(h.model_id)) for name, h in holders.items()}
                champions = _together(read)
                check(champions, self.workspace, self.actions)
            except (BundleError, StartError, KeyError, OSError):
                continue
            return champions
        return None

    def _reach(self) -> None:
        try:
            reach(self.uri)
        except RegistryError as error:
            commands = " and ".join(f"`{train_command(self.workspace, task)}`" for task in TASKS)
            advice = f": run {commands} first" if self.uri.startswith("sqlite") else ""
            raise RegistryError(f"{error}{advice}") from error

    @cached_property
    def _registry(self) -> Registry:
        return Registry(self.uri)

    def _registered(self, name: str) -> str:
        """What a champion's name is in the registry: the same, or with the workspace before it."""
        return self.workspace.model_name(name)

    def _champion(self, name: str, holder: Holder, known: Champion | None, copies: Copies | None = None) -> Champion:
        """The model of a holder; copied at once, as its files may be gone by the time it serves.

        A copy that cannot be made is left to `keep`, which says so.
        """
        if known is not None and (known.version, known.model.id) == holder:
            return known
        try:
            with self._registry.opened(self._registered(name), holder.version) as folder:
                model = bundle.load(folder, expected=holder.model_id)
                if copies is not None and not copies.has(model.id):
                    with suppress(OSError):
                        copies.add(model.id, folder)
                return Champion(holder.version, model)
        except (RegistryError, BundleError, OSError) as error:
            raise StartError(shown(str(error))) from error


def load(uri: str, workspace: Workspace, actions: Catalogue) -> Champions:
    """The champions a workspace has in the model store at ``uri``.

    Raises `StartError` when there is none, when a file was changed, and when a model and the workspace do not belong
    together.
    """
    source = Source(uri, workspace, actions)
    try:
        return source.load(source.look()).champions
    except RegistryError as error:
        raise StartError(str(error)) from error


def _together(read: Mapping[str, Champion]) -> Champions:
    visitors = {task: read[visitors_name(task)] for task in TASKS if visitors_name(task) in read}
    return Champions(read[CHURN], read[NEEDS], visitors)


def _served(known: Champions | None, name: str) -> Champion | None:
    return None if known is None else known.all.get(name)


def _there(found: Mapping[str, Holder | None]) -> dict[str, Holder]:
    return {name: holder for name, holder in found.items() if holder is not None}


def _impatient() -> None:
    """Let MLflow give up on a server within seconds and draw no progress bars, unless the environment says otherwise.

    By default it tries for four minutes, as is right for training; the next look comes in seconds anyway.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
