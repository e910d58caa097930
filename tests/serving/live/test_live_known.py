"""What the store knows is what a history of the same rows knows, to the bit, however it came and whatever is cached."""

from collections.abc import Iterator
from dataclasses import replace

import linked_worlds
import numpy as np
import pytest
from conftest import Places
from growing import CACHES, NOW, Growing, batches, emptied, in_order
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from sqlalchemy import select
from worlds import CATALOG, LINKS, MINUTE, TYPES, worlds

from features.declare import Catalog, Link
from features.engine.columns import FOREVER
from features.engine.live.fold import OF, OWN, VIA, present
from serving.live import schema
from serving.live.feeds import PATIENCE, Feeds
from serving.live.known import Known, Scope, next_bound
from serving.live.nearby import rectangles
from serving.live.past import At
from serving.live.store import Store

CUSTOMERS = (1, 2)
NAMING = {1: "customer", 11: "line", 12: "line", 21: "cookie"}


@pytest.fixture(scope="module")
def shared(places: Places) -> Iterator[Store]:
    """One store for many examples, each of which begins with an empty one."""
    place = places.new()
    yield place.open()
    place.close()


@pytest.fixture
def growing(shared: Store) -> Growing:
    return Growing(emptied(shared), CATALOG, TYPES)


def touch(name: str, key: int, at: int = 50, **values: object) -> tuple[str, Fact]:
    return "journey", Fact(name, key, at * MINUTE, 0, False, {"phase": "ask", "channel": "web", "value": 1.0, **values})


def linked(name: str, key: int, other: int, state: str = "linked") -> tuple[str, Fact]:
    return "evidence", Fact(name, key, 10 * MINUTE, 0, False, {"other": other, "state": state})


def asked_of(growing: Growing, keys: dict[int, str]) -> list[dict[int, float]]:
    with growing.store.reading() as reading:
        known = Known(reading, growing.scope)
        found = known.named([(kind, key) for key, kind in keys.items()])
    growing.store.write(known.keep).result()
    return found


def named_by(growing: Growing, keys: dict[int, str]) -> list[dict[int, float]]:
    past = growing.history()
    with growing.store.reading() as reading:
        return [past.naming.named_by(kind, key, "customer", reading.now, reading.seen) for key, kind in keys.items()]


@settings(max_examples=10)
@given(worlds(), st.data())
def test_all_features_are_those_of_a_history_of_the_same_rows(shared: Store, world: World, data: st.DataObject) -> None:
    growing, answers = Growing(emptied(shared), CATALOG, TYPES), []
    for batch in batches(in_order(world), lambda: data.draw(st.integers(1, 6))):
        growing.tell(batch)
        if data.draw(st.booleans()):
            answers.append(growing.ask(data.draw(st.sampled_from(CUSTOMERS)), keep=data.draw(st.booleans())))
            asked_of(growing, NAMING)
        if data.draw(st.integers(0, 9)) == 0:
            growing.empty(data.draw(st.sampled_from([(table,) for table in CACHES])))
    answers += [growing.ask(entity) for entity in CUSTOMERS]
    for asked, bits in answers:
        assert bits == growing.expected(asked) == growing.ask_then(asked)
    assert asked_of(growing, NAMING) == named_by(growing, NAMING)
    growing.empty()
    for asked, bits in [growing.ask(entity) for entity in CUSTOMERS]:
        assert bits == growing.expected(asked)
    assert asked_of(growing, NAMING) == named_by(growing, NAMING)


@settings(max_examples=6)
@given(linked_worlds.evidence(), st.data())
def test_whom_keys_name_and_what_is_reached_follows_evidence(shared: Store, rows: list, data: st.DataObject) -> None:
    types = linked_worlds.TYPES
    growing = Growing(emptied(shared), linked_worlds.CATALOG, types)
    told = in_order(World({}, rows, types, linked_worlds.LINKS, {}))
    moved = [(name, replace(f, values={**f.values, "state": "linked"}, void=False)) for name, f in told[:2]]
    for batch in batches([*told, *moved], lambda: data.draw(st.integers(1, 5))):
        growing.tell(batch)
        assert asked_of(growing, types) == named_by(growing, types)
        past = growing.history()
        with growing.store.reading() as reading:
            known = Known(reading, growing.scope)
            for entity in (1, 2, 3):
                found = known.reached(entity, [(OWN, "")], reading.now).rectangles
                expected = rectangles(past.reach("customer"), entity)
                if entity in past.entities_of.get("customer", ()):
                    assert sorted(found.T.tolist()) == sorted(expected.T.tolist())
        growing.store.write(known.keep).result()


