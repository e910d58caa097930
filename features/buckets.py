"""Features of a lake that does not fit into memory: entities are dealt into buckets, and each bucket is a block.

Facts lie in the lake by key, and whose a key is changes, so the rows are dealt out first: one pass over the lake writes
to every bucket the rows of the keys its entities are read through (as a hash join spills its partitions). A bucket then
holds all its features need, and is computed like any other block, by the one kernel. Both passes are lists of
independent tasks, which is how a cluster runs them too (`features.spark`).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.engine.block import Block
from features.engine.bound import Coverage
from features.engine.columns import Columns
from features.engine.decode import hashes, runs_of_keys
from features.engine.plan import compile_features, read_by
from features.facts import TIME, source
from features.feature import Feature
from features.history import History
from features.identity.reach import Reach
from features.lake import Lake, LakeError, Snapshot
from features.lake.store import group_batches, read_group

_SPINE = ("key_id", "at", "known_at", "until")
_RECTANGLES = ("entity", "key", "at_from", "at_to", "known_from", "known_to")


@dataclass(frozen=True)
class Division:
    """What is asked, dealt into buckets that lie in a folder: p pairs, ``buckets`` blocks, ``tasks`` to deal the rows.

    It can be sent to other processes that see the folder and the lake.
    """

    folder: Path
    lake: Lake
    version: int
    entity_type: str
    features: tuple[Feature, ...]
    buckets: int
    tasks: int
    upheavals: int
    coverage: dict[str, Coverage] = field(default_factory=dict)

    def deal(self, task: int) -> np.ndarray:
        """(buckets,) int64: the rows a task wrote, of its share of the pieces of every source, to those that read them.

        A task may be run again, also while it runs elsewhere: a file is there whole or not at all. Raises `LakeError`
        where somebody was forgotten since `divide`: tasks would not have dealt the same rows.
        """
        snapshot = self.lake.snapshot(self.version)
        written = np.zeros(self.buckets, np.int64)
        for name, names in read_by(self.features).items():
            if snapshot.in_pieces(name) or task == 0:
                self._deal(task, name, names, snapshot, written)
        if self.lake.snapshot(self.version).hindsight.upheavals != self.upheavals:
            raise LakeError(f"{self.lake.root}: the lake was changed by forgetting meanwhile; ask anew")
        return written

    def dealt(self, bucket: int) -> int:
        """How many rows lie in a bucket, of all sources: when all tasks are done, the sum of what they wrote to it."""
        return sum(sum(_group_rows(path)) for name in read_by(self.features) for path in self._files(name, bucket))

    def block(self, bucket: int) -> Block:
        """The rows and the reach of a bucket's entities."""
        columns = {
            name: Columns(name, _Dealt(name, self._files(name, bucket)), names)
            for name, names in read_by(self.features).items()
        }
        own = {path.stem: path for path in (self.folder / "own").iterdir()}
        parents = {path.stem: path for path in (self.folder / "parents").iterdir()}
        return Block(
            columns,
            self.coverage,
            cache(lambda entity_type: _reach(own[entity_type] / f"{bucket}.parquet")),
            cache(lambda _, parent_type: _reach(parents[parent_type] / f"{bucket}.parquet")),
        )

    def pairs(self, bucket: int) -> tuple[np.ndarray, np.ndarray]:
        """(entity, cutoff) of the bucket's pairs, each (q,) int64."""
        table = pq.read_table(self.folder / "pairs" / f"{bucket}.parquet")
        return np.array(table["entity"]), np.array(table["cutoff"])

    def frame(self, bucket: int) -> pd.DataFrame:
        """The bucket's pairs as columns ``entity`` and ``cutoff`` (UTC), and their features."""
        entity, cutoff = self.pairs(bucket)
        values = self.block(bucket).frame(self.entity_type, entity, cutoff, self.features)
        return labelled(entity, cutoff, values)

    def _rows(self, name: str) -> Path:
        return self.folder / "rows" / name

    def _files(self, name: str, bucket: int) -> list[Path]:
        return sorted(self._rows(name).glob(f"*-{bucket}.parquet"))

    def _deal(self, task: int, name: str, names: Sequence[str], snapshot: Snapshot, written: np.ndarray) -> None:
        pieces = self.lake.pieces(name, snapshot)
        rank = "rank" if pieces.has("rank") else "id"
        key, bucket = np.load(self.folder / "readers" / f"{name}.npy", mmap_mode="r")
        share = np.array_split(np.arange(len(pieces.counts)), self.tasks)[task]
        own = uuid4().hex
        files: dict[Path, Path] = {}
        with ExitStack() as stack:
            writers: dict[int, pq.ParquetWriter] = {}
            for piece in share:
                table = pieces.read(int(piece), [*_SPINE, rank, *names])
                if rank == "id":
                    place = table.schema.get_field_index("id")
                    table = table.set_column(place, "rank", pa.array(hashes(table["id"].cast(pa.string()))))
                for b, rows in _readers(table["key_id"].to_numpy(), np.asarray(key), np.asarray(bucket)):
                    if b not in writers:
                        path = self._rows(name) / f"{task:06d}-{b}.parquet"
                        files[path] = path.with_suffix(f".{own}")
                        writers[b] = stack.enter_context(pq.ParquetWriter(files[path], table.schema, compression="lz4"))
                    writers[b].write_table(table.take(pa.array(rows)))
                    written[b] += len(rows)
        for path, unfinished in files.items():
            unfinished.replace(path)


