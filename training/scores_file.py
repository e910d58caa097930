"""Scores of everybody, block by block into a file."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from features.durable import whole
from models.bundle import Model
from training.score import Scores

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class Written:
    """How many rows a file of scores has, how many of them a score, and why the others have none."""

    rows: int
    scored: int
    without: dict[str, int]


def write(path: Path, model: Model, blocks: Iterator[Scores], told: Callable[[int], object]) -> Written:
    """The file at ``path``, Parquet or CSV, there whole or not at all: ``entity`` int64, ``why``, and one float64 each
    ``<label>.<horizon>``, missing without a score. ``told`` hears how many rows each block had.
    """
    answers = [name for label in model.labels for name in model.manifest.answers_of(label)]
    schema = pa.schema(
        [("entity", pa.int64()), ("why", pa.string()), *((name, pa.float64()) for name in answers)],
        metadata={"tieline.model_id": model.id},
    )
    rows, scored, without = 0, 0, Counter[str]()
    with whole(path) as temporary:
        writer = (
            pq.ParquetWriter(temporary, schema) if path.suffix == ".parquet" else pacsv.CSVWriter(temporary, schema)
        )
        with writer:
            for block in blocks:
                columns = [p[:, k] for label in model.labels for p in (block.p[label],) for k in range(p.shape[1])]
                arrays = [pa.array(c, pa.float64(), from_pandas=True) for c in columns]
                table = pa.Table.from_arrays(
                    [pa.array(block.entity), pa.array(block.why.astype(str)), *arrays], schema=schema
                )
                writer.write_table(table)
                rows, scored = rows + len(block.entity), scored + int(block.scored.sum())
                without.update(block.why[~block.scored].tolist())
                told(len(block.entity))
    return Written(rows, scored, dict(without))
