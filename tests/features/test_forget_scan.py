"""The bar: a decoded scan of a whole home finds a person before they are forgotten, and nothing of them after."""

import pandas as pd
import pyarrow as pa
import pytest
from forgotten_person import facts, forgotten, marks, number_of, refuse
from private_operator import Operator, operator

from features.catalog import CATALOG
from features.conditions import duration
from features.dataset import build
from features.privacy.person import needles
from features.privacy.scan import scan
from models.hazard import Params
from training import fit
from training.run import train
from training.track import track


@pytest.mark.slow
def test_a_scan_of_everything_finds_them_before_and_nothing_of_them_after(tmp_path):
    big = operator(tmp_path, 500, 9)
    person = big.moved.former
    _train(big)
    number = number_of(big, person)
    refuse(big, person, number, "mine")
    theirs = marks(big, person)
    ids = [i for rows in facts(big).values() for i in rows.filter(pa.array(theirs.strike(rows)))["id"].to_pylist()]
    wanted = [number, number.removeprefix("+"), *needles(big.lake, CATALOG, big.ring, "customer", person), *ids]
    wanted += [f"q{i}-mine" for i in (1, 2, 4)]
    leave_behind(big)
    found = scan(big.home, wanted)
    assert {i for i, n in enumerate(wanted) if isinstance(n, str) and n in ids} <= {f.needle for f in found}
    places = {f.path.split("/")[2] for f in found if f.path.startswith("lakes/")}
    assert places == {"data", "keys", "quarantine", "staging"}
    assert (big.home / "mlflow.db").is_file()
    others = [name for name in big.names["customer"] if name != person]
    features, before = big.frame(others), facts(big)
    assert forgotten(big, "msisdn", number).quarantined == 3
    assert scan(big.home, wanted) == ()
    pd.testing.assert_frame_equal(big.frame(others), features, check_exact=True)
    for name, rows in facts(big).items():
        assert rows.equals(before[name].filter(pa.array(~theirs.strike(before[name])))), name


def leave_behind(operator: Operator) -> None:
    """What a writer that was killed leaves: a staged batch of everything."""
    with operator.lake.stage("journey", operator.ring.generation) as staging:
        staging.add(operator.lake.read("journey").drop(["until"]), operator.lake.keys())
        staging.folder.rename(staging.folder.with_name("dead"))


def _train(operator: Operator) -> None:
    history = operator.history()
    middle = history.start + (history.end - history.start) * 2 // 3
    task = CATALOG.task("churn")
    data = build(history, task, history.start, middle, middle)
    test = build(history, task, middle, history.end - duration("1d"), history.end)
    settings = fit.Settings(params=Params(num_leaves=7, rounds=20, patience=5, folds=2, num_threads=1))
    store = f"sqlite:///{operator.home / 'mlflow.db'}"
    track(train(data, test, settings=settings), store, str(operator.home / "mlartifacts"), who="tests")
