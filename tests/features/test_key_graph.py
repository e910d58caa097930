"""The key graph: guards, merges, what is taken back, candidates; against the oracle, in any order, and undone again."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
from graph_worlds import CATALOG, FEATURES, KINDS, LINKS, TYPES, evidence_of, frame, said, visits, world_of, worlds
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from test_rule_of_time import ask, link, same
from worlds import MINUTE, cutoffs, history

from features.identity.graph.evidence import by_link
from features.identity.graph.graph import Graph, read_graph, updated
from features.identity.reach import own_reach, parents


@given(world=worlds(), c=cutoffs)
def test_every_feature_of_every_customer_equals_the_oracle(world: World, c: int) -> None:
    found = frame(world, [1, 2, 3, 4], [c] * 4)
    for i, customer in enumerate((1, 2, 3, 4)):
        for feature in FEATURES:
            expected = world.value(feature, customer, c)
            assert same(found[feature.name].iloc[i], expected), (feature.name, customer, c, expected)


@settings(max_examples=30)
@given(world=worlds(), c=cutoffs)
def test_an_account_reads_all_who_are_the_same_as_its_customers(world: World, c: int) -> None:
    feature = FEATURES[0]
    found = history(world, CATALOG).frame("account", np.array([41, 42]), np.array([c, c]), [feature])[feature.name]
    assert [float(v) for v in found] == [world.value(feature, account, c) for account in (41, 42)]


def test_a_browser_of_two_reaches_back_only_as_far_as_its_key_type_says() -> None:
    told = [link("a", 21, 1, 20, 20), link("b", 21, 2, 40, 40)]
    world = world_of(told, [ask("too early", 21, 4, 4), ask("theirs", 21, 5, 5)])
    assert visits(world, 1, 41) == 1


def account_visits(evidence: list[Fact], journey: list[Fact], minutes: list[float]) -> list[float]:
    at = np.array([round(minute * MINUTE) for minute in minutes])
    found = history(world_of(evidence, journey), CATALOG).frame("account", np.full(len(at), 41), at, FEATURES[:1])
    return found[FEATURES[0].name].tolist()


def test_an_account_reads_the_alias_of_its_customer_from_when_the_merge_is_known() -> None:
    told = [link("a", 1, 41, 0, 0), link("m", 2, 1, 10, 10)]
    assert account_visits(told, [ask("x", 2, 5, 5)], [10, 11]) == [0, 1]


def test_an_account_reads_a_key_of_its_customer_once_both_links_are_known() -> None:
    told = [link("e", 51, 1, 0, 5), link("a", 1, 41, 0, 10)]
    assert account_visits(told, [ask("x", 51, 2, 2)], [6, 10, 11]) == [0, 0, 1]


def same_graph(left: Graph, right: Graph) -> None:
    for one, other in (*zip(left.links.values(), right.links.values(), strict=True),):
        pd.testing.assert_frame_equal(one, other)
    for one, other in zip(left.guarded.values(), right.guarded.values(), strict=True):
        pd.testing.assert_frame_equal(one, other)
    pd.testing.assert_frame_equal(left.members("customer"), right.members("customer"))
    pd.testing.assert_frame_equal(left.problems(), right.problems())


def grown(graph: Graph, so_far: list[Fact], new: list[Fact]) -> Graph:
    """The graph of what was told so far, once more is told."""
    everything = [*so_far, *new]
    ids = {fact.id for fact in new}
    touched = np.unique([fact.key for fact in everything if fact.id in ids]).astype(np.int64)
    table = evidence_of(everything)
    fresh = table.filter(pa.array(np.isin(table["key_id"].to_numpy(), touched)))
    return updated(graph, by_link(fresh, KINDS, LINKS), touched)


@settings(max_examples=30)
@given(facts=said(), order=st.randoms(use_true_random=False), batches=st.integers(1, 3))
def test_evidence_in_any_order_gives_the_graph_of_a_rebuild(facts: list[Fact], order, batches: int) -> None:
    arriving = list(facts)
    order.shuffle(arriving)
    graph, so_far = read_graph(evidence_of([]), KINDS, LINKS), []
    for batch in np.array_split(np.arange(len(arriving)), batches):
        new = [arriving[i] for i in batch]
        graph = grown(graph, so_far, new)
        so_far += new
    same_graph(graph, read_graph(evidence_of(facts), KINDS, LINKS))


def test_a_key_that_turns_out_to_be_someone_elses_is_no_more_the_firsts() -> None:
    first = [link("a", 51, 1, 0, 0)]
    moved = [replace(first[0], known_at=5 * MINUTE, values={"other": 2, "state": "linked"})]
    graph = grown(read_graph(evidence_of(first), KINDS, LINKS), first, moved)
    assert graph.links[LINKS[1]][["parent", "known_to"]].to_numpy().tolist() == [[1, 5 * MINUTE], [2, 2**62]]


@settings(max_examples=30)
@given(facts=said(), some=st.sets(st.sampled_from([1, 2, 3, 4])))
def test_the_reach_of_some_customers_is_theirs_in_the_reach_of_all(facts: list[Fact], some: set[int]) -> None:
    graph = read_graph(evidence_of(facts), KINDS, LINKS)
    whole = own_reach("customer", np.array([1, 2, 3, 4]), graph)
    part = own_reach("customer", np.array(sorted(some), np.int64), graph)
    kept = np.isin(whole.entity, list(some))
    for name in vars(part):
        assert np.array_equal(getattr(part, name), getattr(whole, name)[kept])


@settings(max_examples=30)
@given(world=worlds(), pair=st.sampled_from([(1, 2), (3, 2), (4, 1)]), merged_at=st.integers(0, 30))
def test_merge_then_unmerge_gives_back_every_feature_exactly(
    world: World, pair: tuple[int, int], merged_at: int
) -> None:
    # Nothing else is said of whether these two are the same: a second statement would stand on its own.
    others = [e for e in world.evidence if TYPES[e.values["other"]] != "customer" or TYPES[e.key] != "customer"]
    undone = [link("m1", *pair, merged_at, merged_at), link("m2", *pair, 61, 61, "unlinked")]
    at = [round(m * MINUTE) for m in (61.5, 65, 70) for _ in range(4)]
    before = frame(replace(world, evidence=others), [1, 2, 3, 4] * 3, at)
    after = frame(replace(world, evidence=[*others, *undone]), [1, 2, 3, 4] * 3, at)
    pd.testing.assert_frame_equal(before, after)


@settings(max_examples=30)
@given(world=worlds(), c=cutoffs)
def test_no_feature_uses_a_link_or_merge_not_yet_known(world: World, c: int) -> None:
    known = replace(world, evidence=[e for e in world.evidence if e.known_at < c])
    left, right = (frame(w, [1, 2, 3, 4], [c] * 4) for w in (world, known))
    # Age, which decides whose id stays, is the first naming ever; it cannot lie later than what is known.
    pd.testing.assert_frame_equal(left, right)


@settings(max_examples=30)
@given(facts=said())
def test_parents_and_reach_never_overlap(facts: list[Fact]) -> None:
    graph = read_graph(evidence_of(facts), KINDS, LINKS)
    for reach in (own_reach("customer", np.array([1, 2, 3, 4]), graph), parents("customer", "site", graph)):
        rows = pd.DataFrame(vars(reach))
        for _, group in rows.groupby(["entity", "key"]):
            for a in group.itertuples():
                for b in group.itertuples():
                    apart = (
                        a.at_to <= b.at_from
                        or b.at_to <= a.at_from
                        or a.known_to <= b.known_from
                        or b.known_to <= a.known_from
                    )
                    assert a.Index == b.Index or apart
