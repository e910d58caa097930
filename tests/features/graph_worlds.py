"""Random and told worlds of people who share keys, merge and are taken apart, and what the engine says of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st
from oracle import Fact, World
from test_rule_of_time import ask
from worlds import MINUTE, history, stored

from features.declare import Catalog, Feature, Link
from features.identity.graph.evidence import Kinds

TYPES = {
    1: "customer",
    2: "customer",
    3: "customer",
    4: "customer",
    21: "cookie",
    22: "cookie",
    51: "email",
    61: "card",
    31: "site",
    32: "site",
    41: "account",
    42: "account",
}
LINKS = (
    Link("cookie", "customer", back="15m", shared=2),
    Link("email", "customer", back=None, undone=True),
    Link("card", "email", one_parent=False, shared=1),
    Link("card", "customer", back=None),
    Link("customer", "customer", back=None, shared=2),
    Link("customer", "account", back=None),
    Link("customer", "site", rolls_up=False, back="10m"),
)
FEATURES = (
    Feature("journey", "count", window="40m"),
    Feature("journey", "sum", "value", "25m"),
    Feature("journey", "last", "value"),
    Feature("journey", "count", window="25m", of="account"),
    Feature("faults", "count", window="40m", where={"state": "opened"}, via="site"),
    Feature("faults", "count", window="40m", where={"state": "opened"}, of="site"),
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, FEATURES, ())
COVERED = dict.fromkeys(("journey", "faults", "profile"), ((-100 * MINUTE, 100 * MINUTE),))
_PAIRS = (
    *((21, c) for c in (1, 2, 3) for _ in range(2)),
    *((51, 1), (51, 2), (61, 51), (61, 3), (22, 4)),
    *((1, 2), (2, 1), (2, 3), (3, 1), (3, 4), (4, 1)),
    *((1, 41), (2, 41), (3, 42), (1, 31), (2, 31), (3, 32), (4, 32)),
)
_minute = st.integers(0, 60).map(lambda m: m * MINUTE)


@st.composite
def said(draw: st.DrawFn) -> list[Fact]:
    rows = []
    for i in range(draw(st.integers(0, 16))):
        key, other = draw(st.sampled_from(_PAIRS))
        state = draw(st.sampled_from(["linked", "linked", "linked", "unlinked", "candidate"]))
        at = draw(_minute)
        known = at + draw(st.integers(0, 30)) * MINUTE
        rows.append(Fact(f"e{i}", key, at, known, False, {"other": other, "state": state}))
        if draw(st.integers(0, 4)) == 0:
            moved = draw(st.sampled_from(_PAIRS))
            change = {"key": moved[0], "values": {"other": moved[1], "state": state}, "void": draw(st.booleans())}
            rows.append(replace(rows[-1], known_at=known + draw(st.integers(1, 20)) * MINUTE, **change))
    return rows


@st.composite
def worlds(draw: st.DrawFn) -> World:
    journey = [
        ask(f"j{i}", draw(st.sampled_from([1, 2, 3, 4, 21, 22, 51, 61])), draw(st.integers(0, 60)), 0, value=i + 1.0)
        for i in range(draw(st.integers(1, 12)))
    ]
    faults = [
        Fact(f"f{i}", draw(st.sampled_from([31, 32])), draw(_minute), 0, False, {"case": f"c{i}", "state": "opened"})
        for i in range(draw(st.integers(0, 3)))
    ]
    return World({"journey": journey, "faults": faults}, draw(said()), TYPES, LINKS, COVERED)


def world_of(evidence: Sequence[Fact], journey: Sequence[Fact] = ()) -> World:
    return World({"journey": list(journey)}, list(evidence), TYPES, LINKS, COVERED)


def frame(world: World, entities: Sequence[int], at: Sequence[int]) -> pd.DataFrame:
    return history(world, CATALOG).frame("customer", np.array(entities), np.array(at), FEATURES)


def visits(world: World, customer: int, minute: float) -> float:
    return float(frame(world, [customer], [round(minute * MINUTE)])["journey_count_40m"].iloc[0])


def evidence_of(facts: Sequence[Fact]) -> pa.Table:
    return stored(world_of(facts)).evidence


KINDS = Kinds.of(stored(world_of([])).keys)


def many_links(children: np.ndarray, parents: np.ndarray) -> pa.Table:
    """What `Lake.read` gives of links told one after the other, a millisecond apart."""
    at = np.arange(len(children)) * 1000
    return pa.table(
        {
            "id": [f"e{i}" for i in range(len(children))],
            "key_id": pa.array(children),
            "other_id": pa.array(parents),
            "at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
            "known_at": pa.array(at + 5).cast(pa.timestamp("us", tz="UTC")),
            "until": pa.nulls(len(children), pa.timestamp("us", tz="UTC")),
            "state": ["linked"] * len(children),
        }
    )
