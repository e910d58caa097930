"""The live store an address means."""

import importlib
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from serving.live.spill import Spill
from serving.live.sqlite import SqliteStore, beside
from serving.live.store import Store, StoreError


def open_store(url: str) -> Store:
    """The store at ``sqlite:///path``, a plain path, or ``postgresql://...``; its tables are made where there are none.

    Raises `StoreError` for an address that is none, or a store that cannot be used, `StoreAway` for one that does not
    answer.
    """
    path = sqlite_path(url)
    if path is not None:
        try:
            return SqliteStore(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be used as a live store: {error}") from error
    if url.partition(":")[0].partition("+")[0] not in ("postgresql", "postgres"):
        raise StoreError(f"{shown(url)}: a live store is sqlite:///PATH, a path, or postgresql://HOST/DATABASE")
    # The driver is loaded only where it is used: a service on SQLite needs none.
    found: Store = importlib.import_module("serving.live.postgres").PostgresStore(url)
    return found


def sqlite_path(url: str) -> Path | None:
    """The file of a store that is one, whether it is there or not; ``None`` for a store on a server."""
    if url.startswith("sqlite:"):
        if not url.startswith("sqlite:///") or not (name := url.removeprefix("sqlite:///").partition("?")[0]):
            raise StoreError(f"{url}: write sqlite:///PATH, with four slashes where the path begins with one")
        return Path(name)
    return None if "://" in url else Path(url)


def waiting(url: str, home: Path, workspace: str) -> Spill:
    """Where decisions wait for the store at an address: beside its file, or for one on a server in the state folder."""
    path = sqlite_path(url)
    return Spill(home / "undelivered" / workspace if path is None else beside(path))


def exists(url: str) -> bool:
    """Whether there may be something at the address: a file that is missing would be made by opening it."""
    path = sqlite_path(url)
    return path is None or path.exists()


def shown(url: str) -> str:
    """The address as it may be printed: without the password."""
    try:
        return make_url(url).render_as_string(hide_password=True) if "://" in url else url
    except ArgumentError:
        return url.partition("://")[0] + "://..."
