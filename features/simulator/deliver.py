"""The simulated operator's feeds, into a lake, by the same road as anybody's files."""

from collections.abc import Callable

import pyarrow as pa

from features.declare import Catalog
from features.identity.keys import KeyRing
from features.ingest import append_facts
from features.lake import Lake, Receipt
from features.simulator.feeds.ledger import Batch
from features.simulator.run import simulate


def deliver(
    lake: Lake,
    keyring: KeyRing,
    catalog: Catalog,
    customers: int,
    months: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Receipt]:
    """Simulate, append everything (one commit a source), compact; what became of each source's rows.

    Doing it again adds nothing; another seed in the same lake is refused into quarantine, id by id.
    ``progress(done, total)`` counts simulated months.
    """
    feeds: dict[str, list[Batch]] = {}
    for batch in simulate(customers, months, seed, progress=progress):
        feeds.setdefault(batch.source, []).append(batch)
    receipts = [
        append_facts(
            lake,
            keyring,
            source,
            pa.concat_tables([b.rows for b in batches]),
            key_types=catalog.key_types,
            links=catalog.links,
            covered=[interval for b in batches for interval in b.covered],
        )
        for source, batches in feeds.items()
    ]
    lake.compact()
    return receipts
