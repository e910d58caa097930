"""Features on a Spark cluster: the two lists of tasks of `features.buckets`, run by executors instead of threads.

Spark (an extra: ``pip install 'tieline[spark]'``) hands out numbers, of tasks that deal the rows and of buckets that
fold them, through ``mapInArrow``; the kernel is the one every caller has, and so are the bits. Rows never pass through
the JVM: executors read the lake and the buckets themselves, so both must lie on a file system that the driver and all
executors see under the same path. How to run it, and what it costs: ``docs/spark.md``.
"""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather

from features.buckets import Division, divide
from features.declare import Catalog
from features.facts import TIME
from features.feature import Feature
from features.history import History
from features.lake import Lake, Snapshot
from features.streamed import Progress, needed_bytes

try:
    from pyspark.errors import PySparkException
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import FloatType, LongType, StringType, StructField, StructType, TimestampType
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("features on a cluster need PySpark: pip install 'tieline[spark]'") from error

_BUCKET_BYTES = 256_000_000
"""Of decoded rows, or of values, that a bucket may take in an executor's Python process."""
_BATCH_ROWS = 16_384
_POLL_SECONDS = 0.2

_Batches = Iterator[pa.RecordBatch]


class SparkError(RuntimeError):
    """Spark could not be started, or a task failed; the message says why."""


