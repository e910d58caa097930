"""A scan finds what a person could be recognised by wherever and however it is stored."""

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.privacy.scan import scan

NAME, ID, HASH = "Zoë@example.com", 4_611_000_111_222_333_444, bytes(range(32))


def as_json(folder):
    (folder / "a.json").write_text(json.dumps({"deep": [{"who": NAME}]}))


def as_lines(folder):
    (folder / "a.jsonl").write_text(json.dumps({"a": 1}) + "\n" + json.dumps({"who": NAME.upper()}) + "\n")


def as_text(folder):
    (folder / "a.log").write_text(f"asked for {NAME}, answered")


def as_gzip(folder):
    (folder / "a.csv.gz").write_bytes(gzip.compress(f"id,key\n1,{NAME}\n".encode()))


def as_archive(folder):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", f"{NAME} " * 50)


def as_column(folder):
    pq.write_table(pa.table({"a": [None, NAME]}), folder / "a.parquet", compression="zstd", write_statistics=False)


def as_json_in_a_column(folder):
    rows = pa.table({"row": [json.dumps({"key": NAME}, ensure_ascii=False)] * 3})
    pq.write_table(rows, folder / "a.parquet", compression="zstd", write_statistics=False)


def as_an_entry_no_row_uses(folder):
    column = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), pa.array(["else", NAME]))
    pq.write_table(pa.table({"a": column}), folder / "a.parquet", compression="zstd", write_statistics=False)


def as_a_cell(folder):
    with closing(sqlite3.connect(folder / "a.db")) as con:
        con.execute("CREATE TABLE t (a TEXT)")
        con.execute("INSERT INTO t VALUES (?)", (NAME,))
        con.commit()


def as_a_deleted_cell(folder):
    as_a_cell(folder)
    with closing(sqlite3.connect(folder / "a.db")) as con:
        con.execute("PRAGMA secure_delete = OFF")
        con.execute("DELETE FROM t")
        con.commit()


@pytest.mark.parametrize(
    "write",
    [
        *(as_json, as_lines, as_text, as_gzip, as_archive, as_column),
        *(as_json_in_a_column, as_an_entry_no_row_uses, as_a_cell, as_a_deleted_cell),
    ],
)
def test_a_name_is_found(tmp_path, write):
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep")
    assert {f.needle for f in scan(tmp_path, ["someone else", NAME])} == {1}


def test_ids_and_hashes_are_found_as_numbers_bytes_and_text(tmp_path):
    columns = {"key_id": pa.array([1, ID]), "hash": pa.array([HASH] * 2, pa.binary(32))}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="lz4", write_statistics=False)
    (tmp_path / "b.json").write_text(json.dumps({"row": json.dumps({"key": f"hmac:{HASH.hex()}", "key_id": ID})}))
    found = {(f.path, f.needle) for f in scan(tmp_path, [ID, HASH])}
    assert found == {("a.parquet", 0), ("a.parquet", 1), ("b.json", 0), ("b.json", 1)}


def test_a_part_of_another_word_is_not_found(tmp_path):
    (tmp_path / "a.txt").write_text("C0012 and 14611000111222333444")
    assert scan(tmp_path, ["C001", ID]) == ()
