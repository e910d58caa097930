"""Commands for the API keys of a home: who may ask the service, what, and until when."""

import re
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from commands.common import JsonOption, emit, home, micros, out, say

if TYPE_CHECKING:
    from serving.access.stored import StoredKey

app = typer.Typer(no_args_is_help=True, help="API keys: who may ask the service, what, and until when.")


class Scope(StrEnum):
    """What a key may be used for."""

    decide = "decide"
    events = "events"
    read = "read"
    admin = "admin"


NameArgument = Annotated[str, typer.Argument(help="Of the key: who it is for, such as 'crm'. Logs never show it.")]


@app.command("add")
def add(
    name: NameArgument,
    scope: Annotated[
        list[Scope], typer.Option("--scope", help="What it may be used for; give the option once for each.")
    ],
    expires: Annotated[
        str | None,
        typer.Option(help="After hours, days or weeks (12h, 90d, 8w), or at a date or instant; default: never."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once. A running service accepts it within a second or two."""
    from serving.access import stored

    text, key = stored.add(home(), name, [each.value for each in scope], _expiry(expires))
    if as_json:
        emit({**_told(key), "key": text})
        return
    until = f"until {key.expires:%Y-%m-%d %H:%M} UTC" if key.expires else "for ever"
    say.print(f"key {key.number}, '{name}', for {', '.join(key.scopes)}, {until}", markup=False, soft_wrap=True)
    say.print("it is stored nowhere and shown only this once:")
    sys.stdout.write(text + "\n")


@app.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """The keys there are. Their numbers are what stands for them in logs."""
    from serving.access import stored

    keys = stored.read(home()).keys
    if as_json:
        emit({"keys": [_told(key) for key in keys]})
        return
    if not keys:
        out.print("there is no key yet: make one with `tieline keys add`, or by the first `tieline serve`")
        return
    table = Table("client", "name", "scopes", "made", "expires")
    for key in keys:
        ends = f"{key.expires:%Y-%m-%d %H:%M}" if key.expires else "never"
        has = "expired " if key.expired(datetime.now(UTC)) else ""
        table.add_row(str(key.number), escape(key.name), ", ".join(key.scopes), f"{key.made:%Y-%m-%d}", has + ends)
    out.print(table)


@app.command("revoke")
def revoke(name: NameArgument, as_json: JsonOption = False) -> None:
    """Take a key away. A running service refuses it within a second or two."""
    from serving.access import stored

    stored.revoke(home(), name)
    (say if as_json else out).print(f"'{name}' is revoked", markup=False, soft_wrap=True)
    if as_json:
        emit({"name": name, "revoked": True})


def _told(key: "StoredKey") -> dict[str, Any]:
    """What may be shown of a key: never its hash."""
    return {
        "number": key.number,
        "name": key.name,
        "scopes": key.scopes,
        "made": key.made.isoformat(),
        "expires": key.expires.isoformat() if key.expires else None,
        "expired": key.expired(datetime.now(UTC)),
    }


def _expiry(text: str | None) -> datetime | None:
    """The instant (UTC) meant by 90d, by a date, which is its midnight, or by an instant with its zone."""
    if text is None:
        return None
    span = re.fullmatch(r"([1-9][0-9]{0,4})([hdw])", text)
    if span is None:
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros(text))
        except typer.BadParameter as error:
            raise typer.BadParameter(f"{error.message}, nor a time from now (90d)", param_hint="--expires") from None
    hours = {"h": 1, "d": 24, "w": 168}[span[2]]
    return datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours * int(span[1]))
