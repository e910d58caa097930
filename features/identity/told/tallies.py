"""Behind how many facts somebody is known to stand: now, and when each became known, group by group."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Catalog
from features.engine.columns import FOREVER
from features.facts import source as declared
from features.history import History
from features.identity.reach import Reach
from features.lake import Lake, Snapshot

_Words = Sequence[str] | np.ndarray
_HOUR = 3600 * 10**6
_NEEDED = ("key_id", "at", "known_at", "until")
_OF_A_TOUCH = ("phase", "channel")
DIMENSIONS = ("source", "key_type", "phase", "channel", "month")
_FLAGS = ("identified", "several", "guarded", "anonymous_first", "stitched")
_COUNTS = ("facts", *_FLAGS)
_NO_CELLS, _NO_WAITS = (
    pd.DataFrame({name: [] for name in DIMENSIONS}, dtype=object).assign(**dict.fromkeys(names, np.empty(0, np.int64)))
    for names in (_COUNTS, ("hours", "facts"))
)


@dataclass(frozen=True)
class Tally:
    """The facts of one group, as shares between 0 and 1 of ``facts``.

    ``identified``: read by somebody (``several``: by more than one at once); ``guarded``: by nobody, as too many share
    the key; ``anonymous``: by nobody, as nobody is known to hold the key. ``anonymous_first``: by nobody when the fact
    became known (of a revised one, when its last revision did). ``stitched``: the share *of those* that somebody reads
    now, and after how many days, in the middle, that was known; None where there are none.
    """

    name: str
    facts: int
    identified: float
    several: float
    guarded: float
    anonymous: float
    anonymous_first: float
    stitched: float | None
    stitched_days: float | None


@dataclass(frozen=True)
class Counted:
    """``cells``: a row per combination of `DIMENSIONS` that occurs, with its counts. ``waits``: the same of stitched
    facts, by the ``hours`` until they were. ``heard``: ids of the keys facts were known of, rising. ``elsewhere``:
    facts of keys that are nobody's by any link, such as those of a site. ``said``: rows of evidence.
    """

    cells: pd.DataFrame
    waits: pd.DataFrame
    heard: np.ndarray
    elsewhere: int
    said: int

    @property
    def touches(self) -> "Counted":
        """Of the facts that say in which phase of the journey they were, and no others."""
        cells, waits = (frame[frame["phase"] != ""] for frame in (self.cells, self.waits))
        return replace(self, cells=cells, waits=waits)

    def by(self, dimension: str | None) -> tuple[Tally, ...]:
        """A tally per value of a dimension, or (None) the one of all facts; none where there are no facts."""
        cells, waits = self.cells, self.waits
        if dimension is None:
            cells, waits, dimension = cells.assign(all="all"), waits.assign(all="all"), "all"
        counts = cells.groupby(dimension, sort=True)[[*_COUNTS]].sum()
        hours = {str(name): _median(group) for name, group in waits.groupby(dimension)}
        return tuple(_tally(str(name), row, hours.get(str(name))) for name, row in counts.iterrows())


def fact_tables(lake: Lake, snapshot: Snapshot) -> Iterator[tuple[str, pa.Table]]:
    """Every source the lake holds, one after the other, with no more columns than are counted by."""
    for name in snapshot.files:
        of_a_touch = {c.name for c in declared(name).columns} >= set(_OF_A_TOUCH)
        yield name, lake.read(name, snapshot, columns=[*_NEEDED, *(_OF_A_TOUCH if of_a_touch else ())])


def count_facts(history: History, tables: Iterable[tuple[str, pa.Table]], at: int, of: str) -> Counted:
    """The facts of ``tables`` (`fact_tables`) known at ``at``, by who of type ``of`` was known then to stand behind."""
    types, by_key = history.catalog.key_types, history.reach(of).inverted()
    ids, codes = _types(history)
    leading, guarded = leads_to(history.catalog, of), guarded_keys(history, at)
    personal = np.array([*(name in leading for name in types), False])
    cells, waits, heard, elsewhere, said = [_NO_CELLS], [_NO_WAITS], [np.empty(0, np.int64)], 0, 0
    for source, table in tables:
        rows = _visible(table, at)
        if source == "evidence":
            said = len(rows.key)
            continue
        keys, of_row = _runs(rows.key)
        heard.append(keys)
        kind = codes[np.searchsorted(ids, keys)][of_row]
        elsewhere += int((~personal[kind]).sum())
        rows, kind = rows.select(personal[kind]), kind[personal[kind]]
        found = _counts(rows, kind, types, _judged(by_key, guarded, rows, at))
        cells.append(found[0].assign(source=source))
        waits.append(found[1].assign(source=source))
    whole, late = pd.concat(cells, ignore_index=True), pd.concat(waits, ignore_index=True)
    return Counted(whole, late, distinct(heard), elsewhere, said)


def leads_to(catalog: Catalog, of: str) -> frozenset[str]:
    """The key types whose facts belong to an entity type: its own, and all from which links lead up to it."""
    found = {of}
    while more := {link.child for link in catalog.links if link.rolls_up and link.parent in found} - found:
        found |= more
    return frozenset(found)


def guarded_keys(history: History, at: int) -> np.ndarray:
    """Ids of the keys that were known, at an instant, to be shared by too many; rising."""
    frames = [f[(f["known_from"] < at) & (at <= f["known_to"])]["child"] for f in history.graph.guarded.values()]
    return distinct([f.to_numpy(np.int64) for f in frames])


def distinct(keys: Sequence[np.ndarray]) -> np.ndarray:
    """The keys of several arrays, each once; rising. Much faster than NumPy's own way for millions of surrogates."""
    return np.sort(pd.unique(np.concatenate([np.empty(0, np.int64), *keys])))


