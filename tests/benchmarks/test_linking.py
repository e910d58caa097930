"""What linking costs: the key graph and everybody's reach from millions of rows of evidence. `make bench` prints it."""

import resource
import time

import numpy as np
import pyarrow as pa
import pytest

from features.catalog.keys import LINKS
from features.facts import TIME
from features.identity.graph.evidence import Kinds
from features.identity.graph.graph import Graph, read_graph
from features.identity.reach import own_reach

DAY = 86_400_000_000
PER_CUSTOMER = {"line": 1.5, "msisdn": 1.5, "email": 1.1, "cookie": 4.0, "device": 1.2, "loyalty": 0.1}


def evidence(customers: int, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """(evidence, keys) as an operator's systems give them: one in ten keys is said again of somebody else or taken
    back, a few browsers are everybody's, one customer in a thousand is another one too.
    """
    rng = np.random.default_rng(seed)
    child, parent, types = [], [], [np.full(customers, "customer")]
    keys = [np.arange(customers, dtype=np.int64)]
    for kind, each in PER_CUSTOMER.items():
        n = int(customers * each)
        ids = np.arange(n, dtype=np.int64) + sum(len(k) for k in keys)
        keys.append(ids)
        types.append(np.full(n, kind))
        again = rng.choice(ids, n // 10)
        shared = rng.choice(ids[:20], n // 50) if kind == "cookie" else ids[:0]
        child.append(np.concatenate([ids, again, shared]))
        parent.append(rng.integers(0, customers, len(child[-1])))
    child.append(rng.integers(0, customers, customers // 1000))
    parent.append(rng.integers(0, customers, customers // 1000))
    both, other = np.concatenate(child), np.concatenate(parent)
    at = rng.integers(0, 365 * DAY, len(both))
    micros = {"at": at, "known_at": at + rng.integers(0, 3 * DAY, len(both))}
    state = np.where(rng.random(len(both)) < 0.05, "unlinked", "linked")
    times = {name: pa.array(values).cast(TIME) for name, values in micros.items()}
    ids = pa.array(np.arange(len(both))).cast(pa.string())
    table = pa.table(
        {"id": ids, "key_id": both, "other_id": other, **times, "until": pa.nulls(len(both), TIME), "state": state}
    )
    return table, pa.table({"key_id": np.concatenate(keys), "key_type": np.concatenate(types)})


def cost(customers: int) -> tuple[float, int]:
    """CPU seconds from evidence to everybody's reach, and rows of evidence."""
    table, keys = evidence(customers)
    since = time.process_time()
    graph: Graph = read_graph(table, Kinds.of(keys), LINKS)
    reach = own_reach("customer", np.arange(customers), graph)
    seconds = time.process_time() - since
    assert len(reach.entity) > customers
    return seconds, len(table)


@pytest.mark.slow
def test_linking_grows_with_the_evidence_and_no_faster() -> None:
    cost(1_000)
    small, rows = cost(50_000)
    large, many = cost(500_000)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\n{rows:,} rows {small:.1f} s CPU; {many:,} rows {large:.1f} s CPU; peak {peak:.2f} GB")
    assert many > 5_000_000
    # Sorting, and no longer fitting into the caches: 1.4 to 1.6 times per row were measured; the square would be ten.
    assert large / small < 2.5 * many / rows
    assert peak < 8
