"""What later commits made of earlier ones: files that were rewritten, rows that are hidden until they are.

Appends and compactions leave earlier versions as they are. Forgetting somebody and rotating the secret must not: no
version may still hold the person, or ids that an old secret could tell. A version read with hindsight is made of the
files that stand for its own by now.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from features.lake.commits import UPHEAVALS, Entry, Rewrite, StoredFile


@dataclass(frozen=True)
class Veil:
    """The file that says which rows are hidden, and the commit before which these were stored."""

    file: StoredFile
    version: int


@dataclass(frozen=True)
class Hindsight:
    """All of a log, as seen from its end.

    ``versions``: how many commits there are; ``upheavals``: how many of them changed earlier versions; ``rotated``:
    the last that changed key ids, to those of that ``generation`` of the secret. ``veils``: those not yet lifted.
    """

    versions: int = 0
    upheavals: int = 0
    rotated: int = 0
    generation: int = 0
    forgettings: int = 0
    veils: tuple[Veil, ...] = ()
    suppressed: tuple[StoredFile, ...] = ()
    rewrites: Mapping[str, Rewrite] = field(default_factory=dict)
    lifted: tuple[str, ...] = ()

    @classmethod
    def of(cls, entries: list[Entry]) -> "Hindsight":
        """What the entries, from the first on, amount to."""
        numbered = list(enumerate(entries, start=1))
        lifted = tuple(path for entry in entries for path in entry.lifts)
        return cls(
            versions=len(entries),
            upheavals=sum(entry.kind in UPHEAVALS for entry in entries),
            rotated=max((n for n, e in numbered if e.kind == "rotate"), default=0),
            generation=max((entry.generation for entry in entries), default=0),
            forgettings=sum(entry.kind == "forget" for entry in entries),
            veils=tuple(Veil(f, n) for n, e in numbered for f in e.veil if f.path not in lifted),
            suppressed=tuple(f for entry in entries for f in entry.suppressed),
            rewrites={r.path: r for entry in entries for r in entry.rewrites},
            lifted=lifted,
        )

    def files(self, files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
        """The files that stand for these by now, the ends of others' facts included."""
        return tuple(found for file in files for found in self._became(file))

    def kept(self, files: Iterable[StoredFile]) -> tuple[StoredFile, ...]:
        """The same without such ends: what readers of compacted files see."""
        return tuple(found for file in files for found in self._kept(file))

    def paths(self, paths: Iterable[str]) -> tuple[str, ...]:
        """As `files`, for paths; those of the files' former selves need not be there any more."""
        return tuple(found for path in paths for found in self._named(path))

    @property
    def gone(self) -> tuple[str, ...]:
        """Files that no version is made of any more and that must not be there."""
        return (*self.rewrites, *self.lifted)

    def _became(self, file: StoredFile) -> Iterator[StoredFile]:
        rewrite = self.rewrites.get(file.path)
        if rewrite is None:
            yield file
        else:
            for new in rewrite.files:
                yield from self._became(new)

    def _kept(self, file: StoredFile) -> Iterator[StoredFile]:
        rewrite = self.rewrites.get(file.path)
        if rewrite is None:
            yield file
        elif rewrite.file:
            yield from self._kept(rewrite.file)

    def _named(self, path: str) -> Iterator[str]:
        rewrite = self.rewrites.get(path)
        if rewrite is None:
            yield path
        else:
            for new in rewrite.files:
                yield from self._named(new.path)
