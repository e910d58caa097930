"""Who stood behind the keys of simulated rows, by the truth."""

import pandas as pd

from features.identity.keys import normalise


def spelled_alike(key_types: pd.Series, keys: pd.Series) -> pd.Series:
    """The keys as two systems agree on them."""
    pairs = pd.DataFrame({"kind": key_types, "key": keys}).drop_duplicates()
    alike = [normalise(kind, key, "32") for kind, key in zip(pairs.kind, pairs.key, strict=True)]
    found = pd.Series(alike, index=pd.MultiIndex.from_frame(pairs))
    return pd.Series(found.loc[list(zip(key_types, keys, strict=True))].to_numpy(), index=keys.index, dtype=object)


def uses_of(rows: pd.DataFrame, owners: pd.DataFrame) -> pd.DataFrame:
    """One line per row and user of its key at that instant: columns ``row`` (its label), customer, account."""
    asked = pd.DataFrame({"row": rows.index, "key_type": rows.key_type, "at": rows["at"]})
    asked["key"] = spelled_alike(rows.key_type, rows.key)
    both = asked.merge(owners, on=["key_type", "key"])
    return both[(both.since <= both["at"]) & ~(both.until < both["at"])][["row", "customer", "account"]]


def only_user_of(rows: pd.DataFrame, owners: pd.DataFrame) -> pd.Series:
    """The customer behind each row; null where nobody or more than one used its key then."""
    uses = uses_of(rows, owners)
    alone = uses[~uses.row.duplicated(keep=False)].set_index("row").customer
    return alone.reindex(rows.index).where(rows.key_type != "customer", rows.key)
