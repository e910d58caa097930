"""Random small worlds for the property tests: facts with revisions, late links, gaps, ties and missing values."""

from dataclasses import dataclass, replace

import pyarrow as pa
from hypothesis import strategies as st
from oracle import Fact, World

from features.conditions import at_least, below
from features.declare import Catalog, Feature, Link
from features.facts import TIME, source
from features.history import History

MINUTE = 60_000_000
TYPES = {1: "customer", 2: "customer", 11: "line", 12: "line", 21: "cookie", 31: "site", 32: "site", 41: "account"}
LINKS = (
    Link("line", "customer"),
    Link("cookie", "customer", one_parent=False, back="20m"),
    Link("customer", "account", back=None),
    Link("customer", "site", rolls_up=False, back="10m"),
)
FAULT = {"state": "opened"}
ASKED, SEVERE = {"phase": "ask"}, {"severity": ("major", "critical")}
OWN = (
    Feature("journey", "min", "value", "25m"),
    Feature("journey", "min", "value", "40m", where=ASKED),
    Feature("journey", "max", "value", "10m"),
    Feature("journey", "max", "value", "25m"),
    Feature("journey", "sum", "value", "40m"),
    Feature("journey", "mean", "value", "10m", where={"value": at_least(0.1, below=1e6)}),
    Feature("journey", "count", window="25m", where={"value": below(0.1)}),
    Feature("journey", "count", window="40m", where={"topic": ("billing", "a topic nobody has")}),
    Feature("journey", "count", window="40m", where={"topic": "a topic nobody has"}),
    Feature("journey", "repeats", "channel", "40m"),
    Feature("journey", "repeats", "channel", "10m", where=ASKED),
    Feature("journey", "share", window="25m", where=ASKED),
    Feature("journey", "share", window="40m", where=ASKED, among={"phase": ("ask", "use")}),
    Feature("journey", "share", window="40m", where=ASKED, among={"channel": ("web", "app"), "topic": "billing"}),
    Feature("journey", "share", window="25m", where={"value": at_least(0)}, among={"value": at_least(-1, below=1)}),
    Feature("journey", "rate_change", window="10m"),
    Feature("journey", "rate_change", window="20m", where=ASKED),
    Feature("journey", "rate_change", "value", "10m"),
    Feature("journey", "rate_change", "value", "20m", where=ASKED),
    Feature("journey", "last", "channel", "10m", where={"topic": "outage"}),
    Feature("profile", "sum", "consent_marketing", "25m"),
    Feature("profile", "mean", "consent_marketing", "40m"),
    Feature("profile", "distinct", "consent_marketing", "40m"),
    Feature("profile", "repeats", "consent_marketing", "25m"),
    Feature("profile", "share", window="40m", where={"consent_marketing": True}),
    Feature("profile", "last", "contract_end", "25m"),
)
OF_ACCOUNT = (
    Feature("journey", "sum", "value", "25m", of="account"),
    Feature("journey", "mean", "value", "40m", of="account"),
    Feature("journey", "min", "value", "10m", of="account"),
    Feature("journey", "max", "value", "25m", of="account"),
    Feature("journey", "distinct", "channel", "25m", of="account"),
    Feature("journey", "repeats", "channel", "25m", of="account"),
    Feature("journey", "share", window="25m", where=ASKED, of="account"),
    Feature("journey", "rate_change", "value", "20m", of="account"),
    Feature("journey", "last", "value", of="account"),
    Feature("journey", "since_last", where=ASKED, of="account"),
    Feature("faults", "open", window="40m", of="account"),
    Feature("faults", "open_age", window="25m", of="account"),
)
OF_SITE = (
    Feature("faults", "min", "minutes", "40m", of="site"),
    Feature("faults", "mean", "minutes", "25m", of="site"),
    Feature("faults", "distinct", "severity", "25m", of="site"),
    Feature("faults", "share", window="40m", where=SEVERE, among={"state": "opened"}, of="site"),
    Feature("faults", "rate_change", window="10m", of="site"),
    Feature("faults", "open_age", window="40m", where=SEVERE, of="site"),
)
VIA_SITE = (
    Feature("faults", "mean", "minutes", "40m", via="site"),
    Feature("faults", "min", "minutes", "25m", via="site"),
    Feature("faults", "max", "minutes", "40m", via="site"),
    Feature("faults", "repeats", "severity", "40m", via="site"),
    Feature("faults", "share", window="40m", where=SEVERE, among={"state": "opened"}, via="site"),
    Feature("faults", "rate_change", "minutes", "20m", via="site"),
    Feature("faults", "last", "minutes", via="site"),
    Feature("faults", "since_last", where=FAULT, via="site"),
    Feature("faults", "open_age", window="25m", via="site"),
)
FEATURES = (
    Feature("journey", "count", window="10m"),
    Feature("journey", "count", window="40m", where={"phase": "ask"}),
    Feature("journey", "sum", "value", "25m"),
    Feature("journey", "sum", "value", "10m", where={"phase": ("ask", "use")}),
    Feature("journey", "mean", "value", "25m"),
    Feature("journey", "distinct", "channel", "40m"),
    Feature("journey", "last", "topic"),
    Feature("journey", "last", "value", "25m"),
    Feature("journey", "since_last", where={"phase": "use"}),
    Feature("journey", "count", window="25m", of="account"),
    Feature("faults", "count", window="25m", where=FAULT, via="site"),
    Feature("faults", "sum", "minutes", "40m", of="site"),
    Feature("faults", "last", "severity", of="site"),
    Feature("faults", "open", window="40m", where={"severity": ("major", "critical")}),
    Feature("faults", "open", window="40m", via="site"),
    Feature("faults", "open_age", window="25m"),
    Feature("profile", "last", "contract_end"),
    Feature("profile", "last", "consent_marketing"),
    *OWN,
    *OF_ACCOUNT,
    *OF_SITE,
    *VIA_SITE,
)
CATALOG = Catalog(tuple(sorted(set(TYPES.values()))), LINKS, FEATURES, ())

