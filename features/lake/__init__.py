"""The lake: append-only facts with revisions, coverage and an exclusive commit log. `lake.Lake` is the way in."""

from features.lake.commits import LakeError
from features.lake.lake import Lake
from features.lake.snapshot import Snapshot
from features.lake.staging import Receipt, Staging

__all__ = ["Lake", "LakeError", "Receipt", "Snapshot", "Staging"]
