"""Evidence as arrays: which keys were seen together, what was said of them, and when that was believed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Link
from features.engine.columns import FOREVER

LINKED, APART, CANDIDATE = "linked", "unlinked", "candidate"

COLUMNS = ("child", "parent", "at", "known", "until", "linked", "confidence", "rank")


@dataclass(frozen=True)
class Kinds:
    """Which type every key has. ``ids`` (k,) int64, rising; ``codes`` (k,) int64 into ``names``."""

    ids: np.ndarray
    codes: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, keys: pa.Table) -> "Kinds":
        """From a table with ``key_id`` and ``key_type``."""
        ids = keys["key_id"].to_numpy().astype(np.int64)
        encoded = pc.cast(keys["key_type"], pa.string()).combine_chunks().dictionary_encode()
        order = np.argsort(ids, kind="stable")
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(ids[order], codes[order], tuple(encoded.dictionary.to_pylist()))

    def of_type(self, name: str) -> np.ndarray:
        """(m,) int64, rising: every key of a type."""
        return self.ids[self.codes == self.names.index(name)] if name in self.names else np.empty(0, np.int64)

    def code(self, keys: np.ndarray) -> np.ndarray:
        """(n,) int64 code of each key's type, -1 where the key is unknown."""
        if not len(self.ids):
            return np.full(len(keys), -1, np.int64)
        place = np.minimum(np.searchsorted(self.ids, keys), len(self.ids) - 1)
        return np.where(self.ids[place] == keys, self.codes[place], -1)

    def type_of(self, key: int) -> str | None:
        """The type of one key, ``None`` where the key is unknown."""
        code = int(self.code(np.array([key]))[0])
        return None if code < 0 else self.names[code]


def by_link(evidence: pa.Table, kinds: Kinds, links: Sequence[Link]) -> dict[Link, pd.DataFrame]:
    """One frame (`COLUMNS`) of what was said, per declared link.

    ``evidence`` has the stored columns plus ``until``. ``linked`` is 1 for together, 0 for apart, -1 for a candidate;
    ``confidence`` is NaN where the row says none; ``rank`` breaks ties by a hash of the row's id. Evidence between two
    key types that no link connects says nothing here (ingestion refuses it, but a catalogue may have changed since).
    """
    child = evidence["key_id"].to_numpy().astype(np.int64)
    parent = evidence["other_id"].to_numpy().astype(np.int64)
    ends = kinds.code(child) * len(kinds.names) + kinds.code(parent)
    state = evidence["state"]
    frame = pd.DataFrame(
        {
            "child": child,
            "parent": parent,
            "at": _micros(evidence["at"]),
            "known": _micros(evidence["known_at"]),
            "until": _micros(evidence["until"]),
            "linked": _is(state, LINKED).astype(np.int8) - _is(state, CANDIDATE).astype(np.int8),
            "confidence": _confidence(evidence),
            "rank": pd.util.hash_array(evidence["id"].to_pandas().to_numpy(dtype=object), categorize=False).view(
                np.int64
            ),
        }
    )
    named = {name: code for code, name in enumerate(kinds.names)}
    return {link: frame[ends == _ends(link, named)] for link in links}


def _ends(link: Link, named: dict[str, int]) -> int:
    """The code of a link's two types together; one that no row has, where no key is of such a type."""
    if link.child not in named or link.parent not in named:
        return -(len(named) + 2)
    return named[link.child] * len(named) + named[link.parent]


def _is(state: pa.ChunkedArray, word: str) -> np.ndarray:
    return np.asarray(pc.equal(state, word).to_numpy(), bool)


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    return pc.fill_null(column.cast(pa.int64()), FOREVER).to_numpy().astype(np.int64)


def _confidence(evidence: pa.Table) -> np.ndarray:
    if "confidence" not in evidence.column_names:
        return np.full(evidence.num_rows, np.nan)
    return pc.fill_null(evidence["confidence"].cast(pa.float64()), float("nan")).to_numpy().astype(np.float64)
