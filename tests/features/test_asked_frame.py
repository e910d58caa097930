"""`tieline.frame` and `tieline.describe`: what a data scientist asks and gets, and what is said of bad questions."""

import datetime as dt
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import Fact, World
from test_rule_of_time import ask, link, same, world_of
from worlds import CATALOG, FEATURES, MINUTE, TYPES, cutoffs, history, stored, worlds

from features.conditions import DeclarationError
from features.declare import Catalog, Feature, Rule
from features.history import History
from features.identity.keys import KeyRing
from features.lake import Lake, LakeError
from features.told.asked import AskedError, FeatureWarning, chosen
from features.told.describe import describe
from features.told.frame import frame

ASKED = "journey_phase_ask_count_40m"
NOON = "1970-01-01T00:20Z"
RING = KeyRing(b"only for these few tests of a lake", country="32")


def a_world(*journey: Fact, **more: Any) -> World:
    evidence = [link("c1", 11, 1, 0, 0), link("c2", 12, 1, 0, 0)]
    return world_of([ask("a", 1, 10, 10), ask("b", 2, 12, 12), *journey], evidence, **more)


@pytest.fixture
def known() -> History:
    return history(a_world())


@pytest.fixture
def a_lake(tmp_path: Path) -> Callable[..., Lake]:
    """``a_lake(world, but=("faults",))``: its facts in a lake on disk, less some sources."""

    def write(world: World, but: tuple[str, ...] = ()) -> Lake:
        lake, held = Lake(tmp_path / "lake"), stored(world)
        hashes = pa.array([bytes(32) for _ in TYPES], pa.binary(32))
        keys = pa.table({**{n: held.keys[n] for n in held.keys.column_names}, "hash": hashes})
        for name, table in {**held.tables, "evidence": held.evidence}.items():
            if name not in but:
                covered = [tuple(i) for i in world.coverage.get(name, ())]
                lake.append(name, table.drop_columns(["until"]), keys=keys, covered=covered)
        return lake

    return write


@settings(max_examples=20)
@given(worlds(), st.lists(cutoffs, min_size=1, max_size=3, unique=True))
def test_a_frame_of_everybody_is_the_oracles_values_of_who_was_known(world: World, at: list[int]) -> None:
    wanted = [f for f in FEATURES if f.source == "journey" and f.aggregate in ("count", "last", "share")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FeatureWarning)  # where nobody was known yet
        found = frame(history(world), at, features=wanted)
    assert found.index.is_unique
    assert list(found.columns) == [f.name for f in wanted]
    for (entity, cutoff), row in found.iterrows():
        c = int(pd.Timestamp(cutoff).value // 1000)
        assert c in at
        heard = [f.known_at for fs in world.facts.values() for f in fs if f.key == entity and not f.void]
        heard += [e.known_at for e in world.evidence if entity in (e.key, e.values["other"])]
        assert min(heard) < c
        for feature in wanted:
            assert same(row[feature.name], world.value(feature, entity, c)), feature.name


@pytest.mark.parametrize(
    "said",
    [
        NOON,
        20 * MINUTE,
        np.int64(20 * MINUTE),
        [NOON],
        dt.datetime(1970, 1, 1, 0, 20, tzinfo=dt.UTC),
        pd.Timestamp("1970-01-01T02:20+02:00"),
        pd.to_datetime([NOON]),
        pd.Series(pd.to_datetime([NOON])),
        pd.to_datetime([NOON]).as_unit("ns"),
        np.array([20 * MINUTE]),
        [pd.Timestamp(NOON)],
    ],
    ids=lambda said: type(said).__name__,
)
def test_a_cutoff_may_be_said_in_many_ways(known: History, said: Any) -> None:
    found = frame(known, said, features=ASKED)
    assert found.index.tolist() == [(1, pd.Timestamp(NOON)), (2, pd.Timestamp(NOON))]
    assert found[ASKED].tolist() == [1, 1]


def test_a_date_is_its_midnight_in_utc(known: History) -> None:
    for said in ("1970-01-02", dt.date(1970, 1, 2)):
        with pytest.warns(FeatureWarning, match="where the lake ends"):
            found = frame(known, said, [1], features="journey_topic_last")
        assert found.index[0][1] == pd.Timestamp("1970-01-02T00Z")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("1970-01-01T00:20", "1970-01-01T00:20 has no time zone: write for example 1970-01-01T00:20+00:00"),
        (dt.datetime(1970, 1, 1), "has no time zone"),
        (pd.Timestamp("1970-01-01"), "has no time zone"),
        (pd.to_datetime(["1970-01-01"]), "no time zone"),
        (np.array(["1970-01-01"], "datetime64[us]"), "no time zone"),
        ([NOON, "1970-01-01T00:20"], "cutoff 1: 1970-01-01T00:20 has no time zone"),
        ([NOON, None], "cutoff 1: no instant is given"),
        (pd.to_datetime([NOON, None]), "cutoff 1: no instant is given"),
        ("soon", "'soon' is not a date"),
        (1.5, "not an instant"),
        (1_700_000_000_000_000_000, "beyond the year 9999: an instant as an integer is in UTC microseconds"),
        ([], "no cutoff is given"),
        (None, "give cutoffs"),
    ],
)
def test_what_is_no_cutoff_is_refused(known: History, said: Any, says: str) -> None:
    for entities in (None, [1]) if said is not None else (None,):
        with pytest.raises(AskedError, match=says.replace("(", r"\(").replace("+", r"\+")):
            frame(known, said, entities)


