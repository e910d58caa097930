"""The engine alone: who gets an action that asks for nothing, and what an answer reads at which cuts."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from opened_engine import MINUTE, Opened, fill, opened
from small_operator import Operator

from features.conditions import DAY
from features.facts import CHANNELS
from features.history import History
from features.workspace import load_workspace
from models.nba.load import load
from serving.deciding.vector import Vector
from serving.settings import instant

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
def generous(operator: Operator, filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """An engine with actions of the greatest worth for everybody."""
    workspace, folder = load_workspace(), tmp_path_factory.mktemp("actions")
    path = folder / "actions.yaml"
    path.write_text((workspace.folder / "actions.yaml").read_text() + FOR_ALL)
    changed = {"actions": load(path, {f.name: f.kind for f in workspace.catalog.features}, CHANNELS)}
    changed["rules"] = path.read_bytes()
    with opened(operator.settings, filled, operator.history.end, folder, **changed) as engine:
        yield engine


def best(engine: Opened, *customers: str, channel: str = "web") -> str:
    return engine.ask(*(("customer", name) for name in customers), channel=channel, limit=1).actions[0].action


def test_nothing_but_service_is_done_for_an_unknown_visitor(generous: Opened) -> None:
    assert best(generous, "nobody") == "say_who_you_are"


def test_what_is_not_known_of_a_visitor_does_not_pass_for_a_healthy_line(generous: Opened, operator: Operator) -> None:
    assert best(generous, "nobody", channel="app") == "say_who_you_are"
    assert "for_healthy_lines" in {best(generous, customer, channel="app") for customer in operator.active[:20]}


def test_nothing_but_service_is_done_while_it_is_open_which_customer_it_is(
    generous: Opened, operator: Operator
) -> None:
    one, other = operator.active[:2]
    assert best(generous, one) == best(generous, other) == "for_all"
    assert best(generous, one, other) == "say_who_you_are"


def test_the_same_question_gets_the_same_answer(still: Opened, operator: Operator) -> None:
    first, second = (still.ask(("customer", operator.active[0])) for _ in range(2))
    assert first.decision_id != second.decision_id
    apart = {"decision_id", "cuts"}  # each is written down, and what is written later is seen at a later cut
    assert first.model_dump(exclude=apart) == second.model_dump(exclude=apart)


def told(history: History, entity: int, now: int, seen: int, vector: Vector) -> dict[str, object]:
    """What a history in memory says of an entity, in the form of a vector."""
    row = history.frame("customer", np.array([entity]), np.array([now]), vector.space.features, np.array([seen]))
    return {name: bits(None if row[name].isna()[0] else row[name][0]) for name in vector.space.names}


def said(vector: Vector) -> dict[str, object]:
    return {name: bits(vector.value(name)) for name in vector.space.names}


def bits(value: object) -> object:
    return value if value is None or isinstance(value, str) else np.float32(value).tobytes()


def test_the_vector_of_every_customer_has_the_bits_of_the_lake(still: Opened, operator: Operator) -> None:
    for entity in operator.history.entities_of["customer"].tolist():
        read = still.read(("customer", entity))
        if read.person.objects or read.match.state != "identified":
            continue
        expected = told(read.history(operator.history), entity, read.now, read.seen, read.person.vector)
        assert said(read.person.vector) == expected


@pytest.mark.parametrize("ago", [MINUTE, DAY, 100 * DAY])
def test_before_the_end_of_the_lake_nothing_is_seen_of_what_came_later(
    operator: Operator, tmp_path: Path, ago: int
) -> None:
    then = operator.history.end - ago
    with opened(operator.settings, fill(tmp_path / "then.db", operator, then), then, tmp_path / "copy") as past:
        cuts = past.ask(("customer", operator.active[0])).cuts
        assert cuts.windows_end == instant(then)
        assert abs(cuts.visible_to - instant(then)) < abs(instant(MINUTE) - instant(0))
        for name in operator.active[:40]:
            entity = operator.id_of("customer", name)
            read = past.read(("customer", entity))
            if read.match.state == "identified" and not read.person.objects:
                expected = told(read.history(operator.history), entity, read.now, read.seen, read.person.vector)
                assert said(read.person.vector) == expected


def test_feeds_that_fell_silent_are_named_until_they_are_heard_of_again(
    operator: Operator, filled: Path, tmp_path: Path
) -> None:
    who, end = ("customer", operator.active[0]), operator.history.end
    with opened(operator.settings, filled, end, tmp_path / "copy") as engine:
        assert engine.ask(who).cuts.silent == []
        engine.move(end + 2 * DAY)
        assert {"journey", "usage", "profile", "faults"} <= set(engine.ask(who).cuts.silent)
        read = engine.read((who[0], operator.id_of(*who)))
        expected = told(read.history(operator.history), operator.id_of(*who), read.now, read.seen, read.person.vector)
        assert said(read.person.vector) == expected, "what they would have said is missing, as in the lake"
        key = {"type": who[0], "value": who[1]}
        bill = {"source": "usage", "metric": "bill", "value": 30.0}
        engine.say({**bill, "id": "late", "key": key, "at": instant(end).isoformat()})
        engine.move(end + 2 * DAY + MINUTE)
        again = engine.ask(who)
        assert "usage" not in again.cuts.silent
        assert "faults" in again.cuts.silent
        assert again.churn.status == "scored"
