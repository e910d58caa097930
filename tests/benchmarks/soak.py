"""A service at half of what it can do for half an hour: does its memory grow, does it fail, does it slow down?

    python -m tests.benchmarks.soak                 30 minutes, 20,000 customers
    python -m tests.benchmarks.soak --minutes 5
    python -m tests.benchmarks.soak --quick         a small operator, one minute

Decisions, events and outcomes mixed, over loopback, on a live store in a file. Writes ``.tieline/bench/soak.json`` and
``soak.png``. At the end what was acknowledged is looked for in the store.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib as mpl
import numpy as np
from rich.console import Console
from sqlalchemy import func, select

from serving.live import schema
from serving.live.open import open_store
from tests.benchmarks import serving_asked, serving_sides
from tests.benchmarks.feature_facts import bench_folder
from tests.benchmarks.serving_mixed import NAMES
from tests.benchmarks.serving_operator import PROGRESS, ROOT, SMALL, Bench, Size, copied, ensure
from tests.benchmarks.serving_sides import Side

mpl.use("Agg")
from matplotlib import pyplot as plt

CONNECTIONS = 16
CAPACITY_SECONDS = 20.0
_LOOK = 5.0
_RECORDS = np.dtype([("due", "<f8"), ("took", "<f8"), ("status", "<u2"), ("kind", "u1")])
Figures = dict[str, object]


class LostError(Exception):
    """Something that was acknowledged is not in the store."""


def main() -> None:
    """Soak, print, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--share", type=float, default=0.5, help="of what it can do, measured first")
    parser.add_argument("--quick", action="store_true", help="a small operator, one minute")
    asked = parser.parse_args()
    size, minutes = (SMALL, 1.0) if asked.quick else (Size(), asked.minutes)
    figures = soaked(ensure(size), minutes, asked.share)
    path = bench_folder() / "soak.json"
    path.write_text(json.dumps(figures, indent=1))
    draw(figures, path.with_suffix(".png"))
    console = Console(width=120)
    for name, value in figures.items():
        if not isinstance(value, list):
            console.print(f"{name:28} {value}")
    console.print(f"written to {path} and {path.with_suffix('.png')}")


def soaked(bench: Bench, minutes: float, share: float) -> Figures:
    """What was seen. Raises `LostError`."""
    with TemporaryDirectory(dir=bench.folder, prefix="soak-") as name:
        folder = Path(name)
        bodies = serving_asked.write(serving_asked.decisions(bench.people), folder / "bodies.jsonl")
        people = bench.people[["customer", "cookie"]].fillna("")
        (folder / "people.tsv").write_text("\n".join(f"{c}\t{k}" for c, k in people.itertuples(index=False)))
        store = copied(bench, folder)
        with serving_sides.ours(
            bench, "soak", f"sqlite:///{store}", folder, bodies, serving_sides.new_key(bench)
        ) as side:
            now = _now(store)
            _sent(side, folder, now, 0.0, CAPACITY_SECONDS, "warm").wait()
            _sent(side, folder, now, 0.0, CAPACITY_SECONDS, "capacity").wait()
            capacity = len(_records(folder, "capacity")) / CAPACITY_SECONDS
            PROGRESS.print(
                f"it can do {capacity:,.0f} a second of the mix; now {share:.0%} of it for {minutes:g} minutes"
            )
            sender = _sent(side, folder, now, share * capacity, 60 * minutes, "soak")
            seen = _watched(side, sender, store)
        acknowledged = np.concatenate([_records(folder, part) for part in ("warm", "capacity", "soak")])
        _found(store, acknowledged)
        return {"minutes": minutes, "capacity_a_second": capacity, "rate_a_second": share * capacity} | _told(
            _records(folder, "soak"), seen
        )


def _sent(side: Side, folder: Path, now: str, rate: float, seconds: float, part: str) -> subprocess.Popen:
    given = (
        side.port, CONNECTIONS, rate, seconds, folder / "people.tsv", side.bodies, now, folder / part, *side.headers,
    )  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.serving_mixed", *map(str, given)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _records(folder: Path, part: str) -> np.ndarray:
    return np.fromfile(folder / part, _RECORDS)


def _now(store: Path) -> str:
    live = open_store(f"sqlite:///{store}")
    try:
        return np.datetime64(live.clock(), "us").item().isoformat() + "+00:00"
    finally:
        live.close()


def _watched(side: Side, sender: subprocess.Popen, store: Path) -> list[dict[str, float]]:
    """Memory and files every few seconds, until the sender has ended."""
    begun, seen = time.monotonic(), []
    log = store.with_name(store.name + "-wal")
    while sender.poll() is None:
        memory = _memory(side.pid)
        sizes = {"store": store.stat().st_size, "log": log.stat().st_size if log.exists() else 0}
        seen.append({"seconds": time.monotonic() - begun, **memory, **sizes, "cpu_seconds": side.cpu_seconds()})
        time.sleep(_LOOK)
    if sender.returncode:
        raise LostError("the caller was cut off: the server ended a connection")
    return seen


