"""Rows that a broken system delivers: what must be refused, and what is odd and yet can be told from a good row."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.facts import SOURCES
from features.simulator.clock import HOUR
from features.simulator.feeds import names

PLACEHOLDER = "n/a"
"""What a system writes that does not know a word."""


def damaged(source: str, rows: pa.Table, rng: np.random.Generator, share: float) -> pa.Table:
    """The rows, of which a share lost a word, got an unknown one, a wrong instant or a malformed key.

    Those known before they happened come from clocks that disagree: nothing in them says that they are wrong.
    """
    luck = rng.random(rows.num_rows) / share if share else np.ones(rows.num_rows)
    kinds = (_wordless, _strange, _timeless, _keyless, _early)
    for number, kind in enumerate(kinds):
        hit = (luck * len(kinds) >= number) & (luck * len(kinds) < number + 1)
        if hit.any():
            rows = kind(source, rows, hit)
    return rows


def _wordless(source: str, rows: pa.Table, hit: np.ndarray) -> pa.Table:
    """What every row needs is missing."""
    needed = [c.name.removesuffix("_id") for c in SOURCES[source].columns if c.required]
    return _changed(rows, hit, (*needed, "key")[0], lambda old: pa.nulls(len(old), old.type))


def _strange(source: str, rows: pa.Table, hit: np.ndarray) -> pa.Table:
    """A word nobody declared, preferably as the channel; a source without a list of words has none to get wrong."""
    listed = [c.name for c in SOURCES[source].columns if c.values]
    listed.sort(key=lambda name: name != "channel")
    for name in listed[:1]:
        rows = _changed(rows, hit, name, lambda old: pa.array([PLACEHOLDER] * len(old), old.type))
    return rows


def _timeless(source: str, rows: pa.Table, hit: np.ndarray) -> pa.Table:
    """The zero of the computer's clock stands where the instant should."""
    return _changed(rows, hit, "at", lambda old: names.instants(np.zeros(len(old), np.int64)))


def _keyless(source: str, rows: pa.Table, hit: np.ndarray) -> pa.Table:
    """A blank key, or for a number or address the placeholder, which is neither."""
    formed = pc.is_in(rows["key_type"].filter(hit), pa.array(["msisdn", "email"]))
    return _changed(rows, hit, "key", lambda old: pc.if_else(formed.combine_chunks(), PLACEHOLDER, " "))


def _early(source: str, rows: pa.Table, hit: np.ndarray) -> pa.Table:
    at = rows["at"].filter(hit).combine_chunks().cast(pa.int64()).to_numpy()
    return _changed(rows, hit, "known_at", lambda old: names.instants(at - HOUR))


def _changed(rows: pa.Table, hit: np.ndarray, name: str, change: Callable[[pa.Array], pa.Array]) -> pa.Table:
    old = rows[name].combine_chunks()
    new = pc.replace_with_mask(old, pa.array(hit), change(old.filter(pa.array(hit))))
    return rows.set_column(rows.schema.get_field_index(name), name, new)
