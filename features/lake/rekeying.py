"""Every key id of a lake replaced by that of the secret's next generation, in all versions, by one commit.

The new hash of a key is an HMAC of its old one, so that no original is needed; its id is the surrogate of that. A lake
is wholly of the old generation before the commit and wholly of the new one after it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.durable import make_directory
from features.identity.keys import KEYS, surrogate, wrapped
from features.identity.registers.ids import PREFIX, renamed, renamed_json
from features.lake import store
from features.lake.commits import Entry, LakeError, Log, Rewrite, StoredFile
from features.lake.forgetting.forgetting import purged
from features.lake.presence import at_work
from features.lake.rejects import QUARANTINE
from features.lake.snapshot import Snapshot, snapshot

_SURROGATE = re.compile(r'("(?:key|other)_id": ?)(\d+)')
_HASH = re.compile(r'"hmac:([0-9a-f]{64})"')


def begin(root: Path, generation: int) -> Snapshot:
    """An empty lake's first commit: its key ids will be of a later generation of the secret than the first."""
    log = Log(make_directory(root / "log"))
    log.append(1, Entry("rotate", "", generation=generation))
    return snapshot(log)


def rekeyed(
    root: Path, secret: bytes, generation: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> Snapshot:
    """The snapshot after the commit; rows that came meanwhile are brought along. The old files remain to be swept.

    ``progress`` is told how many files are done, of how many. Raises `LakeError` where two keys would share an id.
    """
    log = Log(root / "log")
    with at_work(root):
        while True:
            base = purged(root)
            done: dict[str, Rewrite] = {}
            newer = base
            while newer.hindsight.upheavals == base.hindsight.upheavals:
                names = _NewIds.of(root, newer, secret)
                for file in [f for f in newer.stored.values() if f.path not in done]:
                    done[file.path] = _rewritten(root, file, names)
                    progress(len(done), len(newer.stored))
                entry = Entry("rotate", "", rewrites=tuple(done.values()), generation=generation)
                if log.append(newer.version + 1, entry):
                    return snapshot(log)
                newer = snapshot(log)
            for rewrite in done.values():
                (root / rewrite.files[0].path).unlink(missing_ok=True)


@dataclass(frozen=True)
class _NewIds:
    """``old`` (m,) rising key ids and ``new`` (m,) those of the next generation."""

    secret: bytes
    old: np.ndarray
    new: np.ndarray

    @classmethod
    def of(cls, root: Path, base: Snapshot, secret: bytes) -> "_NewIds":
        files = [f for f in base.stored.values() if f.path.startswith("keys/")]
        with store.blaming(root, files):
            tables = [pq.read_table(root / f.path, columns=["key_id", "hash"]) for f in files]
        hashes = {i: h for t in tables for i, h in zip(t["key_id"].to_pylist(), t["hash"].to_pylist(), strict=True)}
        old = np.array(sorted(hashes), np.int64)
        new = np.array([surrogate(wrapped(secret, hashes[i])) for i in old.tolist()], np.int64)
        if len(np.unique(new)) < len(new):
            raise LakeError(f"{root}: under this secret two keys would share an id; rotate to another one")
        return cls(secret, old, new)

    def of_ids(self, ids: np.ndarray) -> np.ndarray:
        """(n,) the new ids; of a key that is in no table, whose hash is unknown, one that nothing leads to."""
        place = np.searchsorted(self.old, ids)
        place[place == len(self.old)] = 0
        known = self.old[place] == ids if len(self.old) else np.zeros(len(ids), bool)
        out = self.new[place] if len(self.old) else ids.copy()
        out[~known] = [surrogate(wrapped(self.secret, i.to_bytes(8, "big"))) for i in ids[~known].tolist()]
        return out

    def of_id(self, key_id: int) -> int:
        """The new id of one."""
        return int(self.of_ids(np.array([key_id]))[0])


def _rewritten(root: Path, file: StoredFile, names: _NewIds) -> Rewrite:
    folder = file.path.rpartition("/")[0]
    change = {"keys": _keys, "quarantine": _rejects}.get(folder, _facts)
    with store.blaming(root, [file]), pq.ParquetFile(root / file.path) as parquet:
        tables = (change(parquet.read_row_group(i), names) for i in range(parquet.num_row_groups))
        return Rewrite(file.path, store.write(root, folder, tables))


def _facts(rows: pa.Table, names: _NewIds) -> pa.Table:
    for name in ("key_id", "other_id"):
        if name in rows.schema.names:
            place = rows.schema.get_field_index(name)
            ids = pa.array(names.of_ids(rows[name].to_numpy()))
            rows = rows.set_column(place, rows.schema.field(name), ids)
    return _proposals(rows, names)


def _proposals(rows: pa.Table, names: _NewIds) -> pa.Table:
    """The ids of proposals tell the keys they link: under the old secret they would still name their owners."""
    if "other_id" not in rows.schema.names or not pc.any(pc.starts_with(rows["id"], PREFIX)).as_py():
        return rows
    ids = pa.array([renamed(text, names.of_id) for text in rows["id"].to_pylist()], pa.string())
    return rows.set_column(rows.schema.get_field_index("id"), rows.schema.field("id"), ids)


def _keys(rows: pa.Table, names: _NewIds) -> pa.Table:
    hashes = [wrapped(names.secret, h) for h in rows["hash"].to_pylist()]
    columns = [pa.array([surrogate(h) for h in hashes], pa.int64()), rows["key_type"], pa.array(hashes, pa.binary(32))]
    return pa.table(columns, schema=KEYS)


def _rejects(rows: pa.Table, names: _NewIds) -> pa.Table:
    """The text stays as it is but for ids and hashes: what is quarantined again must be recognised."""

    def renamed(text: str) -> str:
        text = _HASH.sub(lambda m: f'"hmac:{wrapped(names.secret, bytes.fromhex(m[1])).hex()}"', text)
        text = renamed_json(text, names.of_id)
        return _SURROGATE.sub(lambda m: m[1] + str(names.of_id(int(m[2]))), text)

    texts = pa.array([renamed(text) for text in rows["row"].to_pylist()], pa.string())
    return rows.set_column(rows.schema.get_field_index("row"), QUARANTINE.field("row"), texts)
