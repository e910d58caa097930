"""The form of a source's SELECT: which columns it yields, of which types; checked before any row is read."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from features.facts import TIME, Source


class IngestError(ValueError):
    """The input cannot become facts; the message says where, what is wrong and what would be right."""


@dataclass(frozen=True)
class Wanted:
    """A column of the form. ``default``: what a missing column, or a missing value, stands for."""

    name: str
    kind: str
    required: bool
    values: tuple[str, ...] | None = None
    default: str | bool | None = None


_ARROW = {"text": pa.string(), "number": pa.float64(), "flag": pa.bool_(), "time": TIME}
_SQL = {"text": "VARCHAR", "number": "DOUBLE", "flag": "BOOLEAN", "time": "TIMESTAMP WITH TIME ZONE"}
_KINDS = {"category": "text", "case": "text", "number": "number", "flag": "flag", "time": "time"}
_DEFAULTS = {("evidence", "state"): "linked"}


def key_stems(source: Source) -> dict[str, str]:
    """The form's key columns -> the columns that store them, such as ``{"key": "key_id", "other": "other_id"}``."""
    others = {c.name.removesuffix("_id"): c.name for c in source.columns if c.kind == "key"}
    return {"key": "key_id", **others}


def form(source: Source, assume_delay: str | None = None) -> tuple[Wanted, ...]:
    """What a SELECT for the source yields; without ``known_at`` where that is assumed as ``at`` + a delay."""
    keys = [Wanted(name, "text", True) for stem in key_stems(source) for name in (f"{stem}_type", stem)]
    times = [Wanted("at", "time", True)] + ([] if assume_delay else [Wanted("known_at", "time", True)])
    own = [
        Wanted(c.name, _KINDS[c.kind], c.required, c.values, _DEFAULTS.get((source.name, c.name)))
        for c in source.columns
        if c.kind != "key"
    ]
    return (Wanted("id", "text", True), *keys, *times, Wanted("void", "flag", True, default=False), *own)


def check_columns(source: Source, schema: pa.Schema, where: str, assume_delay: str | None = None) -> None:
    """Raises `IngestError` naming the first column that is missing, unknown, there twice, or of another type."""
    wanted = {w.name: w for w in form(source, assume_delay)}
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise IngestError(f"{where}: column '{name}' is there twice")
        if name == "known_at" and assume_delay:
            raise IngestError(f"{where}: 'known_at' is there, so no delay may be assumed; drop one of the two")
        if name not in wanted:
            raise IngestError(f"{where}: source '{source.name}' has no column '{name}' (it has: {', '.join(wanted)})")
    for column in wanted.values():
        if column.name in schema.names:
            _check_type(column, schema.field(column.name).type, where)
        elif column.required and column.default is None:
            hint = "; select it, or assume a delay such as '1h' after 'at'" if column.name == "known_at" else ""
            raise IngestError(f"{where}: column '{column.name}' ({_SQL[column.kind]}) is missing{hint}")


def _check_type(column: Wanted, found: pa.DataType, where: str) -> None:
    if _fits(column.kind, found):
        return
    name, needed = f'"{column.name}"', _SQL[column.kind]
    fix = f"CAST({name} AS {needed})"
    if column.kind == "time":
        parsed = name if pa.types.is_timestamp(found) else f"strptime({name}, '%Y-%m-%d %H:%M:%S')"
        fix = f"{parsed} AT TIME ZONE 'Europe/Paris', with the zone (and format) it is in"
    raise IngestError(f"{where}: column '{column.name}' is {_sql_name(found)} and must be {needed}; write {fix}")


def _fits(kind: str, found: pa.DataType) -> bool:
    """Whether the values can be cast without guessing. A column of nothing but NULL has Arrow's null type."""
    types = pa.types
    if types.is_dictionary(found):
        found = found.value_type
    return types.is_null(found) or {
        "text": types.is_string(found) or types.is_large_string(found) or types.is_string_view(found),
        "number": types.is_integer(found) or types.is_floating(found) or types.is_decimal(found),
        "flag": types.is_boolean(found),
        "time": types.is_timestamp(found) and found.tz is not None,
    }.get(kind, False)


def _sql_name(found: pa.DataType) -> str:
    if pa.types.is_timestamp(found):
        return "TIMESTAMP WITH TIME ZONE" if found.tz else "TIMESTAMP (without a time zone)"
    names = {pa.string(): "VARCHAR", pa.int32(): "INTEGER", pa.int64(): "BIGINT", pa.date32(): "DATE"}
    return names.get(found, str(found).upper())


def cast(source: Source, batch: pa.RecordBatch, assume_delay: str | None = None) -> pa.RecordBatch:
    """The batch in the form's column order and types; what is not there is null, or the default where one is."""
    columns = {}
    for wanted in form(source, assume_delay):
        there = wanted.name in batch.schema.names
        type_ = _ARROW[wanted.kind]
        column = batch[wanted.name].cast(type_, safe=False) if there else pa.nulls(batch.num_rows, type_)
        columns[wanted.name] = column if wanted.default is None else pc.fill_null(column, wanted.default)
    return pa.RecordBatch.from_pydict(columns)
