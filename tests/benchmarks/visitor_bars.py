"""What a visitor model is judged by: the truth about whose every cookie was, also of those never named."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.conditions import DAY
from features.dataset import EVENT, Dataset, already_ended, build
from features.declare import Task
from features.engine.frame import present_parent
from features.history import History
from features.identity.keys import KeyRing
from features.objection import never_used
from features.visitors import NAMED, Visits, given_customers, history_of, may_be_asked, visits
from models.bundle import Model
from training import metrics

SEGMENT = "profile_segment_last"
SHRINK = (20.0, 100.0, 500.0)
"""How many customers of its segment a cell of a site and a segment is worth: the baseline gets the best of these."""


@dataclass(frozen=True)
class Truth:
    """Test visits, and the pairs (``row`` of a visit, ``entity``) of who really used the key then and was eligible."""

    found: Visits
    row: np.ndarray
    entity: np.ndarray

    @property
    def customer(self) -> np.ndarray:
        """(n,) 0 or 1: was it an eligible customer?"""
        return np.isin(np.arange(len(self.found)), self.row).astype(int)


def truth(history: History, keyring: KeyRing, owners: pa.Table, task: Task, start: int, end: int) -> Truth:
    """Who stood behind the visits of nobody known in ``[start, end)``; ``owners`` as `truth.owners` returns them.

    Visits of who objects to profiling are left out: no model is tested on them.
    """
    found = visits(history, task.entity, start, end)
    used = owners.filter(pc.and_(pc.equal(owners["key_type"], "cookie"), pc.is_valid(owners["customer"])))
    customers = used["customer"].unique().to_pylist()
    ids = {name: keyring.key_id(task.entity, name) for name in customers}
    uses = pd.DataFrame(
        {
            "key": [keyring.key_id("cookie", key) for key in used["key"].to_pylist()],
            "entity": [ids[name] for name in used["customer"].to_pylist()],
            "since": used["since"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy(),
            "until": used["until"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).fill_null(2**62).to_numpy(),
        }
    )
    rows = pd.DataFrame({"row": np.arange(len(found)), "key": found.key, "at": found.at}).merge(uses, on="key")
    rows = rows[(rows["since"] <= rows["at"]) & (rows["at"] <= rows["until"])].drop_duplicates(["row", "entity"])
    row, entity = (np.array(rows[name], np.int64) for name in ("row", "entity"))
    objecting = never_used(history, task.entity, entity, found.cutoff[row])
    tested = ~np.isin(np.arange(len(found)), row[objecting])
    kept = tested[row] & may_be_asked(history, task, entity, found.cutoff[row])
    place = np.cumsum(tested) - 1
    return Truth(found.select(tested), place[row[kept]], entity[kept])


def customers(history: History, model: Model, said: Truth) -> dict[str, float]:
    """How P(is a customer) stands against the truth."""
    share = model.manifest.labels[NAMED].known_share
    return {**metrics.score(said.customer, chances(history, model, said)), "known_share": share}


def chances(history: History, model: Model, said: Truth) -> np.ndarray:
    """(n,) P(is a customer) of every test visit."""
    features = history.catalog.visitors.features
    return np.asarray(model.predict(history_of(history, said.found, features))[NAMED][:, -1])


def outcomes(history: History, task: Task, model: Model, said: Truth, train: tuple[int, int]) -> pd.DataFrame:
    """One row per label and horizon: metrics given a customer, and the AUC of the base rates of site and segment.

    The base rates are those of the true customer's cell: they know who it is, which the model does not. ``joint_auc``
    asks of everyone, also of who is no customer, whether they are one *and* it comes; who is none has no cell, and gets
    the mean of the others as base rate.
    """
    seen = history.end + 1
    ended = already_ended(history, task, said.entity, said.found.cutoff[said.row], seen)
    row = said.row[~ended]
    data = given_customers(history, task, said.found.select(row), said.entity[~ended], seen)
    curves = model.predict(data.X)
    segment = [f for f in history.catalog.features if f.name == SEGMENT]
    past = build(history, task, *train, train[1], segment)
    chance, stranger = chances(history, model, said), said.customer == 0
    strangers = model.predict(history_of(history, said.found.select(stranger), history.catalog.visitors.features))
    cells, asked = _cells(history, past), _cells(history, data)
    found = []
    for i, outcome in enumerate(data.outcomes):
        for k, edge in enumerate(data.edges()):
            known = data.followed() >= edge
            y = ((outcome.ending == EVENT) & (outcome.after < edge))[known].astype(int)
            if not y.any():
                continue
            rates = [_rates(past, cells, i, edge, asked, n)[known] for n in SHRINK]
            everyone = np.concatenate([y, np.zeros(stranger.sum(), int)])
            base = {
                "base_auc": max(metrics.auc(y, r) for r in rates),
                "joint_base_auc": max(
                    metrics.auc(everyone, np.append(r, np.full(stranger.sum(), r.mean()))) for r in rates
                ),
            }
            p = curves[outcome.name][:, k]
            scores = {"label": outcome.name, "days": edge // DAY, **metrics.score(y, p[known]), **base}
            both = [(chance[row] * p)[known], chance[stranger] * strangers[outcome.name][:, k]]
            found.append({**scores, "joint_auc": metrics.auc(everyone, np.concatenate(both))})
    return pd.DataFrame(found)


def _cells(history: History, data: Dataset) -> pd.DataFrame:
    segment = [f for f in history.catalog.features if f.name == SEGMENT]
    rows = history.frame(data.task.entity, data.entity, data.cutoff, segment)[SEGMENT].astype(str)
    site, _ = present_parent(history.parents(data.task.entity, "site"), data.entity, data.cutoff, data.cutoff)
    return pd.DataFrame({"segment": rows.to_numpy(), "site": site})


def _rates(past: Dataset, cells: pd.DataFrame, index: int, edge: int, asked: pd.DataFrame, worth: float) -> np.ndarray:
    outcome = past.outcomes[index]
    known = past.followed() >= edge
    rows = cells[known].assign(y=((outcome.ending == EVENT) & (outcome.after < edge))[known])
    segment = asked["segment"].map(rows.groupby("segment")["y"].mean()).fillna(rows["y"].mean()).to_numpy()
    cell = rows.groupby(["segment", "site"])["y"].agg(["sum", "size"])
    here = cell.reindex(pd.MultiIndex.from_frame(asked)).fillna(0)
    return np.asarray((here["sum"].to_numpy() + worth * segment) / (here["size"].to_numpy() + worth))
