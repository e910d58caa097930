"""The same bits from every caller, over random lakes: the oracle, batch, one entity at a time, buckets, any selection.

`test_spark.py` adds the cluster.
"""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from world_lakes import MISSING, arrivals, as_kept, in_order, side_by_side, united, words_and_bits, write
from worlds import CATALOG, FEATURES, LINKS, MINUTE, TYPES, cutoffs, history, worlds

from features.buckets import Division, divide, labelled
from features.engine.block import Vectors
from features.engine.columns import Columns
from features.engine.in_memory import from_table
from features.engine.plan import compile_features, looked_at, read_by
from features.feature import Feature
from features.history import History
from features.lake import Lake, store
from features.streamed import needed_bytes, streamed

NOBODY = 99
ALL = {"journey": ((-100 * MINUTE, 100 * MINUTE),)}
ENTITIES = {"customer": (1, 2), "line": (11, 12), "cookie": (21,)}
ROW_GROUP = 3
DIVISIONS = ((7, 3), (3, 1), (1, 2))
pairs_of = st.sampled_from(list(ENTITIES)).flatmap(
    lambda kind: st.lists(cutoffs, min_size=1, max_size=4).flatmap(
        lambda at: st.tuples(st.just(kind), st.permutations([(entity, c) for entity in ENTITIES[kind] for c in at]))
    )
)
SELECTIONS = (FEATURES, tuple(f for f in FEATURES if not f.of), tuple(f for f in FEATURES if f.of))
orders = st.permutations(range(len(FEATURES)))


@pytest.fixture(autouse=True, scope="module")
def small_row_groups() -> Iterator[None]:
    """Even the smallest lake is read in pieces, and keys go on from one into the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "ROW_GROUP", ROW_GROUP)
        yield


def asked(pairs: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([e for e, _ in pairs]), np.array([c for _, c in pairs])


def one_by_one(known: History, kind: str, entities: np.ndarray, cuts: np.ndarray, seen: np.ndarray) -> np.ndarray:
    vectors = Vectors(known.block, kind, FEATURES)
    found = [vectors.of(int(e), int(c), int(s)) for e, c, s in zip(entities, cuts, seen, strict=True)]
    return np.array(found).T.view(np.uint32)


def says(world: World, feature: Feature, entity: int, cut: int, seen: int) -> object:
    """The oracle's word, or its value as bits."""
    value = world.value(feature, entity, cut, seen)
    if feature.kind == "category":
        return value if isinstance(value, str) else MISSING
    return int(np.float32(value).view(np.uint32))


def tied(key: int, topic: str) -> Fact:
    """A touch like the others in all but its id, its key and its topic."""
    values = {"phase": "use", "channel": "web", "topic": topic, "value": float(key)}
    return Fact(f"{key}{topic}", key, 10 * MINUTE, 10 * MINUTE, values=values)


TIES = World(
    {
        "journey": [tied(key, topic) for key in (1, 11) for topic in ("billing", "outage", "speed")],
        "faults": [],
        "profile": [],
    },
    [Fact("line", 11, 0, 0, values={"other": 1, "state": "linked"})],
    TYPES,
    LINKS,
    {},
)


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=12)
@given(
    st.lists(worlds(), min_size=4, max_size=6),
    arrivals,
    st.sampled_from([*["customer"] * 4, "line", "cookie"]),
    st.lists(cutoffs, min_size=1, max_size=3),
    st.integers(-10, 10),
    st.sampled_from(SELECTIONS),
    st.sampled_from(DIVISIONS),
)
def test_a_lake_gives_the_bits_of_the_oracle_to_every_caller(
    several: list[World],
    arrival: tuple[int, str],
    kind: str,
    at: list[int],
    apart: int,
    features: tuple[Feature, ...],
    division: tuple[int, int],
) -> None:
    several = side_by_side([*several, TIES])
    whose = {key: world for world in several for key, type_ in world.types.items() if type_ == kind}
    entities, cuts = asked([(entity, c) for c in at for entity in whose])
    with tempfile.TemporaryDirectory() as folder:
        lake = write(united(several), Path(folder) / "lake", arrival)
        columns_are_the_merged_table(lake)
        known = History.load(lake, CATALOG)
        batch_and_one_at_a_time_are_the_oracle(whose, known, kind, entities, cuts, cuts + apart * MINUTE)
        asked_twice, stranger = (entities[:1], cuts[:1]), ([NOBODY], [30 * MINUTE])
        entities, cuts = map(np.concatenate, zip((entities, cuts), asked_twice, stranger, strict=True))
        batch = in_order([labelled(entities, cuts, known.frame(kind, entities, cuts, features))])
        pairs = (kind, entities, cuts, features)
        streamed_is_batch(lake, batch, pairs, division[0])
        what_a_cutoff_does_not_see_need_not_be_read(lake, known, kind, entities, at)
        dealt = divide(known, lake, lake.snapshot(), *pairs, *division, Path(folder) / "dealt")
        tasks_sent_elsewhere_are_batch(dealt, batch)


