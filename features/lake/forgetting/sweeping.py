"""What lies in a lake's folder though no version is made of it: found, and removed when nobody can need it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from features.durable import sync
from features.lake.commits import Log
from features.lake.presence import alone
from features.lake.snapshot import snapshot

_PATTERNS = (
    *("data/*/*.parquet", "keys/*.parquet", "quarantine/*.parquet", "veils/*.parquet", "suppressed/*.parquet"),
    *("staging/*", "log/.*.tmp"),
)


def leftovers(root: Path) -> Iterator[Path]:
    """Files and folders that no commit names: of appends under way, of killed writers, of what was rewritten."""
    named = {root / path for path in snapshot(Log(root / "log")).named}
    for pattern in _PATTERNS:
        yield from (path for path in root.glob(pattern) if path not in named)


def remove(path: Path) -> None:
    """Removes a file or a folder with all it holds."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def swept(root: Path, patience: float) -> bool:
    """True when all leftovers are gone; False when somebody was at work in the lake for ``patience`` seconds."""
    if not root.is_dir():
        return True
    with alone(root, patience) as nobody_else:
        if nobody_else:
            for path in list(leftovers(root)):
                remove(path)
                sync(path.parent)
        return nobody_else
