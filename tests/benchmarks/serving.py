"""Our decisions against an endpoint that answers everybody the same, and ``mlflow models serve``, in one run.

    python -m tests.benchmarks.serving                 20,000 customers asked about, five rounds
    python -m tests.benchmarks.serving --quick         800, two rounds: figures of no weight
    python -m tests.benchmarks.serving --rounds 9 --requests 20000

Prints a table and writes ``.tieline/bench/serving.json``. Every server is a process of its own and so is the caller;
they share this machine's processors. Sides take turns in every round, medians of rounds count. See docs/benchmarks.md.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from serving.live import schema
from serving.live.open import open_store
from tests.benchmarks import serving_asked, serving_sides
from tests.benchmarks.feature_facts import bench_folder
from tests.benchmarks.serving_disk import fdatasync_seconds
from tests.benchmarks.serving_operator import PROGRESS, ROOT, SMALL, Bench, Size, copied, ensure
from tests.benchmarks.serving_sides import PATH, Side
from tests.benchmarks.serving_stages import Look, look

MEMORY_DISK = Path("/dev/shm")
OURS, MEMORY, CONSTANT, BYTES, MLFLOW = "ours", "ours_not_durable", "constant", "constant_bytes", "mlflow"
CONNECTIONS = (1, 16)
WARM = 2_000
Figures = dict[str, object]


@dataclass(frozen=True)
class Run:
    """One side, one number of connections, one round. Microseconds; ``cpu_us``: of the server's processes."""

    p50: float
    p99: float
    mean: float
    a_second: float
    cpu_us: float
    caller_cpu_us: float
    bytes: float


class UnansweredError(Exception):
    """Something was not answered as asked, or answered and not written down."""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of all sides; medians count")
    parser.add_argument("--requests", type=int, default=10_000, help="of each side and number of connections a round")
    parser.add_argument("--quick", action="store_true", help="a small operator, two rounds of 1,000 requests")
    asked = parser.parse_args()
    figures = measured(SMALL, 2, 1_000) if asked.quick else measured(Size(), asked.rounds, asked.requests)
    written(figures)


def measured(size: Size, rounds: int, requests: int) -> Figures:
    """All figures. Raises `UnansweredError`; makes the operator first, where it is not there."""
    bench = ensure(size)
    load = os.getloadavg()[0]
    with TemporaryDirectory(dir=bench.folder, prefix="run-") as folder, sides(bench, Path(folder)) as found:
        warm(found)
        before = {side.name: look(side) for side in found if side.name in (OURS, MEMORY)}
        runs, stages, synced = alternating(found, rounds, requests, Path(folder))
        states = look(found[0]).less(before[OURS]).states
        memory = {side.name: side.rss() for side in found}
    return {
        **ratios(runs),
        **of_the_disk(runs, synced),
        "stages_us": {
            name: {f"connections_{c}": said.microseconds() for c, said in one.items()} for name, one in stages.items()
        },
        "match_states": states,
        "rss_bytes": memory,
        "runs": {name: {c: [vars(run) for run in some] for c, some in one.items()} for name, one in runs.items()},
        "rounds": rounds, "requests": requests,
        "operator": bench.made,
        "machine": {
            "processors": os.cpu_count(), "processor": platform.processor() or platform.machine(),
            "load_before": load, "load_after": os.getloadavg()[0], "python": platform.python_version(),
            **{name: version(name) for name in ("fastapi", "starlette", "uvicorn", "pydantic", "mlflow", "numba")},
            "http": _http(),
        },
    }  # fmt: skip