def test_pairs_are_answered_row_by_row_and_their_index_asks_again(known: History) -> None:
    pairs = pd.DataFrame({"entity": [2, 1, 2], "cutoff": pd.to_datetime([NOON, NOON, NOON])})
    found = frame(known, pairs=pairs, features=ASKED)
    assert found.index.get_level_values("entity").tolist() == [2, 1, 2]
    again = frame(known, pairs=found.index, features=ASKED)
    pd.testing.assert_frame_equal(again, found)
    pd.testing.assert_frame_equal(frame(known, pairs=found, features=ASKED), found)
    assert frame(known, [NOON, 5 * MINUTE], [2, 1], features=ASKED)[ASKED].tolist() == [1, 0, 1, 0]


def test_no_pairs_are_a_frame_without_rows(known: History) -> None:
    empty = pd.DataFrame({"entity": np.empty(0, np.int64), "cutoff": pd.to_datetime([], utc=True)})
    found = frame(known, pairs=empty, features=[ASKED, "journey_topic_last"])
    assert (len(found), found.index.names, found.dtypes.astype(str).tolist()) == (
        0,
        ["entity", "cutoff"],
        ["float32", "category"],
    )


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (pd.DataFrame({"entity": [1, None], "cutoff": [NOON, NOON]}), "entity 1: missing"),
        (pd.DataFrame({"entity": [1, 2], "cutoff": [NOON, None]}), "cutoff 1: no instant is given"),
        (pd.DataFrame({"entity": ["C1"], "cutoff": [NOON]}), "entity 0: no key id"),
        (pd.DataFrame({"who": [1], "cutoff": [NOON]}), "pairs: no column 'entity'"),
        ([(1, NOON)], "pairs are a frame"),
    ],
    ids=["null entity", "null cutoff", "a name", "no column", "no frame"],
)
def test_pairs_that_cannot_be_meant_are_refused(known: History, pairs: Any, says: str) -> None:
    with pytest.raises(AskedError, match=says):
        frame(known, pairs=pairs)


def test_an_entity_nobody_has_heard_of_has_no_history_and_is_counted(known: History) -> None:
    names = [ASKED, "journey_count_25m_of_account", "journey_topic_last"]
    with pytest.warns(FeatureWarning, match=r"not heard of 2 of the customers asked for \(3 pairs\): they have no"):
        found = frame(known, NOON, [1, 77, 78, 77], features=names)
    assert found[ASKED].tolist() == [1, 0, 0, 0]
    assert found[names[1:]].iloc[1:].isna().all(axis=None)
    with pytest.warns(FeatureWarning, match="not heard of 1 "):
        frame(known, NOON, 11, features=ASKED)  # a line is no customer


def test_an_unknown_feature_says_the_nearest_and_an_unknown_type_those_there_are(known: History) -> None:
    with pytest.raises(AskedError, match="no feature 'journey_phase_ask_cont_40m': did you mean journey_phase_ask_"):
        frame(known, NOON, features="journey_phase_ask_cont_40m")
    with pytest.raises(AskedError, match="'custmer' is not a type of key"):
        frame(known, NOON, entity_type="custmer")
    with pytest.raises(DeclarationError, match="declared twice"):
        frame(known, NOON, features=[ASKED, ASKED])
    with pytest.raises(AskedError, match="no link leads from 'site' to 'account'"):
        frame(known, NOON, entity_type="site", features="journey_count_25m_of_account")


def test_every_feature_an_entity_can_be_asked_is_the_default(known: History) -> None:
    assert frame(known, NOON).shape[1] == len(FEATURES)
    of_sites = frame(known, NOON, [31], "site") if 31 in TYPES else None
    assert of_sites is not None
    assert not [name for name in of_sites if "_of_" in name or "_via_" in name]
    assert chosen(CATALOG, None, "customer") == FEATURES


