"""Features of any number of pairs, streamed into a file in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.declare import Catalog, Feature
from features.durable import whole
from features.engine.columns import Columns
from features.engine.plan import read_by
from features.facts import TIME
from features.history import History
from features.lake import Lake, Snapshot
from features.streamed import Progress, fits, streamed
from features.told.asked import narrowed
from features.told.pairs import Pairs

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class Opened:
    """A lake, as of ``snapshot``, opened for some features: ``who`` is who and was heard of when.

    Where the facts do not fit into half of ``memory`` (bytes) ``who`` holds none of them.
    """

    lake: Lake
    snapshot: Snapshot
    catalog: Catalog
    features: tuple[Feature, ...]
    memory: int
    who: History
    judge: History

    @classmethod
    def of(cls, lake: Lake, catalog: Catalog, features: Sequence[Feature], *, memory: int, everybody: bool) -> "Opened":
        """``everybody``: also who was ever heard of will be asked (`asked.narrowed`)."""
        snapshot, needed = lake.snapshot(), narrowed(catalog, features, everybody=everybody)
        at_once = fits(snapshot, needed.features, memory)
        who = History.load(lake, needed, snapshot, facts=at_once)
        judge = who if at_once else _with_objections(who, lake, snapshot)
        return cls(lake, snapshot, narrowed(catalog, features), tuple(features), memory, who, judge)

    @property
    def held(self) -> set[str]:
        """The sources the lake has rows of, or is at least covered by."""
        return {name for name in self.who.columns if self.snapshot.files.get(name) or self.snapshot.coverage.get(name)}

    def frames(self, pairs: Pairs, progress: Callable[[Progress], None] = lambda _: None) -> Iterator[pd.DataFrame]:
        """The features of all pairs, in frames of bounded size with ``entity`` and ``cutoff``; of pairs that were
        named also ``row``, by which their order can be had again. At least one frame, if without rows.
        """
        if not pairs.named:
            return self._streamed(pairs.entity_type, pairs.entity, pairs.cutoff, progress)
        code, once = pd.factorize(pd.MultiIndex.from_arrays([pairs.entity, pairs.cutoff]))
        entity, cutoff = (once.get_level_values(level).to_numpy(np.int64) for level in (0, 1))
        return _by_row(self._streamed(pairs.entity_type, entity, cutoff, progress), pairs.row, code, once)

    def _streamed(
        self, entity_type: str, entity: np.ndarray, cutoff: np.ndarray, progress: Callable[[Progress], None]
    ) -> Iterator[pd.DataFrame]:
        return streamed(
            self.lake, self.catalog, entity_type, entity, cutoff, self.features,
            memory=self.memory, snapshot=self.snapshot, who=self.who, progress=progress,
        )  # fmt: skip


def _with_objections(who: History, lake: Lake, snapshot: Snapshot) -> History:
    """The same with the facts by which objections are known, and no others."""
    rule = who.catalog.objection
    feature = next((f for f in who.catalog.features if rule and f.name == rule.feature), None)
    if feature is None or not snapshot.files.get(feature.source):
        return who
    read = Columns(feature.source, lake.pieces(feature.source, snapshot), read_by((feature,))[feature.source])
    return replace(who, columns={**who.columns, feature.source: read})


def _by_row(
    frames: Iterator[pd.DataFrame], row: np.ndarray, code: np.ndarray, once: pd.Index
) -> Iterator[pd.DataFrame]:
    """The frames' rows as often as they were asked for: of each pair of ``once`` every ``row`` (p,) with its code."""
    order = np.argsort(code, kind="stable")
    starts = np.searchsorted(code[order], np.arange(len(once) + 1))
    for frame in frames:
        cutoff = frame["cutoff"].dt.as_unit("us").astype(np.int64)
        place = once.get_indexer(pd.MultiIndex.from_arrays([frame["entity"], cutoff]))
        count = starts[place + 1] - starts[place]
        within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        rows = row[order[np.repeat(starts[place], count) + within]]
        given = np.argsort(rows)
        repeated = frame.take(np.repeat(np.arange(len(frame)), count)[given]).reset_index(drop=True)
        yield pd.concat([pd.DataFrame({"row": rows[given]}), repeated], axis=1)


def write(
    path: Path, frames: Iterator[pd.DataFrame], features: Sequence[Feature], pairs: Pairs, fingerprint: str
) -> int:
    """How many rows were written to a Parquet or CSV file, which is there whole or not at all.

    Columns: ``row`` (of pairs that were named), ``entity`` (`NOBODY`, -1, where a key led to nobody), ``cutoff``, and
    the features: float32, categories as dictionaries (in CSV: text); missing is null. The Parquet file's metadata
    holds the lake's fingerprint as ``tieline.fingerprint``.
    """
    schema, rows = _schema(features, named=pairs.named, text=path.suffix == ".csv"), 0
    with whole(path) as temporary:
        if path.suffix == ".csv":
            writer = pacsv.CSVWriter(temporary, schema)
        else:
            writer = pq.ParquetWriter(temporary, schema.with_metadata({"tieline.fingerprint": fingerprint}))
        with writer:
            for frame in frames:
                writer.write_table(_table(frame, schema))
                rows += len(frame)
    return rows


def _schema(features: Sequence[Feature], *, named: bool, text: bool) -> pa.Schema:
    word = pa.string() if text else pa.dictionary(pa.int32(), pa.string())
    common = [pa.field("row", pa.int64())] if named else []
    common += [pa.field("entity", pa.int64()), pa.field("cutoff", TIME)]
    return pa.schema([*common, *(pa.field(f.name, word if f.kind == "category" else pa.float32()) for f in features)])


def _table(frame: pd.DataFrame, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        values = frame[field.name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes = values.cat.codes.to_numpy().astype(np.int32)
            words = pa.array(values.cat.categories.tolist(), pa.string())
            column = pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words).cast(field.type)
        elif field.type == TIME:
            column = pa.array(values.dt.as_unit("us").astype(np.int64).to_numpy(), field.type)
        else:
            column = pa.array(values.to_numpy(), field.type, from_pandas=True)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)
