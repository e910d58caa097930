"""The 24 features in Polars' lazy frames and its streaming engine, written twice: as one would, and as fast as we can.

Both join the facts with the links once, keep what the cutoffs may see, and then ask for one cutoff after the other;
for a single cutoff nothing is kept. The engine that is not streaming took twice as long, all cutoffs in one query the
same.
"""

from collections.abc import Callable
from functools import reduce
from operator import add

import numpy as np
import polars as pl
import pyarrow as pa
from polars import col

from features.facts import CHANNELS, PHASES
from tests.benchmarks.feature_asked import NAMES, WINDOWS
from tests.benchmarks.feature_facts import DAY, Size

_FIELD = 21
"""Bits of a packed counter: three of them fit into an int64."""


def plain(size: Size, cutoffs: np.ndarray) -> pa.Table:
    """The answer by one aggregate per feature."""
    return _answer(size, cutoffs, [col("phase"), col("channel")], _plain)


def tuned(size: Size, cutoffs: np.ndarray) -> pa.Table:
    """The answer by bands: rows are folded by (customer, band) with three counters in a sum, and bands then rolled up.

    A band is what lies between two windows' edges, so that each row is counted once and not once per window.
    """
    counters = [_packed(phases).alias(f"counts{i}") for i, phases in enumerate(((0, 1, 2), (3, 4, 5)))]
    return _answer(size, cutoffs, [*counters, col("channel")], _tuned)


def _answer(
    size: Size,
    cutoffs: np.ndarray,
    kept: list[pl.Expr],
    query: Callable[[pl.LazyFrame, int], pl.LazyFrame],
) -> pa.Table:
    links = pl.read_parquet(size.links)
    person = links.select(col("customer").unique().sort()).with_row_index("number")
    rows = _rows(size, cutoffs, links.join(person, on="customer").drop("customer"), kept)
    if len(cutoffs) > 1:
        rows = rows.collect(engine="streaming").lazy()
    parts = [query(rows, int(cutoff)).collect(engine="streaming") for cutoff in cutoffs]
    found = pl.concat(parts).join(person, on="number").drop("number")
    return found.to_arrow()


def _rows(size: Size, cutoffs: np.ndarray, links: pl.DataFrame, kept: list[pl.Expr]) -> pl.LazyFrame:
    """What some cutoff may see, with the customers' numbers, and since and until when it was seen."""
    oldest, now = _instant(int(cutoffs[0]) - WINDOWS[-1] * DAY), _instant(int(cutoffs[-1]))
    return (
        pl.scan_parquet([str(path) for path in size.journey()])
        .filter((col("at") >= oldest) & (col("at") < now) & (col("known_at") < now))
        .with_columns(
            col("phase").cast(pl.Enum(PHASES)).to_physical(),
            channel=pl.lit(2, pl.Int32).pow(col("channel").cast(pl.Enum(CHANNELS)).to_physical()).cast(pl.Int16),
        )
        .select("key_id", "at", "known_at", "until", "value", *kept)
        .join(links.lazy(), left_on="key_id", right_on="key")
        .filter((col("at") >= col("at_from")) & (col("at") < col("at_to")))
        .select(
            "number",
            "at",
            pl.max_horizontal("known_at", "known_from").alias("seen_from"),
            pl.min_horizontal("until", "known_to").alias("seen_to"),
            col("value").fill_null(0.0),
            *[expression.meta.output_name() for expression in kept],
        )
    )


def _plain(rows: pl.LazyFrame, cutoff: int) -> pl.LazyFrame:
    columns = []
    for days in WINDOWS:
        inside = col("at") >= _instant(cutoff - days * DAY)
        columns += [((col("phase") == phase) & inside).sum() for phase in range(len(PHASES))]
        columns.append((col("value") * inside).sum())
        columns.append((col("channel") * inside).bitwise_or().bitwise_count_ones())
    named = [column.cast(pl.Float32).alias(name) for column, name in zip(columns, NAMES, strict=True)]
    return _visible(rows, cutoff).group_by("number").agg(named).with_columns(_instant(cutoff).alias("cutoff"))


def _tuned(rows: pl.LazyFrame, cutoff: int) -> pl.LazyFrame:
    width = len(WINDOWS)
    later = [(col("at") < _instant(cutoff - days * DAY)).cast(pl.UInt32) for days in WINDOWS[:-1]]
    bands = (
        _visible(rows, cutoff)
        .select(reduce(add, later, col("number") * width).alias("place"), "counts0", "counts1", "value", "channel")
        .group_by("place")
        .agg(col("counts0", "counts1", "value").sum(), col("channel").bitwise_or())
        .with_columns((col("place") // width).alias("number"), (col("place") % width).alias("band"))
    )
    rolled, columns = [], []
    for band in range(width):
        inside = col("band") <= band
        rolled += [(col(name) * inside).sum().alias(f"{name}{band}") for name in ("counts0", "counts1", "value")]
        rolled.append((col("channel") * inside).bitwise_or().alias(f"channel{band}"))
        columns += [_field(f"counts{i // 3}{band}", i % 3) for i in range(len(PHASES))]
        columns += [col(f"value{band}"), col(f"channel{band}").bitwise_count_ones()]
    named = [column.cast(pl.Float32).alias(name) for column, name in zip(columns, NAMES, strict=True)]
    return bands.group_by("number").agg(rolled).select("number", *named, _instant(cutoff).alias("cutoff"))


def _visible(rows: pl.LazyFrame, cutoff: int) -> pl.LazyFrame:
    oldest, now = _instant(cutoff - WINDOWS[-1] * DAY), _instant(cutoff)
    seen = (col("seen_from") < now) & (col("seen_to") >= now)
    return rows.filter((col("at") >= oldest) & (col("at") < now) & seen)


def _packed(phases: tuple[int, ...]) -> pl.Expr:
    """A row's contribution to the counters of three phases in one int64."""
    ones = [(col("phase") == phase).cast(pl.Int64) * (1 << (_FIELD * place)) for place, phase in enumerate(phases)]
    return reduce(add, ones)


def _field(name: str, place: int) -> pl.Expr:
    return (col(name) // (1 << (_FIELD * place))) & ((1 << _FIELD) - 1)


def _instant(micros: int) -> pl.Expr:
    return pl.lit(micros).cast(pl.Datetime("us", "UTC"))
