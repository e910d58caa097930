"""Builders for forgetting rows of a lake without any person: marks, tags and the whole way of a forgetting."""

import pyarrow as pa
import pyarrow.parquet as pq

from features.engine.columns import EVER_AGO, FOREVER
from features.identity.keys import TAGS
from features.lake.forgetting import sweeping
from features.lake.forgetting.forgetting import hide, purged
from features.lake.forgetting.marks import MARKS
from features.lake.forgetting.suppression import SUPPRESSED
from features.lake.forgetting.veils import table as veil


def mark(key_id, low=EVER_AGO, high=FOREVER, whole=True):
    return {"key_id": key_id, "at_from": low, "at_to": high, "whole": whole}


def tag(key_id):
    return key_id.to_bytes(32, "little")


def tags(*ids):
    return pa.table([pa.array(ids, pa.int64()), pa.array([tag(i) for i in ids], pa.binary(32))], schema=TAGS)


def forget(lake, *marks, until=1_000, finish=True):
    """Forgets the marked rows, and what comes again of them from before ``until``."""
    listed = [
        {"tag": tag(m["key_id"]), "at_from": m["at_from"], "at_to": min(m["at_to"], until), "whole": m["whole"]}
        for m in marks
    ]
    rows = veil(pa.Table.from_pylist(list(marks), schema=MARKS), ())
    while not hide(lake.root, lake.snapshot(), rows, pa.Table.from_pylist(listed, schema=SUPPRESSED)):
        pass
    if finish:
        purged(lake.root)
        assert sweeping.swept(lake.root, 20.0)


def add(lake, rows, keys, *tagged, covered=()):
    """The receipt of rows that come with their tags, as ingestion sends them."""
    with lake.stage("usage") as staging:
        staging.add(rows, keys, tags=tags(*tagged))
        return staging.commit(covered)


def stored_values(lake):
    """Every value in any Parquet file under the lake, staged and left over ones too, as text."""
    tables = [pq.read_table(path) for path in lake.root.rglob("*.parquet")]
    return {str(value) for table in tables for column in table.columns for value in column.to_pylist()}
