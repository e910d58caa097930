"""Tiny models that fit the built-in workspace, in a real model store: what the tests of the champions serve."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from features.facts import CHANNELS
from features.objection import served
from features.visitors import NAMED
from features.workspace import load_workspace
from models import bundle
from models.bundle import LabelSpec, Model, booster_files
from models.hazard import DAY, Hazard
from models.nba import load as actions_yaml
from models.registry import Registry
from serving.champion import Champions, Follower, Source

sys.path.append(str(Path(__file__).parents[1] / "models"))

from small_models import small_model

WORKSPACE = load_workspace()
ACTIONS = actions_yaml.load(
    WORKSPACE.folder / "actions.yaml",
    {f.name: f.kind for f in WORKSPACE.catalog.features},
    CHANNELS,
    served(WORKSPACE.catalog),
)
NEEDS = tuple(sorted({need for action in ACTIONS.actions for need in action.needs}))
LABELS = {"churn": ("leaves",), "needs": NEEDS, "churn.visitors": ("leaves", NAMED), "needs.visitors": (*NEEDS, NAMED)}
QUICK = 0.02
FIRST = dict.fromkeys(LABELS, 1)
BOTH = FIRST | {"churn": 2, "churn.visitors": 2}
READS = {
    False: {
        "pain": "journey_sentiment_last",
        "plan": "profile_plan_last",
        "noise": "journey_action_complain_since_last",
    },
    True: {
        "pain": "journey_sentiment_last",
        "plan": "journey_topic_last",
        "noise": "journey_action_complain_since_last",
    },
}


def tiny(name: str, shift: float = 0.0, last: int = 90, feature: str | None = None) -> Model:
    """A model for a name of `LABELS`; ``shift`` on the logit, ``last`` day of the horizon, a ``feature`` of its own."""
    small, visitor = small_model(), name.endswith(".visitors")
    read = READS[visitor] | ({} if feature is None else {"noise": feature})
    edges = (30 * DAY, 60 * DAY, last * DAY)
    specs = {label: _shifted(small.manifest.labels["calls"], label, shift) for label in LABELS[name]}
    hazards = {label: _hazard(small.hazards["calls"], spec, edges) for label, spec in specs.items()}
    manifest = small.manifest.model_copy(
        update={
            "task": name.split(".")[0],
            "features": tuple(f.model_copy(update={"name": read[f.name]}) for f in small.manifest.features),
            "vocabularies": {read[f]: words for f, words in small.manifest.vocabularies.items()},
            "edges": edges,
            "labels": specs,
        }
    )
    return Model(manifest, hazards)


def _shifted(spec: LabelSpec, label: str, shift: float) -> LabelSpec:
    intercept = tuple(tuple(value + shift for value in row) for row in spec.calibration.intercept)
    update = {
        "boosters": booster_files(label, len(spec.boosters)),
        "calibration": replace(spec.calibration, intercept=intercept),
        "base": (0.1, 0.2, 0.3),
    }
    return spec.model_copy(update=update)


def _hazard(hazard: Hazard, spec: LabelSpec, edges: tuple[int, ...]) -> Hazard:
    return replace(hazard, calibration=spec.calibration, edges=edges)


class Store:
    """A model store in a folder, filled and promoted by hand, as the workspace of a name sees it."""

    def __init__(self, folder: Path, workspace: str) -> None:
        self.workspace = replace(WORKSPACE, name=workspace)
        self.folder = folder
        self.file = folder / "mlflow.db"
        self.uri = f"sqlite:///{self.file}"
        self.registry = Registry(self.uri)
        self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def add(self, name: str, model: Model) -> int:
        """The version a model is registered as; the first of its name is its champion, a later one its challenger."""
        name = self.workspace.model_name(name)
        found = self.client.get_experiment_by_name(name)
        place = found.experiment_id if found else self.client.create_experiment(name, str(self.folder / "mlartifacts"))
        run = self.client.create_run(place)
        with TemporaryDirectory() as folder:
            model_id = bundle.save(model, Path(folder) / "bundle")
            self.client.log_artifacts(run.info.run_id, str(Path(folder) / "bundle"), "bundle")
        self.client.set_terminated(run.info.run_id)
        source = f"{run.info.artifact_uri}/bundle"
        return self.registry.register(name, run.info.run_id, source, model_id=model_id, description="tiny", who="ann")

    def promote(self, name: str, version: int) -> None:
        """Make a version the champion."""
        self.registry.promote(self.workspace.model_name(name), version, who="ann", why="a test")

    def bundle(self, name: str, version: int) -> Path:
        """Where its files lie."""
        return self.registry.files(self.workspace.model_name(name), version)

    def source(self, home: Path | None = None, *, shadow: bool = False) -> Source:
        """The store as the workspace sees it."""
        return Source(self.uri, self.workspace, ACTIONS, home, shadow)

    def fill(self) -> "Store":
        """Each of the four names with its first version."""
        for name in LABELS:
            self.add(name, tiny(name))
        return self

    def add_pair(self, last: int = 120) -> None:
        """One more version of churn and of its visitors' model: both look ``last`` days ahead and need each other."""
        for name in ("churn", "churn.visitors"):
            self.add(name, tiny(name, shift=0.7, last=last))

    def promote_pair(self, version: int) -> None:
        """Promote that pair."""
        for name in ("churn", "churn.visitors"):
            self.promote(name, version)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without the file of the store."""
        hidden = self.file.rename(self.file.with_name("away.db"))
        try:
            yield
        finally:
            hidden.rename(self.file)


def a_store(folder: Path) -> Store:
    """A filled store for one test: one file for all tests of a module, in a workspace of its own."""
    count = len(list(folder.glob("of-*")))
    (folder / f"of-{count}").mkdir()
    return Store(folder, f"shop{count}").fill()


def flipped(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


@contextmanager
def following(
    source: Source, warm: Callable[[Champions], object] = lambda champions: None, patience: float = 60.0
) -> Iterator[Follower]:
    """A follower that runs, and looks every 20 ms."""
    follower = Follower.open(source, every=QUICK, patience=patience)
    follower.start(warm)
    try:
        yield follower
    finally:
        follower.stop()
