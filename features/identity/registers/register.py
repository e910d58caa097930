"""A people register, ready to be compared: its key column checked, what is compared in one spelling.

Rows stay in memory and are stored nowhere. Errors name rows (1 is the first below the header) and columns and never
repeat a value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv
from pyarrow import parquet as pq

from features.identity.normalise import normalise

Raw: TypeAlias = pa.Table | pd.DataFrame | Path

KEY = "unique_id"
"""The column of `Register.rows` that holds the key, by Splink's name for it."""

_SHOWN = 3


class RegisterError(ValueError):
    """A register that cannot be compared; the message names the register, the column and the rows."""


@dataclass(frozen=True)
class Register:
    """``rows``: the strings `KEY` (never null, all different) and the columns that are compared (null: not known)."""

    name: str
    key_type: str
    rows: pa.Table

    def __len__(self) -> int:
        return self.rows.num_rows


def register(
    raw: Raw, key_type: str, columns: Sequence[str], *, absent: Sequence[str] = (), side: str = "the"
) -> Register:
    """The register whose key column bears the name of its key type; ``absent`` columns are null throughout.

    A file is CSV or Parquet, by its suffix. Texts are compared in lower case, without accents and stray spaces; empty
    ones count as not known. Raises `RegisterError` for a file that cannot be read, a missing column, no row, a key
    that is missing, malformed or there twice, and a column without a single value.
    """
    name = f"{side} register" + (f" ({raw.name})" if isinstance(raw, Path) else "")
    table = _table(raw, name)
    wanted = [column for column in columns if column not in absent]
    for column in (key_type, *wanted):
        if table.schema.names.count(column) != 1:
            there = "is there twice" if column in table.schema.names else "is missing"
            raise RegisterError(f"{name}: column '{column}' {there} (it has: {', '.join(table.schema.names)})")
    if not table.num_rows:
        raise RegisterError(f"{name}: there are no rows")
    texts = {column: _plain(_text(table, column, name)) for column in wanted}
    for column, values in texts.items():
        if values.null_count == len(values):
            raise RegisterError(f"{name}: column '{column}' has no value in any row; compare without it")
    nothing = pa.nulls(table.num_rows, pa.string())
    keys = _keys(_text(table, key_type, name), key_type, name)
    return Register(name, key_type, pa.table({KEY: keys} | {c: texts.get(c, nothing) for c in columns}))


def _table(raw: Raw, name: str) -> pa.Table:
    if isinstance(raw, pa.Table):
        return raw
    if isinstance(raw, pd.DataFrame):
        return pa.Table.from_pandas(raw, preserve_index=False)
    if raw.suffix.lower() not in (".csv", ".parquet"):
        raise RegisterError(f"{name}: a register is a .csv or .parquet file")
    try:
        return _csv(raw, name) if raw.suffix.lower() == ".csv" else pq.read_table(raw)
    except pa.ArrowException:  # its words may repeat what a row says
        raise RegisterError(f"{name}: the file cannot be read as {raw.suffix[1:].upper()} in UTF-8") from None


def _csv(path: Path, name: str) -> pa.Table:
    """Every column as text: a postcode keeps its leading zero."""
    torn: list[int | None] = []

    def note(row: csv.InvalidRow) -> str:
        torn.append(row.number)
        return "skip"

    one_by_one = csv.ReadOptions(use_threads=False)  # only so are rows numbered
    form = csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note)
    with csv.open_csv(path, one_by_one, form) as header:
        texts = dict.fromkeys(header.schema.names, pa.string())
    torn.clear()
    kept = csv.ConvertOptions(column_types=texts, strings_can_be_null=True, null_values=[""])
    table = csv.read_csv(path, one_by_one, form, kept)
    if torn:
        # The header is Arrow's row 1.
        raise RegisterError(f"{name}: {_rows([(n or 0) - 1 for n in torn])} not as many values as the header")
    return table


def _text(table: pa.Table, column: str, name: str) -> pa.Array:
    values = table[column].combine_chunks()
    try:
        return values.cast(pa.string())
    except pa.ArrowException:
        raise RegisterError(f"{name}: column '{column}' is {values.type}, which is no text, number or date") from None


def _plain(values: pa.Array) -> pa.Array:
    """One spelling: lower case, no accents, single spaces; null where nothing is left."""
    apart = pc.utf8_normalize(pc.utf8_lower(values), "NFKD")
    bare = pc.replace_substring_regex(apart, r"\p{M}", "")
    single = pc.utf8_trim_whitespace(pc.replace_substring_regex(bare, r"\s+", " "))
    return pc.if_else(pc.equal(single, ""), pa.scalar(None, pa.string()), single)


def _keys(values: pa.Array, key_type: str, name: str) -> pa.Array:
    """The keys in their one spelling, all there and all different."""
    spelled: list[str] = []
    wrong: dict[str, list[int]] = {}
    for row, value in enumerate(values.to_pylist(), 1):
        try:
            spelled.append(normalise(key_type, value or ""))
        except ValueError as error:
            spelled.append("")
            wrong.setdefault(str(error), []).append(row)
    for problem, rows in wrong.items():
        raise RegisterError(f"{name}: {_rows(rows)} no usable key: {problem}")
    places: dict[str, list[int]] = {}
    for row, key in enumerate(spelled, 1):
        places.setdefault(key, []).append(row)
    if len(places) < len(spelled):
        rows = next(rows for rows in places.values() if len(rows) > 1)
        raise RegisterError(f"{name}: {_rows(rows)} one and the same {key_type}: a key is there once")
    return pa.array(spelled, pa.string())


def _rows(numbers: Sequence[int]) -> str:
    """``"row 3 has"``, or ``"rows 3, 5, 8, ... (12 in all) have"``."""
    first = ", ".join(str(number) for number in numbers[:_SHOWN])
    if len(numbers) == 1:
        return f"row {first} has"
    return f"rows {first}{f', ... ({len(numbers)} in all)' if len(numbers) > _SHOWN else ''} have"
