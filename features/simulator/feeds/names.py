"""The names by which the operator's systems know people and things, from indices."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import TIME
from features.simulator.vocabulary import KEY_TYPES

NUMBERS = 10_000_000
"""How many mobile numbers the operator's range holds."""

_PREFIXES = {
    "journey": "J",
    "faults": "F",
    "sla": "S",
    "usage": "U",
    "profile": "P",
    "contact": "K",
    "calendar": "W",
    "evidence": "E",
    "case": "T",
    "decision": "D",
}


def ids(what: str, numbers: np.ndarray) -> pa.Array:
    """Row or case ids: a letter per kind, then the running number; -1 is null."""
    text = pc.cast(pa.array(numbers, mask=numbers < 0), pa.string())
    return pc.binary_join_element_wise(pa.scalar(_PREFIXES[what]), text, "")


def instants(micros: np.ndarray) -> pa.Array:
    """UTC timestamps; -1 is null."""
    return pa.array(micros, mask=micros < 0).cast(TIME)


def keys(types: np.ndarray, indices: np.ndarray) -> pa.Array:
    """One key name per row, by the code of its type and its index within that type."""
    order = np.argsort(types, kind="stable")
    parts = [_spell(KEY_TYPES[kind], indices[types == kind]) for kind in np.unique(types)]
    if not parts:
        return pa.array([], pa.string())
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return pa.concat_arrays(parts).take(pa.array(back))


def _spell(key_type: str, index: np.ndarray) -> pa.Array:
    if key_type == "market":
        return pa.array(["all"] * len(index), pa.string())
    if key_type == "msisdn":
        if index.max(initial=0) >= NUMBERS:
            raise ValueError(
                f"the numbering plan holds {NUMBERS:,} numbers and they are used up: fewer customers or months"
            )
        # Multiplying by a number coprime to the size of the range gives every line another number, in no visible order.
        return _joined("+3247", index * 7_368_787 % NUMBERS, 7)
    if key_type == "email":
        return pc.binary_join_element_wise(_joined("user", index, 6), pa.scalar("@mail.example"), "")
    if key_type == "cookie":
        return _joined("ck-", index * 2_654_435_761 % 2**32, 10)
    letter, width = {"customer": ("C", 6), "account": ("A", 6), "line": ("L", 7), "site": ("S", 4)}[key_type]
    return _joined(letter, index, width)


def _joined(prefix: str, numbers: np.ndarray, width: int) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, padding="0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, "")