def batch_and_one_at_a_time_are_the_oracle(
    whose: dict[int, World], known: History, kind: str, entities: np.ndarray, cuts: np.ndarray, seen: np.ndarray
) -> None:
    batch = words_and_bits(known.frame(kind, entities, cuts, FEATURES, seen))
    kept = {entity: as_kept(world) for entity, world in whose.items()}
    for i, (entity, cut, until) in enumerate(zip(entities.tolist(), cuts.tolist(), seen.tolist(), strict=True)):
        for feature in FEATURES:
            expected = says(kept[entity], feature, entity, cut, until)
            assert batch[feature.name][i] == expected, (feature.name, entity, cut, until)
    single = one_by_one(known, kind, entities, cuts, seen)
    np.testing.assert_array_equal(single, known.block.values(kind, entities, cuts, FEATURES, seen).view(np.uint32))


def what_a_cutoff_does_not_see_need_not_be_read(
    lake: Lake, known: History, kind: str, entities: np.ndarray, at: list[int]
) -> None:
    for cut in at:
        features = [f for f in FEATURES if f.look_back is not None and f.aggregate != "open_age"]
        little = History.load(lake, CATALOG, within=looked_at(features, cut, cut))
        cuts = np.full(len(entities), cut)
        whole = known.block.values(kind, entities, cuts, features).view(np.uint32)
        np.testing.assert_array_equal(little.block.values(kind, entities, cuts, features).view(np.uint32), whole)
        np.testing.assert_array_equal(little.first_known(kind), known.first_known(kind))


