"""Forgetting somebody in all places at once: the lake, the live store, and the decisions that were written down."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from features.identity.keys import KeyRing
from features.lake import Lake
from features.privacy.forget import Forgotten
from features.privacy.forget import forget as forget_in_lake
from features.privacy.person import find_person
from features.workspace import Workspace
from serving.live import archive
from serving.live.forget import Erased, erase, purge
from serving.live.open import exists, open_store, waiting
from serving.live.sync import sync, turn


@dataclass(frozen=True)
class Gone:
    """What went from the lake, and from the live store where there is one."""

    lake: Forgotten
    live: Erased | None

    @property
    def complete(self) -> bool:
        """Whether no file holds any of it still."""
        return self.lake.complete and (self.live is None or self.live.complete)


def forget(
    url: str,
    home: Path,
    workspace: Workspace,
    lake: Lake,
    ring: KeyRing,
    key_type: str,
    value: str,
    *,
    of: str = "customer",
    told: Callable[[str], None] = lambda words: None,
) -> Gone:
    """Forgets whoever holds a key (`features.privacy.forget`), also in the live store at an address.

    What the store alone knows comes to the lake first, which says whose it is; then it goes from the store, then from
    the lake, and what a service wrote meanwhile from the store again. Cut off anywhere, and done again, it ends the
    same, for the lake knows who it is until the store has forgotten.
    """
    folder = archive.folder_of(home, workspace.name)
    if not exists(url):
        if folder.is_dir():
            with turn(folder):
                person = find_person(lake, lake.snapshot(), workspace.catalog, ring, key_type, value, of)
                archive.erase(folder, frozenset(person.entities.tolist()), ())
        return Gone(forget_in_lake(lake, workspace.catalog, ring, key_type, value, of=of), None)
    store = open_store(url)
    try:
        with turn(folder):
            spill = waiting(url, home, workspace.name)
            if "fingerprint" in store.texts():
                told("bringing the live store's facts to the lake")
                sync(store, lake, workspace.catalog, ring, folder)
            told("forgetting")
            person = find_person(lake, lake.snapshot(), workspace.catalog, ring, key_type, value, of)
            marked = person.marks, person.entities
            stamp = store.clock()
            first = erase(store, workspace.catalog, *marked, folder, spill)
            done = forget_in_lake(lake, workspace.catalog, ring, key_type, value, of=of)
            again = erase(store, workspace.catalog, *marked, folder, spill, since=stamp)
            told("writing the live store anew")
            return Gone(done, first.and_then(again, purge(store)))
    finally:
        store.close()
