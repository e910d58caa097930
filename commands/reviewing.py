"""What commands that train lay beside a model for its review, and with which parameters they fit it."""

from typing import TYPE_CHECKING, Annotated

import typer

from commands.common import Place, fail, home, tracking_uri

if TYPE_CHECKING:
    from models.hazard import Params
    from models.nba.catalogue import Catalogue
    from training.parts import Wanted

TunedOption = Annotated[bool, typer.Option("--tuned", help="With the parameters `tieline tune` found.")]


def params(name: str, tuned: bool) -> "Params":
    """Those of the model's last search, or the defaults."""
    from models.hazard import Params
    from training.tuning.search import tuned as kept

    found = kept(home() / "tuning", name) if tuned else Params()
    return found or fail(f"nothing was tuned for '{name}' yet: run `tieline tune` first, or leave out --tuned")


def wanted(place: Place, task: str, peers: bool) -> "Wanted":
    """The workspace's costs and the champions its policy weighs beside this model's; a broken one is left out."""
    from models import bundle
    from models.registry import Registry, RegistryError
    from training.parts import CHURN, NEEDS, Wanted

    registry, others = Registry(tracking_uri()), {}
    for other in (CHURN, NEEDS):
        name = place.workspace.model_name(other)
        if other != task and registry.answers(name):
            try:
                others[other] = bundle.load(registry.champion(name).path)
            except (RegistryError, bundle.BundleError):
                continue
    return Wanted(actions(place), others, peers)


def actions(place: Place) -> "Catalogue | None":
    """The workspace's actions, checked; ``None`` where it has none."""
    from features.facts import CHANNELS
    from models.nba import load

    path = place.workspace.actions_path
    kinds = {f.name: f.kind for f in place.workspace.catalog.features}
    return load.load(path, kinds, CHANNELS) if path else None