@contextmanager
def sides(bench: Bench, folder: Path) -> Iterator[list[Side]]:
    """All servers, ready; when they have stopped, every decision that was answered is looked for in the store."""
    bodies = serving_asked.write(serving_asked.decisions(bench.people), folder / "bodies.jsonl")
    ready = serving_asked.write(serving_asked.vectors(bench), folder / "vectors.jsonl")
    key = serving_sides.new_key(bench)
    store = copied(bench, folder)
    with ExitStack() as stack:
        enter = stack.enter_context
        ours = enter(serving_sides.ours(bench, OURS, f"sqlite:///{store}", folder, bodies, key))
        answer = typical_answer(ours, folder / "answer.json")
        found = [ours]
        if MEMORY_DISK.is_dir() and shutil.disk_usage(MEMORY_DISK).free > 3 * bench.loaded.stat().st_size:
            quick = copied(bench, Path(enter(TemporaryDirectory(dir=MEMORY_DISK, prefix="tieline-bench-"))))
            found.append(enter(serving_sides.ours(bench, MEMORY, f"sqlite:///{quick}", folder, bodies, key)))
        for name, how in ((CONSTANT, "model"), (BYTES, "bytes")):
            found.append(enter(serving_sides.constant(name, how, answer, folder, bodies, ours.headers)))
        found.append(enter(serving_sides.mlflow(bench, folder, ready)))
        yield found
        answered = sum(look(ours).states.values())
    live = open_store(f"sqlite:///{store}")
    try:
        with live.engine.connect() as core:
            journalled = core.execute(select(func.count()).select_from(schema.DECISIONS)).scalar_one()
    finally:
        live.close()
    if journalled < answered:
        raise UnansweredError(f"{answered:,.0f} decisions were answered, and {journalled:,} are written down")


