"""A process of its own that forgets, for `test_forgetting_rows`: killed at a step, or beside others.

forgetting_writer.py crash FOLDER STRIDE   at every so manieth step: copies FOLDER/base to FOLDER/<step> and forgets
                                           key 1 there in a child that is killed before it, until one runs to its end
forgetting_writer.py race LAKE SEED        appends rows of five keys, key 1's among them, in small batches
"""

import os
import random
import shutil
import sys
from itertools import count
from pathlib import Path

import pandas  # noqa: F401 - so that no child has to: Arrow loads it on the first conversion
from forgotten_rows import add, forget, mark
from lake_writer import die_before
from usage_rows import keys, row, table

from features.lake import Lake

ROWS = 30


def crash(folder: Path, stride: int) -> None:
    for step in count(1, stride):
        shutil.copytree(folder / "base", folder / str(step))
        child = os.fork()
        if child == 0:
            die_before(step, folder / str(step))
            forget(Lake(folder / str(step)), mark(1))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


def race(lake: Lake, seed: int) -> None:
    rows = [row(f"{seed}-{i}", key_id=i % 5) for i in range(ROWS)]
    random.Random(seed).shuffle(rows)
    for low in range(0, ROWS, 6):
        add(lake, table(*rows[low : low + 6]), keys(*range(5)), *range(5))


if __name__ == "__main__":
    if sys.argv[1] == "crash":
        crash(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        race(Lake(Path(sys.argv[2])), int(sys.argv[3]))