def test_what_became_of_each_fact_is_told(growing: Growing) -> None:
    first = growing.tell([touch("a", 1), touch("b", 1)])
    assert first.became == ("new", "new")
    again = growing.tell([touch("a", 1), touch("b", 1, value=2.0), touch("c", 1)])
    assert again.became == ("known", "revised", "new")
    assert again.stamp > first.stamp
    name, fact = touch("b", 1)
    assert growing.tell([(name, replace(fact, void=True))]).became == ("revised",)
    assert growing.tell([(name, replace(fact, void=True))]).became == ("known",)
    assert growing.tell([touch("b", 1, value=2.0)]).became == ("revised",)
    assert growing.tell([linked("e", 11, 1)]).became == ("new",)
    assert growing.tell([linked("e", 11, 1)]).became == ("known",)
    assert growing.tell([linked("e", 11, 1, "unlinked")]).became == ("revised",)
    asked, bits = growing.ask(1)
    assert bits == growing.expected(asked)


def test_evidence_changes_whom_a_key_names_and_what_a_customer_reaches_at_once(growing: Growing) -> None:
    growing.tell([touch("on the line", 11), touch("own", 1)])
    _, before = growing.ask(1)
    assert asked_of(growing, {11: "line"}) == [{}]
    growing.tell([linked("e", 11, 1)])
    assert asked_of(growing, {11: "line"}) == [{1: 1.0}]
    asked, after = growing.ask(1)
    assert before != after == growing.expected(asked)


def test_a_revision_takes_a_fact_from_one_key_to_another(growing: Growing) -> None:
    growing.tell([touch("a", 1), touch("b", 2)])
    was, before = growing.ask(1)
    growing.ask(2)
    growing.tell([touch("a", 2)])
    answers = [growing.ask(1), growing.ask(2)]
    assert [bits for _, bits in answers] == [growing.expected(asked) for asked, _ in answers]
    assert answers[0][1] != before == growing.ask_then(was)


def test_evidence_that_is_corrected_to_other_keys_lets_go_of_the_first(growing: Growing) -> None:
    growing.tell([linked("e", 11, 1), touch("on the line", 11)])
    for entity in CUSTOMERS:
        growing.ask(entity)
    assert asked_of(growing, {11: "line", 12: "line"}) == [{1: 1.0}, {}]
    growing.tell([linked("e", 12, 2)])
    assert asked_of(growing, {11: "line", 12: "line"}) == [{}, {2: 1.0}]
    for entity in CUSTOMERS:
        asked, bits = growing.ask(entity)
        assert bits == growing.expected(asked)


def test_a_new_way_up_from_a_place_makes_all_reach_anew(shared: Store) -> None:
    types = {1: "customer", 31: "site", 81: "region", 82: "region"}
    links = (
        Link("customer", "site", rolls_up=False, back=None),
        Link("site", "region", rolls_up=False, back=None),
        *(link for link in LINKS if {link.child, link.parent} <= {"line", "customer", "account", "cookie"}),
    )
    kinds = tuple(sorted({*types.values(), "line", "cookie", "account"}))
    features = tuple(f for f in CATALOG.features if not f.of and f.via != "account")
    features += tuple(replace(f, via="region") for f in features if f.via == "site")
    growing = Growing(emptied(shared), Catalog(kinds, links, features, ()), types)
    growing.tell([touch("a", 1), linked("home", 1, 31), linked("s", 31, 81)])
    growing.ask(1)
    fault = Fact("f", 82, 50 * MINUTE, 0, False, {"case": "a", "state": "opened", "minutes": 3.0})
    growing.tell([("faults", fault), linked("t", 31, 82)])
    asked, bits = growing.ask(1)
    assert bits == growing.expected(asked)


def test_a_new_word_gets_a_number_that_every_process_comes_to_know(growing: Growing) -> None:
    other = Growing(growing.store, CATALOG, TYPES)
    growing.tell([touch("a", 1, topic="never heard of")])
    other.tell([touch("b", 1, topic="never heard of"), touch("c", 1, topic="nor of this", at=51)])
    growing.told += other.told
    for one in (growing, other, Growing(growing.store, CATALOG, TYPES)):
        asked, bits = one.ask(1)
        assert "nor of this" in bits
        assert bits == growing.expected(asked)
    with growing.store.engine.connect() as core:
        assert core.execute(select(schema.WORDS.c.word).order_by(schema.WORDS.c.word)).scalars().all() == [
            "never heard of",
            "nor of this",
        ]


