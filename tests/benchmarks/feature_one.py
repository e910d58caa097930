"""One customer asked for the whole catalogue, as in a live call: 200 facts of every source behind five keys.

``python -m tests.benchmarks.feature_one`` prints what one vector costs, in microseconds; with ``--first`` it only
computes one, which is how a start is timed.
"""

import json
import sys
import timeit

import numpy as np
import pyarrow as pa

from features.catalog import CATALOG
from features.declare import Feature
from features.engine.block import Vectors
from features.engine.bound import Coverage
from features.facts import SOURCES, TIME, Column, Source
from features.history import History
from tests.benchmarks.feature_facts import DAY, END, START

CUSTOMER, LINE, MSISDN, COOKIE, EMAIL, ACCOUNT, SITE, MARKET = range(1, 9)
TYPES = ("customer", "line", "msisdn", "cookie", "email", "account", "site", "market")
OWN = (CUSTOMER, LINE, MSISDN, COOKIE, EMAIL)
FACTS = {"journey": 110, "usage": 40, "faults": 16, "sla": 14, "profile": 8, "contact": 8, "calendar": 4}
"""200 in all."""
ELSEWHERE = {"faults": (LINE, SITE), "calendar": (MARKET,)}
PARENTS = {LINE: CUSTOMER, MSISDN: CUSTOMER, COOKIE: CUSTOMER, EMAIL: CUSTOMER, CUSTOMER: ACCOUNT, SITE: MARKET}
CALLS, REPEATS = 500, 30


def history() -> History:
    """A lake of one customer, with a site, an account and a market."""
    rng = np.random.default_rng(3)
    tables = {name: _facts(rng, SOURCES[name], n) for name, n in FACTS.items()}
    keys = pa.table({"key_id": range(1, len(TYPES) + 1), "key_type": list(TYPES)})
    coverage: dict[str, Coverage] = dict.fromkeys(SOURCES, ((START - 400 * DAY, END),))
    return History.of(tables, _links(), keys, coverage, CATALOG)


def microseconds() -> tuple[float, float]:
    """What one vector takes in the kernel alone, and with all that is around it; the best of many repeats."""
    vectors = Vectors(history().block, "customer", CATALOG.features)
    cutoff = END - DAY
    cuts, spans = np.array([cutoff, cutoff]), vectors.spans(CUSTOMER, cutoff, cutoff)
    kernel = timeit.repeat(lambda: vectors.fold(cuts, spans), number=CALLS, repeat=REPEATS)
    vector = timeit.repeat(lambda: vectors.of(CUSTOMER, cutoff), number=CALLS, repeat=REPEATS)
    return min(kernel) / CALLS * 1e6, min(vector) / CALLS * 1e6


def _facts(rng: np.random.Generator, source: Source, n: int) -> pa.Table:
    """The last 300 days of one source."""
    at = END - 5 * DAY - rng.integers(0, 300 * DAY, n)
    columns = {
        "id": [f"{source.name}{i}" for i in range(n)],
        "key_id": rng.choice(np.array(ELSEWHERE.get(source.name, OWN)), n),
        "at": pa.array(at).cast(TIME),
        "known_at": pa.array(at + rng.integers(0, 2 * DAY, n)).cast(TIME),
        "void": np.zeros(n, bool),
        "until": pa.nulls(n, TIME),
        **{column.name: _values(rng, column, n) for column in source.columns},
    }
    return pa.table(columns, schema=source.schema.append(pa.field("until", TIME)))


def _values(rng: np.random.Generator, column: Column, n: int) -> pa.Array:
    if column.kind == "number":
        return pa.array(rng.uniform(0, 50, n))
    if column.kind == "flag":
        return pa.array(rng.random(n) < 0.5)
    if column.kind == "time":
        return pa.array(END + rng.integers(-300 * DAY, 300 * DAY, n)).cast(TIME)
    if column.kind == "key":
        return pa.array(rng.integers(1, 9, n))
    words = column.values or tuple(w for f in CATALOG.features for w in _words(f, column.name)) or ("other",)
    return pa.array(np.array(words)[rng.integers(0, len(words), n)])


def _words(feature: Feature, column: str) -> tuple[str, ...]:
    """What the catalogue asks of a free category, so that its filters have something to find."""
    return tuple(w for c in feature.conditions if c.column == column for w in c.values or ())


def _links() -> pa.Table:
    pairs = [*PARENTS.items(), (CUSTOMER, SITE)]
    said = pa.array([START] * len(pairs)).cast(TIME)
    columns = {
        "id": [f"e{i}" for i in range(len(pairs))],
        "key_id": [child for child, _ in pairs],
        "at": said,
        "known_at": said,
        "void": [False] * len(pairs),
        "other_id": [parent for _, parent in pairs],
        "state": ["linked"] * len(pairs),
        "confidence": pa.nulls(len(pairs), pa.float64()),
        "until": pa.nulls(len(pairs), TIME),
    }
    return pa.table(columns, schema=SOURCES["evidence"].schema.append(pa.field("until", TIME)))


def main() -> None:
    """Print the two figures as JSON; with ``--first`` compute one vector and say nothing."""
    if sys.argv[1:] == ["--first"]:
        Vectors(history().block, "customer", CATALOG.features).of(CUSTOMER, END - DAY)
        return
    kernel, vector = microseconds()
    print(json.dumps({"features": len(CATALOG.features), "kernel_us": kernel, "vector_us": vector}))


if __name__ == "__main__":
    main()
