"""The engine alone: who gets an action that asks for nothing, and where windows end when feeds do not end at once."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from small_operator import Operator

from features.facts import CHANNELS
from features.workspace import load_workspace
from models.nba.load import load
from serving.engine import Engine
from serving.resources import open_resources
from serving.schemas import DecisionAnswer, DecisionRequest
from serving.settings import instant

MINUTE = 60_000_000
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
    workspace = load_workspace()
    path = tmp_path_factory.mktemp("actions") / "actions.yaml"
    path.write_text((workspace.folder / "actions.yaml").read_text() + FOR_ALL)
    actions = load(path, {f.name: f.kind for f in workspace.catalog.features}, CHANNELS)
    return Engine.load(operator.settings, replace(open_resources(operator.settings), actions=actions))


def best(engine: Engine, *keys: str, channel: str = "web") -> str:
    body = {"keys": [{"type": "customer", "value": key} for key in keys], "channel": channel, "limit": 1}
    return engine.answer(DecisionRequest.model_validate(body)).actions[0].action


def test_nothing_but_service_is_done_for_an_unknown_visitor(engine: Engine) -> None:
    assert best(engine, "nobody") == "say_who_you_are"


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


def ask(engine: Engine, customer: str) -> DecisionAnswer:
    body = {"keys": [{"type": "customer", "value": customer}], "channel": "web"}
    return engine.answer(DecisionRequest.model_validate(body))


@pytest.mark.parametrize("source", ["journey", "faults", "usage", "profile"])
def test_a_feed_that_is_a_minute_ahead_of_the_others_changes_no_score(
    engine: Engine, operator: Operator, source: str
) -> None:
    end = operator.history.end
    *earlier, (start, last) = operator.history.coverage[source]
    assert last == end
    coverage = operator.history.coverage | {source: (*earlier, (start, end + MINUTE))}
    ahead = ask(replace(engine, history=replace(operator.history, coverage=coverage)), operator.active[0])
    level = ask(engine, operator.active[0])
    assert (ahead.churn, ahead.needs, ahead.reasons) == (level.churn, level.needs, level.reasons)
    assert (ahead.cuts.windows_end, ahead.cuts.visible_to) == (instant(end), instant(end + MINUTE))


def test_by_the_clock_windows_end_where_the_lake_does_and_all_that_is_known_is_seen(
    engine: Engine, operator: Operator
) -> None:
    today = replace(engine, settings=engine.settings.model_copy(update={"as_of": "now"}))
    before = datetime.now(UTC)
    answer = ask(today, operator.active[0])
    assert answer.cuts.windows_end == instant(operator.history.end)
    assert before <= answer.cuts.visible_to <= datetime.now(UTC)
    model = engine.resources.champions.churn.model
    features = [f for f in operator.history.catalog.features if f.name in model.features]
    entity, end = np.array([operator.keyring.key_id("customer", operator.active[0])]), np.array([operator.history.end])
    row = operator.history.frame("customer", entity, end, features, seen=np.array([2**62]))
    assert list(answer.churn.curve.values()) == model.predict(row[list(model.features)])["leaves"][0].tolist()


def test_before_the_end_of_the_lake_windows_end_at_the_instant_asked_for(engine: Engine, operator: Operator) -> None:
    earlier = instant(operator.history.end - MINUTE)
    past = replace(engine, settings=engine.settings.model_copy(update={"as_of": earlier.isoformat()}))
    cuts = ask(past, operator.active[0]).cuts
    assert (cuts.windows_end, cuts.visible_to) == (earlier, earlier)
