"""Models are exchanged under load: nobody's request fails, and no answer is of two sets."""

import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest
from champion_models import Store, flipped
from served_alone import Caller, Served, asking, base_home, served, until
from small_operator import Operator

from features.workspace import load_workspace
from models import bundle
from models.bundle import Model

SWAPS = 50
FOLLOW = 0.05


@dataclass(frozen=True)
class Swapping:
    """A service that follows a registry of its own, with two versions of the churn model that say different things."""

    service: Served
    store: Store
    operator: Operator

    def ready(self) -> dict:
        found: dict = json.loads(self.service.get("/readyz")[1])
        return found

    def until_it_serves(self, version: int) -> None:
        until(lambda: self.ready()["model"]["churn"]["version"] == version)

    def stale(self) -> bool:
        """What both `/readyz` and the metrics say."""
        said = self.service.get("/metrics")[1].decode()
        return bool(self.ready()["registry"]["stale"]) and "tieline_champion_stale 1.0" in said

    def ask(self, customer: str) -> tuple[int, dict]:
        caller = Caller(self.service)
        status, body, _ = caller.post("decisions", asking(("customer", customer)))
        caller.close()
        return status, json.loads(body)

    def curves(self) -> dict[str, dict]:
        """Customer -> the curve by the models that answer now."""
        return {customer: self.ask(customer)[1]["churn"]["curve"] for customer in self.operator.active[:8]}


@pytest.fixture(scope="module")
def swapping(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swapping]:
    folder = tmp_path_factory.mktemp("swaps")
    settings, key = base_home(operator, folder)
    shutil.copy(operator.settings.home / "mlflow.db", folder / "mlflow.db")
    store = Store(folder, load_workspace().name)
    first = bundle.load(store.bundle("churn", 1))
    for by in (0.7, 1.4):
        store.add("churn", shifted(first, by))
    settings = settings.model_copy(update={"tracking_uri": store.uri, "follow": FOLLOW})
    with served(settings, key) as service:
        yield Swapping(service, store, operator)


def shifted(model: Model, by: float) -> Model:
    """The same model, its calibration moved by so much on the logit."""
    specs = {}
    for label, spec in model.manifest.labels.items():
        intercept = tuple(tuple(value + by for value in row) for row in spec.calibration.intercept)
        specs[label] = spec.model_copy(update={"calibration": replace(spec.calibration, intercept=intercept)})
    hazards = {label: replace(h, calibration=specs[label].calibration) for label, h in model.hazards.items()}
    return Model(model.manifest.model_copy(update={"labels": specs}), hazards)


@dataclass
class Asking:
    """Clients that ask for decisions until stopped. ``answers``: (customer, status, body)."""

    swapping: Swapping
    answers: list[tuple[str, int, dict]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Asking":
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(3)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def _run(self, n: int) -> None:
        caller, customers = Caller(self.swapping.service), self.swapping.operator.active[:8]
        while not self.stopping.is_set():
            customer = customers[n % len(customers)]
            try:
                status, body, _ = caller.post("decisions", asking(("customer", customer)))
                self.answers.append((customer, status, json.loads(body)))
            except OSError as error:
                self.answers.append((customer, 0, {"error": repr(error)}))
            n += 1
        caller.close()


def test_fifty_swaps_under_load_fail_no_request_and_mix_no_models(swapping: Swapping) -> None:
    alone: dict[int, list[dict[str, dict]]] = defaultdict(list)
    for version in (2, 1):
        swapping.store.promote("churn", version)
        swapping.until_it_serves(version)
        alone[version].append(swapping.curves())
    ids = {v: bundle.load(swapping.store.bundle("churn", v)).id for v in (1, 2)}
    with Asking(swapping) as load:
        for k in range(SWAPS):
            version = 2 - k % 2
            swapping.store.promote("churn", version)
            swapping.until_it_serves(version)
    for version in (2, 1):
        swapping.store.promote("churn", version)
        swapping.until_it_serves(version)
        alone[version].append(swapping.curves())
    assert {status for _, status, _ in load.answers} == {200}
    seen = [answer["model"]["churn"]["version"] for _, _, answer in load.answers]
    assert min(seen.count(1), seen.count(2)) > SWAPS
    others = {json.dumps({n: m for n, m in answer["model"].items() if n != "churn"}) for _, _, answer in load.answers}
    assert len(others) == 1
    for customer, _, answer in load.answers:
        version = answer["model"]["churn"]["version"]
        assert answer["model"]["churn"]["id"] == ids[version]
        curve, mine = answer["churn"]["curve"], [one[customer] for one in alone[version]]
        assert curve not in [one[customer] for one in alone[3 - version]]
        assert curve in mine or replays(swapping, answer), "the curve is not that of the models it names"


def replays(swapping: Swapping, answer: dict) -> bool:
    """Whether the models an answer names say the same of what was known then: for one taken as the hour changed."""
    caller = Caller(swapping.service)
    said = json.loads(caller.send("GET", f"/v1/decisions/{answer['decision_id']}")[1])
    caller.close()
    return bool(said["identical"])


def test_a_decision_by_models_that_were_exchanged_since_replays(swapping: Swapping) -> None:
    customer = swapping.operator.active[0]
    for version in (2, 1):
        _, answer = swapping.ask(customer)
        swapping.store.promote("churn", version)
        swapping.until_it_serves(version)
        assert replays(swapping, answer)


def test_without_the_registry_the_last_models_go_on_and_it_is_said(swapping: Swapping) -> None:
    until(lambda: not swapping.stale())
    with Asking(swapping) as load:
        with swapping.store.away():
            until(swapping.stale)
            assert swapping.ready()["status"] == "ready"
            assert swapping.ready()["registry"]["error"]
        until(lambda: not swapping.ready()["registry"]["stale"])
    assert {status for _, status, _ in load.answers} == {200}
    assert swapping.ready()["registry"]["error"] is None


def test_a_broken_next_version_leaves_the_last_good_one_until_it_is_whole(swapping: Swapping) -> None:
    before = swapping.ready()["model"]["churn"]["version"]
    broken = next(swapping.store.bundle("churn", 3).glob("*.txt"))
    flipped(broken)
    with Asking(swapping) as load:
        swapping.store.promote("churn", 3)
        until(swapping.stale)
        status = swapping.ready()
        assert (status["status"], status["model"]["churn"]["version"]) == ("ready", before)
        assert "was changed" in status["registry"]["error"]
        flipped(broken)
        swapping.until_it_serves(3)
        until(lambda: not swapping.ready()["registry"]["stale"])
    assert {status for _, status, _ in load.answers} == {200}
    assert {answer["model"]["churn"]["version"] for _, _, answer in load.answers} <= {before, 3}
