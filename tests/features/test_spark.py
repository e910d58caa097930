"""Spark gives the bits of batch: all of the catalogue on a small operator, and random lakes; and it tidies up."""

import os
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import World
from private_operator import Operator, operator
from world_lakes import arrivals, in_order, side_by_side, united, write
from worlds import CATALOG as WORLD_CATALOG
from worlds import FEATURES, MINUTE, cutoffs, worlds

pytest.importorskip("pyspark", reason="needs the extra spark: pip install 'tieline[spark]'")
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    pytest.skip("needs Java: neither java on the PATH nor JAVA_HOME", allow_module_level=True)

from features import spark
from features.buckets import labelled
from features.catalog import CATALOG
from features.history import History

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
]
HOUR = 3_600_000_000


@pytest.fixture(scope="module")
def session():
    """Two tasks at a time; a session zone with odd offsets and summer time, in which no instant may move."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")  # compiling less starts sooner
        patch.delenv("PYSPARK_PYTHON", raising=False)
        with spark.session("local[2]") as started:
            started.sparkContext.setLogLevel("ERROR")
            started.conf.set("spark.sql.session.timeZone", "Australia/Lord_Howe")
            yield started


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Operator:
    return operator(tmp_path_factory.mktemp("operator"))


def pandas(table: pa.Table):
    """A frame as `spark.Dealt.frames` gives it, of what `DataFrame.toArrow` gives."""
    words = [table.schema.get_field_index(f.name) for f in table.schema if pa.types.is_string(f.type)]
    for place in words:
        table = table.set_column(place, table.schema.field(place).name, table.column(place).dictionary_encode())
    return table.to_pandas()


def test_the_whole_catalogue_of_an_operator_has_the_bits_of_batch(session, small, tmp_path):
    history, told = small.history(), []
    who = np.append(history.entities_of["customer"], 99)
    cuts = history.end - 30 * 24 * HOUR * np.arange(3) - np.array([0, 1, 17 * HOUR + 1])
    entities, cuts = np.repeat(who, 3), np.tile(cuts, len(who))
    entities, cuts = np.append(entities, entities[0]), np.append(cuts, cuts[0])
    batch = in_order([labelled(entities, cuts, history.frame("customer", entities, cuts, CATALOG.features))])
    asked = (small.lake, CATALOG, "customer", entities, cuts, CATALOG.features)
    with spark.dealt(session, *asked, folder=tmp_path / "spill", buckets=3, tasks=2, progress=told.append) as dealt:
        frames = list(dealt.frames())
        assert in_order([pandas(dealt.frame().toArrow())]).equals(batch)
        dealt.frame().write.parquet((tmp_path / "written").as_uri())
    assert in_order(frames).equals(batch)
    assert in_order([pandas(pq.read_table(tmp_path / "written"))]).equals(batch)
    assert not (tmp_path / "spill").exists()
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].done == told[-1].pairs == len(entities)


@settings(max_examples=3)
@given(
    several=st.lists(worlds(), min_size=4, max_size=4),
    arrival=arrivals,
    kind=st.sampled_from(["customer", "line"]),
    at=st.lists(cutoffs, min_size=2, max_size=3),
)
def test_random_lakes_have_the_bits_of_batch(session, tmp_path_factory, several: list[World], arrival, kind, at):
    folder = tmp_path_factory.mktemp("world")
    lake = write(united(side_by_side(several)), folder / "lake", arrival)
    history = History.load(lake, WORLD_CATALOG)
    who = history.entities_of[kind]
    entities, cuts = np.repeat(who, len(at)), np.tile(at, len(who))
    batch = in_order([labelled(entities, cuts, history.frame(kind, entities, cuts, FEATURES))])
    with spark.dealt(session, lake, WORLD_CATALOG, kind, entities, cuts, FEATURES, folder=folder / "spill") as dealt:
        assert in_order(dealt.frames()).equals(batch)


@pytest.fixture
def few(tmp_path):
    """A call of `spark.dealt` about two pairs of a lake without a fact, in a folder that is there already."""
    world = united(side_by_side([World({}, [], {1: "customer", 2: "customer"}, (), {})]))
    (tmp_path / "spill").mkdir()
    lake = write(world, tmp_path / "lake", (0, "never"))
    return lake, WORLD_CATALOG, "customer", np.array([1, 2]), np.array([MINUTE, MINUTE]), FEATURES[:2]


def test_a_folder_that_holds_something_is_refused_and_left_as_it_is(session, few, tmp_path):
    (tmp_path / "spill" / "theirs").write_text("kept")
    with pytest.raises(spark.SparkError, match="is not empty"):
        spark.dealt(session, *few, folder=tmp_path / "spill").__enter__()
    assert (tmp_path / "spill" / "theirs").read_text() == "kept"


def test_rows_an_executor_does_not_see_are_an_error_and_not_a_smaller_count(session, small, tmp_path):
    entities = small.history().entities_of["customer"]
    cuts = np.full(len(entities), small.history().end)
    asked = (small.lake, CATALOG, "customer", entities, cuts, CATALOG.features[:20])
    with spark.dealt(session, *asked, folder=tmp_path / "spill") as dealt:
        next((tmp_path / "spill").rglob("rows/*/*.parquet")).unlink()
        with pytest.raises(
            spark.SparkError, match=r"sees \d+ of the \d+ rows of bucket \d in .*: give a folder all share"
        ):
            list(dealt.frames())


def test_the_folder_is_emptied_when_the_driver_fails(session, few, tmp_path):
    def failing():
        with spark.dealt(session, *few, folder=tmp_path / "spill"):
            assert any((tmp_path / "spill").iterdir())
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert list((tmp_path / "spill").iterdir()) == []


def test_an_active_session_is_used_only_with_the_master_that_is_asked_for(session):
    with spark.session("local[2]") as same:
        assert same is session
    assert session.range(3).count() == 3
    with pytest.raises(spark.SparkError, match=r"local\[2\] is active"):
        spark.session("local[4]").__enter__()