@dataclass(frozen=True)
class Dealt:
    """Pairs whose rows have been dealt into the buckets of a division; of use inside the ``with`` of `dealt` alone.

    ``rows`` (buckets,) int64: how many lie in each.
    """

    spark: SparkSession
    division: Division
    rows: np.ndarray
    pairs: int
    progress: Callable[[Progress], None]

    def frame(self) -> DataFrame:
        """A Spark frame of all pairs, in any order, with the columns of `schema`; computed by each action anew."""
        fold = _Fold(self.division, self.rows)
        return _numbers(self.spark, self.division.buckets).mapInArrow(fold.batches, schema(self.division.features))

    def frames(self) -> Iterator[pd.DataFrame]:
        """The same as `features.streamed.streamed` gives: one frame per bucket, together every pair once.

        Executors put the values beside the buckets, from where they are handed out bucket by bucket, so that the driver
        needs memory for one at a time.
        """
        fold, buckets = _Fold(self.division, self.rows), self.division.buckets
        fold.values.mkdir(exist_ok=True)

        def told(done: int) -> None:
            self.progress(Progress(self.pairs * done // buckets, self.pairs, f"{done} of {buckets} buckets"))

        _run(self.spark, buckets, fold.files, "rows long", told)
        for bucket in range(buckets):
            yield feather.read_table(fold.values / f"{bucket}.arrow").to_pandas()


@contextmanager
def session(master: str) -> Iterator[SparkSession]:
    """A Spark session with a master by its URL (``local[4]``, ``spark://host:7077``, ``yarn``), stopped at the end.

    Where one is active it is used, and left running. Executors run the driver's own Python unless ``PYSPARK_PYTHON``
    names another; the rest is configured as for any Spark program. Raises `SparkError` where there is no Java, or the
    active session has another master.
    """
    active = SparkSession.getActiveSession()
    if active:
        if active.sparkContext.master != master:
            raise SparkError(f"a session with the master {active.sparkContext.master} is active; stop it first")
        yield active
        return
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        raise SparkError("Spark needs Java 17 or newer: put java on the PATH, or set JAVA_HOME")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    config = {"spark.ui.showConsoleProgress": "false", "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}
    if master.startswith("local"):  # nobody else needs to reach the driver
        config |= dict.fromkeys(("spark.driver.bindAddress", "spark.driver.host"), "127.0.0.1")
    spark = SparkSession.builder.master(master).appName("tieline").config(map=config).getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()


@contextmanager
def dealt(
    spark: SparkSession,
    lake: Lake,
    catalog: Catalog,
    entity_type: str,
    entities: np.ndarray,
    cutoffs: np.ndarray,
    features: Sequence[Feature],
    *,
    folder: Path,
    buckets: int | None = None,
    tasks: int | None = None,
    snapshot: Snapshot | None = None,
    who: History | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[Dealt]:
    """The rows that p pairs read, dealt into buckets in ``folder``, which is left as empty as it must be at first.

    ``entities``, ``cutoffs`` (p,) int64. ``folder`` and the lake must be where all executors see them. ``tasks``: in so
    many the rows are dealt (default: one per core of the cluster); ``buckets``: in so many they are folded (default: as
    many, and more where one would not fit into an executor's memory). ``who``: a history of the same snapshot, with or
    without its facts, where there is one already. Raises `SparkError` for a folder that is not empty, and where a task
    fails.
    """
    snapshot = snapshot or lake.snapshot()
    who = who or History.load(lake, catalog, snapshot, facts=False)
    cores, pairs = spark.sparkContext.defaultParallelism, len(entities)
    needed = max(needed_bytes(snapshot, features), pairs * (4 * len(features) + 16))
    buckets, tasks = buckets or max(cores, -(-needed // _BUCKET_BYTES)), tasks or cores
    with _own(folder) as own:
        division = divide(who, lake, snapshot, entity_type, entities, cutoffs, features, buckets, tasks, own)

        def told(done: int) -> None:
            progress(Progress(0, pairs, f"dealing the rows into {buckets} buckets: {done} of {tasks} tasks"))

        written = _run(spark, tasks, _Deal(division).batches, "bucket long, rows long", told)
        rows = np.zeros(buckets, np.int64)
        np.add.at(rows, written["bucket"].to_numpy(), written["rows"].to_numpy())
        yield Dealt(spark, division, rows, pairs, progress)


def schema(features: Sequence[Feature]) -> StructType:
    """``entity`` (long) and ``cutoff`` (timestamp), then per feature a float (missing: NaN) or a string (null)."""
    values = [StructField(f.name, StringType() if f.kind == "category" else FloatType()) for f in features]
    return StructType([StructField("entity", LongType()), StructField("cutoff", TimestampType()), *values])


@dataclass(frozen=True)
class _Deal:
    """What executors do first: for each number they get, deal that task's rows."""

    division: Division

    def batches(self, numbers: _Batches) -> _Batches:
        """Per task and bucket the number of rows."""
        for task in _each(numbers):
            if not self.division.folder.is_dir():
                raise SparkError(f"{socket.gethostname()} does not see {self.division.folder}: give a folder all share")
            rows = self.division.deal(task)
            yield pa.record_batch({"bucket": pa.array(np.arange(len(rows))), "rows": pa.array(rows)})


@dataclass(frozen=True)
class _Fold:
    """What executors do then: for each number they get, the values of that bucket, which must hold all its ``rows``."""

    division: Division
    rows: np.ndarray

    @property
    def values(self) -> Path:
        """Where `files` puts the buckets' values."""
        return self.division.folder / "values"

    def batches(self, numbers: _Batches) -> _Batches:
        """The values, with categories as strings."""
        for bucket in _each(numbers):
            yield from _plain(self._table(bucket)).to_batches(max_chunksize=_BATCH_ROWS)

    def files(self, numbers: _Batches) -> _Batches:
        """Per bucket the number of pairs, whose values are in a file then."""
        for bucket in _each(numbers):
            table = self._table(bucket)
            feather.write_feather(table, self.values / f"{bucket}.arrow", compression="lz4")
            yield pa.record_batch({"rows": pa.array([table.num_rows])})

    def _table(self, bucket: int) -> pa.Table:
        found = self.division.dealt(bucket)
        if found != self.rows[bucket]:
            raise SparkError(
                f"{socket.gethostname()} sees {found} of the {self.rows[bucket]} rows of bucket {bucket} in "
                f"{self.division.folder}: give a folder all share"
            )
        frame = self.division.frame(bucket)
        return pa.table({name: _column(frame[name]) for name in frame.columns})


def _column(values: pd.Series) -> pa.Array:
    """The same bits: NaN stays NaN; a category is a dictionary of strings, null where missing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes = values.cat.codes.to_numpy()
        words = pa.array(values.cat.categories, pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return pa.array(values, TIME)
    return pa.array(values.to_numpy())


def _plain(table: pa.Table) -> pa.Table:
    """Dictionaries as strings, because Spark takes no dictionaries."""
    fields = [f.with_type(pa.string()) if pa.types.is_dictionary(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def _numbers(spark: SparkSession, n: int) -> DataFrame:
    """The numbers 0 to n - 1, each a Spark task of its own."""
    return spark.range(0, n, 1, n)


def _each(numbers: _Batches) -> Iterator[int]:
    for batch in numbers:
        yield from batch.column(0).to_pylist()


def _run(
    spark: SparkSession, n: int, work: Callable[[_Batches], _Batches], columns: str, told: Callable[[int], None]
) -> pa.Table:
    """What ``n`` tasks have to say, few rows of ``columns``; meanwhile ``told`` hears how many are done."""
    tracker, done = spark.sparkContext.statusTracker(), 0
    told(done)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(_numbers(spark, n).mapInArrow(work, columns).toArrow)
        while wait([result], _POLL_SECONDS).not_done:
            stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
            before, done = done, max(done, sum(stage.numCompletedTasks for stage in stages if stage))
            if done > before:
                told(done)
    try:
        table = result.result()
    except PySparkException as failure:
        raise SparkError(_said(failure)) from failure
    told(n)
    return table


def _said(failure: PySparkException) -> str:
    """What a task's own error says: the last line of the traceback Spark passes on."""
    lines = [line.strip() for line in str(failure).splitlines()]
    return next((line for line in reversed(lines) if line and not line.startswith("at ")), "Spark failed")


@contextmanager
def _own(folder: Path) -> Iterator[Path]:
    """A new folder inside an empty one, removed at the end: first renamed, so that late tasks find it no more."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SparkError(f"{folder} is not empty: give a folder for the buckets alone")
    own = folder.resolve() / "buckets"
    own.mkdir()
    try:
        yield own
    finally:
        shutil.rmtree(own.rename(own.with_name("removed")))
        if made:
            folder.rmdir()
