"""One default operator, and quick ones, as tables by source; who is behind their rows and how they ended."""

from functools import cache

import pandas as pd
import pyarrow as pa
from key_users import only_user_of

from features.simulator import Batch, Scenario, simulate, truth

QUICK = Scenario(warm_up_days=20)


@cache
def operator() -> dict[str, pd.DataFrame]:
    """Every source of one default operator: 1500 customers, six months."""
    return tables(list(simulate(1500, 6, 11)))


@cache
def quick(customers: int = 80, months: int = 2, seed: int = 3, scenario: Scenario = QUICK) -> tuple[Batch, ...]:
    return tuple(simulate(customers, months, seed, scenario=scenario))


def tables(batches: list[Batch]) -> dict[str, pd.DataFrame]:
    sources = {batch.source for batch in batches}
    parts = {name: [batch.rows for batch in batches if batch.source == name] for name in sources}
    return {name: pa.concat_tables(rows).to_pandas() for name, rows in parts.items()}


def effective(rows: pd.DataFrame) -> pd.DataFrame:
    """The last revision of every fact, less what was withdrawn."""
    last = rows.sort_values("known_at").drop_duplicates("id", keep="last")
    return last[~last.void]


@cache
def owners() -> pd.DataFrame:
    """Who used which key of that operator when."""
    return truth.owners(1500, 6, 11).to_pandas()


def customers_of(rows: pd.DataFrame) -> pd.Series:
    """Whose each row is, where one customer alone used its key then."""
    return only_user_of(rows, owners())


def ends() -> pd.Series:
    profile = operator()["profile"]
    return profile[profile.status == "left"].set_index("key")["at"]
