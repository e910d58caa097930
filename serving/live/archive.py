"""Decisions and outcomes as Parquet files, for notebooks: one of each kind for each `sync`, named by its stamps.

They hold what was decided and with which probability, nothing about the keys somebody came with.
"""

from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.durable import make_directory, whole
from features.facts import TIME
from serving.live import journal

DECISIONS = pa.schema(
    [
        ("id", pa.string()),
        ("stamp", TIME),
        ("erased", pa.bool_()),
        ("now", TIME),
        ("seen", TIME),
        ("channel", pa.string()),
        ("state", pa.string()),
        ("entity", pa.int64()),
        ("models", pa.list_(pa.struct([("name", pa.string()), ("version", pa.int64()), ("model", pa.string())]))),
        ("rules", pa.string()),
        (
            "offers",
            pa.list_(
                pa.struct(
                    [
                        ("action", pa.string()),
                        ("slot", pa.int64()),
                        ("propensity", pa.float64()),
                        ("value", pa.float64()),
                    ]
                )
            ),
        ),
        ("risk", pa.float64()),
        ("degraded", pa.list_(pa.string())),
    ]
)
"""``erased``: somebody who was forgotten; all from ``now`` on is null then. ``entity``: null unless there was one."""

OUTCOMES = pa.schema(
    [
        ("id", pa.string()),
        ("decision", pa.string()),
        ("action", pa.string()),
        ("response", pa.string()),
        ("at", TIME),
        ("stamp", TIME),
    ]
)
_KEPT = ("id", "stamp", "erased")


def folder_of(home: Path, workspace: str) -> Path:
    """Where a workspace's files lie."""
    return home / "decisions" / workspace


def decision_row(id_: str, stamp: int, erased: bool, body: bytes) -> dict[str, object]:
    """A row of `DECISIONS`, times in UTC microseconds."""
    kept: dict[str, object] = {"id": id_, "stamp": stamp, "erased": erased}
    if erased:
        return dict.fromkeys(DECISIONS.names) | kept
    entry, _ = journal.unpack(body)
    offers = [
        {"action": action, "slot": slot, "propensity": propensity, "value": value}
        for slot, (action, value, propensity) in enumerate(entry.offers, 1)
    ]
    models = [{"name": name, "version": version, "model": model} for name, (version, model) in entry.models.items()]
    same = {name: getattr(entry, name) for name in ("now", "seen", "channel", "state", "rules", "risk")}
    return kept | same | {
        "entity": entry.entity, "models": models, "offers": offers, "degraded": list(entry.degraded)
    }  # fmt: skip


def table(rows: Iterable[dict[str, object]], schema: pa.Schema) -> pa.Table:
    """The rows as `DECISIONS` or `OUTCOMES`."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def write(folder: Path, kind: str, low: int, cut: int, tables: Iterable[pa.Table], schema: pa.Schema) -> int:
    """How many rows are in the file of what has ``low <= stamp < cut``; none is made for none. Again: the same file."""
    filled = (each for each in tables if each.num_rows)
    first = next(filled, None)
    if first is None:
        return 0
    rows = 0
    with (
        whole(make_directory(folder) / f"{kind}-{low}-{cut}.parquet") as path,
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
    ):
        for each in chain([first], filled):
            writer.write_table(each)
            rows += each.num_rows
    return rows


def read_decisions(folder: Path) -> pd.DataFrame:
    """All decisions that were brought back, in the order of their stamps, with the columns of `DECISIONS`."""
    return _read(folder, "decisions", DECISIONS)


def read_outcomes(folder: Path) -> pd.DataFrame:
    """All outcomes that were brought back, in the order of their stamps, with the columns of `OUTCOMES`."""
    return _read(folder, "outcomes", OUTCOMES)


def _read(folder: Path, kind: str, schema: pa.Schema) -> pd.DataFrame:
    parts = [pq.read_table(path, schema=schema) for path in sorted(folder.glob(f"{kind}-*.parquet"))]
    return pa.concat_tables([schema.empty_table(), *parts]).sort_by("stamp").to_pandas()


def erase(folder: Path, entities: Collection[int], decisions: Collection[str]) -> int:
    """Nothing in the files tells of these entities and decisions any more; how many decisions that changed."""
    changed: set[str] = set(decisions)
    found = 0
    for path in sorted(folder.glob("decisions-*.parquet")):
        rows = pq.read_table(path, schema=DECISIONS)
        meant = pc.or_(
            pc.is_in(rows["entity"], pa.array(list(entities), pa.int64())),
            pc.and_(pc.is_in(rows["id"], pa.array(list(decisions), pa.string())), pc.invert(rows["erased"])),
        )
        mask = np.asarray(meant.to_numpy(), bool)
        if mask.any():
            changed.update(rows["id"].filter(pa.array(mask)).to_pylist())
            found += int(mask.sum())
            _replace(path, _blanked(rows, mask))
    for path in sorted(folder.glob("outcomes-*.parquet")):
        rows = pq.read_table(path, schema=OUTCOMES)
        mask = np.asarray(pc.is_in(rows["decision"], pa.array(list(changed), pa.string())).to_numpy(), bool)
        if mask.any():
            _replace(path, _unlinked(rows, mask))
    return found


def _blanked(rows: pa.Table, mask: np.ndarray) -> pa.Table:
    """Of the rows of the mask (n,) bool only that there was a decision."""
    told = [
        dict.fromkeys(DECISIONS.names) | {name: row[name] for name in _KEPT} | {"erased": True} if hit else row
        for row, hit in zip(rows.to_pylist(), mask.tolist(), strict=True)
    ]
    return table(told, DECISIONS)


def _unlinked(rows: pa.Table, mask: np.ndarray) -> pa.Table:
    """Without what tells which decision, or who, an outcome belongs to."""
    ids = [uuid4().hex if hit else i for i, hit in zip(rows["id"].to_pylist(), mask, strict=True)]
    of = ["" if hit else d for d, hit in zip(rows["decision"].to_pylist(), mask, strict=True)]
    rows = rows.set_column(rows.schema.get_field_index("id"), OUTCOMES.field("id"), pa.array(ids, pa.string()))
    return rows.set_column(
        rows.schema.get_field_index("decision"), OUTCOMES.field("decision"), pa.array(of, pa.string())
    )


def _replace(path: Path, rows: pa.Table) -> None:
    with whole(path) as temporary:
        pq.write_table(rows, temporary, compression="zstd")
