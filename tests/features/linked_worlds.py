"""Random evidence with all there is to links: shared, undone, merged, revised, candidates, several ways up."""

from dataclasses import replace

import pyarrow as pa
from hypothesis import strategies as st
from oracle import Fact, World
from worlds import MINUTE, stored

from features.declare import Catalog, Link
from features.history import History

PEOPLE = {1: "customer", 2: "customer", 3: "customer", 21: "cookie", 22: "cookie", 51: "email", 61: "loyalty"}
TYPES = {**PEOPLE, 11: "line", 41: "account"}
LINKS = (
    Link("line", "customer", back=None),
    Link("email", "customer", back=None, shared=2, undone=True),
    Link("cookie", "customer", back="20m", shared=2, trust=0.9),
    Link("loyalty", "email", back=None, undone=True),
    Link("loyalty", "customer", back="10m", one_parent=False),
    Link("customer", "customer", back=None, shared=2),
    Link("customer", "account", back=None),
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, (), ())
COVERED = {"evidence": ((-100 * MINUTE, 100 * MINUTE),)}
END = 100 * MINUTE
_PAIRS = (
    *((child, parent) for child in (21, 22, 51, 11, 61) for parent in (1, 2, 3)),
    *((1, 2), (2, 3), (3, 1), (61, 51), (61, 51), (1, 41), (2, 41)),
)


def says(id: str, child: int, parent: int, at: float, known: float, state: str = "linked", **more: float) -> Fact:
    return Fact(id, child, int(at * MINUTE), int(known * MINUTE), False, {"other": parent, "state": state, **more})


@st.composite
def evidence(draw: st.DrawFn) -> list[Fact]:
    rows = []
    for i in range(draw(st.integers(0, 14))):
        pair, at = draw(st.sampled_from(_PAIRS)), draw(st.integers(0, 50))
        state = draw(st.sampled_from(["linked", "linked", "linked", "unlinked", "candidate"]))
        row = says(f"e{i}", *pair, at, at + draw(st.integers(0, 20)), state)
        rows.append(row)
        if draw(st.integers(0, 4)) == 0:
            rows.append(replace(row, known_at=row.known_at + draw(st.integers(1, 20)) * MINUTE, void=True))
    return rows


def table(rows: list[Fact]) -> pa.Table:
    """What `Lake.read` gives of evidence."""
    return stored(World({}, rows, TYPES, LINKS, {})).evidence


def journey(facts: list[Fact]) -> pa.Table:
    """What `Lake.read` gives of touches."""
    return stored(World({"journey": facts}, [], TYPES, LINKS, {})).tables["journey"]


def linked(rows: list[Fact], catalog: Catalog = CATALOG, types: dict[int, str] = TYPES) -> History:
    keys = pa.table({"key_id": pa.array(list(types), pa.int64()), "key_type": list(types.values())})
    return History.of({}, table(rows), keys, dict(COVERED), catalog)
