"""A lake of journey facts to measure with: seeded, made in bulk, kept under ``.tieline/bench/lakes`` and used again.

Customers own 2.5 keys each (their own and lines, numbers, cookies). Of one link in five is heard only up to 120 days
after the key's first facts; some numbers are given to somebody else and some lines and cookies are taken back, so that
links have ends as well as beginnings. Facts are known up to two days after they happened, one in a hundred is revised
up to 30 days later, and one in ten of those revisions withdraws it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.catalog.keys import LINKS as ALL_LINKS
from features.declare import Catalog
from features.facts import CHANNELS, PHASES, TIME, source
from features.history import History
from features.identity.keys import KEYS
from features.lake import Lake, compaction, revisions, store

DAY = 86_400_000_000
START = 1_735_689_600_000_000
"""2025-01-01T00:00Z in microseconds."""
DAYS = 400
END = START + DAYS * DAY
FIRST_OF_MONTH = np.array([151, 181, 212, 243, 273, 304, 334, 365, 396])
CUTOFFS = START + FIRST_OF_MONTH * DAY
"""(9,) int64: the first of June 2025 to the first of February 2026."""

KEY_TYPES = ("customer", "line", "msisdn", "cookie")
LINKS = tuple(link for link in ALL_LINKS if link.parent == "customer" and link.child in KEY_TYPES[1:])
KEYS_PER_CUSTOMER, LATE, LATEST = 2.5, 0.2, 120
REASSIGNED, UNLINKED, REVISED, VOID = 0.08, 0.04, 0.01, 0.1
RECIPE = 1
"""Counted up when what is made changes: lakes made otherwise are made anew."""

BATCH, COMMIT = 1_000_000, 5_000_000
ACTIONS = ("view", "search", "order", "call", "complain", "compare", "request", "login", "chat", "pay")
TOPICS = ("billing", "outage", "speed", "price", "plans", "device", "roaming", "help", "security", "coverage")
OUTCOMES = ("solved", "open", "handed_off", "abandoned")
PHASE_SHARES = (0.15, 0.2, 0.05, 0.4, 0.15, 0.05)
CHANNEL_SHARES = (0.04, 0.3, 0.3, 0.1, 0.06, 0.05, 0.05, 0.06, 0.02, 0.02)
FAR_PAST, FAR_FUTURE = -2_208_988_800_000_000, 7_258_118_400_000_000
"""1900 and 2200: what stands for "ever" and "for ever" in the table of links."""


@dataclass(frozen=True)
class Size:
    """How many facts (revisions come on top) of how many customers, and the seed they are drawn with."""

    facts: int
    customers: int
    seed: int = 1

    @property
    def folder(self) -> Path:
        """Where the lake and the table of links are kept."""
        return bench_folder() / "lakes" / f"{self.facts}-{self.customers}-{self.seed}"

    @property
    def lake(self) -> Lake:
        """The lake; empty before `ensure`."""
        return Lake(self.folder / "lake")

    @property
    def links(self) -> Path:
        """The Parquet file of `write_links`."""
        return self.folder / "links.parquet"

    def journey(self) -> list[Path]:
        """The compacted Parquet files of the journey, in reading order."""
        return [self.lake.root / path for path in self.lake.snapshot().ready["journey"]]


@dataclass(frozen=True)
class People:
    """``key_id`` (k,) of the customers first, then of the other keys, of which ``owner``, ``first``, ``kind`` tell.

    ``owner`` (m,) positions of customers, ``first`` (m,) microseconds of the first facts, ``kind`` (m,) positions in
    `KEY_TYPES`; ``weight`` (k,) how busy each key is.
    """

    keys: pa.Table
    key_id: np.ndarray
    owner: np.ndarray
    first: np.ndarray
    kind: np.ndarray
    late: np.ndarray
    weight: np.ndarray


def bench_folder() -> Path:
    """Where benchmarks keep data and figures."""
    return Path(os.environ.get("TIELINE_HOME", ".tieline")) / "bench"


def ensure(size: Size) -> Size:
    """The same size, once its lake and links are there; what another recipe or another way of writing made goes."""
    mark = size.folder / "made.json"
    wanted = asdict(size) | {"recipe": RECIPE, "written_by": _written_by()}
    if mark.exists() and json.loads(mark.read_text()) == wanted and size.lake.snapshot().ready.get("journey"):
        return size
    shutil.rmtree(size.folder, ignore_errors=True)
    size.folder.mkdir(parents=True)
    people = _people(size)
    size.lake.append("evidence", _evidence(people, size), keys=people.keys)
    _append_journey(size, people)
    size.lake.compact()
    write_links(size)
    mark.write_text(json.dumps(wanted))
    return size


def _written_by() -> str:
    """What tells the present way of writing compacted files from any other: the code that does it."""
    return hashlib.sha256(
        b"".join(Path(str(m.__file__)).read_bytes() for m in (compaction, revisions, store))
    ).hexdigest()


def write_links(size: Size) -> None:
    """Everybody's reach as (customer, key, at_from, at_to, known_from, known_to): what peers join with."""
    reach = History.load(size.lake, Catalog(KEY_TYPES, LINKS, (), ())).reach("customer")
    bounds = {
        name: pa.array(np.clip(getattr(reach, name), FAR_PAST, FAR_FUTURE)).cast(TIME)
        for name in ("at_from", "at_to", "known_from", "known_to")
    }
    pq.write_table(pa.table({"customer": reach.entity, "key": reach.key, **bounds}), size.links, compression="lz4")


