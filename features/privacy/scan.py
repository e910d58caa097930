"""A decoded search through every file of a folder: for what a person could be recognised by.

Compressed columns, dictionary pages, databases and archives are read as what they are; beside that the bytes of every
file are searched as they lie, which finds what a database keeps in its free pages or a footer in its statistics.
"""

import gzip
import json
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Needle = str | int | bytes
"""A text (found as a word, whatever the case), a key id, or a hash (found also in hexadecimal)."""


_BY_CHANCE = 6
"""Shorter words also occur in compressed bytes that mean something else: 3 characters a few times a megabyte."""


@dataclass(frozen=True)
class Finding:
    """A file, relative to the folder, where in it, and the place of the needle among those asked for."""

    path: str
    where: str
    needle: int


def scan(
    folder: Path, needles: Collection[Needle], progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[Finding, ...]:
    """Everything found under a folder, each needle once per file and place; ``progress``: files done, files there."""
    wanted = _Wanted.of(needles)
    found: dict[Finding, None] = {}
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for done, path in enumerate(files, start=1):
        name = str(path.relative_to(folder))
        for where, needle in _file(path, wanted):
            found[Finding(name, where, needle)] = None
        progress(done, len(files))
    return tuple(found)


@dataclass(frozen=True)
class _Wanted:
    """The needles as they may stand: in text, as bytes, as a number; each with its place."""

    texts: tuple[tuple[int, bytes], ...]
    raw: tuple[tuple[int, bytes], ...]
    numbers: dict[int, int]

    @classmethod
    def of(cls, needles: Collection[Needle]) -> "_Wanted":
        texts, raw, numbers = [], [], {}
        for place, needle in enumerate(needles):
            if isinstance(needle, int):
                numbers[needle] = place
                raw += [(place, needle.to_bytes(8, order, signed=True)) for order in ("little", "big")]
                texts.append((place, str(needle).encode()))
            elif isinstance(needle, bytes):
                raw.append((place, needle))
                texts.append((place, needle.hex().encode()))
            else:
                texts.append((place, needle.casefold().encode()))
        return cls(tuple(texts), tuple(raw), numbers)

    def in_text(self, text: str, shortest: int = 0) -> Iterator[int]:
        """The needles that stand in the text as words of their own."""
        folded = text.casefold().encode()
        for place, needle in self.texts:
            if len(needle) >= shortest and needle in folded and _as_word(needle, folded):
                yield place

    def in_bytes(self, content: bytes) -> Iterator[int]:
        """The needles that stand in the bytes, as bytes or as text; in what is no text, only those of some length."""
        yield from (place for place, needle in self.raw if needle in content)
        try:
            yield from self.in_text(content.decode())
        except UnicodeDecodeError:
            yield from self.in_text(content.decode("latin-1"), _BY_CHANCE)
            yield from self.in_text(content.decode(errors="ignore"), _BY_CHANCE)

    def in_numbers(self, values: np.ndarray) -> Iterator[int]:
        """The needles among the numbers."""
        wanted = np.array(list(self.numbers), np.int64)
        yield from (self.numbers[i] for i in np.intersect1d(values, wanted).tolist())


def _as_word(needle: bytes, text: bytes) -> bool:
    return re.search(rb"(?<![0-9a-z])" + re.escape(needle) + rb"(?![0-9a-z])", text) is not None


def _file(path: Path, wanted: _Wanted) -> Iterator[tuple[str, int]]:
    content = path.read_bytes()
    yield from (("bytes", needle) for needle in wanted.in_bytes(content))
    if content[:4] == b"PAR1" == content[-4:]:
        yield from _parquet(path, wanted)
    elif content.startswith(b"SQLite format 3\0"):
        yield from _sqlite(path, wanted)
    elif content.startswith(b"PK\3\4"):
        yield from _zip(path, wanted)
    elif content.startswith(b"\x1f\x8b"):
        yield from (("gzip", needle) for needle in wanted.in_bytes(_unzipped(content)))
    elif path.suffix in (".json", ".jsonl", ".ipynb"):
        yield from (("json", needle) for text in _strings(content) for needle in wanted.in_text(text))


def _unzipped(content: bytes) -> bytes:
    """What of it can be decompressed; a file cut off by a kill is no gzip any more, and its bytes were searched."""
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error):
        return b""


def _zip(path: Path, wanted: _Wanted) -> Iterator[tuple[str, int]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield from ((name, needle) for needle in wanted.in_bytes(archive.read(name)))


def _parquet(path: Path, wanted: _Wanted) -> Iterator[tuple[str, int]]:
    """Column by column, texts by their whole dictionaries: what no row uses any more is found too."""
    schema = pq.read_schema(path)
    texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as parquet:
        for group in range(parquet.num_row_groups):
            for name in schema.names:
                column = parquet.read_row_group(group, columns=[name]).column(0)
                yield from ((f"column {name}", needle) for needle in _column(column, wanted))


def _column(column: pa.ChunkedArray, wanted: _Wanted) -> Iterator[int]:
    for chunk in column.chunks:
        values = chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk
        if pa.types.is_integer(values.type):
            yield from wanted.in_numbers(values.drop_null().to_numpy())
        elif pa.types.is_binary(values.type) or pa.types.is_fixed_size_binary(values.type):
            yield from wanted.in_bytes(b"\n".join(values.drop_null().to_pylist()))
        elif not pa.types.is_temporal(values.type) and not pa.types.is_floating(values.type):
            yield from wanted.in_text("\n".join(map(str, values.drop_null().to_pylist())))


def _sqlite(path: Path, wanted: _Wanted) -> Iterator[tuple[str, int]]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as con:
        con.text_factory = lambda content: content.decode(errors="replace")
        tables = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in con.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield from ((f"table {table}", needle) for needle in _value(value, wanted))


def _value(value: object, wanted: _Wanted) -> Iterator[int]:
    if isinstance(value, int):
        yield from [wanted.numbers[value]] if value in wanted.numbers else []
    elif isinstance(value, bytes):
        yield from wanted.in_bytes(value)
    elif isinstance(value, str):
        yield from wanted.in_text(value)


def _strings(content: bytes) -> Iterator[str]:
    """Every name and text of a JSON document (or of one a line), with its escapes undone; nothing where it is none."""
    documents = [content] if b"\n" not in content.strip() else [content, *content.splitlines()]
    for document in documents:
        try:
            yield "\n".join(_leaves(json.loads(document)))
        except ValueError:
            continue


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)
