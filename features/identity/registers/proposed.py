"""Proposals as evidence: stated once, revised where they read differently, withdrawn where they no longer stand.

The id of a statement is made of its two keys alone, so that every run says its own word on the same fact: ``at`` is
the instant it was first proposed, ``known_at`` that of the run. Ids are made of key ids: they name nobody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.declare import Link
from features.facts import TIME
from features.facts import source as declared
from features.identity.keys import Hashed, KeyRing
from features.identity.registers.ids import PREFIX, proposal_id
from features.identity.registers.propose import ProposalError, Proposals
from features.ingest import append_facts
from features.lake import Lake
from features.lake.forgetting.suppression import tags_listed

NEWS = 0.01
"""A confidence that moved by less is not worth a revision: every new row of a register moves them all a little."""

_PAIR = ["key_id", "other_id"]
_STATED = ["id", "key_id", "at", "known_at", "other_id", "state", "confidence"]


@dataclass(frozen=True)
class Appended:
    """What became of proposals in the lake: first ``stated``, ``revised``, ``withdrawn``, ``unchanged``.

    ``refused``: quarantined, or of somebody who was forgotten. ``version``: of the lake that holds them all.
    """

    stated: int
    revised: int
    withdrawn: int
    unchanged: int
    refused: int
    version: int


def evidence(proposals: Proposals, ring: KeyRing, at: datetime) -> pa.Table:
    """The proposals in the form `append_facts` takes for ``evidence``, all stated at one instant."""
    now = _micros(at)
    return _form(proposals, _identified(proposals, ring).assign(at=now), now)


def append_proposals(
    lake: Lake, ring: KeyRing, proposals: Proposals, at: datetime, *, key_types: Sequence[str], links: Sequence[Link]
) -> Appended:
    """Brings the lake's evidence to what is proposed at an instant; a repeated run adds nothing.

    Only what earlier runs proposed for the keys judged now is revised or withdrawn: a register of this month's cards
    says nothing about last month's. Withdrawals are committed first, so that a run that is killed in between never
    leaves a key with two owners. Nothing is stated of somebody who was forgotten and of whom nothing was heard since: a
    register that still names them does not bring them back. Raises `ProposalError` where the lake holds proposals that
    became known at that instant or later, and these would change them.
    """
    told, before, now = _identified(proposals, ring), _standing(lake, proposals, ring), _micros(at)
    both = told.merge(before, on=_PAIR, how="left", suffixes=("_new", ""), indicator=True)
    known = (both["_merge"] == "both").to_numpy()
    moved = (both["confidence_new"] - both["confidence"]).abs().fillna(1).to_numpy() >= NEWS
    changed = known & (moved | (both["state_new"] != both["state"]).to_numpy())
    told["id"] = np.where(known, both["id"], both["id_new"])
    told["at"] = both["at"].where(known, now).astype(np.int64)
    gone = before.merge(told[_PAIR], on=_PAIR, how="left", indicator=True).query("_merge == 'left_only'")[_STATED]
    _no_later_than(now, pd.concat([both.loc[changed, "known_at"], gone["known_at"]]))
    version = _withdraw(lake, gone, now)
    news = told[changed | (~known & ~_forgotten(lake, ring, proposals, told))]
    receipt = append_facts(
        lake, ring, "evidence", _form(proposals, news, now), key_types=key_types, links=links, covered=()
    )
    refused = int((changed | ~known).sum()) - receipt.kept - receipt.revised - receipt.already_known
    return Appended(
        stated=int((~known).sum()),
        revised=int(changed.sum()),
        withdrawn=len(gone),
        unchanged=int((known & ~changed).sum()),
        refused=refused,
        version=max(version, receipt.version),
    )


def _forgotten(lake: Lake, ring: KeyRing, proposals: Proposals, told: pd.DataFrame) -> np.ndarray:
    """(n,) bool: pairs with a key that is on the list of the forgotten and in no row of the lake."""
    base = lake.snapshot()
    listed = tags_listed(lake.root, base)
    gone = set[int]()
    if listed and ring.suppression:
        for key_type, names in ((proposals.right_type, told["right"]), (proposals.left_type, told["left"])):
            tags = _hashed(ring, key_type, names).tags.to_pylist()
            gone |= {row["key_id"] for row in tags if row["tag"] in listed}
        heard_of = lake.keys(base)["key_id"]
        gone -= set(heard_of.filter(pc.is_in(heard_of, pa.array(list(gone), pa.int64()))).to_pylist())
    return np.asarray(told["key_id"].isin(gone) | told["other_id"].isin(gone), bool)


def _identified(proposals: Proposals, ring: KeyRing) -> pd.DataFrame:
    """The pairs with ``id``, ``key_id`` (of the right key) and ``other_id``."""
    pairs = proposals.pairs
    child = _key_ids(ring, proposals.right_type, pairs["right"])
    parent = _key_ids(ring, proposals.left_type, pairs["left"])
    types = proposals.right_type, proposals.left_type
    ids = [proposal_id(*types, a, b) for a, b in zip(child, parent, strict=True)]
    return pairs.assign(id=ids, key_id=child, other_id=parent)


def _key_ids(ring: KeyRing, key_type: str, keys: "Sequence[str] | pd.Series") -> np.ndarray:
    """(n,) int64."""
    return _hashed(ring, key_type, keys).key_id.to_numpy()


def _hashed(ring: KeyRing, key_type: str, keys: "Sequence[str] | pd.Series") -> Hashed:
    names = pa.array(keys, pa.string())
    return ring.hash_rows(pa.array([key_type] * len(names), pa.string()), names)


def _standing(lake: Lake, proposals: Proposals, ring: KeyRing) -> pd.DataFrame:
    """What earlier runs proposed for the keys judged now and still stands: `_STATED`, times in UTC microseconds."""
    stored = lake.read("evidence", columns=[*_STATED, "until"])
    ours = pc.and_(
        pc.starts_with(stored["id"], f"{PREFIX}{proposals.right_type}:{proposals.left_type}:"),
        pc.is_null(stored["until"]),
    )
    judged = pa.array(_key_ids(ring, proposals.right_type, proposals.judged))
    rows = stored.filter(pc.and_(ours, pc.is_in(stored["key_id"], judged)))
    times = {name: rows[name].cast(pa.int64()).to_numpy() for name in ("at", "known_at")}
    return rows.select(_STATED).drop_columns(list(times)).to_pandas().assign(**times)[_STATED]


def _no_later_than(now: int, known: pd.Series) -> None:
    if len(known) and known.max() >= now:
        last = pa.scalar(int(known.max()), TIME).as_py().isoformat()
        raise ProposalError(
            f"the lake holds proposals that became known at {last}: a run that changes them must become known later"
        )


def _withdraw(lake: Lake, gone: pd.DataFrame, now: int) -> int:
    """The version of the lake in which these statements are void."""
    if not len(gone):
        return lake.snapshot().version
    rows = gone.assign(known_at=now, void=True)
    schema = declared("evidence").schema
    columns = [_times(rows[f.name]) if f.type == TIME else pa.array(rows[f.name], f.type) for f in schema]
    return lake.append("evidence", pa.table(columns, schema=schema)).version


def _micros(at: datetime) -> int:
    return int(pa.scalar(at, TIME).cast(pa.int64()).as_py())


def _times(micros: pd.Series) -> pa.Array:
    return pa.array(micros.to_numpy(np.int64)).cast(TIME)


def _form(proposals: Proposals, rows: pd.DataFrame, now: int) -> pa.Table:
    """Rows with ``id``, ``at`` (UTC microseconds) and the columns of `Proposals.pairs`, in the form of ``evidence``."""
    n = len(rows)
    return pa.table(
        {
            "id": pa.array(rows["id"], pa.string()),
            "key_type": pa.array([proposals.right_type] * n, pa.string()),
            "key": pa.array(rows["right"], pa.string()),
            "at": _times(rows["at"]),
            "known_at": pa.array([now] * n, pa.int64()).cast(TIME),
            "other_type": pa.array([proposals.left_type] * n, pa.string()),
            "other": pa.array(rows["left"], pa.string()),
            "state": pa.array(rows["state"], pa.string()),
            "confidence": pa.array(rows["confidence"], pa.float64()),
        }
    )
