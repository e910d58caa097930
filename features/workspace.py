"""A workspace: a folder with ``catalog.py``, ``sql/*.sql`` and optionally ``actions.yaml``.

The built-in telecom workspace is `features/catalog`; ``--workspace DIR`` uses a folder of the user's instead.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from features import catalog as telecom
from features.conditions import DeclarationError
from features.declare import Catalog
from features.facts import SOURCES

BUILT_IN = "telecom"


@dataclass(frozen=True)
class Workspace:
    """What one body of data is about: its catalogue, the SQL that ingests it and the actions one can take."""

    name: str
    catalog: Catalog
    folder: Path

    @property
    def actions_path(self) -> Path | None:
        """The action catalogue, where the workspace has one."""
        path = self.folder / "actions.yaml"
        return path if path.exists() else None

    def lake_folder(self, home: Path) -> Path:
        """Where this workspace's lake lies. Workspaces share a home; each is known there by its folder's name."""
        return home / "lakes" / self.name

    def model_name(self, task: str) -> str:
        """What a task's model is registered as: the task's name, for other workspaces ``<workspace>.<task>``."""
        return task if self.name == BUILT_IN else f"{self.name}.{task}"

    @property
    def prepare_sql(self) -> Path | None:
        """``sql/input.sql``: the first step all SELECTs share, over the relation ``raw``, where there is one."""
        path = self.folder / "sql" / "input.sql"
        return path if path.exists() else None

    @property
    def sql_files(self) -> dict[str, Path]:
        """Source -> the SELECT that makes its facts."""
        files = {path.stem: path for path in sorted((self.folder / "sql").glob("*.sql")) if path.stem != "input"}
        for name, path in files.items():
            if name not in SOURCES:
                raise DeclarationError(f"{path}: '{name}' is not a source (known: {', '.join(SOURCES)})")
        return files


def load_workspace(folder: Path | None = None) -> Workspace:
    """The workspace in a folder, or the built-in one; `DeclarationError` says what is missing or wrong in it."""
    if folder is None:
        return Workspace(BUILT_IN, telecom.CATALOG, Path(telecom.__file__).parent)
    folder = folder.resolve()
    path = folder / "catalog.py"
    if not path.exists():
        raise DeclarationError(f"{folder}: not a workspace, it has no catalog.py")
    if folder.name == BUILT_IN:
        raise DeclarationError(f"{folder}: '{BUILT_IN}' is the built-in workspace; give the folder another name")
    catalog = getattr(_execute(path), "CATALOG", None)
    if not isinstance(catalog, Catalog):
        raise DeclarationError(f"{path}: must define CATALOG, a features.declare.Catalog")
    return Workspace(folder.name, catalog, folder)


def _execute(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tieline_workspace_{path.parent.name}", path)
    if spec is None or spec.loader is None:
        raise DeclarationError(f"{path}: cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as the import system does: dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise DeclarationError(f"{path}: {type(error).__name__}: {error}") from error
    return module
