"""Who really used every key, from when to when: for tests, benchmarks and notebooks only, never for the pipeline."""

from collections import deque
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.simulator.clock import FAR, clock
from features.simulator.feeds import names
from features.simulator.keys import Book
from features.simulator.run import START, found, run
from features.simulator.scenario import DEFAULT, Scenario
from features.simulator.state import People
from features.simulator.vocabulary import KEY_TYPES

_USE = ["key", "who", "since", "until", "held"]


def owners(
    customers: int, months: int, seed: int, *, start: datetime = START, scenario: Scenario = DEFAULT
) -> pa.Table:
    """Who used each key of `simulate` with the same arguments: one row per key, user and stretch of time.

    Columns: ``key_type``, ``key``, ``customer`` and ``account`` (null: somebody who is no customer), ``since``,
    ``until`` (null: still in use at the end) and ``held`` (false: they use a line or a tablet that is not theirs).
    A shared key (a household's browser or fixed line, a shop's tablet) has several rows at once, one that changed
    hands several one after the other. Keys nobody has, such as mistyped ones, are not there.
    """
    world = found(customers, clock(start, months), seed, scenario)
    book = world.keys.book = Book()
    deque(run(world), maxlen=0)
    kinds = [kind for kind in KEY_TYPES if kind in book.used]
    end = world.clock.bounds[-1]
    return pa.concat_tables(
        [_table(kind, _merged(_real(_ended(book, kind, world.people), end)), world.people) for kind in kinds]
    )


def _ended(book: Book, kind: str, people: People) -> pd.DataFrame:
    """Every use, until the key changed hands or its user left: columns key, who, since, until, held."""
    columns = (np.concatenate(part) for part in zip(*book.used[kind], strict=True))
    uses = pd.DataFrame(dict(zip(_USE, columns, strict=True))).sort_values("since")
    if book.ended[kind]:
        keys, at = (np.concatenate(part) for part in zip(*book.ended[kind], strict=True))
        ends = pd.DataFrame({"key": keys, "at": at, "gone": at}).sort_values("at")
        uses = pd.merge_asof(
            uses, ends, left_on="since", right_on="at", by="key", direction="forward", allow_exact_matches=False
        )
        over = uses["gone"].notna()
        uses.loc[over, "until"] = np.minimum(uses.loc[over, "until"], uses.loc[over, "gone"].astype(np.int64))
    left = np.where(uses["who"] >= 0, people.ended[uses["who"]], FAR)
    return uses.assign(until=np.minimum(uses["until"], left))[_USE]


def _real(uses: pd.DataFrame, end: int) -> pd.DataFrame:
    """Those that took place within the run; who came as a visitor and became a customer was one from the first."""
    uses = uses[(uses["since"] < end) & (uses["since"] <= uses["until"])]
    named = uses.loc[uses["who"] >= 0, "key"].unique()
    uses = uses[(uses["who"] >= 0) | ~uses["key"].isin(named)]
    return uses.assign(until=uses["until"].where(uses["until"] < end, FAR))


def _merged(uses: pd.DataFrame) -> pd.DataFrame:
    """The same with uses of one key by one person that touch or overlap made one."""
    uses = uses.sort_values(["key", "who", "since"], kind="stable", ignore_index=True)
    group = uses.groupby(["key", "who"], sort=False)
    reached = group["until"].cummax().groupby([uses["key"], uses["who"]]).shift(fill_value=-1)
    begins = (uses["since"] > reached) | ~uses.duplicated(["key", "who"])
    return uses.groupby(begins.cumsum(), sort=False).agg(
        {"key": "first", "who": "first", "since": "first", "until": "max", "held": "max"}
    )


def _table(kind: str, uses: pd.DataFrame, people: People) -> pa.Table:
    key, who, since, until = (uses[name].to_numpy() for name in ("key", "who", "since", "until"))
    nobody = pa.array(who < 0)
    account = people.account[who]
    spelled = {name: np.full(len(uses), KEY_TYPES.index(name)) for name in (kind, "customer", "account")}
    return pa.table(
        {
            "key_type": pa.array([kind] * len(uses), pa.string()),
            "key": names.keys(spelled[kind], key),
            "customer": _unless(nobody, names.keys(spelled["customer"], np.maximum(who, 0))),
            "account": _unless(nobody, names.keys(spelled["account"], account)),
            "since": names.instants(since),
            "until": names.instants(np.where(until < FAR, until, -1)),
            "held": uses["held"].to_numpy(),
        }
    )


def _unless(nobody: pa.Array, values: pa.Array) -> pa.Array:
    return pc.if_else(nobody, pa.scalar(None, pa.string()), values)