def test_a_feature_declared_on_the_spot(a_lake: Callable[..., Lake], known: History) -> None:
    calls = Feature("journey", "distinct", "channel", "30m", where={"phase": "ask"})
    for source in (known, a_lake(a_world())):
        of = {} if isinstance(source, History) else {"workspace": CATALOG}
        assert frame(source, NOON, features=[calls, ASKED], **of)[calls.name].tolist() == [1, 1]
    with pytest.raises(AskedError, match="loaded without 'usage': ask the lake"):
        frame(known, NOON, features=Feature("usage", "sum", "value", "10m"))
    narrow = history(a_world(), replace(CATALOG, purposes={"contact": ("marketing",)}))
    with pytest.raises(DeclarationError, match="may not be used for that"):
        frame(narrow, NOON, features=Feature("contact", "count", window="10m"))


def test_a_lake_answers_as_its_history_does_whatever_is_asked_of_it(a_lake: Callable[..., Lake]) -> None:
    world = a_world(facts={"journey": [ask("a", 1, 10, 10)], "profile": [Fact("p", 2, 3 * MINUTE, 3 * MINUTE)]})
    lake = a_lake(world, but=("faults",))
    found = frame(lake, NOON, features=ASKED, workspace=CATALOG)
    pd.testing.assert_frame_equal(found, frame(History.load(lake, CATALOG), NOON, features=ASKED))
    assert found.index.get_level_values("entity").tolist() == [1, 2], "who is known depends on no feature"


def test_a_source_the_lake_lacks_is_missing_and_said(a_lake: Callable[..., Lake]) -> None:
    lake = a_lake(a_world(), but=("faults",))
    with pytest.warns(FeatureWarning, match="the lake holds nothing of 'faults': 2 features without a value"):
        found = frame(
            lake,
            NOON,
            [1],
            features=[ASKED, "faults_open_age_25m", "faults_minutes_sum_40m_of_site"],
            workspace=CATALOG,
        )
    assert found.iloc[0].isna().tolist() == [False, True, True]


def test_an_empty_lake_knows_nobody_and_says_so(tmp_path: Path) -> None:
    with pytest.warns(FeatureWarning) as said:
        found = frame(Lake(tmp_path), "2025-01-01", features=["journey_phase_ask_count_30d", "profile_plan_last"])
    assert found.shape == (0, 2)
    assert any("heard of no customer by then" in str(w.message) for w in said)
    with pytest.warns(FeatureWarning) as said:
        assert frame(Lake(tmp_path), "2025-01-01", [1], features="profile_plan_last").isna().all(axis=None)
    assert [str(w.message) for w in said] == [
        "the lake holds nothing of 'profile': 1 feature without a value",
        "the lake has not heard of 1 of the customers asked for (1 pair): they have no history",
    ]


def test_a_truncated_file_is_named(a_lake: Callable[..., Lake]) -> None:
    lake = a_lake(a_world())
    (path,) = (lake.root / "data" / "journey").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(LakeError, match=path.name):
        frame(lake, NOON, features=ASKED, workspace=CATALOG)


def test_values_that_say_nothing_and_words_never_seen_before(known: History) -> None:
    odd = [ask("n", 1, 11, 11, value=float("nan"), topic="never seen before"), ask("m", 1, 12, 12, value=None)]
    found = frame(history(a_world(*odd)), NOON, [1], features=["journey_value_mean_25m", "journey_topic_last", ASKED])
    assert found.iloc[0].tolist() == [1.0, "never seen before", 3.0]
    nobodys = frame(known, NOON, [1], features=Feature("journey", "count", window="40m", where={"topic": "unheard of"}))
    assert nobodys.iloc[0, 0] == 0


def test_long_ago_nobody_is_known_and_long_after_only_the_last_is(known: History) -> None:
    with pytest.warns(FeatureWarning, match="heard of no customer by then"):
        assert len(frame(known, "1900-01-01", features=ASKED)) == 0
    assert frame(known, "1900-01-01", [1], features=ASKED).isna().all(axis=None)
    with pytest.warns(FeatureWarning, match="2 pairs after 1970-01-01T01:40:00"):
        late = frame(known, "9999-12-31", features=[ASKED, "journey_phase_use_since_last", "journey_value_last_25m"])
    assert late.isna().all(axis=None)
    since = Feature("journey", "since_last")
    with pytest.warns(FeatureWarning, match="where the lake ends"):
        assert frame(known, "9999-12-31", [1], features=since).iloc[0, 0] > 2e6