def customers_of(size: Size) -> np.ndarray:
    """(customers,) int64 ids, rising."""
    return np.sort(pd.unique(pq.read_table(size.links, columns=["customer"])["customer"].to_numpy()))


def _people(size: Size) -> People:
    rng = np.random.default_rng([size.seed, 0])
    n, msisdn = size.customers, 0.3
    others = round((KEYS_PER_CUSTOMER - 1) * n / (1 + msisdn * REASSIGNED))
    hashes = rng.integers(0, 256, (n + others, 32), np.uint8)
    key_id = (hashes[:, :8].copy().view(">u8").ravel() & np.uint64(2**63 - 1)).astype(np.int64)
    kind = rng.choice(np.array([1, 2, 3]), others, p=[0.35, msisdn, 0.35])
    late = rng.random(others) < LATE
    begun = np.where(rng.random(others) < 0.6, 0, rng.integers(0, 300 * DAY, others))
    first = START + np.where(late, rng.integers(60 * DAY, 300 * DAY, others), begun)
    owner = rng.integers(0, n, others)
    busy = rng.gamma(2.0, 1.0, n)
    weight = np.concatenate([busy, busy[owner] * (END - first) / (END - START)])
    types = pa.DictionaryArray.from_arrays(np.append(np.zeros(n, np.int64), kind), list(KEY_TYPES)).cast(pa.string())
    binary = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), n + others, [None, pa.py_buffer(hashes.tobytes())])
    return People(pa.table([key_id, types, binary], schema=KEYS), key_id, owner, first, kind, late, weight)