def divide(
    who: History,
    lake: Lake,
    snapshot: Snapshot,
    entity_type: str,
    entities: np.ndarray,
    cutoffs: np.ndarray,
    features: Sequence[Feature],
    buckets: int,
    tasks: int,
    folder: Path,
) -> Division:
    """Deals p pairs, and what is known of their reach, into buckets in a new folder; `Division.deal` deals the rows.

    ``who``: a history of the same snapshot; its facts are not looked at. ``entities``, ``cutoffs`` (p,) int64.
    """
    for sub in ("own", "parents", "readers", "rows", "pairs"):
        (folder / sub).mkdir(parents=True)
    entities, cutoffs = np.asarray(entities, np.int64), np.asarray(cutoffs, np.int64)
    _write_buckets(folder / "pairs", {"entity": entities, "cutoff": cutoffs}, bucket_of(entities, buckets), buckets)
    asked = pd.unique(entities)
    own = {entity_type: _of_bucket(who.reach(entity_type), asked, bucket_of(asked, buckets))}
    readers: dict[str, list[pd.DataFrame]] = {}
    up: dict[str, pd.DataFrame] = {}
    for step in compile_features(tuple(features)):
        parent = step.of or step.via
        if parent and parent not in up:
            up[parent] = _of_bucket(who.parents(entity_type, parent), asked, bucket_of(asked, buckets))
        if step.of and step.of not in own:
            pairs = up[step.of][["key", "bucket"]].drop_duplicates()
            own[step.of] = _of_bucket(who.reach(step.of), pairs["key"].to_numpy(), pairs["bucket"].to_numpy())
        read = up[step.via] if step.via else own[step.of or entity_type]
        readers.setdefault(step.plan.source, []).append(read[["key", "bucket"]])
    for kind, reaches in (("own", own), ("parents", up)):
        for name, frame in reaches.items():
            (folder / kind / name).mkdir()
            bucket = frame["bucket"].to_numpy()
            _write_buckets(folder / kind / name, {n: frame[n].to_numpy() for n in _RECTANGLES}, bucket, buckets)
    for name, frames in readers.items():
        pairs = pd.concat(frames).drop_duplicates().sort_values(["key", "bucket"])
        np.save(folder / "readers" / f"{name}.npy", pairs[["key", "bucket"]].to_numpy(np.int64).T.copy())
        (folder / "rows" / name).mkdir()
    state = snapshot.version, entity_type, tuple(features), buckets, tasks, snapshot.hindsight.upheavals
    return Division(folder, lake, *state, dict(who.coverage))


def bucket_of(entities: np.ndarray, buckets: int) -> np.ndarray:
    """(p,) int64: the bucket of each entity, by a hash of its id (the finisher of SplitMix64)."""
    x = np.asarray(entities, np.int64).view(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) % np.uint64(buckets)).astype(np.int64)


def labelled(entity: np.ndarray, cutoff: np.ndarray, values: pd.DataFrame) -> pd.DataFrame:
    """``values`` behind the columns ``entity`` (int64) and ``cutoff`` (UTC instants)."""
    times = pd.to_datetime(cutoff, unit="us", utc=True).as_unit("us")
    return pd.concat([pd.DataFrame({"entity": entity, "cutoff": times}), values], axis=1)


class _Dealt:
    """The rows of one source in one bucket: every row group of its files is a piece."""

    def __init__(self, name: str, paths: Sequence[Path]) -> None:
        self._schema = source(name).schema.append(pa.field("until", TIME))
        counts = [(path, group, rows) for path in paths for group, rows in enumerate(_group_rows(path))]
        self._groups = [(path, group) for path, group, _ in counts]
        self.counts = [rows for _, _, rows in counts]

    def read(self, piece: int, names: Sequence[str]) -> pa.Table:
        return read_group(*self._groups[piece], names, self._schema)

    def batches(self, piece: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return group_batches(*self._groups[piece], names, self._schema)

    def has(self, name: str) -> bool:
        return name == "rank" or name in self._schema.names


def _group_rows(path: Path) -> list[int]:
    metadata = pq.read_metadata(path)
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def _readers(keys: np.ndarray, key: np.ndarray, bucket: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(bucket, rows) of one piece, whose rows are grouped by ``keys``, by the rising readers (key, bucket)."""
    run_keys, starts = runs_of_keys(keys, 0)
    ends = np.append(starts[1:], len(keys))
    low = np.searchsorted(key, run_keys, "left")
    count = np.searchsorted(key, run_keys, "right") - low
    run = np.repeat(np.arange(len(run_keys)), count)
    reader = bucket[np.repeat(low, count) + np.arange(len(run)) - np.repeat(np.cumsum(count) - count, count)]
    for b in np.unique(reader):
        mine = run[reader == b]
        length = ends[mine] - starts[mine]
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        yield int(b), np.repeat(starts[mine], length) + within


def _of_bucket(reach: Reach, entities: np.ndarray, bucket: np.ndarray) -> pd.DataFrame:
    """The rectangles of each ``entities[i]`` with ``bucket[i]``, both (m,)."""
    pair, row = reach.rows(entities)
    frame = pd.DataFrame({name: getattr(reach, name)[row] for name in _RECTANGLES})
    return frame.assign(bucket=bucket[pair])


def _write_buckets(folder: Path, columns: dict[str, np.ndarray], bucket: np.ndarray, buckets: int) -> None:
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(buckets + 1))
    for b in range(buckets):
        rows = order[bounds[b] : bounds[b + 1]]
        pq.write_table(pa.table({n: c[rows] for n, c in columns.items()}), folder / f"{b}.parquet", compression="lz4")


def _reach(path: Path) -> Reach:
    table = pq.read_table(path)
    frame = pd.DataFrame({name: np.array(table[name]) for name in _RECTANGLES})
    return Reach.of(frame.rename(columns={"key": "child", "entity": "parent"}))