_minute = st.integers(0, 60).map(lambda m: m * MINUTE)
_uneven = st.sampled_from([0.1, 0.2, 0.3, -0.1, 1e-9, 1 / 3, 1e6 + 0.3, -1e6 - 0.3, float("nan")])
_amount = st.one_of(st.none(), st.integers(-8, 8).map(lambda n: n / 4), _uneven)


def _maybe(*values: object) -> st.SearchStrategy:
    return st.sampled_from([None, *values])


_VALUES = {
    "journey": st.fixed_dictionaries(
        {
            "phase": st.sampled_from(["ask", "use", "buy"]),
            "channel": st.sampled_from(["web", "app", "chat"]),
            "topic": _maybe("billing", "outage", "a topic never seen before"),
            "value": _amount,
        }
    ),
    "faults": st.fixed_dictionaries(
        {
            "case": st.sampled_from(["a", "b", "c"]),
            "state": st.sampled_from(["opened", "cleared"]),
            "severity": _maybe("minor", "major", "critical"),
            "minutes": _amount,
        }
    ),
    "profile": st.fixed_dictionaries(
        {"contract_end": st.one_of(st.none(), _minute), "consent_marketing": _maybe(True, False)}
    ),
}
_KEYS = {"journey": (1, 2, 11, 12, 21, 41), "faults": (1, 11, 12, 31, 32), "profile": (1, 2, 11)}
_PAIRS = ((11, 1), (11, 2), (12, 1), (21, 1), (21, 2), (1, 41), (2, 41), (1, 31), (1, 32), (2, 31))


@st.composite
def _revised(draw: st.DrawFn, fact: Fact, name: str) -> list[Fact]:
    """The fact, sometimes followed by later revisions of it (also void, also of another key)."""
    versions = [fact]
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        later = versions[-1].known_at + draw(st.integers(1, 20)) * MINUTE
        change = {
            "values": draw(_VALUES[name]),
            "at": draw(_minute),
            "void": draw(st.sampled_from([False, False, True])),
        }
        versions.append(replace(fact, known_at=later, key=draw(st.sampled_from(_KEYS[name])), **change))
    return versions


@st.composite
def _facts(draw: st.DrawFn, name: str) -> list[Fact]:
    facts: list[Fact] = []
    for i in range(draw(st.integers(0, 10))):
        at = draw(_minute)
        fact = Fact(
            f"{name}{i}",
            draw(st.sampled_from(_KEYS[name])),
            at,
            at + draw(st.integers(0, 15)) * MINUTE,
            False,
            draw(_VALUES[name]),
        )
        facts += draw(_revised(fact, name))
    return facts


@st.composite
def _evidence(draw: st.DrawFn) -> list[Fact]:
    rows = []
    for i in range(draw(st.integers(0, 12))):
        key, other = draw(st.sampled_from(_PAIRS))
        at = draw(_minute)
        state = draw(st.sampled_from(["linked", "linked", "linked", "unlinked"]))
        row = Fact(f"e{i}", key, at, at + draw(st.integers(0, 30)) * MINUTE, False, {"other": other, "state": state})
        rows.append(row)
        if draw(st.integers(0, 4)) == 0:
            rows.append(replace(row, known_at=row.known_at + draw(st.integers(1, 20)) * MINUTE, void=True))
    return rows


@st.composite
def _coverage(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    low = draw(st.integers(-60, 10)) * MINUTE
    if draw(st.booleans()):
        return ((low, 80 * MINUTE),)
    return ((low, 20 * MINUTE), (25 * MINUTE, 80 * MINUTE))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    return World(
        facts={name: draw(_facts(name)) for name in _VALUES},
        evidence=draw(_evidence()),
        types=TYPES,
        links=LINKS,
        coverage={name: draw(_coverage()) for name in _VALUES},
    )


cutoffs = st.integers(0, 70).map(lambda m: m * MINUTE)


@dataclass(frozen=True)
class Stored:
    """What the lake would hand out for a world."""

    tables: dict[str, pa.Table]
    evidence: pa.Table
    keys: pa.Table


def stored(world: World) -> Stored:
    """Every version that is not void, with ``until`` its successor's ``known_at``."""
    keys = pa.table({"key_id": pa.array(list(world.types), pa.int64()), "key_type": list(world.types.values())})
    evidence = _table("evidence", world.evidence, {"other": "other_id"})
    return Stored({name: _table(name, facts) for name, facts in world.facts.items()}, evidence, keys)


def _table(name: str, facts: list[Fact], renamed: dict[str, str] | None = None) -> pa.Table:
    rows = []
    for fact in facts:
        later = [f.known_at for f in facts if f.id == fact.id and f.known_at > fact.known_at]
        values = {(renamed or {}).get(k, k): v for k, v in fact.values.items()}
        common = {"id": fact.id, "key_id": fact.key, "at": fact.at, "known_at": fact.known_at, "void": fact.void}
        if not fact.void:
            rows.append({**common, **values, "until": min(later, default=None)})
    schema = source(name).schema.append(pa.field("until", TIME))
    return pa.table({f.name: pa.array([r.get(f.name) for r in rows], f.type) for f in schema}, schema=schema)


def history(world: World, catalog: Catalog = CATALOG) -> History:
    held = stored(world)
    return History.of(held.tables, held.evidence, held.keys, dict(world.coverage), catalog)
