"""Row by row (in bulk): which rows become facts, and which go to quarantine and why."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.conditions import duration
from features.facts import TIME, Source
from features.identity.keys import TAGS, Hashed, KeyRing, surrogate
from features.ingest.form import Wanted, cast, form, key_stems
from features.lake.forgetting.marks import raw_digest
from features.lake.rejects import rejected

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
"""An instant outside ``[EARLIEST, LATEST)`` is a mistake of units or a placeholder, not when a fact happened."""


@dataclass(frozen=True)
class Checked:
    """A batch, parted into facts and rejects.

    ``rows`` have the source's schema, ``positions`` (int64) tell their place in the input (1 first), ``keys``
    (`identity.keys.KEYS`) are theirs, ``rejected`` (`rejects.QUARANTINE`) are the others, ``tags``
    (`identity.keys.TAGS`) those of the keys of both, and of rejects whose key could not be hashed.
    """

    rows: pa.Table
    positions: pa.Array
    keys: pa.Table
    rejected: pa.Table
    tags: pa.Table


@dataclass(frozen=True)
class Checks:
    """What the rows of a source are held against. ``assume_delay``: ``known_at`` is ``at`` plus this, such as "1h".

    ``links``: the (child, parent) key types evidence may be about (``None``: any).
    """

    source: Source
    ring: KeyRing
    key_types: tuple[str, ...]
    assume_delay: str | None = None
    links: frozenset[tuple[str, str]] | None = None

    def part(self, batch: pa.RecordBatch, before: int = 0) -> Checked:
        """The batch, parted; ``before``: how many rows of the input came earlier.

        Its columns must have passed `form.check_columns`.
        """
        batch = cast(self.source, batch, self.assume_delay)
        if self.assume_delay:
            batch = batch.append_column("known_at", _later(batch["at"], duration(self.assume_delay)))
        hashed = {stem: self._hash(batch, stem) for stem in key_stems(self.source)}
        reasons = self._reasons(batch, hashed)
        good = pc.is_null(reasons)
        positions = pa.array(np.arange(before + 1, before + 1 + batch.num_rows))
        rows = self._facts(batch, hashed).filter(good)
        hexes = {stem: h.hex for stem, h in hashed.items()}
        rejects = rejected(self.source.name, batch, hexes, reasons, positions)
        return Checked(
            rows,
            positions.filter(good),
            self._keys_of(rows, hashed),
            rejects,
            pa.concat_tables([*(h.tags for h in hashed.values()), self._tags_of(rejects)]),
        )

    def _tags_of(self, rejects: pa.Table) -> pa.Table:
        """The tags (`identity.keys.TAGS`) of rejects whose key could not be hashed: of the rows themselves."""
        texts = rejects["row"].to_pylist() if self.ring.suppression else []
        digests = [digest for text in texts if (digest := raw_digest(self.source.name, text))]
        rows = [{"key_id": surrogate(digest), "tag": self.ring.tag(digest)} for digest in digests]
        return pa.Table.from_pylist(rows, schema=TAGS)

    def _hash(self, batch: pa.RecordBatch, stem: str) -> Hashed:
        """The keys of the rows whose key is there and of a declared type; null for the others."""
        types, values = batch[f"{stem}_type"], batch[stem]
        usable = pc.and_(pc.is_in(types, pa.array(self.key_types, pa.string())), pc.is_valid(values))
        hashed = self.ring.hash_rows(types.filter(usable), values.filter(usable))
        mask = usable.to_numpy(zero_copy_only=False)
        place = pa.array(np.cumsum(mask) - 1, mask=~mask)
        return Hashed(
            hashed.key_id.take(place), hashed.hex.take(place), hashed.problem.take(place), hashed.keys, hashed.tags
        )

    def _facts(self, batch: pa.RecordBatch, hashed: dict[str, Hashed]) -> pa.Table:
        ids = {column: hashed[stem].key_id for stem, column in key_stems(self.source).items()}
        names = self.source.schema.names
        return pa.table([ids[name] if name in ids else batch[name] for name in names], schema=self.source.schema)

    def _keys_of(self, rows: pa.Table, hashed: dict[str, Hashed]) -> pa.Table:
        stored = key_stems(self.source)
        return pa.concat_tables(
            h.keys.filter(pc.is_in(h.keys["key_id"], rows[stored[stem]].combine_chunks())) for stem, h in hashed.items()
        )

    def _reasons(self, batch: pa.RecordBatch, hashed: dict[str, Hashed]) -> pa.Array:
        """(n,) why a row is rejected (the first of several reasons), null where it is good.

        A reason repeats no value of the row: reasons are shown and logged, and any column may hold somebody's name.
        """
        notes = _Notes(batch.num_rows)
        notes.add(pc.equal(pc.fill_null(batch["id"], ""), ""), "id is missing")
        for stem, keys in hashed.items():
            self._note_key(notes, batch, stem, keys)
        if "other" in hashed and self.links is not None:
            self._note_link(notes, batch, self.links)
        for name in ("at", "known_at"):
            notes.add(pc.is_null(batch[name]), f"{name} is missing")
            outside = pc.or_(pc.less(batch[name], _instant(EARLIEST)), pc.greater_equal(batch[name], _instant(LATEST)))
            notes.add(outside, f"{name} is outside {EARLIEST.year}..{LATEST.year}")
        own = {c.name for c in self.source.columns}
        for wanted in form(self.source):
            if wanted.name in own:
                _note_value(notes, batch, wanted)
        return notes.text

    def _note_key(self, notes: "_Notes", batch: pa.RecordBatch, stem: str, keys: Hashed) -> None:
        types = batch[f"{stem}_type"]
        notes.add(pc.is_null(types), f"{stem}_type is missing")
        unknown = pc.invert(pc.is_in(types, pa.array(self.key_types, pa.string())))
        notes.add(unknown, f"{stem}_type is not one of: {', '.join(self.key_types)}")
        notes.add(pc.is_null(batch[stem]), f"{stem} is missing")
        notes.add(pc.is_valid(keys.problem), f"{stem}: ", keys.problem)

    def _note_link(self, notes: "_Notes", batch: pa.RecordBatch, links: frozenset[tuple[str, str]]) -> None:
        """A transposed pair would be stored for ever and say nothing. Both types are declared ones by now."""
        pair = pc.binary_join_element_wise(batch["key_type"], batch["other_type"], " -> ")
        declared = sorted(f"{child} -> {parent}" for child, parent in links)
        wrong = pc.invert(pc.is_in(pair, pa.array(declared, pa.string())))
        notes.add(wrong, "no link is declared for ", pair, f" (there are: {', '.join(declared)})")


class _Notes:
    """Reasons of n rows, collected; the first one noted for a row stays."""

    def __init__(self, rows: int) -> None:
        self.text: pa.Array = pa.nulls(rows, pa.string())

    def add(self, wrong: pa.Array, *words: str | pa.Array) -> None:
        """Notes the words (strings, or one string per row) where ``wrong`` is true; null counts as false."""
        wrong = pc.fill_null(wrong, False)
        if pc.any(wrong).as_py():
            parts = [w if isinstance(w, str) else pc.utf8_slice_codeunits(w, 0, 80) for w in words]
            reason = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "")
            self.text = pc.if_else(pc.and_(wrong, pc.is_null(self.text)), reason, self.text)


def _note_value(notes: _Notes, batch: pa.RecordBatch, wanted: Wanted) -> None:
    column = batch[wanted.name]
    if wanted.required:
        notes.add(pc.is_null(column), f"{wanted.name} is missing")
    if wanted.values:
        unknown = pc.and_(pc.is_valid(column), pc.invert(pc.is_in(column, pa.array(wanted.values))))
        notes.add(unknown, f"{wanted.name} is not one of: {', '.join(wanted.values)}")
    if wanted.kind == "number":
        notes.add(pc.invert(pc.is_finite(column)), f"{wanted.name} is not a finite number")


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, TIME)


def _later(at: pa.Array, micros: int) -> pa.Array:
    return pc.add(at, pa.scalar(micros, pa.duration("us")))
