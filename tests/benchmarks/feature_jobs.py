"""One measured piece of work in a process of its own: what it took, and the most memory the process ever had.

``python -m tests.benchmarks.feature_jobs JOB FACTS CUSTOMERS SEED CUTOFFS [KEPT.npy]`` prints `Took` as JSON. The clock
starts when everything is imported, and stops when the answer is there; laying it out for comparison is not counted.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.declare import Catalog
from features.history import History
from tests.benchmarks import feature_duckdb, feature_ours, feature_pandas, feature_polars
from tests.benchmarks.feature_asked import READ, laid_out
from tests.benchmarks.feature_facts import CUTOFFS, KEY_TYPES, LINKS, Size, customers_of

OURS = {"ours": feature_ours.with_links, "ours, links derived": feature_ours.from_evidence}
PEERS = {
    "polars": feature_polars.tuned,
    "polars, plain": feature_polars.plain,
    "duckdb": feature_duckdb.tuned,
    "duckdb, plain": feature_duckdb.plain,
}
PANDAS = {"pandas": feature_pandas.plain}


@dataclass(frozen=True)
class Took:
    """Seconds on the clock and of all processors together, and the process's peak memory in gigabytes (10^9)."""

    seconds: float
    cpu_seconds: float
    peak_gb: float


def read_columns(size: Size, cutoffs: np.ndarray) -> int:
    """The same columns merely read from the same files by PyArrow; how many rows they have."""
    tables = [pq.read_table(p, columns=list(READ), read_dictionary=["phase", "channel"]) for p in size.journey()]
    return sum(table.num_rows for table in tables)


def derive_reach(size: Size, cutoffs: np.ndarray) -> int:
    """Evidence and keys read, and everybody's reach derived from them; how many rectangles."""
    return len(History.load(size.lake, Catalog(KEY_TYPES, LINKS, (), ())).reach("customer").entity)


JOBS: dict[str, Callable[[Size, np.ndarray], object]] = {
    **OURS,
    **PEERS,
    **PANDAS,
    "forty features": feature_ours.forty,
    "read columns": read_columns,
    "derive reach": derive_reach,
}


def run(job: str, size: Size, cutoffs: int, kept: Path | None = None) -> Took:
    """A job over the last ``cutoffs`` cutoffs in a process of its own; its answer, laid out, goes to ``kept``.

    Raises `subprocess.CalledProcessError` when it fails; what it says goes to our standard error.
    """
    said = [job, size.facts, size.customers, size.seed, cutoffs, *([kept] if kept else [])]
    return Took(**json.loads(_python("-m", "tests.benchmarks.feature_jobs", *map(str, said))))


def start_seconds() -> tuple[float, float]:
    """From nothing to the first vector of one customer: compiling the kernel, and with what an earlier start left."""
    with TemporaryDirectory() as cache:
        took = []
        for _ in range(3):
            begun = time.perf_counter()
            _python("-m", "tests.benchmarks.feature_one", "--first", NUMBA_CACHE_DIR=cache)
            took.append(time.perf_counter() - begun)
    return took[0], min(took[1:])


def one_customer() -> dict[str, float]:
    """What `feature_one` prints, measured in a process of its own."""
    return dict(json.loads(_python("-m", "tests.benchmarks.feature_one")))


def _python(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=os.environ | variables, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def _peak_gb() -> float:
    """The most memory this process ever had, in 10^9 bytes.

    Linux counts the parent's peak into ``ru_maxrss`` of what it starts, so that is asked only where there is no /proc.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024 / 1e9


def _kept(answer: pa.Table | pd.DataFrame, size: Size, cutoffs: np.ndarray) -> np.ndarray:
    customers = customers_of(size)
    if isinstance(answer, pd.DataFrame):
        return answer.to_numpy(np.float32).reshape(len(cutoffs), len(customers), -1)
    return laid_out(answer, customers, cutoffs)


def main() -> None:
    """Do one job and say what it took."""
    job, facts, customers, seed, cutoffs, *kept = sys.argv[1:]
    size, asked = Size(int(facts), int(customers), int(seed)), CUTOFFS[-int(cutoffs) :]
    before, begun = os.times(), time.perf_counter()
    answer = JOBS[job](size, asked)
    seconds, after = time.perf_counter() - begun, os.times()
    peak = _peak_gb()
    for path in kept:
        np.save(path, _kept(answer, size, asked))
    cpu = after.user + after.system - before.user - before.system
    print(json.dumps(asdict(Took(seconds, cpu, peak))))


if __name__ == "__main__":
    main()
