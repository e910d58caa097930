"""The feature engine against DuckDB, Polars and pandas, from the same Parquet files to the same matrix, in one run.

    python -m tests.benchmarks.features                      20 million facts of 200,000 customers
    python -m tests.benchmarks.features --quick              one million of 10,000
    python -m tests.benchmarks.features --hundred            100 million besides: what memory that needs

Prints a table and writes ``.tieline/bench/features.json``. Every side runs in turn, each time in a process of its own,
and the best of its runs counts; an answer that differs from ours ends the benchmark. See docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.benchmarks.feature_asked import FORTY, NAMES, differing
from tests.benchmarks.feature_facts import CUTOFFS, Size, bench_folder, ensure
from tests.benchmarks.feature_jobs import OURS, PANDAS, PEERS, Took, one_customer, run, start_seconds

MOST_FOR_PANDAS = 2_000_000
"""Facts: pandas is measured on as many at most, and nothing is inferred for more."""
HUNDRED = Size(100_000_000, 1_000_000)
HUNDRED_CUTOFFS = 3
PROGRESS = Console(stderr=True, highlight=False)
Best = dict[str, dict[int, Took]]
Figures = dict[str, object]


class DifferenceError(Exception):
    """A side of the benchmark computed something else than we did."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=20_000_000, help="journey facts (revisions come on top)")
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3, help="runs of every side; the best counts")
    parser.add_argument("--quick", action="store_true", help="a million facts of 10,000 customers, two rounds")
    parser.add_argument("--hundred", action="store_true", help="also 100 million facts of a million customers")
    asked = parser.parse_args()
    size, rounds = (Size(1_000_000, 10_000), 2) if asked.quick else (Size(asked.facts, asked.customers), asked.rounds)
    figures = measured(size, rounds)
    if asked.hundred:
        figures |= hundred()
    written(figures)


