"""The lake as of one version: what the commits up to it add up to, as the later ones left it."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from features.lake.commits import Entry, LakeError, Log, StoredFile
from features.lake.forgetting.hindsight import Hindsight
from features.lake.intervals import Interval, less, merged


@dataclass(frozen=True)
class Snapshot:
    """The lake as of one version; an empty lake is version 0. Paths are relative to the lake's root.

    ``coverage``: per source, merged intervals less gaps (of two commits, the later is right). ``known_at_from``: per
    source, every way its ``known_at`` came about ("column", "assumed:1h"). ``ready``: files that together are
    already in reading order with ``until`` computed; only for sources compacted and not appended to since.
    ``fingerprint``: SHA-256 chained over the commits up to the version. A compaction leaves it as it is, because it
    changes no fact: a model trained before and one trained after it saw the same lake.
    ``hindsight``: what forgetting and rotation, up to the latest version, made of the files of this one. ``born``: the
    commit by which each file, or the one it was rewritten from, came.
    """

    version: int = 0
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ready: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key_files: tuple[str, ...] = ()
    quarantine_files: tuple[str, ...] = ()
    coverage: Mapping[str, tuple[Interval, ...]] = field(default_factory=dict)
    known_at_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fingerprint: str = hashlib.sha256(b"").hexdigest()
    stored: Mapping[str, StoredFile] = field(default_factory=dict)
    born: Mapping[str, int] = field(default_factory=dict)
    hindsight: Hindsight = field(default_factory=Hindsight)

    def assumed(self, source: str) -> tuple[str, ...]:
        """The delays by which the source's ``known_at`` was assumed rather than read, such as ``("1h",)``."""
        ways = self.known_at_from.get(source, ())
        return tuple(way.removeprefix("assumed:") for way in ways if way.startswith("assumed:"))

    def in_pieces(self, source: str) -> bool:
        """Whether a source is read piece by piece; otherwise its rows have to be merged first, into one."""
        return bool(self.ready.get(source)) and not self.hindsight.veils

    @property
    def named(self) -> set[str]:
        """Every file some version is made of, and those that say what is hidden or suppressed."""
        veils = (veil.file.path for veil in self.hindsight.veils)
        return {*self.stored, *veils, *(f.path for f in self.hindsight.suppressed)}


def snapshot(log: Log, version: int | None = None) -> Snapshot:
    """The fold of the entries up to ``version`` (default: all); raises `LakeError` when there is no such version."""
    versions = log.versions()
    last = versions if version is None else version
    if not 0 <= last <= versions:
        raise LakeError(f"{log.folder}: there is no version {version} (the latest is {versions})")
    entries = [log.entry(number) for number in range(1, versions + 1)]
    fold = _Fold(Hindsight.of(entries))
    for number, entry in enumerate(entries[:last], start=1):
        fold.add(number, entry)
    return fold.result(last)


@dataclass
class _Fold:
    """The growing parts of a snapshot; dictionaries stand for ordered sets."""

    hindsight: Hindsight
    files: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    ready: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)
    quarantine: dict[str, None] = field(default_factory=dict)
    coverage: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    ways: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    stored: dict[str, StoredFile] = field(default_factory=dict)
    born: dict[str, int] = field(default_factory=dict)
    fingerprint: str = Snapshot.fingerprint

    def add(self, number: int, entry: Entry) -> None:
        self._replace(number, entry)
        self.keys.update(dict.fromkeys(self._stored(number, entry.keys)))
        self.quarantine.update(dict.fromkeys(self._stored(number, entry.quarantine)))
        if entry.kind == "append":
            known = merged([*self.coverage.get(entry.source, ()), *entry.covered])
            self.coverage[entry.source] = less(known, entry.gaps)
            self.ways[entry.source][entry.known_at_from] = None
        if entry.kind in ("append", "forget", "rotate"):
            self.fingerprint = hashlib.sha256(f"{self.fingerprint}{entry.facts()}".encode()).hexdigest()

    def _replace(self, number: int, entry: Entry) -> None:
        for path in self.hindsight.paths(entry.replaces):
            self.keys.pop(path, None)
            self.files[entry.source].pop(path, None)
        if entry.data or entry.hidden:
            self.ready.pop(entry.source, None)
            whole = entry.kind == "compact" and not self.files[entry.source]
            if whole and number > self.hindsight.rotated:  # a rotation leaves files, but not all of them, in order
                self.ready[entry.source] = tuple(f.path for f in self.hindsight.kept(entry.data))
        added = self._stored(number, (*entry.data, *entry.hidden))
        self.files[entry.source].update(dict.fromkeys(added))

    def _stored(self, number: int, files: tuple[StoredFile, ...]) -> list[str]:
        """The paths of what has become of the files, which are noted."""
        became = self.hindsight.files(files)
        self.stored.update((f.path, f) for f in became)
        self.born.update((f.path, number) for f in became)
        return [f.path for f in became]

    def result(self, version: int) -> Snapshot:
        return Snapshot(
            version=version,
            files={source: tuple(paths) for source, paths in self.files.items() if paths},
            ready=self.ready,
            key_files=tuple(self.keys),
            quarantine_files=tuple(self.quarantine),
            coverage=self.coverage,
            known_at_from={source: tuple(ways) for source, ways in self.ways.items()},
            fingerprint=self.fingerprint,
            stored=self.stored,
            born=self.born,
            hindsight=self.hindsight,
        )