def _memory(pid: int) -> dict[str, float]:
    """Bytes: all that is resident (files that are mapped too), and the process's own of it."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(lines[said].split()[0]) * 1024 for name, said in (("resident", "VmRSS"), ("own", "RssAnon"))}


def _found(store: Path, acknowledged: np.ndarray) -> None:
    good = acknowledged[acknowledged["status"] == 200]
    tables = (schema.DECISIONS, schema.FACTS, schema.OUTCOMES)
    live = open_store(f"sqlite:///{store}")
    try:
        with live.engine.connect() as core:
            counts = {t.name: core.execute(select(func.count()).select_from(t)).scalar_one() for t in tables}
            loaded = core.execute(
                select(func.count()).select_from(schema.FACTS).where(schema.FACTS.c.loaded)
            ).scalar_one()
            evidence = core.execute(
                select(func.count()).select_from(schema.EVIDENCE).where(~schema.EVIDENCE.c.loaded)
            ).scalar_one()
    finally:
        live.close()
    # An outcome is a fact about the customer too, so facts are at least the events.
    there = (counts["decisions"], counts["facts"] - loaded + evidence, counts["outcomes"])
    for kind, name in enumerate(NAMES):
        if there[kind] < (said := int((good["kind"] == kind).sum())):
            raise LostError(f"{said:,} {name} were acknowledged and {there[kind]:,} are in the store")


def _told(records: np.ndarray, seen: list[dict[str, float]]) -> Figures:
    good = records["status"] == 200
    later = [one for one in seen if one["seconds"] >= seen[-1]["seconds"] / 3]
    grown = np.polyfit([one["seconds"] / 60 for one in later], [one["own"] / 2**20 for one in later], 1)[0]
    minute = (records["due"] // 60).astype(int)
    return {
        "answered": len(records),
        "errors": int((~good).sum()),
        "statuses": {name: _counts(records["status"][records["kind"] == kind]) for kind, name in enumerate(NAMES)},
        "longest_ms": float(records["took"].max() * 1e3),
        "own_mb_first": seen[0]["own"] / 2**20,
        "own_mb_last": seen[-1]["own"] / 2**20,
        "own_mb_a_minute_later": float(grown),
        "log_mb_most": max(one["log"] for one in seen) / 2**20,
        "by_minute": [{"minute": int(m), **_of_minute(records[minute == m])} for m in np.unique(minute)],
        "seen": seen,
    }


def _counts(statuses: np.ndarray) -> dict[str, int]:
    return {str(s): int(n) for s, n in zip(*np.unique(statuses, return_counts=True), strict=True)}


def _of_minute(records: np.ndarray) -> dict[str, float]:
    found: dict[str, float] = {"answered": len(records), "errors": int((records["status"] != 200).sum())}
    for kind, name in enumerate(NAMES):
        took = records["took"][records["kind"] == kind] * 1e3
        if len(took):
            found |= {f"{name}_{q}_ms": float(np.quantile(took, p)) for q, p in (("p50", 0.5), ("p99", 0.99))}
    return found


def draw(figures: Figures, path: Path) -> None:
    """Memory, how long it took, and files, over time."""
    seen, by_minute = figures["seen"], figures["by_minute"]
    assert isinstance(seen, list)
    assert isinstance(by_minute, list)
    figure, (memory, took, files) = plt.subplots(3, 1, figsize=(9, 9), sharex=True, layout="constrained")
    at = [one["seconds"] / 60 for one in seen]
    memory.plot(at, [one["own"] / 2**20 for one in seen], label="its own")
    memory.plot(at, [one["resident"] / 2**20 for one in seen], label="with mapped files")
    memory.set(
        ylabel="memory, MiB",
        ylim=(0, None),
        title=f"{figures['rate_a_second']:,.0f} requests a second, {figures['errors']} errors",
    )
    minutes = [one["minute"] + 0.5 for one in by_minute]
    for place, name in enumerate(NAMES):
        for q, style in (("p50", ":"), ("p99", "-")):
            took.plot(
                minutes,
                [one.get(f"{name}_{q}_ms", np.nan) for one in by_minute],
                style,
                marker=".",
                color=f"C{place}",
                label=f"{name}, {q}",
            )
    took.set(ylabel="milliseconds from when due", yscale="log")
    files.plot(at, [one["log"] / 2**20 for one in seen], label="write-ahead log")
    files.plot(at, [(one["store"] - seen[0]["store"]) / 2**20 for one in seen], label="growth of the store")
    files.set(ylabel="MiB", xlabel="minutes", ylim=(0, None))
    for axes in (memory, took, files):
        axes.legend(loc="best", fontsize="small")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main()
