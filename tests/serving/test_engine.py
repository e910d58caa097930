"""The engine over a workspace of its own: who gets an action that asks for nothing."""

import pytest
from small_operator import Operator

from features.workspace import load_workspace
from serving.engine import Engine
from serving.resources import open_resources
from serving.schemas import DecisionRequest

FOR_ALL = """
  - id: for_all
    kind: care
    words: {agent: Be kind., customer: ""}
    channels: [web]
    worth: 100
    prior_effect: {stay: 0, accept: 1}
  - id: for_healthy_lines
    kind: care
    words: {agent: Nothing is broken., customer: ""}
    channels: [app]
    worth: 100
    prior_effect: {stay: 0, accept: 1}
    eligibility:
      - {feature: faults_open_90d, operator: below, value: 1}
"""


@pytest.fixture(scope="module")
def engine(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("workspace") / "telecom"
    folder.mkdir()
    actions = (load_workspace().folder / "actions.yaml").read_text()
    (folder / "actions.yaml").write_text(actions + FOR_ALL)
    (folder / "catalog.py").write_text("from features.catalog import CATALOG\n")
    settings = operator.settings.model_copy(update={"workspace": folder})
    return Engine.load(settings, open_resources(settings))


def best(engine: Engine, *keys: str, channel: str = "web") -> str:
    body = {"keys": [{"type": "customer", "value": key} for key in keys], "channel": channel, "limit": 1}
    return engine.answer(DecisionRequest.model_validate(body)).actions[0].action


def test_an_unknown_visitor_may_get_an_action_that_asks_for_nothing(engine: Engine) -> None:
    assert best(engine, "nobody") == "for_all"


def test_what_is_not_known_of_a_visitor_does_not_pass_for_a_healthy_line(engine: Engine, operator: Operator) -> None:
    assert best(engine, "nobody", channel="app") == "say_who_you_are"
    assert "for_healthy_lines" in {best(engine, customer, channel="app") for customer in operator.active[:20]}


def test_nothing_but_service_is_done_while_it_is_open_which_customer_it_is(engine: Engine, operator: Operator) -> None:
    one, other = operator.active[:2]
    assert best(engine, one) == best(engine, other) == "for_all"
    assert best(engine, one, other) == "say_who_you_are"


def test_the_same_question_gets_the_same_answer(engine: Engine, operator: Operator) -> None:
    body = {"keys": [{"type": "customer", "value": operator.active[0]}], "channel": "web"}
    first, second = (engine.answer(DecisionRequest.model_validate(body)).model_dump() for _ in range(2))
    assert first.pop("decision_id") != second.pop("decision_id")
    assert first == second
