"""Copies of the models that were served last, so that a start without the registry can serve them again.

``<model id>/`` holds a bundle and ``last.json`` lists the set that is served and the one before it. Each is written
beside its place and renamed into it: whatever breaks off leaves the former state. Loading verifies every byte.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from models import bundle
from models.bundle import BundleError, Model
from models.registry import Holder

LAST = "last.json"
_SETS = 2
_PARTIAL = ".partial-"
_GIVEN_UP = 3_600


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    model_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Last(BaseModel):
    """``sets``: name -> model, newest set first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1]
    sets: tuple[dict[str, _Kept], ...]


class Copies:
    """The copies in a folder, which is made when there is something to keep."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, model_id: str) -> bool:
        """Whether there is a whole copy; one that is not is removed."""
        place = self.folder / model_id
        try:
            bundle.verify(place, expected=model_id)
        except (BundleError, OSError):
            shutil.rmtree(place, ignore_errors=True)
            return False
        return True

    def add(self, model_id: str, bundle_folder: Path) -> None:
        """Copy a bundle. Raises `OSError`, and `BundleError` unless the copy is that model, whole."""
        partial = self.folder / f"{_PARTIAL}{uuid.uuid4().hex}"
        try:
            shutil.copytree(bundle_folder, partial, symlinks=True)
            bundle.verify(partial, expected=model_id)
            for path in partial.iterdir():
                _flush(path)
            _rename(partial, self.folder / model_id)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def load(self, model_id: str) -> Model:
        """The model of a copy; `BundleError` unless every byte is what it was."""
        return bundle.load(self.folder / model_id, expected=model_id)

    def note(self, served: Mapping[str, Holder]) -> None:
        """Name the set that is served now; of older ones only the one before it stays. Raises `OSError`."""
        before = [found for found in self.noted() if found != served]
        sets = [dict(served), *before][:_SETS]
        partial = self.folder / f"{_PARTIAL}{uuid.uuid4().hex}"
        text = {"format": 1, "sets": [{name: h._asdict() for name, h in found.items()} for found in sets]}
        try:
            partial.write_text(json.dumps(text, indent=1))
            _flush(partial)
            partial.replace(self.folder / LAST)
        finally:
            partial.unlink(missing_ok=True)
        self._remove_all_but({h.model_id for found in sets for h in found.values()})

    def noted(self) -> list[dict[str, Holder]]:
        """The sets that were served last, newest first; none where there is no list or it is none of ours."""
        try:
            last = _Last.model_validate_json((self.folder / LAST).read_bytes())
        except (OSError, ValidationError):
            return []
        return [{name: Holder(kept.version, kept.model_id) for name, kept in found.items()} for found in last.sets]

    def _remove_all_but(self, ids: set[str]) -> None:
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in ids and not _in_work(path):
                shutil.rmtree(path, ignore_errors=True)


def _in_work(path: Path) -> bool:
    """Whether somebody may still be writing it; what was left half written an hour ago was given up."""
    return path.name.startswith(_PARTIAL) and time.time() - path.stat().st_mtime < _GIVEN_UP


def _rename(partial: Path, place: Path) -> None:
    """Another process that serves from the same home may have been faster; its copy is as good."""
    try:
        partial.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
