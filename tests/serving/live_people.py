"""A few simulated people in a lake, the live store filled from it, and what sources may say of them while it runs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from features import simulator
from features.declare import Catalog, Feature
from features.engine.live.fold import LiveFold
from features.engine.live.layout import Layout
from features.facts import SOURCES, Source
from features.history import History
from features.identity.keys import KeyRing, surrogate
from features.ingest import append_facts
from features.lake import Lake
from features.workspace import load_workspace
from serving.live.append import Appended, Appending, Fact, Key
from serving.live.feeds import Feeds
from serving.live.known import Known, Scope
from serving.live.load import load
from serving.live.open import open_store
from serving.live.store import Store
from serving.live.words import Words

HOUR, DAY = 3_600_000_000, 86_400_000_000
SECRET = b"a secret of these tests"
RING = KeyRing(SECRET, "32", suppression=b"suppression of these tests")


def make_lake(root: Path, customers: int = 40, months: int = 5) -> Lake:
    """A lake of a simulated operator."""
    lake, catalog = Lake(root), load_workspace().catalog
    delivered: dict[str, list[simulator.Batch]] = defaultdict(list)
    for batch in simulator.simulate(customers, months, 7):
        delivered[batch.source].append(batch)
    for source, batches in delivered.items():
        rows: list[pa.Table] = [b.rows for b in batches]
        covered = [interval for b in batches for interval in b.covered]
        append_facts(lake, RING, source, rows, key_types=catalog.key_types, covered=covered)
    lake.compact()
    return lake


@dataclass(frozen=True)
class Cut:
    """What the store said of an entity at a cut: values (f,) float32, and words of categories."""

    entity: int
    now: int
    seen: int
    values: np.ndarray


@dataclass
class Live:
    """A store of a lake, and how one speaks with it."""

    lake: Lake
    store: Store
    catalog: Catalog = field(default_factory=lambda: load_workspace().catalog)

    def __post_init__(self) -> None:
        self.layout = Layout.of(self.catalog)
        self.words, self.feeds = Words(self.layout), Feeds()
        self.scope = Scope(self.catalog, self.layout, self.words, "customer")
        self.fold = LiveFold(self.layout, self.layout.of_customers, self.catalog.features)
        self.appending = Appending(self.catalog, self.words, self.feeds)

    @classmethod
    def of(cls, lake: Lake, url: str) -> "Live":
        """A new store, filled; it is the end of the lake there."""
        live = cls(lake, open_store(url))
        live.load()
        return live

    def load(self) -> None:
        """What is new in the lake."""
        load(self.store, self.lake, self.catalog, "customer", now=lambda end: end)

    def pass_time(self, micros: int) -> None:
        """So much later."""
        self.store.set_clock(int(self.store.texts()["offset"]) + micros)

    def tell(self, *facts: Fact) -> Appended:
        """Facts that come in now."""
        return self.store.write(lambda writing: self.appending.add(facts, writing)).result()

    def word(self, feature: Feature, code: float) -> str | None:
        """What the store's code of a category means."""
        if np.isnan(code):
            return None
        sections = {s.source: s for s in self.layout.sections}
        declared = sections[feature.source].declared(str(feature.column))
        return self.words.said(int(code)) if declared is None else declared[int(code)]

    def cut(self, entity: int) -> Cut:
        """The features of a customer, now."""
        with self.store.reading() as reading:
            self.words.refresh(reading)
            covered = self.feeds.covered(reading)
            known = Known(reading, self.scope)
            reached = known.reached(entity, self.fold.ways, reading.now)
            blobs, n = known.packed(reached.keys(self.fold.ways))
            seen, now = reading.seen, reading.now
            values = self.fold.values(blobs, n, reached, covered.coverage, covered.version, now, seen)
        self.store.write(known.keep).result()
        return Cut(entity, now, seen, np.array(values))


def differences(live: Live, history: History, cuts: Sequence[Cut]) -> list[str]:
    """The features that a history gives other bits for than the store did at these cuts."""
    entities, now, seen = (np.array([getattr(c, n) for c in cuts], np.int64) for n in ("entity", "now", "seen"))
    wanted = history.block.values("customer", entities, now, live.catalog.features, seen)
    frame = history.frame("customer", entities, now, live.catalog.features, seen)
    got = np.array([cut.values for cut in cuts]).T
    wrong = []
    for i, feature in enumerate(live.catalog.features):
        if feature.kind == "category":
            said = [live.word(feature, code) for code in got[i].tolist()]
            told = frame[feature.name].astype(object)
            same = [a == b for a, b in zip(said, told.where(told.notna(), None), strict=True)]
        else:
            same = (wanted[i].view(np.uint32) == got[i].view(np.uint32)) | (np.isnan(wanted[i]) & np.isnan(got[i]))
        if not np.all(same):
            wrong.append(feature.name)
    return wrong


def key(kind: str, name: str) -> Key:
    """A key by its name."""
    hashed = RING.hash(kind, name)
    return Key(kind, surrogate(hashed), hashed)


def body(source: Source, rng: np.random.Generator) -> dict[str, object]:
    """Some content of a row."""
    found: dict[str, object] = {}
    for column in source.columns:
        if column.kind == "key" or (not column.required and rng.random() < 0.3):
            continue
        if column.kind == "category":
            found[column.name] = str(rng.choice(column.values or ("bill", "payment", "view", "outage", "call")))
        elif column.kind == "case":
            found[column.name] = f"case-{rng.integers(20)}"
        elif column.kind == "number":
            found[column.name] = float(np.round(rng.random() * 50, 2))
        elif column.kind == "flag":
            found[column.name] = bool(rng.random() < 0.5)
        else:
            found[column.name] = int(rng.integers(1_600_000_000, 1_800_000_000)) * 1_000_000
    return found


NAMES = tuple(name for name in SOURCES if name != "evidence")
