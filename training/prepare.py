"""What a model is fitted on and judged by: its own rows, and all that is laid beside them for the review."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from features.conditions import DeclarationError
from features.dataset import Dataset, build
from features.declare import Feature, Task, Triggered
from features.history import History
from features.visitors import VisitorData, build_visitors
from models import bundle
from models.bundle import Model
from models.registry import Registry
from training.split import Windows
from training.store import Store

Progress = Callable[[str], None]


class PrepareError(ValueError):
    """Rows that cannot be made as asked; the message says which column or model."""


@dataclass(frozen=True)
class Standing:
    """Models that answer or are held up as a measure: name ("champion", "reference") -> version and model."""

    versions: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """``own``: the columns the task's model reads; ``train`` and ``test`` also have those of others and of slices.

    ``train`` has monthly cutoffs and those of live calls, so that a model knows what a customer looks like on the line.
    ``train_to``: T, UTC microseconds.
    ``live``: test rows just after the event at which live calls ask, where the task names one and it came.
    """

    own: tuple[str, ...]
    train_to: int
    train: Dataset = field(repr=False)
    test: Dataset = field(repr=False)
    live: Dataset | None = field(default=None, repr=False)
    visitors: tuple[VisitorData, VisitorData] | None = field(default=None, repr=False)
    assumed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def standing(store: Store) -> Standing:
    """Who is champion and reference of a store's model.

    Raises `RegistryError` where the files of one are gone, `models.bundle.BundleError` where they cannot be read.
    """
    registry = Registry(store.uri)
    found = {"champion": registry.champion(store.name) if registry.answers(store.name) else None}
    found["reference"] = registry.reference(store.name)
    there = {name: one for name, one in found.items() if one is not None}
    return Standing(
        {name: one.version for name, one in there.items()}, {name: bundle.load(one.path) for name, one in there.items()}
    )


def prepare(
    history: History,
    task: Task,
    split: Windows,
    others: Iterable[Model] = (),
    *,
    known_by: int | None = None,
    visitors: bool = True,
    more: Sequence[str] = (),
    progress: Progress = lambda words: None,
) -> Prepared:
    """The rows of a split; train labels are those known by ``known_by`` (by default the split's T).

    ``more``: further columns the test rows shall have, where they are declared.

    Raises `PrepareError` where one of ``others`` reads what is no longer declared, and what building raises.
    """
    known_by = known_by or split.train_to
    own = history.catalog.task_features(task)
    declared = {f.name: f for f in history.catalog.features}
    others = tuple(others)
    wanted = dict.fromkeys([*(f.name for f in own), *task.slices, *(n for model in others for n in model.features)])
    if gone := [name for name in wanted if name not in declared]:
        raise PrepareError(
            f"a champion or reference reads '{gone[0]}', which is no longer declared: declare it, or change the alias"
        )
    features = tuple(declared[name] for name in wanted)
    further = tuple(declared[name] for name in dict.fromkeys(more) if name in declared and name not in wanted)
    progress(f"{task.name}: features and labels")
    train = build(history, task, split.train_from, split.train_to, known_by, features)
    called = _live(history, task, (split.train_from, split.train_to), known_by, features)
    train = train.joined(called) if called is not None else train
    test = build(history, task, split.test_from, split.test_to, history.end + 1, (*features, *further))
    unnamed = None
    if visitors and history.catalog.visitors:
        progress(f"{task.name}: visitors")
        unnamed = (
            build_visitors(history, task, split.train_from, split.train_to, known_by),
            build_visitors(history, task, split.test_from, split.test_to, history.end + 1),
        )
    live = _live(history, task, (split.test_from, split.test_to), history.end + 1, own)
    return Prepared(tuple(f.name for f in own), split.train_to, train, test, live, unnamed, history.assumed)


def _live(
    history: History, task: Task, window: tuple[int, int], seen: int, features: tuple[Feature, ...]
) -> Dataset | None:
    """The pairs just after the event at which live calls ask; ``None`` where a task names none, or it never came."""
    if task.live is None or isinstance(task.cutoffs, Triggered):
        return None
    try:
        found = build(history, replace(task, cutoffs=Triggered(task.live)), *window, seen, features)
    except DeclarationError:  # nobody called
        return None
    return replace(found, task=task)