def _evidence(people: People, size: Size) -> pa.Table:
    """Each key with its owner; then numbers with their next owner, and what was taken back."""
    rng = np.random.default_rng([size.seed, 1])
    n, others = size.customers, len(people.owner)
    child = people.key_id[n:]
    delay = rng.integers(0, 2 * DAY, others)
    known = people.first + np.where(people.late, rng.integers(10 * DAY, LATEST * DAY, others), delay)
    # A cookie is linked by a login, which is known at once and holds backwards; the rest is only heard of late.
    at = np.where(people.kind == KEY_TYPES.index("cookie"), known - delay // 2, people.first)
    number = people.kind == KEY_TYPES.index("msisdn")
    given = np.flatnonzero(number)[: round(others * 0.3 * REASSIGNED)]
    taken = np.flatnonzero(~number & (rng.random(others) < UNLINKED))
    turned = np.concatenate([given, taken])
    then = known[turned] + rng.integers(30 * DAY, 200 * DAY, len(turned))
    parent = np.concatenate([people.owner, rng.integers(0, n, len(given)), people.owner[taken]])
    linked = np.ones(len(parent), bool)
    linked[others + len(given) :] = False
    return pa.table(
        {
            "id": _ids("e", np.arange(len(parent))),
            "key_id": np.concatenate([child, child[turned]]),
            "at": pa.array(np.concatenate([at, then])).cast(TIME),
            "known_at": pa.array(np.concatenate([known, then + rng.integers(0, 2 * DAY, len(then))])).cast(TIME),
            "void": np.zeros(len(parent), bool),
            "other_id": people.key_id[parent],
            "state": pa.array(np.where(linked, "linked", "unlinked")),
            "confidence": pa.nulls(len(parent), pa.float64()),
        },
        schema=source("evidence").schema,
    )


def _append_journey(size: Size, people: People) -> None:
    batches = _batches(size, people)
    covered = ((START, END),)
    for _ in range(0, size.facts, COMMIT):
        with size.lake.stage("journey") as staging:
            for _, batch in zip(range(COMMIT // BATCH), batches, strict=False):
                staging.add(batch)
            staging.commit(covered)
    with size.lake.stage("journey") as staging:
        for batch in batches:
            staging.add(batch)
        staging.commit(covered)


def _batches(size: Size, people: People) -> Iterator[pa.Table]:
    """The facts, each batch with the revisions of the one before."""
    upto = np.cumsum(people.weight) / people.weight.sum()
    first = np.concatenate([np.full(size.customers, START), people.first])
    revisions = source("journey").schema.empty_table()
    for number, low in enumerate(range(0, size.facts, BATCH)):
        rng = np.random.default_rng([size.seed, 2, number])
        serial = np.arange(low, min(low + BATCH, size.facts))
        key = np.minimum(np.searchsorted(upto, rng.random(len(serial))), len(upto) - 1)
        at = first[key] + (rng.random(len(serial)) * (END - first[key])).astype(np.int64)
        known = at + rng.integers(0, 2 * DAY, len(serial))
        yield pa.concat_tables([revisions, _journey(rng, serial, people.key_id[key], at, known, 0.0)])
        again = np.sort(rng.choice(len(serial), round(REVISED * len(serial)), replace=False))
        later = known[again] + rng.integers(DAY // 24, 30 * DAY, len(again))
        revisions = _journey(rng, serial[again], people.key_id[key[again]], at[again], later, VOID)
    yield revisions


def _journey(
    rng: np.random.Generator, serial: np.ndarray, key: np.ndarray, at: np.ndarray, known: np.ndarray, void: float
) -> pa.Table:
    n = len(serial)
    spent = rng.random(n) < 0.7
    heard = rng.random(n) < 0.2
    return pa.table(
        {
            "id": _ids("j", serial),
            "key_id": key,
            "at": pa.array(at).cast(TIME),
            "known_at": pa.array(known).cast(TIME),
            "void": rng.random(n) < void,
            "phase": _words(rng, n, PHASES, PHASE_SHARES),
            "channel": _words(rng, n, CHANNELS, CHANNEL_SHARES),
            "action": _words(rng, n, ACTIONS),
            "topic": _words(rng, n, TOPICS, missing=0.3),
            "outcome": _words(rng, n, OUTCOMES, missing=0.5),
            "sentiment": pa.array(np.round(rng.uniform(-1, 1, n), 2), mask=~heard),
            "value": pa.array(np.round(rng.lognormal(2, 1, n), 2), mask=~spent),
        },
        schema=source("journey").schema,
    )


def _words(
    rng: np.random.Generator,
    n: int,
    words: tuple[str, ...],
    shares: tuple[float, ...] | None = None,
    missing: float = 0,
) -> pa.Array:
    codes = rng.choice(len(words), n, p=shares).astype(np.int8)
    none = rng.random(n) < missing if missing else None
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=none), list(words)).cast(pa.string())


def _ids(letter: str, serial: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(letter, pc.utf8_lpad(pa.array(serial).cast(pa.string()), 11, "0"), "")