def streamed_is_batch(lake: Lake, batch: pd.DataFrame, pairs: tuple, buckets: int) -> None:
    """In so little memory that it takes that many buckets; of one, and without any fact, it is done in memory."""
    memory = max(1, needed_bytes(lake.snapshot(), pairs[-1]) * 4 // buckets)
    pd.testing.assert_frame_equal(in_order(streamed(lake, CATALOG, *pairs, memory=memory)), batch)


def tasks_sent_elsewhere_are_batch(division: Division, batch: pd.DataFrame) -> None:
    """Also where a task is run twice."""
    sent: Division = pickle.loads(pickle.dumps(division))
    sent.deal(0)
    written = sum(sent.deal(task) for task in range(sent.tasks))
    assert written.tolist() == [sent.dealt(bucket) for bucket in range(sent.buckets)]
    pd.testing.assert_frame_equal(in_order(sent.frame(bucket) for bucket in range(sent.buckets)), batch)


def columns_are_the_merged_table(lake: Lake) -> None:
    """What is decoded piece by piece is what one table of all rows gives."""
    for name, names in read_by(FEATURES).items():
        pieces, whole = Columns(name, lake.pieces(name), names), from_table(name, lake.read(name), ordered=True)
        for each in ("keys", "starts", "at", "known", "revised", "until", "revision_bits", "rank"):
            np.testing.assert_array_equal(getattr(pieces, each), getattr(whole, each), each)
        for column in names:
            if column == "case":  # a code stands for the same case throughout, whichever it is
                assert pd.factorize(pieces.case)[0].tolist() == pd.factorize(whole.case)[0].tolist()
            elif pieces.coded(column):
                assert pieces.vocabulary(column) == whole.vocabulary(column)
                np.testing.assert_array_equal(pieces.codes(column), whole.codes(column), column)
            else:
                np.testing.assert_array_equal(pieces.numbers(column), whole.numbers(column), column)
        filters = next(step.plan.filters for step in compile_features(FEATURES) if step.plan.source == name)
        np.testing.assert_array_equal(pieces.bits(filters), whole.bits(filters))


def test_of_what_is_read_within_some_time_the_older_end_counts_and_the_younger_does_not(tmp_path: Path) -> None:
    facts = [touch(str(at), at) for at in (20, 29, *range(30, 40))]
    lake = write(World({"journey": facts}, [], TYPES, LINKS, ALL), tmp_path / "lake", (0, "after it"))
    count = Feature("journey", "count", window="10m")
    little = History.load(lake, CATALOG, within=looked_at([count], 30 * MINUTE, 30 * MINUTE))
    assert (little.columns["journey"].at // MINUTE).tolist() == [20, 29]
    assert little.block.values("customer", *asked([(1, 30 * MINUTE)]), [count]).tolist() == [[2]]


def test_a_key_that_two_people_read_is_dealt_to_both(tmp_path: Path) -> None:
    facts = [touch(str(at), at, key=11) for at in (20, 40)]
    linked = [Fact(f"l{who}", 11, at, at, values={"other": who, "state": "linked"}) for who, at in ((1, 0), (2, 30))]
    linked = [replace(fact, at=fact.at * MINUTE, known_at=fact.at * MINUTE) for fact in linked]
    lake = write(World({"journey": facts}, linked, TYPES, LINKS, ALL), tmp_path / "lake", (0, "after it"))
    known, count = History.load(lake, CATALOG), (Feature("journey", "count", window="40m"),)
    pairs = ("customer", *asked([(1, 50 * MINUTE), (2, 50 * MINUTE)]), count)
    dealt = divide(known, lake, lake.snapshot(), *pairs, 64, 1, tmp_path / "dealt")
    dealt.deal(0)
    found = in_order(dealt.frame(bucket) for bucket in range(64))
    assert found[count[0].name].to_numpy(np.uint32).view(np.float32).tolist() == [1, 1]


def touch(id: str, at: int, key: int = 1) -> Fact:
    return Fact(id, key, at * MINUTE, at * MINUTE, values={"phase": "use", "channel": "web"})


@given(worlds(), pairs_of, st.integers(-40, 40))
def test_one_at_a_time_is_batch(world: World, asked_of: tuple, apart: int) -> None:
    kind, (entities, cuts) = asked_of[0], asked([*asked_of[1], (NOBODY, 30 * MINUTE)])
    known, seen = history(world), cuts + apart * MINUTE
    together = known.block.values(kind, entities, cuts, FEATURES, seen)
    np.testing.assert_array_equal(one_by_one(known, kind, entities, cuts, seen), together.view(np.uint32))


@given(worlds(), pairs_of, orders, st.integers(1, len(FEATURES)))
def test_a_value_does_not_depend_on_what_else_is_asked_nor_in_which_order(
    world: World, asked_of: tuple, order: list[int], few: int
) -> None:
    kind, (entities, cuts) = asked_of[0], asked(asked_of[1])
    known = history(world)
    together = words_and_bits(known.frame(kind, entities, cuts, FEATURES))
    for chosen in (order, order[:few], order[:1]):
        features = [FEATURES[i] for i in chosen]
        found = words_and_bits(known.frame(kind, entities, cuts, features))
        pd.testing.assert_frame_equal(found, together[[f.name for f in features]])
    backwards = words_and_bits(known.frame(kind, entities[::-1], cuts[::-1], FEATURES))
    pd.testing.assert_frame_equal(backwards[::-1].reset_index(drop=True), together)
