"""The models that answer: loaded from the registry, followed while serving, and compared with their challengers."""

from serving.champion.champions import CHURN, NEEDS, Champion, Champions, train_command
from serving.champion.follow import Follower, Serving, Status
from serving.champion.shadow import Comparison, Offered, Shadow, Snapshot
from serving.champion.source import Look, Source, load

__all__ = [
    "CHURN",
    "NEEDS",
    "Champion",
    "Champions",
    "Comparison",
    "Follower",
    "Look",
    "Offered",
    "Serving",
    "Shadow",
    "Snapshot",
    "Source",
    "Status",
    "load",
    "train_command",
]