def typical_answer(side: Side, path: Path) -> Path:
    """The answer of middling length among some."""
    headers = dict(line.split(": ", 1) for line in side.headers) | {"Content-Type": "application/json"}
    with httpx.Client(base_url=f"http://127.0.0.1:{side.port}", headers=headers, trust_env=False) as client:
        lines = side.bodies.read_bytes().splitlines()[:301]
        answers = sorted((client.post(PATH, content=line).raise_for_status().content for line in lines), key=len)
    path.write_bytes(answers[len(answers) // 2])
    return path


def warm(found: Sequence[Side]) -> None:
    """Ask everybody enough, that nothing is met for the first time."""
    with TemporaryDirectory() as folder:
        for side in found:
            for connections in CONNECTIONS:
                one(side, connections, WARM if side.name != MLFLOW else 50, 0, Path(folder))


def alternating(
    found: Sequence[Side], rounds: int, requests: int, folder: Path
) -> tuple[dict[str, dict[int, list[Run]]], dict[str, dict[int, Look]], np.ndarray]:
    """(runs by side and connections, what our services' stages took, seconds of each fdatasync)."""
    runs: dict[str, dict[int, list[Run]]] = {side.name: {c: [] for c in CONNECTIONS} for side in found}
    stages = {side.name: {c: Look() for c in CONNECTIONS} for side in found if side.name in (OURS, MEMORY)}
    synced = []
    for number in range(rounds):
        synced.append(fdatasync_seconds(folder))
        turn = found[number % len(found) :] + found[: number % len(found)]
        for connections in CONNECTIONS:
            for side in turn:
                before = look(side) if side.name in stages else Look()
                count = max(requests // 50, 100) if side.name == MLFLOW else requests
                run = one(side, connections, count, number * requests, folder)
                runs[side.name][connections].append(run)
                if side.name in stages:
                    stages[side.name][connections] = stages[side.name][connections].plus(look(side).less(before))
                PROGRESS.print(
                    f"round {number + 1}, {connections:2} connections, {side.name:16} p50 {run.p50:8,.0f} us, "
                    f"p99 {run.p99:8,.0f} us, {run.a_second:8,.0f} a second, server {run.cpu_us:7,.0f} us"
                )
        synced.append(fdatasync_seconds(folder))
    return runs, stages, np.concatenate(synced)


def one(side: Side, connections: int, count: int, first: int, folder: Path) -> Run:
    """A caller in a process of its own sends so many requests. Raises `UnansweredError` for any answer but 200."""
    kept = folder / "times.f64"
    given = (side.port, connections, count, first, side.path, side.bodies, kept, *side.headers)
    before = side.cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.serving_load", *map(str, given)],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    cpu = side.cpu_seconds() - before
    said, took = json.loads(done.stdout), np.fromfile(kept) * 1e6
    if said["statuses"] != {"200": count}:
        raise UnansweredError(f"{side.name} was asked {count:,} times and answered {said['statuses']}")
    p50, p99 = np.quantile(took, (0.5, 0.99)).tolist()
    per = 1e6 / count
    return Run(
        p50,
        p99,
        float(took.mean()),
        count / said["seconds"],
        cpu * per,
        said["cpu_seconds"] * per,
        said["bytes"] / count,
    )


def ratios(runs: dict[str, dict[int, list[Run]]]) -> Figures:
    """What the bars ask for; the same with the least the framework can do, and with a store that is not durable."""

    def mid(side: str, connections: int, name: str) -> float:
        return float(np.median([getattr(run, name) for run in runs[side][connections]]))

    def against(side: str, peer: str) -> dict[str, float]:
        return {
            "p50_ratio": mid(side, 1, "p50") / mid(peer, 1, "p50"),
            "p99_ratio": mid(side, 1, "p99") / mid(peer, 1, "p99"),
            "throughput_share_16": mid(side, 16, "a_second") / mid(peer, 16, "a_second"),
            "server_cpu_ratio": mid(side, 16, "cpu_us") / mid(peer, 16, "cpu_us"),
        }

    found: Figures = {**against(OURS, CONSTANT)}
    fastest = max(mid(MLFLOW, c, "a_second") for c in CONNECTIONS)
    found["throughput_vs_mlflow"] = mid(OURS, 16, "a_second") / fastest
    found |= {f"{name}_to_bytes": value for name, value in against(OURS, BYTES).items()}
    if MEMORY in runs:
        found |= {f"{name}_not_durable": value for name, value in against(MEMORY, CONSTANT).items()}
    for side, by_connections in runs.items():
        for c in by_connections:
            found |= {f"{side}_{c}_{name}": mid(side, c, name) for name in ("p50", "p99", "a_second", "cpu_us")}
    pairs = zip(runs[OURS][1], runs[CONSTANT][1], strict=True)
    found["p50_ratio_of_rounds"] = [ours.p50 / constant.p50 for ours, constant in pairs]
    return found


def _http() -> list[str]:
    """Which of the libraries uvicorn picks by itself are there; the same for all sides."""
    return [name for name in ("uvloop", "httptools", "h11") if find_spec(name)]


def of_the_disk(runs: dict[str, dict[int, list[Run]]], synced: np.ndarray) -> Figures:
    """fdatasync by itself, and what it is of a decision over one connection."""
    ours = float(np.median([run.p50 for run in runs[OURS][1]]))
    p50, p99 = np.quantile(synced * 1e6, (0.5, 0.99)).tolist()
    return {"fdatasync_us_p50": p50, "fdatasync_us_p99": p99, "fdatasync_share_of_p50": p50 / ours}


def written(figures: Figures, name: str = "serving.json") -> None:
    """Print the table and the ratios, and write everything under ``.tieline/bench``."""
    path = bench_folder() / name
    path.write_text(json.dumps(figures, indent=1))
    console = Console(width=120)
    table = Table("side", "connections", caption="medians of rounds; server: processor time of a request")
    for column in ("p50 us", "p99 us", "a second", "server us"):
        table.add_column(column, justify="right")
    runs = figures["runs"]
    assert isinstance(runs, dict)
    for side, by_connections in runs.items():
        for c in by_connections:
            row = [figures[f"{side}_{c}_{n}"] for n in ("p50", "p99", "a_second", "cpu_us")]
            table.add_row(side, str(c), *(f"{value:,.0f}" for value in row))
    console.print(table)
    for key, value in figures.items():
        if isinstance(value, float) and not key.startswith(tuple(runs)):
            console.print(f"{key:40} {value:,.3f}")
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
