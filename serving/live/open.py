"""A live store by its address."""

from pathlib import Path


from serving.live.sqlite import SqliteStore
from serving.live.store import Store, StoreError

_SQLITE = "sqlite:///"


def open_store(url: str) -> Store:
    """The store at ``sqlite:///path`` (or a path) or ``postgresql://...``. Raises `StoreError`."""
    if url.startswith(("postgresql://", "postgresql+psycopg://")):
        raise StoreError("PostgreSQL comes with the next change")
    if "://" in url and not url.startswith(_SQLITE):
        raise StoreError(f"a live store is sqlite:///... or postgresql://..., not {url.split(':')[0]}://")
    return SqliteStore(Path(url.removeprefix(_SQLITE)))
