"""A process of its own that writes to a lake, for `test_lake_crash`: killed at every step, or racing others.

    lake_writer.py crash FOLDER       for every step: copies FOLDER/base to FOLDER/<step>, appends and compacts there in
                                      a child that is killed (SIGKILL) before that step, until one runs to its end
    lake_writer.py race LAKE SEED     appends overlapping batches as fast as it can; prints how many rows it had kept

A step is whatever can change what a reader finds: an event Python audits in the lake's folder (a file opened, also to
sync it, linked or removed, a folder made), and every line of the function that publishes.
"""

import os
import random
import shutil
import signal
import sys
import time
from itertools import count
from pathlib import Path

import pandas  # noqa: F401 - so that no child has to: Arrow loads it on the first conversion
from usage_rows import keys, row, table

from features import durable
from features.lake import Lake

AUDITED = ("open", "os.link", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
BATCH = [row("a", 1.0), row("b", 2.0), row("b", 3.0, known_at=30), row("c", 4.0, key_id=2), row("c", 5.0, key_id=2)]
IDS, ROUNDS = 40, 5


def die_before(step: int, folder: Path) -> None:
    """Makes this process kill itself before the given step (1 first) in a lake's folder."""
    steps = count(1)

    def take() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(frame, event, argument):
        if frame.f_code is not durable.publish.__code__:
            return None
        if event == "line":
            take()
        return watch

    def audit(event, arguments):
        if event in AUDITED and str(arguments[0]).startswith(str(folder)):
            take()

    sys.addaudithook(audit)
    sys.settrace(watch)


def write(lake: Lake, acknowledgement: Path) -> None:
    lake.append("usage", table(*BATCH), keys=keys(1, 2), covered=[(0, 100)])
    acknowledgement.touch()
    lake.compact()


def crash(folder: Path) -> None:
    for step in count(1):
        shutil.copytree(folder / "base", folder / str(step))
        child = os.fork()
        if child == 0:
            die_before(step, folder / str(step))
            write(Lake(folder / str(step)), folder / f"{step}.done")
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


def race(lake: Lake, seed: int) -> None:
    """Every writer sees the same ids (and, of each, the same two revisions), in batches and an order of its own."""
    draw = random.Random(seed)
    rows = [row(f"id{i}", float(k), known_at=20 + k, key_id=i % 5) for i in range(IDS) for k in (0, 1)]
    kept = 0
    for _ in range(ROUNDS):
        receipt = lake.append("usage", table(*draw.sample(rows, IDS)), keys=keys(*range(5)))
        kept += receipt.kept + receipt.revised
        time.sleep(draw.random() / 100)
    print(kept)  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1] == "crash":
        crash(Path(sys.argv[2]))
    else:
        race(Lake(Path(sys.argv[2])), int(sys.argv[3]))
