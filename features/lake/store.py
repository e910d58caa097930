"""Parquet files of a lake: written whole under unique names, read through DuckDB, blamed by name when damaged."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from features.durable import digest, make_directory, sync
from features.lake.commits import LakeError, StoredFile

ROW_GROUP = 1_000_000
BATCH = 250_000
DECODED = 262_144
"""So many rows are decoded at a time."""
_READ_BYTES = 1 << 20
_LEAST_MEMORY = 1 << 30


@contextmanager
def database(spill: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB that computes in UTC, spills into the given folder, takes a quarter of the machine's memory at most and
    never fetches an extension.
    """
    config = {"temp_directory": str(spill), "autoinstall_known_extensions": "false", "memory_limit": _memory()}
    con = duckdb.connect(config=config)
    try:
        con.execute("SET TimeZone = 'UTC'")
        yield con
    finally:
        con.close()


def _memory() -> str:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{max(pages * size // 4, _LEAST_MEMORY)}B"


@contextmanager
def opened(root: Path, files: Sequence[StoredFile]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database to read the lake's files with; damaged ones are named by a `LakeError`."""
    with blaming(root, files), database(root / "staging" / f"{uuid4().hex}.spill") as con:
        yield con


def view(con: duckdb.DuckDBPyConnection, name: str, schema: pa.Schema, paths: Sequence[Path]) -> None:
    """Makes a view over Parquet files with exactly the schema's columns; what a file lacks is null."""
    con.register(f"{name}_columns", schema.empty_table())
    names = ", ".join(f'"{n}"' for n in schema.names)
    select = f"SELECT {names} FROM {name}_columns"
    if paths:
        con.read_parquet([str(p) for p in paths], union_by_name=True).create_view(f"{name}_files")
        select = f"SELECT {names} FROM ({select} UNION ALL BY NAME SELECT * FROM {name}_files)"
    con.execute(f"CREATE VIEW {name} AS {select}")


def read(root: Path, files: Sequence[StoredFile], schema: pa.Schema) -> pa.Table:
    """The schema's columns of several files, in order; a column declared after a file was written is null in it."""
    parts = []
    for file in files:
        with pq.ParquetFile(root / file.path) as parquet:
            parts.append(parquet.read([n for n in schema.names if n in parquet.schema_arrow.names]))
    return pa.concat_tables([schema.empty_table(), *parts], promote_options="default").select(schema.names)


def read_group(path: Path, group: int, names: Sequence[str], schema: pa.Schema) -> pa.Table:
    """Columns of one row group, texts as dictionaries; one of the schema that the file lacks is null."""
    texts = [n for n in names if n in schema.names and schema.field(n).type == pa.string()]
    with pq.ParquetFile(path, read_dictionary=texts) as parquet:
        held = [n for n in names if n in parquet.schema_arrow.names]
        table = parquet.read_row_group(group, columns=held, use_threads=False)
    for field in [schema.field(n) for n in names if n not in held]:
        table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def group_batches(path: Path, group: int, names: Sequence[str], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The same, some rows at a time: what is decoded stays in the processor's caches, and needs little memory."""
    texts = [n for n in names if n in schema.names and schema.field(n).type == pa.string()]
    with pq.ParquetFile(path, read_dictionary=texts, buffer_size=_READ_BYTES) as parquet:
        held = [n for n in names if n in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(DECODED, row_groups=[group], columns=held, use_threads=False):
            for field in [schema.field(n) for n in names if n not in held]:
                batch = batch.append_column(field, pa.nulls(batch.num_rows, field.type))
            yield batch


def batches(con: duckdb.DuckDBPyConnection, select: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """The result of a SELECT in tables of bounded size, in order, cast to the schema. Exhaust it before the next."""
    for batch in con.sql(select).to_arrow_reader(BATCH):
        yield pa.Table.from_batches([batch]).cast(schema)


def write(root: Path, folder: str, tables: Iterable[pa.Table]) -> StoredFile | None:
    """The new file ``folder/<unique>.parquet`` on the disk, or None where there is no row."""
    filled = (table for table in tables if table.num_rows)
    first = next(filled, None)
    if first is None:
        return None
    path = make_directory(root / folder) / f"{uuid4().hex}.parquet"
    rows = write_file(path, chain([first], filled), first.schema)
    sync(path.parent)
    return StoredFile(f"{folder}/{path.name}", rows, path.stat().st_size, digest(path))


def write_file(path: Path, tables: Iterable[pa.Table], schema: pa.Schema) -> int:
    """How many rows were written to the file, which is on the disk then; LZ4, plain numbers: reading is what counts."""
    rows, texts = 0, [f.name for f in schema if pa.types.is_string(f.type) and f.name != "id"]
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=texts) as writer:
        for group in _grouped(tables):
            rows += group.num_rows
            writer.write_table(group, row_group_size=ROW_GROUP)
    sync(path)
    return rows


def _grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables large enough for a row group."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def split(tables: Iterable[pa.Table], rows: int) -> Iterator[Iterator[pa.Table]]:
    """The same tables in runs of at least so many rows (the last may be shorter); consume each before the next."""
    remaining = iter(tables)
    for first in remaining:
        yield _run(first, remaining, rows)


def _run(first: pa.Table, remaining: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    yield first
    seen = first.num_rows
    while seen < rows and (table := next(remaining, None)) is not None:
        seen += table.num_rows
        yield table


@contextmanager
def blaming(root: Path, files: Iterable[StoredFile]) -> Iterator[None]:
    """Turns a failure to read into a `LakeError` that names the damaged file; missing or cut ones fail at once."""
    wanted = list(files)
    for file in wanted:
        _check_size(root, file)
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        check_content(root, wanted, error)
        raise


def _check_size(root: Path, file: StoredFile) -> None:
    path = root / file.path
    if not path.is_file():
        raise LakeError(f"{path} is missing; restore it from a copy")
    if path.stat().st_size != file.size:
        raise LakeError(f"{path} is damaged: {path.stat().st_size} bytes, not {file.size}; restore it from a copy")


def check_content(root: Path, files: Iterable[StoredFile], cause: Exception | None = None) -> None:
    """Raises `LakeError` naming the first file whose bytes are not those that were committed."""
    for file in files:
        _check_size(root, file)
        if digest(root / file.path) != file.sha256:
            raise LakeError(f"{root / file.path} is damaged: its content is not what was written") from cause
