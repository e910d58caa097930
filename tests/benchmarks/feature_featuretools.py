"""The 24 features by Featuretools, on a small sample, for the report only.

Featuretools 1.31 does not run with pandas 3, so this file imports nothing of ours and runs in an environment of its own
(``pip install featuretools==1.31.0 "pandas<3" pyarrow``)::

    python -m tests.benchmarks.feature_pandas sample.parquet          in the project's environment
    python tests/benchmarks/feature_featuretools.py sample.parquet    in the other one

It is asked for less than the others: one time per row is all it knows, so that when a row or a link became known and
whether it was revised later is left out.
"""

import sys
import time

import featuretools
import pandas as pd

WINDOWS = ("7 days", "30 days", "90 days")
CUTOFFS = pd.date_range("2025-06-01", periods=9, freq="MS")


def features(rows: pd.DataFrame, cutoffs: pd.DatetimeIndex) -> pd.DataFrame:
    """One row per customer and cutoff; counts by phase, sum of values and number of channels per window."""
    phases = sorted(rows["phase"].unique())
    entities = featuretools.EntitySet("journey").add_dataframe(
        dataframe_name="journey",
        dataframe=rows.assign(row=range(len(rows))),
        index="row",
        time_index="at",
        logical_types={"phase": "Categorical", "channel": "Categorical"},
    )
    entities.normalize_dataframe("journey", "customers", "customer", make_time_index=False)
    entities.add_interesting_values(dataframe_name="journey", values={"phase": phases})
    asked = pd.MultiIndex.from_product([rows["customer"].unique(), cutoffs], names=["customer", "time"])
    parts = []
    for window in WINDOWS:
        matrix, _ = featuretools.dfs(
            entityset=entities,
            target_dataframe_name="customers",
            cutoff_time=asked.to_frame(index=False),
            training_window=window,
            agg_primitives=["count", "sum", "num_unique"],
            where_primitives=["count"],
            trans_primitives=[],
            ignore_columns={"journey": ["seen_from", "seen_to"]},
            max_depth=1,
        )
        parts.append(matrix.add_suffix(f" in {window}"))
    return pd.concat(parts, axis=1)


def main() -> None:
    """Print what 1 and 9 cutoffs take."""
    rows = pd.read_parquet(sys.argv[1])
    for cutoffs in (CUTOFFS[-1:], CUTOFFS):
        begun = time.perf_counter()
        matrix = features(rows, cutoffs)
        seconds = time.perf_counter() - begun
        print(f"{len(rows):,} facts, {rows['customer'].nunique()} customers, {len(cutoffs)} cutoffs: {seconds:.1f} s")
        print(f"{matrix.shape[1]} columns, {len(matrix) / seconds:.0f} rows of the matrix per second")


if __name__ == "__main__":
    main()
