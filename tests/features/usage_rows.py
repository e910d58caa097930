"""Builders of facts for the lake's tests: rows of the source `usage`, with all but the essentials filled in."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from features.facts import source
from features.identity.keys import KEYS

SCHEMA = source("usage").schema


def row(id="a", value=1.0, known_at=20, at=10, key_id=1, void=False, metric="bill"):
    times = {"at": at, "known_at": known_at}
    return {"id": id, "key_id": key_id, **times, "void": void, "metric": metric, "value": value}


def table(*rows):
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


def keys(*ids):
    rows = [{"key_id": i, "key_type": "customer", "hash": i.to_bytes(32, "big")} for i in ids]
    return pa.Table.from_pylist(rows, schema=KEYS)


def micros(column) -> list:
    return column.cast(pa.int64()).to_pylist()


def seen(facts) -> list[tuple]:
    """What a reader sees, as (key_id, at, known_at, id, value, until) in the order read."""
    times = [micros(facts[name]) for name in ("at", "known_at", "until")]
    plain = [facts[name].to_pylist() for name in ("key_id", "id", "value")]
    (at, known, until), (key_id, id, value) = times, plain
    return list(zip(key_id, at, known, id, value, until, strict=True))


def life(rows: Iterable[dict]) -> list[tuple]:
    """The slow and obvious twin: the life of every fact from rows that do not contradict each other."""
    by_id: dict[str, list[dict]] = {}
    for r in sorted(rows, key=lambda r: r["known_at"]):
        turns = by_id.setdefault(r["id"], [])
        if not turns or {**turns[-1], "known_at": 0} != {**r, "known_at": 0}:
            turns.append(r)
    out = []
    for turns in by_id.values():
        for turn, following in zip(turns, [*turns[1:], None], strict=True):
            if not turn["void"]:
                until = following["known_at"] if following else None
                out.append((turn["key_id"], turn["at"], turn["known_at"], turn["id"], turn["value"], until))
    return sorted(out, key=lambda t: t[:4])


def leftovers(lake) -> list[Path]:
    """Files in the lake's folder that no commit names."""
    named = {lake.root / path for path in lake.snapshot().stored}
    files = [p for p in lake.root.rglob("*") if p.is_file() and p.parent.name != "log"]
    return [p for p in files if p not in named] + list((lake.root / "log").glob(".*"))