def _types(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Every key id, rising, and the position of its type among the catalogue's."""
    parts = [history.entities_of[name] for name in history.catalog.key_types]
    ids = np.concatenate([*parts, np.array([FOREVER])])
    codes = np.repeat(np.arange(len(parts) + 1), [*map(len, parts), 1])
    order = np.argsort(ids, kind="stable")
    return ids[order], codes[order]


def _runs(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys of (n,) rows with no two alike one after the other, and (n,) which of them each row has."""
    begins = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    return keys[begins], np.cumsum(begins) - 1


@dataclass(frozen=True)
class _Rows:
    """n facts: key, at, known (n,) int64; ``words``: vocabularies of phase and channel, ``codes`` (2, n) into them."""

    key: np.ndarray
    at: np.ndarray
    known: np.ndarray
    codes: np.ndarray
    words: tuple[tuple[str, ...], ...]

    def select(self, kept: np.ndarray) -> "_Rows":
        return _Rows(self.key[kept], self.at[kept], self.known[kept], self.codes[:, kept], self.words)


@dataclass(frozen=True)
class _Judged:
    """(n,) of n facts: ``bits`` of `_FLAGS`, and ``hours`` until somebody stood behind it who did not at first."""

    bits: np.ndarray
    hours: np.ndarray


def _visible(table: pa.Table, at: int) -> _Rows:
    """What was known and not yet revised at an instant."""
    times = {name: table[name].cast(pa.int64()) for name in _NEEDED}
    until = times["until"].fill_null(FOREVER).to_numpy()
    happened, known = times["at"].to_numpy(), times["known_at"].to_numpy()
    coded = [_coded(table, name) for name in _OF_A_TOUCH]
    codes, words = np.stack([codes for codes, _ in coded]), tuple(words for _, words in coded)
    rows = _Rows(times["key_id"].to_numpy(), happened, known, codes, words)
    return rows.select((happened < at) & (known < at) & (at <= until))


def _coded(table: pa.Table, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """(n,) codes into words, "" where the table does not say."""
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.int64), ("",)
    coded = pc.fill_null(table[name].combine_chunks(), "").dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), tuple(coded.dictionary.to_pylist())


def _judged(by_key: Reach, guarded: np.ndarray, rows: _Rows, at: int) -> _Judged:
    """Who stands behind each fact at ``at``, and who did when it became known."""
    shared = pd.Series(rows.key).isin(guarded).to_numpy()
    bits, hours = np.zeros(len(rows.key), np.int64), np.zeros(len(rows.key), np.int64)
    for block in by_key.blocks(rows.key):
        known, n = rows.known[block], block.stop - block.start
        fact, row = by_key.rows(rows.key[block])
        begun, ended = by_key.known_from[row], by_key.known_to[row]
        happened, since = rows.at[block][fact], known[fact]
        holds = (by_key.at_from[row] <= happened) & (happened < by_key.at_to[row]) & (begun < at)
        holders = np.bincount(fact[holds & (at <= ended)], minlength=n)
        nobody = np.bincount(fact[holds & (begun <= since) & (since < ended)], minlength=n) == 0
        later, first = holds & (begun > since), np.full(n, FOREVER)
        np.minimum.at(first, fact[later], begun[later])
        stitched = nobody & (holders > 0)
        flags = (holders > 0, holders > 1, (holders == 0) & shared[block], nobody, stitched)
        bits[block] = sum(flag.astype(np.int64) << i for i, flag in enumerate(flags))
        hours[block] = np.where(stitched, (first - known) // _HOUR, 0)
    return _Judged(bits, hours)


def _counts(rows: _Rows, kind: np.ndarray, types: Sequence[str], judged: _Judged) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``cells`` and ``waits`` of `Counted`, without the source."""
    month = rows.at.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    first = int(month.min(initial=0)) if len(month) else 0
    coded = (kind, *rows.codes, month - first)
    shape = (len(types), *map(len, rows.words), int((month - first).max(initial=0)) + 1, 1 << len(_FLAGS))
    place = np.ravel_multi_index((*coded, judged.bits), shape)
    words: list[_Words] = [types, *rows.words, np.arange(first, first + shape[3]).astype("datetime64[M]").astype(str)]
    counts = np.bincount(place, minlength=math.prod(shape))
    return _cells(counts, shape, words), _waits(place, judged, shape, words)


def _cells(counts: np.ndarray, shape: tuple[int, ...], words: Sequence[_Words]) -> pd.DataFrame:
    found = np.flatnonzero(counts)
    *dimensions, bits = np.unravel_index(found, shape)
    flagged = {name: counts[found] * (bits >> i & 1) for i, name in enumerate(_FLAGS)}
    return _named(dimensions, words).assign(facts=counts[found], **flagged)


def _waits(place: np.ndarray, judged: _Judged, shape: tuple[int, ...], words: Sequence[_Words]) -> pd.DataFrame:
    stitched = judged.bits >> _FLAGS.index("stitched") & 1 == 1
    longest = int(judged.hours.max(initial=0)) + 1
    both, facts = np.unique(place[stitched] * longest + judged.hours[stitched], return_counts=True)
    found, hours = np.divmod(both, longest)
    return _named(np.unravel_index(found, shape)[:-1], words).assign(hours=hours, facts=facts)


def _named(dimensions: Sequence[np.ndarray], words: Sequence[_Words]) -> pd.DataFrame:
    """Columns of words for the codes of all `DIMENSIONS` but the source."""
    columns = zip(DIMENSIONS[1:], words, dimensions, strict=True)
    return pd.DataFrame({name: np.array(known, dtype=object)[code] for name, known, code in columns}, dtype=object)


def _median(waits: pd.DataFrame) -> float:
    """Days, to the hour."""
    ordered = waits.groupby("hours", sort=True)["facts"].sum()
    half = np.searchsorted(ordered.cumsum(), ordered.sum() / 2)
    return round(float(ordered.index.to_numpy()[half]) / 24, 2)


def _tally(name: str, row: pd.Series, days: float | None) -> Tally:
    facts, first = int(row["facts"]), int(row["anonymous_first"])
    identified, guarded = row["identified"] / facts, row["guarded"] / facts
    return Tally(
        name=name,
        facts=facts,
        identified=float(identified),
        several=float(row["several"] / facts),
        guarded=float(guarded),
        anonymous=float(max(0.0, 1.0 - identified - guarded)),
        anonymous_first=first / facts,
        stitched=float(row["stitched"] / first) if first else None,
        stitched_days=days,
    )
