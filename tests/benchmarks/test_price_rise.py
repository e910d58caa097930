"""In a surge the newest forecasts of the hazard are better than those of one booster per horizon.

`pytest -m slow -s tests/benchmarks/test_price_rise.py` prints the figures; ``BENCHMARK_CUSTOMERS`` sets the size.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.benchmarks.price_rise import QUICK, figures, risen, said
from training.fit import Settings
from training.peers import BOOSTER, OURS

CUSTOMERS, SEED = int(os.environ.get("BENCHMARK_CUSTOMERS", "6000")), 1


def answers(seed: int, hazard: float, booster: float) -> pd.DataFrame:
    """Two rows of each of a thousand customers: each model's log-odds are off by so much."""
    truth = np.random.default_rng(seed).beta(1, 20, 2_000)
    odds = truth / (1 - truth)
    said = {name: odds * np.exp(off) / (1 + odds * np.exp(off)) for name, off in ((OURS, hazard), (BOOSTER, booster))}
    return pd.DataFrame({"entity": np.arange(2_000) // 2, "at": 0, "horizon": 30, "truth": truth, **said})


def test_the_one_at_the_right_level_is_found_better_and_ranks_alike() -> None:
    found = figures([answers(1, 0.0, -0.5), answers(2, 0.0, -0.5)], draws=50).set_index("figure")
    assert found.loc[["log_loss", "off"], "low"].min() > 0
    assert found.loc["log_loss", OURS] == pytest.approx(0)
    assert found.loc["observed_expected", [OURS, BOOSTER]].to_list() == pytest.approx([1, np.exp(0.5)], rel=0.1)
    assert found.loc["auc", "better"] == pytest.approx(0)


def test_equal_models_are_not_found_different() -> None:
    found = figures([answers(1, -0.2, -0.2)], draws=50).set_index("figure")
    assert found.better.dropna().to_list() == found.low.dropna().to_list() == found.high.dropna().to_list() == [0] * 3


@pytest.mark.slow
def test_in_a_surge_the_hazard_is_nearer_the_truth_at_horizons_that_cannot_be_mature(tmp_path: Path) -> None:
    found = figures([said(risen(CUSTOMERS, SEED, keep=tmp_path), Settings(params=QUICK))])
    print(f"\n{found.round(4).to_string()}")
    late = found[found.horizon > 30].set_index(["horizon", "figure"]).better.unstack()
    assert (late.off > 0).all()
    assert (late.log_loss > 0).all()
