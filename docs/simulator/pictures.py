"""Draw the pictures of `docs/simulator.md` and print its table of rates, from one simulated operator.

python docs/simulator/pictures.py --customers 8000 --months 18 --seed 7
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import decided
import network
import one_life
import pandas as pd
import people
import rates
import style
from history import BEGIN, History, lived
from matplotlib.figure import Figure

from features.simulator import scenario_named
from features.simulator.truth import Operator, effects, futures

HERE = Path(__file__).parent
PAGE = HERE.parent / "simulator.md"
TABLE = ("<!-- rates: written by docs/simulator/pictures.py -->", "<!-- end of rates -->")
ASKED_ABOUT, ACTED_ON = (1, 3, 5, 7, 9, 11, 13, 15), 5
"""After how many months the truth is asked for; after how many the effects are."""

FUTURES, ARMS, ARMS_SHARE = 12, 24, 0.15
"""Replays of futures and of effects, and for which share of the accounts the effects."""


def main() -> None:
    """Simulate, measure, draw."""
    asked, began = _arguments(), time.monotonic()
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        operator = Operator(asked.customers, asked.months, asked.seed, scenario=scenario_named(asked.scenario))
        story = pool.submit(lived, asked.customers, asked.months, asked.seed, operator.scenario)
        tables = pool.submit(_chances, operator), pool.submit(_effects, operator)
        history, (chances, acted) = story.result(), (table.result() for table in tables)
    style.use()
    for name, figure in _pictures(history, chances, acted).items():
        style.save(figure, asked.out / f"{name}.png")
    table = rates.markdown(rates.measured(history))
    _write_table(asked.page, table)
    sys.stdout.write(f"{table}\n\n{asked.customers:,} customers, {asked.months} months, seed {asked.seed}, ")
    sys.stdout.write(f"scenario {asked.scenario}: {time.monotonic() - began:.0f} s\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--customers", type=int, default=8_000)
    parser.add_argument("--months", type=int, default=18, help="at least 18: the pictures span a year and a half")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the pictures")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose table is replaced")
    asked = parser.parse_args()
    if asked.months < 18:
        parser.error("--months must be at least 18")
    return asked


def _chances(operator: Operator) -> pd.DataFrame:
    cutoffs = [(BEGIN + pd.DateOffset(months=month)).to_pydatetime() for month in ASKED_ABOUT]
    return futures(operator, cutoffs, replays=FUTURES, horizons=(decided.HORIZON,)).to_pandas()


def _effects(operator: Operator) -> pd.DataFrame:
    """On a shorter run: a longer one begins with the same days."""
    short = Operator(operator.customers, ACTED_ON + 1, operator.seed, scenario=operator.scenario)
    cutoff = (BEGIN + pd.DateOffset(months=ACTED_ON)).to_pydatetime()
    return effects(short, [cutoff], replays=ARMS, horizons=(decided.HORIZON,), share=ARMS_SHARE).to_pandas()


def _pictures(history: History, chances: pd.DataFrame, acted: pd.DataFrame) -> dict[str, Figure]:
    return {
        "churn": people.churn_by_month(history),
        "hazards": people.hazards(history),
        "survival": people.survival(history),
        "outages": network.outages(history),
        "repeats": network.repeats(history),
        "season": network.season(history),
        "journey": one_life.journey(history),
        "decisions": decided.decisions(history),
        "keys": decided.keys(history),
        "effects": decided.effects(acted),
        "calibration": decided.calibration(chances, history.customers.account),
    }


def _write_table(page: Path, table: str) -> None:
    """Replace what stands between the marks; raises `ValueError` where they are missing."""
    before, mark, rest = page.read_text().partition(TABLE[0])
    _, end, after = rest.partition(TABLE[1])
    if not (mark and end):
        raise ValueError(f"{page} has no place for the table: it needs the lines {TABLE[0]} and {TABLE[1]}")
    page.write_text(f"{before}{mark}\n\n{table}\n\n{end}{after}")


if __name__ == "__main__":
    main()
