"""The names by which the operator's systems know people and things, from indices."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import TIME
from features.simulator.feeds import mails, phones
from features.simulator.feeds.phones import NUMBERS
from features.simulator.feeds.scramble import shuffled
from features.simulator.vocabulary import KEY_TYPES, REGIONS

__all__ = ["NUMBERS", "ids", "instants", "keys"]

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

_RUNNING = {"customer": ("C", 6), "site": ("S", 4)}
"""Registers that number their entries as they come: prefix and digits."""

_OTHERS = {"account": ("A", 8), "line": ("L", 8), "cookie": ("ck-", 8), "loyalty": ("2790", 8)}
_SHUFFLED = (10_000, 10_000)


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
        return pa.array(REGIONS).take(pa.array(index))
    if key_type == "msisdn":
        return phones.spelled(index)
    if key_type == "email":
        return mails.spelled(index)
    if key_type == "device":
        return _imei(shuffled(index, *_SHUFFLED, key_type))
    if key_type in _RUNNING:
        return _joined(*_RUNNING[key_type], index)
    prefix, width = _OTHERS[key_type]
    return _joined(prefix, width, shuffled(index, *_SHUFFLED, key_type))


def _imei(numbers: np.ndarray) -> pa.Array:
    """15 digits: eight for the model, six for the piece, and the check digit of ISO/IEC 7812 (Luhn)."""
    model, piece = np.divmod(numbers, 10**6)
    body = (35_000_000 + model * 7_919) * 10**6 + piece
    digits = body[:, None] // 10 ** np.arange(14) % 10
    doubled = digits * np.where(np.arange(14) % 2 == 0, 2, 1)
    check = -(doubled // 10 + doubled % 10).sum(axis=1) % 10
    return _joined("", 15, body * 10 + check)


def _joined(prefix: str, width: int, numbers: np.ndarray) -> pa.Array:
    digits = pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, padding="0")
    return pc.binary_join_element_wise(pa.scalar(prefix), digits, "")
