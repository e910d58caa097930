"""Which code made a model: the commit, where there is one, and a digest of the sources that stays right without."""

import hashlib
from functools import cache
from pathlib import Path

from mlflow.utils.git_utils import get_git_commit

_PACKAGES = ("features", "models", "training")
_ROOT = Path(__file__).resolve().parent.parent


@cache
def code_digest() -> str:
    """SHA-256, in hex, of every source file that decides what a model becomes, by name and content."""
    told = hashlib.sha256()
    for package in _PACKAGES:
        for path in sorted((_ROOT / package).rglob("*.py")):
            told.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return told.hexdigest()


def code_tags() -> dict[str, str]:
    """What a run says of its code; ``mlflow.source.git.commit`` only where the sources lie in a repository."""
    commit = get_git_commit(str(_ROOT))
    named = {"mlflow.source.git.commit": commit} if commit else {}
    return {"code": code_digest(), "mlflow.source.name": "tieline", "mlflow.source.type": "LOCAL", **named}