def measured(size: Size, rounds: int) -> Figures:
    """All figures but those of 100 million facts. Raises `DifferenceError`; makes the lakes it needs first."""
    half = ensure(Size(size.facts // 2, size.customers // 2, size.seed))
    small = _few(size)
    ensure(small)
    ensure(size)
    load = os.getloadavg()[0]
    compare(size, [*OURS, *PEERS])
    compare(small, [*OURS, *PANDAS])
    best = alternating(size, [*OURS, *PEERS], (9, 1), rounds)
    halves = alternating(half, list(OURS), (9,), rounds)
    pandas = alternating(small, ["ours", *PANDAS], (9, 1), rounds)
    parts = {job: min(run(job, size, 1).seconds for _ in range(rounds)) for job in ("read columns", "derive reach")}
    compiling, loading = start_seconds()
    one = one_customer()
    return {
        **ratios(best, ""),
        **{f"{name}_links_derived": value for name, value in ratios(best, ", links derived").items()},
        "speedup_9_cutoffs_plain": _peer(best, 9, plain=True) / best["ours"][9].seconds,
        "speedup_1_cutoff_plain": _peer(best, 1, plain=True) / best["ours"][1].seconds,
        "growth_10m_to_20m": best["ours"][9].seconds / halves["ours"][9].seconds,
        "kernel_us_one_customer": one["kernel_us"],
        "vector_us_one_customer": one["vector_us"],
        "facts_pandas": small.facts,
        **{f"speedup_{k}_over_pandas": pandas["pandas"][k].seconds / pandas["ours"][k].seconds for k in (9, 1)},
        "seconds_read_columns": parts["read columns"],
        "seconds_derive_reach": parts["derive reach"],
        "seconds_start_compiling": compiling,
        "seconds_start_compiled": loading,
        "runs": _raw(best),
        "runs_half_the_facts": _raw(halves),
        "runs_pandas": _raw(pandas),
        "facts": size.facts, "customers": size.customers, "features": len(NAMES), "rounds": rounds,
        "catalogue": one["features"],
        "machine": {
            "processors": os.cpu_count(), "processor": platform.processor() or platform.machine(),
            "load_before": load, "load_after": os.getloadavg()[0], "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "numba", "pandas", "pyarrow", "duckdb", "polars")},
        },
    }  # fmt: skip


def compare(size: Size, sides: list[str]) -> None:
    """Every side's answer at nine cutoffs beside the first one's. Raises `DifferenceError` naming side and features."""
    with TemporaryDirectory(dir=bench_folder()) as folder:
        kept = Path(folder) / "answer.npy"
        run(sides[0], size, len(CUTOFFS), kept)
        ours = np.load(kept)
        if np.isnan(ours).any() or not ours.any(axis=(0, 1)).all():
            raise DifferenceError(f"{sides[0]}: values are missing, or a feature is always 0: nothing to compare")
        for side in sides[1:]:
            run(side, size, len(CUTOFFS), kept)
            PROGRESS.print(f"{size.facts:,} facts: {side} beside {sides[0]}")
            if found := differing(ours, np.load(kept)):
                raise DifferenceError(f"{side} differs from {sides[0]} in {found} of {ours[..., 0].size:,} values")


def alternating(size: Size, sides: list[str], cutoffs: tuple[int, ...], rounds: int) -> Best:
    """The best run of every side for each number of cutoffs, one side after the other in every round."""
    runs: dict[tuple[str, int], list[Took]] = {}
    for number in range(rounds):
        for k in cutoffs:
            for side in sides:
                took = run(side, size, k)
                runs.setdefault((side, k), []).append(took)
                PROGRESS.print(f"{size.facts:,} facts, round {number + 1}, {k} cutoffs, {side}: {took.seconds:.2f} s")
    return {side: {k: min(runs[side, k], key=lambda took: took.seconds) for k in cutoffs} for side in sides}


def ratios(best: Best, links: str) -> dict[str, float]:
    """How much faster than the fastest of all peers we are, and how our cost grows with the cutoffs."""
    ours = best[f"ours{links}"]
    return {
        "speedup_9_cutoffs": _peer(best, 9) / ours[9].seconds,
        "speedup_1_cutoff": _peer(best, 1) / ours[1].seconds,
        "growth_1_to_9_cutoffs": ours[9].seconds / ours[1].seconds,
        "speedup_9_cutoffs_processor": min(best[side][9].cpu_seconds for side in PEERS) / ours[9].cpu_seconds,
    }


def hundred() -> Figures:
    """100 million facts of a million customers, 40 features, 3 cutoffs: seconds and the most memory ever held."""
    ensure(HUNDRED)
    took = run("forty features", HUNDRED, HUNDRED_CUTOFFS)
    return {f"{name}_100m": value for name, value in asdict(took).items()} | {"features_100m": len(FORTY)}


def written(figures: Figures) -> None:
    """Print the table and the ratios, and write everything to ``.tieline/bench/features.json``."""
    path = bench_folder() / "features.json"
    path.write_text(json.dumps(figures, indent=1))
    console = Console(width=100)
    what = "{facts:,} facts, {customers:,} customers, {features} features".format_map(figures)
    table = Table("side", title=what, caption="seconds on the clock, of all processors; peak memory in GB")
    for column in ("9 cutoffs", "CPU", "GB", "1 cutoff", "CPU", "GB"):
        table.add_column(column, justify="right")
    runs = figures["runs"]
    assert isinstance(runs, dict)
    for side, took in runs.items():
        table.add_row(side, *(f"{took[k][n]:.2f}" for k in ("9", "1") for n in ("seconds", "cpu_seconds", "peak_gb")))
    console.print(table)
    for name, value in figures.items():
        if isinstance(value, int | float):
            console.print(f"{name:40} {value:,.2f}" if isinstance(value, float) else f"{name:40} {value:,}")
    console.print(f"written to {path}")


def _few(size: Size) -> Size:
    """As much of the same as pandas is given."""
    share = max(1, size.facts // MOST_FOR_PANDAS)
    return Size(size.facts // share, size.customers // share, size.seed)


def _peer(best: Best, cutoffs: int, plain: bool = False) -> float:
    """Seconds of the fastest peer; ``plain``: of those that are written as one would, without tricks."""
    return min(best[side][cutoffs].seconds for side in PEERS if side.endswith("plain") or not plain)


def _raw(best: Best) -> dict[str, dict[str, dict[str, float]]]:
    return {side: {str(k): asdict(took) for k, took in runs.items()} for side, runs in best.items()}


if __name__ == "__main__":
    main()
