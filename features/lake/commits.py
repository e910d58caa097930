"""The numbered log of a lake: what one commit says, and how it becomes one.

``log/000001.json``, ``log/000002.json``, ...: a commit exists iff its file does, and no file is ever changed.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from features.durable import publish
from features.lake.intervals import Interval

FORMAT = 1
UPHEAVALS = ("forget", "purge", "rotate")
"""Kinds of commits after which earlier versions read otherwise than before."""


class LakeError(Exception):
    """The lake cannot do what was asked, or a file of it is damaged; the message names the file and the reason."""


@dataclass(frozen=True)
class StoredFile:
    """One Parquet file, relative to the lake's root, with what it takes to notice that it was damaged."""

    path: str
    rows: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Rewrite:
    """What stands for a file from now on, in earlier versions too: the file that holds what is left of it (if any).

    ``ends``: void rows, for readers of revisions only, which end others' facts where a row that did so is gone.
    """

    path: str
    file: StoredFile | None = None
    ends: StoredFile | None = None

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """The new files."""
        return tuple(f for f in (self.file, self.ends) if f)


@dataclass(frozen=True)
class Entry:
    """One commit: files that were added, files they replace (compaction), and what is said of coverage.

    ``hidden`` holds, after a compaction, the rows nobody sees (void, or repeating their predecessor) but which late
    revisions still have to be compared with. ``source`` is empty where the commit is of no single source.

    Three kinds change what earlier versions read like (`UPHEAVALS`). ``forget`` hides rows at once behind a ``veil``
    and adds to the ``suppressed``; ``purge`` rewrites the files that held them and lifts the veils; ``rotate`` rewrites
    every file under the key ids of the next ``generation`` of the secret.
    """

    kind: Literal["append", "compact", "forget", "purge", "rotate"]
    source: str
    data: tuple[StoredFile, ...] = ()
    hidden: tuple[StoredFile, ...] = ()
    keys: tuple[StoredFile, ...] = ()
    quarantine: tuple[StoredFile, ...] = ()
    replaces: tuple[str, ...] = ()
    covered: tuple[Interval, ...] = ()
    gaps: tuple[Interval, ...] = ()
    known_at_from: str = "column"
    veil: tuple[StoredFile, ...] = ()
    suppressed: tuple[StoredFile, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    lifts: tuple[str, ...] = ()
    generation: int = 0

    def encode(self) -> bytes:
        """The JSON text of the entry."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def decode(cls, text: bytes) -> "Entry":
        """The entry of a JSON text; raises `ValueError`, `KeyError` or `TypeError` when it is not one."""
        fields: dict[str, Any] = json.loads(text)
        if fields.pop("format") != FORMAT:
            raise ValueError(f"it is of another format than {FORMAT}")
        for name in ("data", "hidden", "keys", "quarantine", "veil", "suppressed"):
            fields[name] = tuple(StoredFile(**f) for f in fields.get(name, ()))
        fields["rewrites"] = tuple(_rewrite(**f) for f in fields.get("rewrites", ()))
        fields["lifts"] = tuple(fields.get("lifts", ()))
        for name in ("covered", "gaps"):
            fields[name] = tuple((int(a), int(b)) for a, b in fields[name])
        return cls(**{**fields, "replaces": tuple(fields["replaces"])})

    def facts(self) -> str:
        """What the fingerprint is made of: content, not file names, and nothing of when it was written."""
        if self.kind in UPHEAVALS:
            return json.dumps([self.kind, [f.sha256 for f in self.suppressed], self.generation])
        hashes = [[f.sha256 for f in files] for files in (self.data, self.keys)]
        return json.dumps([self.source, *hashes, self.covered, self.gaps, self.known_at_from])


def _rewrite(path: str, file: dict[str, Any] | None, ends: dict[str, Any] | None) -> Rewrite:
    return Rewrite(path, StoredFile(**file) if file else None, StoredFile(**ends) if ends else None)


@dataclass(frozen=True)
class Log:
    """The folder of numbered entries."""

    folder: Path

    def versions(self) -> int:
        """How many entries there are; raises `LakeError` naming the first that is missing in between."""
        if not self.folder.is_dir():
            return 0
        names = (re.fullmatch(r"(\d{6,})\.json", path.name) for path in self.folder.iterdir())
        found = sorted(int(match[1]) for match in names if match)
        for expected, number in enumerate(found, 1):
            if number != expected:
                raise LakeError(f"{self.path(expected)} is missing, though later entries are there")
        return len(found)

    def path(self, version: int) -> Path:
        """Where the entry of that version stands."""
        return self.folder / f"{version:06d}.json"

    def entry(self, version: int) -> Entry:
        """One entry; raises `LakeError` naming the file when it is damaged."""
        path = self.path(version)
        try:
            return Entry.decode(path.read_bytes())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LakeError(f"{path} is not a readable log entry ({error!r}); restore it from a copy") from error

    def append(self, version: int, entry: Entry) -> bool:
        """True when the entry became that version; False when another writer's did."""
        return publish(entry.encode(), self.path(version))
