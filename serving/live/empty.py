"""A live store made empty, to be filled anew."""

from sqlalchemy import update

from serving.live import schema
from serving.live.store import Store, StoreError
from serving.live.sync import unsynced

_KEPT = (schema.META, schema.CLOCK, schema.WORDS)


def empty(store: Store, discard: bool = False) -> None:
    """Nothing is left but the numbers of words, which whoever has the store open remembers.

    Raises `StoreError` where it holds what the lake does not have, unless that is to be discarded.
    """
    alone = unsynced(store)
    if alone and not discard:
        kinds = ", ".join(f"{count:,} {name}" for name, count in alone.items())
        raise StoreError(f"the live store alone holds {kinds}: run `tieline sync` first, or give --discard")
    with store.engine.begin() as core:
        for table in reversed(schema.METADATA.sorted_tables):
            if table not in _KEPT:
                core.execute(table.delete())
        core.execute(schema.META.delete().where(schema.META.c.name != "version"))
        core.execute(update(schema.CLOCK).values(stamp=0, evidence=0, feeds=0))
