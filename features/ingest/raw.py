"""A raw file and the user's SELECT over it: DuckDB runs the one on the other, and can touch nothing else.

The file is the relation ``input``. Nothing about it is guessed from a sample: every column of a CSV or JSON file is
VARCHAR (the SELECT casts), a CSV's delimiter is that of its header line, and a line that does not fit is an error.
The session's time zone is UTC.
"""

import csv
import gzip
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from features.ingest.form import IngestError
from features.lake.store import database

BATCH = 500_000
_DELIMITERS = ",;\t|"
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


@dataclass(frozen=True)
class Select:
    """The user's SQL and how to speak of it in errors (the name of its file)."""

    text: str
    name: str = "the SELECT"

    @classmethod
    def read(cls, path: Path) -> "Select":
        """The SELECT of a file; raises `IngestError` when it cannot be read."""
        try:
            return cls(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise IngestError(f"{path}: the SQL file cannot be read ({error})") from error


@contextmanager
def selected(select: Select, path: Path, spill: Path, prepare: Select | None = None) -> Iterator[pa.RecordBatchReader]:
    """The rows of the SELECT over the file, streamed; its schema is known before the first row is read.

    With ``prepare``, a SELECT over the relation ``raw``, the file is ``raw`` and what that SELECT yields is ``input``.
    Raises `IngestError`, also while rows are read, naming the SQL and the file: a file that is missing, empty, of an
    unknown suffix or damaged; SQL that does not parse, is no single SELECT, or fails on a row.
    """
    with _readable(path, spill) as plain, database(spill) as con:
        with _told(f"{path}"):
            _expose(con, plain, _format(path), "raw" if prepare else "input")
        con.execute("SET allowed_paths = [" + _literal(plain) + "]")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        if prepare:
            with _told(f"{prepare.name} over {path}"):
                con.execute(f"CREATE VIEW input AS {_single(con, prepare)}")
        with _told(f"{select.name} over {path}"):
            yield con.sql(_single(con, select)).to_arrow_reader(BATCH)


def _format(path: Path) -> str:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    if suffix not in _SUFFIXES:
        raise IngestError(
            f"{path}: the format is told by the suffix, one of {', '.join(_SUFFIXES)}, each also with .gz"
        )
    return _SUFFIXES[suffix]


@contextmanager
def _readable(path: Path, spill: Path) -> Iterator[Path]:
    """The file itself, checked to be there; a gzipped Parquet, which cannot be streamed, unpacked beside."""
    if not path.is_file():
        raise IngestError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise IngestError(f"{path}: the file is empty")
    if not path.name.lower().endswith(".parquet.gz"):
        yield path.resolve()
        return
    unpacked = spill.with_suffix(".parquet")
    try:
        with _told(f"{path}"), gzip.open(path) as packed, unpacked.open("wb") as out:
            while chunk := packed.read(1 << 24):
                out.write(chunk)
        yield unpacked
    finally:
        unpacked.unlink(missing_ok=True)


def _expose(con: duckdb.DuckDBPyConnection, path: Path, form: str, name: str) -> None:
    """Makes the view ``name``."""
    if form == "parquet":
        con.read_parquet(str(path)).create_view(name)
    elif form == "csv":
        delimiter, names = _header(path)
        con.read_csv(
            str(path),
            columns=dict.fromkeys(names, "VARCHAR"),
            auto_detect=False,
            header=True,
            skiprows=0,
            delimiter=delimiter,
            quotechar='"',
            escapechar='"',
        ).create_view(name)
    else:
        _expose_json(con, path, name)


def _header(path: Path) -> tuple[str, list[str]]:
    """The delimiter (of those known, the most frequent in the first line) and the column names."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        line = file.readline()
        delimiter = max(_DELIMITERS, key=line.count)
        file.seek(0)
        names = next(csv.reader(file, delimiter=delimiter), [])
    lowered = [name.strip().lower() for name in names]
    wrong = [n or "(no name)" for n in lowered if not n or lowered.count(n) > 1]
    if wrong or not names:
        raise IngestError(f"{path}: the header line must name every column once; see {', '.join(wrong) or 'line 1'}")
    return delimiter, names


def _expose_json(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Every member of any object becomes a VARCHAR column; objects and lists within stay JSON text."""
    objects = f"read_json_objects({_literal(path)}, format = 'auto')"
    found = con.sql(f"SELECT DISTINCT unnest(json_keys(json)) AS k FROM {objects} ORDER BY k").fetchall()
    if not found:
        raise IngestError(f"{path}: there is no JSON object with a member in it")
    members = [member for (member,) in found]
    pointers = ["/" + member.replace("~", "~0").replace("/", "~1") for member in members]
    quoted = ['"' + member.replace('"', '""') + '"' for member in members]
    texts = [f"json_extract_string(json, {_literal(p)}) AS {q}" for p, q in zip(pointers, quoted, strict=True)]
    con.execute(f"CREATE VIEW {name} AS SELECT {', '.join(texts)} FROM {objects}")


def _single(con: duckdb.DuckDBPyConnection, select: Select) -> str:
    statements = con.extract_statements(select.text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise IngestError(f"{select.name}: one SELECT statement is needed, found {len(statements)} statement(s)")
    return statements[0].query


def _literal(value: Path | str) -> str:
    return "'" + str(value).replace("'", "''") + "'"


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turns what DuckDB (or the file system) says into an `IngestError`, without the raw line it may quote."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise IngestError(f"{where}: {_without_data(str(error))}") from error


def _without_data(message: str) -> str:
    """DuckDB's message less the original line, which may name people, and less its advice on options of its reader."""
    message = re.sub(r"Original Line:.*?\n(?=Expected|Error|Value|Invalid)", "", message, flags=re.DOTALL)
    return re.split(r"\n+(?:Possible|Column \S+ is being|\s+file = )", message)[0].strip()