def objecting() -> History:
    feature = Feature("profile", "last", "consent_marketing")
    rule = Rule(feature.name, "is", 0.0)
    catalog = Catalog(CATALOG.key_types, CATALOG.links, FEATURES, (), objection=rule)
    said = Fact("no", 1, 15 * MINUTE, 15 * MINUTE, False, {"consent_marketing": False})
    world = a_world()
    return history(replace(world, facts={**world.facts, "profile": [said]}), catalog)


def test_who_objects_is_left_out_also_of_the_past_and_is_told_of_who_was_asked_for() -> None:
    known = objecting()
    for at in (14 * MINUTE, 20 * MINUTE):
        assert frame(known, at, features=ASKED).index.get_level_values("entity").tolist() == [2]
    with pytest.warns(FeatureWarning, match="1 pair left out because they object to profiling"):
        assert len(frame(known, NOON, [1, 2], features=ASKED)) == 1


def test_an_alias_is_said_to_be_one() -> None:
    merged = replace(CATALOG, links=(*CATALOG.links, replace(CATALOG.links[0], child="customer", back=None)))
    world = world_of([ask("a", 1, 10, 10), ask("b", 2, 12, 12)], [link("same", 2, 1, 15, 15)], links=merged.links)
    with pytest.warns(FeatureWarning, match="1 pair of a customer that another stands for by then"):
        found = frame(history(world, merged), NOON, [1, 2], features=ASKED)
    assert sorted(found[ASKED].tolist()) == [0, 2]
    assert len(frame(history(world, merged), NOON, features=ASKED)) == 1


def test_a_question_that_contradicts_itself_is_refused(known: History) -> None:
    pairs = pd.DataFrame({"entity": [1], "cutoff": [NOON]})
    for wrong in ({"cutoffs": NOON, "pairs": pairs}, {"pairs": pairs, "entities": [1]}, {}):
        with pytest.raises(AskedError, match="give cutoffs"):
            frame(known, **wrong)
    with pytest.raises(AskedError, match="a history has its catalogue already"):
        frame(known, NOON, workspace=CATALOG)
    with pytest.raises(AskedError, match="not of a str"):
        frame("lake", NOON)  # type: ignore[arg-type]


def test_a_description_says_what_is_declared() -> None:
    told = describe(CATALOG)
    assert told.index.tolist() == [f.name for f in FEATURES]
    share = told.loc["journey_phase_ask_share_among_channel_web_or_app_topic_billing_40m"]
    assert (share["where"], share["among"]) == ("phase is ask", "channel is web or app, topic is billing")
    bounded = told.loc["journey_value_from_0.1_below_1000000_value_mean_10m"]
    assert bounded["where"] == "value at least 0.1 and below 1000000"
    assert told.loc["faults_minutes_sum_40m_of_site", ["reach", "window", "unit"]].tolist() == [
        "of site",
        "40m",
        "minutes",
    ]
    assert told.loc["journey_topic_last", ["kind", "window", "reach"]].tolist() == ["category", "ever", "own"]
    assert told.loc["profile_consent_marketing_last", "kind"] == "flag"
    assert "missing" not in told
    assert set(describe(CATALOG, source="faults")["source"]) == {"faults"}
    assert len(describe(group="bills")) > 5
    for wrong in ({"group": "blls"}, {"source": "fautls"}):
        with pytest.raises(AskedError, match=r"there are: "):
            describe(**wrong)


def test_a_description_of_a_history_says_what_is_missing_and_what_is_said() -> None:
    known = history(a_world(ask("c", 2, 15, 15, value=4.0, topic="billing"), ask("d", 1, 9, 9, topic="billing")))
    names = ["journey_value_sum_25m", "journey_topic_last", "faults_minutes_mean_25m_of_site"]
    told = describe(known, names, cutoff=NOON)
    assert told.attrs == {"cutoff": 20 * MINUTE, "entities": 2}
    assert told.loc[names[0], ["missing", "mean", "min", "max"]].tolist() == [0, 3.5, 2, 5]
    assert told.loc[names[1], "most_frequent"] == "billing"
    assert told.loc[names[2], "missing"] == 1
    assert describe(known, names[:1], cutoff=NOON, entities=[2]).loc[names[0], "mean"] == 5
    assert describe(known, names).attrs["cutoff"] == 100 * MINUTE
    assert describe(objecting(), [ASKED], cutoff=NOON).attrs["entities"] == 1
    with pytest.raises(AskedError, match="a catalogue has no values"):
        describe(CATALOG, cutoff=NOON)
