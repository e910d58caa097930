"""The live store a service answers from, filled from the lake where that was never done."""

from collections.abc import Callable

from serving.champion import CHURN
from serving.errors import StartError
from serving.live.load import check, load
from serving.live.open import open_store
from serving.live.store import Store, StoreError
from serving.resources import Resources
from serving.settings import Settings


def filled(settings: Settings, resources: Resources, tell: Callable[[str], object] | None = None) -> Store:
    """The store, open. Raises `StartError` for one of another workspace, or that cannot be filled.

    ``tell`` is called with words where that will take a while.
    """
    try:
        store = open_store(settings.live(resources.workspace.name))
        if check(store, resources.lake, resources.lake.snapshot()):
            if tell is not None:
                tell("filling the live store from the lake")
            catalog = resources.workspace.catalog
            load(store, resources.lake, catalog, catalog.task(CHURN).entity, now=settings.now)
    except StoreError as error:
        raise StartError(str(error)) from error
    return store
