"""Keys that too many share: read by nobody for as long as that is believed, and no obstacle however many they are."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from graph_worlds import CATALOG, KINDS, LINKS, evidence_of, many_links, visits, world_of
from test_rule_of_time import ask, link
from worlds import MINUTE, history

from features.identity.graph.evidence import Kinds
from features.identity.graph.graph import read_graph


def test_a_key_that_too_many_share_is_read_by_nobody_from_when_that_is_known() -> None:
    told = [link(f"e{c}", 21, c, c, 2 * c) for c in (1, 2, 3)]
    world = world_of(told, [ask("x", 21, 3.5, 3.5)])
    assert [visits(world, 2, m) for m in (5, 6, 6.5, 40)] == [1, 1, 0, 0]
    assert [visits(world, 3, m) for m in (6, 6.5, 40)] == [0, 0, 0]
    graph = read_graph(evidence_of(told), KINDS, LINKS)
    assert graph.guarded[LINKS[0]].to_numpy().tolist() == [[21, 6 * MINUTE, 2**62]]
    assert len(history(world, CATALOG).candidates([("cookie", 21)], 10 * MINUTE, 10 * MINUTE)[0]) == 0


def test_a_guard_ends_when_it_turns_out_that_fewer_share_the_key() -> None:
    told = [link(f"e{c}", 21, c, c, 2 * c) for c in (1, 2, 3)]
    withdrawn = replace(told[2], known_at=20 * MINUTE, void=True)
    world = world_of([*told, withdrawn], [ask("x", 21, 3.5, 3.5)])
    assert [visits(world, 2, m) for m in (6, 6.5, 20, 20.5)] == [1, 0, 0, 1]


def test_a_hub_with_a_hundred_thousand_neighbours_is_no_obstacle() -> None:
    n = 100_000
    rows = many_links(np.full(n, 7, np.int64), np.arange(1000, 1000 + n))
    ids = np.append(7, np.arange(1000, 1000 + n))
    for kind, its_link in (("cookie", LINKS[0]), ("customer", LINKS[4])):
        kinds = Kinds.of(pa.table({"key_id": ids, "key_type": [kind] + ["customer"] * n}))
        graph = read_graph(rows, kinds, [its_link])
        assert graph.guarded[its_link].to_numpy().tolist() == [[7, 2005, 2**62]]
    members = graph.members("customer")
    assert set(members[members["known_to"] == 2**62]["parent"]) == set(members["child"])
