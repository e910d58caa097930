"""The 24 features in pandas, as one would write them: one merge with the links, then groups per cutoff and window.

``python -m tests.benchmarks.feature_pandas OUT.parquet`` writes what `feature_featuretools` reads: the facts of some
customers of the smallest lake, merged with their links.
"""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.facts import CHANNELS, PHASES, TIME
from tests.benchmarks.feature_asked import NAMES, READ, WINDOWS
from tests.benchmarks.feature_facts import DAY, Size, ensure

SAMPLE = 200
_TIMES = ("at", "known_at", "until", "at_from", "at_to", "known_from", "known_to")


def plain(size: Size, cutoffs: np.ndarray) -> pa.Table:
    """The answer. Needs some 200 bytes of memory per fact."""
    rows = reached(size)
    return pa.concat_tables([_at(rows, int(cutoff)) for cutoff in cutoffs])


def reached(size: Size) -> pd.DataFrame:
    """The facts with the customers who reach them, and since and until when (int64) a cutoff sees them."""
    facts = pa.concat_tables(pq.read_table(path, columns=list(READ)) for path in size.journey())
    rows = _micros(facts).merge(_micros(pq.read_table(size.links)), left_on="key_id", right_on="key")
    rows = rows[(rows["at_from"] <= rows["at"]) & (rows["at"] < rows["at_to"])]
    rows["seen_from"] = rows[["known_at", "known_from"]].max(axis=1)
    rows["seen_to"] = rows[["until", "known_to"]].min(axis=1)
    rows["phase"] = pd.Categorical(rows["phase"], PHASES)
    rows["channel"] = pd.Categorical(rows["channel"], CHANNELS)
    return rows[["customer", "at", "seen_from", "seen_to", "phase", "channel", "value"]]


def _micros(table: pa.Table) -> pd.DataFrame:
    """A frame with instants as int64; what has no end ends after all cutoffs."""
    for name in set(_TIMES) & set(table.column_names):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.int64()).fill_null(2**62))
    return table.to_pandas()


def _at(rows: pd.DataFrame, cutoff: int) -> pa.Table:
    seen = (rows["seen_from"] < cutoff) & (cutoff <= rows["seen_to"])
    rows = rows[seen & (rows["at"] < cutoff) & (rows["at"] >= cutoff - WINDOWS[-1] * DAY)]
    columns = []
    for days in WINDOWS:
        inside = rows[rows["at"] >= cutoff - days * DAY]
        counts = inside.groupby(["customer", "phase"], observed=False).size().unstack("phase")
        columns += [counts[phase] for phase in PHASES]
        columns.append(inside.groupby("customer")["value"].sum())
        columns.append(inside.drop_duplicates(["customer", "channel"]).groupby("customer").size())
    found = pd.concat(columns, axis=1, keys=NAMES).fillna(0).astype(np.float32)
    when = pa.array(np.full(len(found), cutoff)).cast(TIME)
    return pa.Table.from_pandas(found.reset_index(), preserve_index=False).append_column("cutoff", when)


def main() -> None:
    """Write the sample."""
    rows = reached(ensure(Size(1_000_000, 10_000)))
    some = np.sort(rows["customer"].unique())[:SAMPLE]
    rows = rows[rows["customer"].isin(some)].reset_index(drop=True).astype({"phase": "str", "channel": "str"})
    rows["at"] = pd.to_datetime(rows["at"], unit="us")
    rows.to_parquet(sys.argv[1])


if __name__ == "__main__":
    main()
