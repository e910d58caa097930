"""The lake as of one version: what the commits up to it add up to."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from features.lake.commits import Entry, LakeError, Log, StoredFile
from features.lake.intervals import Interval, less, merged


@dataclass(frozen=True)
class Snapshot:
    """The lake as of one version; an empty lake is version 0. Paths are relative to the lake's root.

    ``coverage``: per source, merged intervals less gaps (of two commits, the later is right). ``known_at_from``: per
    source, every way its ``known_at`` came about ("column", "assumed:1h"). ``ready``: files that together are
    already in reading order with ``until`` computed; only for sources compacted and not appended to since.
    ``fingerprint``: SHA-256 chained over the appends up to the version. A compaction leaves it as it is, because it
    changes no fact: a model trained before and one trained after it saw the same lake.
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

    def assumed(self, source: str) -> tuple[str, ...]:
        """The delays by which the source's ``known_at`` was assumed rather than read, such as ``("1h",)``."""
        ways = self.known_at_from.get(source, ())
        return tuple(way.removeprefix("assumed:") for way in ways if way.startswith("assumed:"))


def snapshot(log: Log, version: int | None = None) -> Snapshot:
    """The fold of the entries up to ``version`` (default: all); raises `LakeError` when there is no such version."""
    versions = log.versions()
    last = versions if version is None else version
    if not 0 <= last <= versions:
        raise LakeError(f"{log.folder}: there is no version {version} (the latest is {versions})")
    fold = _Fold()
    for number in range(1, last + 1):
        fold.add(log.entry(number))
    return fold.result(last)


@dataclass
class _Fold:
    """The growing parts of a snapshot; dictionaries stand for ordered sets."""

    files: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    ready: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: dict[str, None] = field(default_factory=dict)
    quarantine: list[str] = field(default_factory=list)
    coverage: dict[str, tuple[Interval, ...]] = field(default_factory=dict)
    ways: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    stored: dict[str, StoredFile] = field(default_factory=dict)
    fingerprint: str = Snapshot.fingerprint

    def add(self, entry: Entry) -> None:
        self._replace(entry)
        self.keys.update((f.path, None) for f in entry.keys)
        self.quarantine += [f.path for f in entry.quarantine]
        self.stored.update((f.path, f) for f in (*entry.data, *entry.hidden, *entry.keys, *entry.quarantine))
        if entry.kind == "append":
            known = merged([*self.coverage.get(entry.source, ()), *entry.covered])
            self.coverage[entry.source] = less(known, entry.gaps)
            self.ways[entry.source][entry.known_at_from] = None
            self.fingerprint = hashlib.sha256(f"{self.fingerprint}{entry.facts()}".encode()).hexdigest()

    def _replace(self, entry: Entry) -> None:
        for path in entry.replaces:
            self.keys.pop(path, None)
            self.files[entry.source].pop(path, None)
        added = (*entry.data, *entry.hidden)
        if added:
            self.ready.pop(entry.source, None)
            if entry.kind == "compact" and not self.files[entry.source]:
                self.ready[entry.source] = tuple(f.path for f in entry.data)
        self.files[entry.source].update((f.path, None) for f in added)

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
        )