def test_a_feed_that_falls_silent_covers_no_longer_until_it_is_heard_again(growing: Growing) -> None:
    store = growing.store
    growing.tell([touch("a", 1)])

    def covered() -> tuple[tuple[str, ...], object]:
        with store.reading() as reading:
            found = Feeds().covered(reading)
            assert growing.feeds.covered(reading) == found
        return found.silent, found.coverage["journey"]

    first = covered()
    assert first == ((), ((-60 * MINUTE, FOREVER),))
    store.set_clock(NOW + 2 * PATIENCE - store.machine_clock())
    silent, ((low, high),) = covered()  # type: ignore[misc]
    assert "journey" in silent
    assert (low, high) == (-60 * MINUTE, 60 * MINUTE + PATIENCE) or abs(high - NOW - PATIENCE) < 60 * MINUTE
    growing.tell([touch("b", 1)])
    silent, ((_, ended), (begun, until)) = covered()  # type: ignore[misc]
    assert "journey" not in silent
    assert ended == high < begun <= store.clock()
    assert until == FOREVER


def test_a_key_that_nobody_heard_of_names_nobody(growing: Growing) -> None:
    growing.tell([touch("a", 1)])
    assert asked_of(growing, {1: "customer", 2: "customer", 11: "line"}) == [{1: 1.0}, {}, {}]
    with growing.store.reading() as reading:
        known = Known(reading, growing.scope)
        assert known.types([1, 2, 11]) == {1: "customer"}
        assert known.packed([2, 11]) == (bytearray(), 0)


def test_caches_are_never_put_back_to_what_was_known_before(growing: Growing) -> None:
    growing.tell([touch("a", 1)])
    with growing.store.reading() as reading:
        slow = Known(reading, growing.scope)
        slow.reached(1, [(OWN, "")], reading.now)
        slow.packed([1])
    growing.tell([touch("b", 1), linked("e", 11, 1), touch("c", 11)])
    growing.ask(1)
    growing.store.write(slow.keep).result()
    asked, bits = growing.ask(1)
    assert bits == growing.expected(asked)


class Still(At):
    """A reading at cuts of one's choice, of a store to which no evidence comes."""

    evidence = 1


@settings(max_examples=10)
@given(worlds(), st.data())
def test_what_is_remembered_of_a_reach_is_what_would_be_made_anew(
    shared: Store, world: World, data: st.DataObject
) -> None:
    growing = Growing(emptied(shared), CATALOG, TYPES)
    for batch in batches([told for told in in_order(world) if told[0] == "evidence"], lambda: 6):
        growing.tell(batch)
    ways = [(OWN, ""), *((way, parent) for way in (VIA, OF) for parent in growing.scope.ways.parents)]
    with growing.store.reading() as reading:
        for _ in range(12):
            minute, later = data.draw(st.integers(-70, 80)), data.draw(st.integers(0, 2))
            then = Still(reading, minute * MINUTE + data.draw(st.integers(-1, 1)), reading.seen + later)
            entity = data.draw(st.sampled_from(CUSTOMERS))
            anew = Known(then, Scope(CATALOG, growing.scope.layout, growing.words, "customer"))
            expected, found = (k.reached(entity, ways, then.now) for k in (anew, Known(then, growing.scope)))
            assert found.spans == expected.spans
            assert found.keys(ways) == expected.keys(ways)
            assert (found.rectangles == expected.rectangles).all()


FEW = st.integers(0, 6)


@given(st.lists(st.tuples(FEW, FEW, FEW, FEW, FEW), min_size=1, max_size=5), st.tuples(FEW, FEW), st.tuples(FEW, FEW))
def test_the_present_parent_stays_until_the_next_bound(
    held: list[tuple[int, ...]], first: tuple[int, int], later: tuple[int, int]
) -> None:
    parents = np.array(held, np.int64).T.copy()
    (cutoff, seen), span = first, (0, len(held))
    until, known_until = next_bound(parents[1:3], cutoff), next_bound(parents[3:5], seen)
    if cutoff <= later[0] <= until and seen <= later[1] <= known_until:
        assert present(parents, span, *later) == present(parents, span, *first)
