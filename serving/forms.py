"""The form in which facts of each source come in, made from the source's own declaration."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union

from pydantic import ConfigDict, Field, create_model

from features.engine.columns import LARGEST
from features.facts import SOURCES, Column, Source
from serving.schemas import Form, Instant, Key

MOST = 1_000
"""Facts in one request."""
_WORD = 200
_ID = 256
_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f]+$"
"""Text without control characters: what cannot be seen names nothing, and PostgreSQL keeps no NUL."""


class FactForm(Form):
    """What a fact of any source has. A ``void`` one withdraws what its id said; its own columns may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(
        min_length=1,
        max_length=_ID,
        pattern=_PRINTABLE,
        description="the same id again revises the fact; name nobody in it",
    )
    key: Key
    at: Instant = Field(description="when it happened")
    void: bool = Field(default=False, strict=True, description="it is taken back")


def _type(column: Column) -> Any:
    match column.kind:
        case "category" if column.values:
            return Literal[column.values]
        case "category" | "case":
            return Annotated[str, Field(min_length=1, max_length=_WORD, pattern=_PRINTABLE)]
        case "number" if column.unit == "probability":
            return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1)]
        case "number":
            return Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
        case "flag":
            return Annotated[bool, Field(strict=True)]
        case "time":
            return Instant
    raise AssertionError(column.kind)


def _form(source: Source) -> type[FactForm]:
    fields: dict[str, Any] = {"source": (Literal[source.name], ...)}
    for column in source.columns:
        if column.kind == "key":
            fields["other"] = (Key, Field(description=column.meaning))
            continue
        unit = f" ({column.unit})" if column.unit else ""
        fields[column.name] = (_type(column) | None, Field(default=None, description=column.meaning + unit))
    name = f"{source.name.title()}Fact"
    return create_model(name, __base__=FactForm, __doc__=f"{source.meaning.capitalize()}.", **fields)


FORMS: dict[str, type[FactForm]] = {name: _form(source) for name, source in SOURCES.items()}


class EventsRequest(Form):
    """Facts, in the order they happened or any other. All are taken, or none."""

    facts: list[Annotated[Union[tuple(FORMS.values())], Field(discriminator="source")]] = Field(  # type: ignore[valid-type]  # noqa: UP007
        min_length=1, max_length=MOST
    )


class EventsAnswer(Form):
    """What became of each fact, in order: ``new``, ``revised`` (its id was there with other content) or ``known`` (it
    was there already). They count in every decision from now on.
    """

    became: list[Literal["new", "revised", "known"]]
    known_at: Instant = Field(description="the instant from which they are known")


def required(source: Source) -> Sequence[str]:
    """The columns a fact of a source needs unless it is void."""
    return [
        c.name for c in source.columns if (c.required and c.kind != "key" and c.name != "state") or _stateful(source, c)
    ]


def _stateful(source: Source, column: Column) -> bool:
    """The state of a fault must be said; that of evidence is "linked" unless it says otherwise."""
    return column.required and column.name == "state" and source.name != "evidence"
