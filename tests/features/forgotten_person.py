"""Builders for forgetting a person of the private operator: facts, marks, rows that are refused."""

from datetime import UTC, datetime

import pyarrow as pa
from private_operator import Operator

from features.catalog import CATALOG
from features.ingest import append_facts
from features.privacy.forget import forget
from features.privacy.person import find_person

AT = datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC)


def forgotten(operator: Operator, key_type: str, value: str):
    done = forget(operator.lake, CATALOG, operator.ring, key_type, value, patience=10.0)
    assert done.complete
    return done


def facts(operator: Operator) -> dict[str, pa.Table]:
    return {name: operator.lake.read(name) for name in operator.lake.snapshot().files}


def marks(operator: Operator, customer: str):
    person = find_person(operator.lake, operator.lake.snapshot(), CATALOG, operator.ring, "customer", customer)
    return person.marks


def journey(*rows: dict) -> pa.Table:
    told = {"key_type": "customer", "at": AT, "known_at": AT, "phase": "ask", "channel": "web"}
    return pa.Table.from_pylist([told | row for row in rows])


def add(operator: Operator, source: str, rows: pa.Table):
    return append_facts(operator.lake, operator.ring, source, rows, key_types=CATALOG.key_types)


def refuse(operator: Operator, name: str, number: str, whose: str):
    """Puts four rows into quarantine: by the hash, by the surrogate, by the number as it came, and by half of it."""
    good = journey({"id": f"q1-{whose}", "key": name})
    add(operator, "journey", good)
    unlike = good.set_column(good.schema.get_field_index("phase"), "phase", pa.array(["use"]))
    national = "0" + number.removeprefix("+32")
    bad = journey(
        {"id": f"q2-{whose}", "key": name, "phase": "sleep"},
        {"id": f"q3-{whose}", "key_type": "msisdn", "key": f"{national[:4]} ... {national[-2:]}"},
        {"id": f"q4-{whose}", "key_type": "msisdn", "key": f"{national[:4]} {national[4:]}"},
    )
    assert add(operator, "journey", unlike).quarantined == 1
    assert add(operator, "journey", bad).quarantined == 3


def number_of(operator: Operator, customer: str) -> str:
    """A number that was linked to the customer and nobody else."""
    whole = marks(operator, customer).whole
    return next(n for n in operator.names["msisdn"] if operator.ring.key_id("msisdn", n) in whole)
