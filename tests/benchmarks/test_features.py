"""The feature engine against SQL a good engineer would write, in the same run, over the same facts: a ratio.

`make bench` prints the table and writes ``.tieline/bench/features.json``. Results are compared, so that neither side
may win by computing something else.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.declare import Catalog, Feature
from features.facts import CHANNELS, PHASES, TIME, source
from features.history import History

FACTS, CUSTOMERS, CUTOFFS = 1_000_000, 20_000, 9
DAY = 86_400_000_000
START = 1_735_689_600_000_000
WINDOWS = (7, 30, 90)

FEATURES = tuple(
    feature
    for days in WINDOWS
    for feature in (
        *(Feature("journey", "count", window=f"{days}d", where={"phase": phase}) for phase in PHASES),
        Feature("journey", "sum", "value", f"{days}d"),
        Feature("journey", "distinct", "channel", f"{days}d"),
    )
)
CATALOG = Catalog(("customer",), (), FEATURES, ())


def facts() -> pa.Table:
    rng = np.random.default_rng(1)
    at = START + rng.integers(0, 400 * DAY, FACTS)
    columns = {
        "id": pa.array([f"f{i}" for i in range(FACTS)]),
        "key_id": rng.integers(0, CUSTOMERS, FACTS),
        "at": pa.array(at).cast(TIME),
        "known_at": pa.array(at + rng.integers(0, 2 * DAY, FACTS)).cast(TIME),
        "void": pa.array(np.zeros(FACTS, bool)),
        "phase": pa.array(np.array(PHASES)[rng.integers(0, 6, FACTS)]),
        "channel": pa.array(np.array(CHANNELS)[rng.integers(0, 10, FACTS)]),
        "value": rng.integers(0, 100, FACTS).astype(float),
    }
    schema = source("journey").schema.append(pa.field("until", TIME))
    return pa.table({f.name: columns.get(f.name, pa.nulls(FACTS, f.type)) for f in schema}, schema=schema)


def by_sql(table: pa.Table, cutoffs: np.ndarray) -> pd.DataFrame:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.register("journey", table)
    con.register("cutoffs", pa.table({"cut": pa.array(cutoffs).cast(TIME)}))
    columns = []
    for days in WINDOWS:
        inside = f'"at" >= cut - INTERVAL {days} DAY'
        columns += [f"count(*) FILTER (phase = '{phase}' AND {inside})" for phase in PHASES]
        columns += [f"coalesce(sum(value) FILTER ({inside}), 0)", f"count(DISTINCT channel) FILTER ({inside})"]
    named = ", ".join(f'{sql} AS "{f.name}"' for sql, f in zip(columns, FEATURES, strict=True))
    return con.execute(
        f"SELECT key_id, epoch_us(cut) AS c, {named} FROM journey JOIN cutoffs "
        'ON "at" < cut AND known_at < cut AND (until IS NULL OR until >= cut) '
        'AND "at" >= cut - INTERVAL 90 DAY GROUP BY ALL'
    ).df()


def timed(work: Callable[[], pd.DataFrame]) -> tuple[float, pd.DataFrame]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


@pytest.mark.slow
def test_many_cutoffs_cost_less_than_sql() -> None:
    table = facts()
    cutoffs = START + (100 + 30 * np.arange(CUTOFFS)) * DAY
    keys = pa.table({"key_id": np.arange(CUSTOMERS), "key_type": ["customer"] * CUSTOMERS})
    loading, history = timed(  # type: ignore[type-var]
        lambda: History.of(
            {"journey": table}, source("evidence").schema.append(pa.field("until", TIME)).empty_table(), keys,
            {"journey": ((0, START + 500 * DAY),)}, CATALOG,
        )  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    entities, at = np.tile(np.arange(CUSTOMERS), CUTOFFS), np.repeat(cutoffs, CUSTOMERS)
    ours, frame = timed(lambda: history.frame("customer", entities, at, FEATURES))  # type: ignore[attr-defined]
    theirs, sql = timed(lambda: by_sql(table, cutoffs))
    frame = frame.assign(key_id=entities, c=at)
    both = frame.merge(sql, on=["key_id", "c"], how="inner", suffixes=("", "_sql"))
    assert len(both) == len(sql)
    for feature in FEATURES:
        np.testing.assert_allclose(both[feature.name], both[f"{feature.name}_sql"], rtol=1e-6)
    figures = {
        "facts": FACTS, "customers": CUSTOMERS, "cutoffs": CUTOFFS, "features": len(FEATURES),
        "seconds_load": loading, "seconds_fold": ours, "seconds_duckdb": theirs,
        "speedup_9_cutoffs": theirs / (loading + ours), "speedup_9_cutoffs_fold_only": theirs / ours,
    }  # fmt: skip
    folder = Path(os.environ.get("TIELINE_HOME", ".tieline")) / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "features.json").write_text(json.dumps(figures, indent=1))
    print(json.dumps(figures, indent=1))
    assert figures["speedup_9_cutoffs_fold_only"] > 1
