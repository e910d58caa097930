"""The benchmark's own ground: the lake is what it says, every peer answers as we do, and a wrong answer is noticed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.benchmarks.feature_asked import NAMES, differing, laid_out
from tests.benchmarks.feature_facts import CUTOFFS, Size, customers_of, ensure
from tests.benchmarks.feature_jobs import OURS, PANDAS, PEERS
from tests.benchmarks.feature_ours import with_links


@pytest.fixture(scope="module")
def size(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Size]:
    """A lake of its own, in the folder benchmarks would use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIELINE_HOME", str(tmp_path_factory.mktemp("home")))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        small = Size(40_000, 400)
        yield ensure(small)


def test_customers_have_two_and_a_half_keys_and_hear_late_of_one_in_five(size: Size) -> None:
    links = pq.read_table(size.links).to_pandas()
    assert links.groupby("customer")["key"].nunique().mean() == pytest.approx(2.5, abs=0.01)
    journey = pd.concat([pd.read_parquet(path, columns=["key_id", "at"]) for path in size.journey()])
    first = journey.groupby("key_id")["at"].min()
    others = links[links["customer"] != links["key"]].sort_values("known_from").drop_duplicates("key")
    wait = others["known_from"] - others["key"].map(first)
    assert 0.15 < (wait > pd.Timedelta("10D")).mean() < 0.25
    assert wait.max() < pd.Timedelta("150D")
    assert (links["at_to"].dt.year < 2100).any()
    assert (links["at_from"].dt.year > 2000).any()


def test_facts_are_known_late_and_revised(size: Size) -> None:
    journey = pd.concat([pd.read_parquet(path) for path in size.journey()])
    delay = journey["known_at"] - journey["at"]
    revised = journey["until"].notna()
    assert (journey.groupby("id")["known_at"].min() >= journey.groupby("id")["at"].min()).all()
    assert (delay[~journey["again"]] < pd.Timedelta("2D")).all()
    assert 0.005 < revised.sum() / size.facts < 0.015
    assert size.facts < len(journey) < 1.01 * size.facts, "one revision in ten withdraws its fact"


@pytest.mark.parametrize("cutoffs", [9, 1])
def test_every_side_gives_the_same_values(size: Size, cutoffs: int) -> None:
    customers, asked = customers_of(size), CUTOFFS[-cutoffs:]
    ours = with_links(size, asked).to_numpy().reshape(cutoffs, len(customers), len(NAMES))
    assert ours.any(axis=(0, 1)).all()
    derived = OURS["ours, links derived"](size, asked).to_numpy().reshape(ours.shape)
    np.testing.assert_array_equal(derived, ours)
    for name, side in (PEERS | PANDAS).items():
        assert differing(ours, laid_out(side(size, asked), customers, asked)) == {}, name


def test_a_wrong_answer_is_noticed(size: Size) -> None:
    customers, asked = customers_of(size), CUTOFFS[-2:]
    answer = PEERS["duckdb"](size, asked)
    right = laid_out(answer, customers, asked)
    wrong = right.copy()
    wrong[:, 7, 0] += 1
    wrong[0, 7, 6] *= 1.001
    wrong[0, 8, 6] *= 1 + 1e-7
    assert right[0, 7, 6] > 0
    assert differing(right, wrong) == {NAMES[0]: 2, NAMES[6]: 1}
    with pytest.raises(ValueError, match="twice"):
        laid_out(answer.take([0, *range(len(answer))]), customers, asked)


def test_a_lake_is_made_once(size: Size) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(size.folder).rglob("*.parquet")}
    ensure(size)
    assert {path: path.stat().st_mtime_ns for path in Path(size.folder).rglob("*.parquet")} == before
