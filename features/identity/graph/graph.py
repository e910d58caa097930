"""The key graph: everything evidence says, as links, merges, candidates and guards, each with when it was known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from features.declare import Link
from features.identity.graph.evidence import COLUMNS, Kinds, by_link
from features.identity.graph.links import ORDER, no_rectangles, rectangles
from features.identity.graph.merges import PROBLEMS, Merges, merges

GUARDED = ["child", "known_from", "known_to"]


@dataclass(frozen=True)
class Graph:
    """What is known of who belongs to whom.

    ``said``: per link, the evidence rows (`graph.evidence.COLUMNS`). ``links``: per link but merges, rectangles
    (`graph.links.RECTANGLE`). ``guarded``: per link, the children that too many share (child, known_from,
    known_to). ``merges``: per key type that can be merged, who stands for whom.
    """

    said: dict[Link, pd.DataFrame]
    links: dict[Link, pd.DataFrame]
    guarded: dict[Link, pd.DataFrame]
    merges: dict[str, Merges]

    def members(self, key_type: str) -> pd.DataFrame:
        """Every key of a type that was ever merged -> the key that stands for it (`RECTANGLE`)."""
        found = self.merges.get(key_type)
        return found.members if found else no_rectangles()

    def candidates(self) -> dict[Link, pd.DataFrame]:
        """Per link, the rows that say two keys may belong together (`graph.evidence.COLUMNS`)."""
        return {link: rows[rows["linked"] < 0] for link, rows in self.said.items()}

    def problems(self) -> pd.DataFrame:
        """What was said and could not be done (`graph.merges.PROBLEMS`)."""
        return pd.concat(
            [pd.DataFrame(columns=PROBLEMS), *(m.problems for m in self.merges.values() if len(m.problems))]
        )


def read_graph(evidence: pa.Table, kinds: Kinds, links: Sequence[Link]) -> Graph:
    """The graph of all evidence (stored columns and ``until``), whatever order it came in."""
    return graph_of(by_link(evidence, kinds, links))


def updated(graph: Graph, fresh: dict[Link, pd.DataFrame], touched: np.ndarray) -> Graph:
    """The graph once more is known of some children: the same, row by row, as one built anew from everything.

    ``touched`` (t,) int64: the children something new was said of, or of whom a revised row spoke before. ``fresh``:
    per link, *all* that is said of them now (`graph.evidence.COLUMNS`). Only they are worked out again, and the
    merges, which are few.
    """
    said, links, guarded = {}, dict(graph.links), dict(graph.guarded)
    for link, before in graph.said.items():
        rows = fresh.get(link, said_nothing())
        said[link] = pd.concat([before[~before["child"].isin(touched)], rows], ignore_index=True)
        if not link.is_merge:
            found, crowded = rectangles(rows, link)
            links[link] = _spliced(links[link], found, touched, ORDER)
            guarded[link] = _spliced(guarded[link], crowded, touched, GUARDED)
    found_merges, crowds = _merged(said)
    return Graph(said, links, guarded | crowds, found_merges)


def _spliced(frame: pd.DataFrame, found: pd.DataFrame, touched: np.ndarray, order: list[str]) -> pd.DataFrame:
    kept = frame[~frame["child"].isin(touched)]
    return pd.concat([kept, found], ignore_index=True).sort_values(order, kind="stable", ignore_index=True)


def graph_of(said: dict[Link, pd.DataFrame]) -> Graph:
    """The graph of what was said, per link."""
    held = {link: rectangles(rows, link) for link, rows in said.items() if not link.is_merge}
    found, crowds = _merged(said)
    links = {link: frame for link, (frame, _) in held.items()}
    return Graph(said, links, {link: guarded for link, (_, guarded) in held.items()} | crowds, found)


def _merged(said: dict[Link, pd.DataFrame]) -> tuple[dict[str, Merges], dict[Link, pd.DataFrame]]:
    """Per key type its merges, and per link that makes them the keys it guards."""
    merging = {link: rows for link, rows in said.items() if link.is_merge}
    named = first_named(said, {link.child for link in merging})
    found = {link.child: merges(rows, link.shared, named[link.child]) for link, rows in merging.items()}
    return found, {link: found[link.child].guarded for link in merging}


def first_named(said: dict[Link, pd.DataFrame], key_types: set[str]) -> dict[str, dict[int, int]]:
    """Per key type, when each key that a merge speaks of was first named by any evidence."""
    named: dict[str, dict[int, int]] = {}
    for kind in key_types:
        spoken = pd.concat(
            [
                rows[end]
                for link, rows in said.items()
                if link.is_merge and link.child == kind
                for end in ("child", "parent")
            ]
        )
        keys = np.unique(spoken.to_numpy(np.int64))
        parts = [
            rows.loc[rows[end].isin(keys), [end, "known"]].set_axis(["key", "known"], axis=1)
            for link, rows in said.items()
            for end, of in (("child", link.child), ("parent", link.parent))
            if of == kind and len(keys)
        ]
        first = pd.concat([said_nothing()[["child", "known"]].set_axis(["key", "known"], axis=1), *parts])
        once = first.sort_values(["key", "known"]).drop_duplicates("key")
        named[kind] = dict(zip(once["key"].tolist(), once["known"].tolist(), strict=True))
    return named


def said_nothing() -> pd.DataFrame:
    """A frame of no evidence."""
    return pd.DataFrame({name: np.empty(0, float if name == "confidence" else np.int64) for name in COLUMNS})
