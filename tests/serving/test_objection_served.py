"""Who objects to profiling, as a caller sees it: no score, no reasons, service alone; and back when they withdraw."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from opened_engine import MINUTE, Opened, fill, opened
from running import Service
from small_operator import Operator, home_of

from features.conditions import DAY
from features.facts import CHANNELS, TIME
from features.ingest import append_facts
from features.lake import Lake
from features.objection import WORDS, served
from features.workspace import load_workspace
from models.nba.catalogue import Catalogue
from models.nba.load import CatalogueError, load
from serving.live import schema
from serving.settings import Settings

SERVICE = ("service_message", "nothing")
WITHOUT_PROFILING = """
  - id: own_the_case
    kind: care
    words: {agent: Take it yourself., customer: ""}
    channels: [web]
    worth: 100
    profiling: false
    prior_effect: {stay: 5, accept: 1}
    eligibility:
      - {feature: profile_status_last, operator: is, value: active}
  - id: guess_what_they_need
    kind: care
    words: {agent: Offer it., customer: ""}
    channels: [web]
    worth: 100
    prior_effect: {stay: 5, accept: 1}
"""


def test_an_objector_gets_no_score_and_is_told_why(service: Service) -> None:
    body = service.ask(("customer", service.operator.objecting[0])).json()
    assert body["match"]["state"] == "identified"
    assert body["churn"] == {"status": "not_applicable", "why": "they object to profiling"}
    assert (body["needs"], body["reasons"]) == (None, [])


@pytest.mark.parametrize("channel", ["call_center", "web", "email"])
def test_an_objector_gets_service_alone(service: Service, channel: str) -> None:
    for customer in service.operator.objecting[:10]:
        body = service.ask(("customer", customer), channel=channel, limit=10).json()
        assert {action["kind"] for action in body["actions"]} <= set(SERVICE)
        assert all(not a["parts"]["needs"] and not a["parts"]["stay"] for a in body["actions"])
        assert "objection" in {refused["stage"] for refused in body["refused"]}
        assert all("object" in refused["why"] for refused in body["refused"] if refused["stage"] == "objection")


def test_nobody_else_is_refused_anything_for_it(service: Service) -> None:
    body = service.ask(("customer", service.operator.active[0])).json()
    assert body["churn"]["status"] == "scored"
    assert "objection" not in {refused["stage"] for refused in body["refused"]}


def with_actions(operator: Operator, folder: Path, more: str = WITHOUT_PROFILING) -> Catalogue:
    workspace = load_workspace()
    path = folder / "actions.yaml"
    path.write_text((workspace.folder / "actions.yaml").read_text() + more)
    return load(path, {f.name: f.kind for f in workspace.catalog.features}, CHANNELS, served(workspace.catalog))


def test_an_action_that_is_not_chosen_by_profiling_is_for_objectors_too(
    operator: Operator, filled: Path, tmp_path: Path
) -> None:
    actions = with_actions(operator, tmp_path)
    with opened(operator.settings, filled, operator.history.end, tmp_path / "copy", actions=actions) as engine:
        refusing, other = (engine.ask(("customer", who)) for who in (operator.objecting[0], operator.active[0]))
    assert refusing.actions[0].action == "own_the_case"
    assert {"own_the_case", "guess_what_they_need"} <= {a.action for a in other.actions}
    assert {r.action: r.stage for r in refusing.refused}["guess_what_they_need"] == "objection"


def test_what_an_objector_lived_through_changes_nothing_but_service(
    operator: Operator, filled: Path, tmp_path: Path
) -> None:
    actions = with_actions(operator, tmp_path)
    with opened(operator.settings, filled, operator.history.end, tmp_path / "copy", actions=actions) as engine:
        before = {who: engine.ask(("customer", who)) for who in operator.objecting[:10]}
        engine.store.write(_forget_all_but_service).result()
        for who, told in before.items():
            apart = {"decision_id", "cuts"}
            assert engine.ask(("customer", who)).model_dump(exclude=apart) == told.model_dump(exclude=apart)


def _forget_all_but_service(writing) -> None:
    facts = schema.FACTS
    writing.core.execute(facts.delete().where(facts.c.source.in_(("journey", "usage", "sla", "contact"))))
    writing.core.execute(schema.PACKED.delete())


def test_an_action_open_to_objectors_may_not_ask_for_what_service_may_not_know(
    operator: Operator, tmp_path: Path
) -> None:
    rule = "      - {feature: contact_count_90d, operator: below, value: 3}\n"
    head, tail = WITHOUT_PROFILING.split("  - id: guess")
    with pytest.raises(CatalogueError, match=r"'own_the_case', eligibility.1.feature: who objects to profiling may"):
        with_actions(operator, tmp_path, head + rule + "  - id: guess" + tail)
    with_actions(operator, tmp_path, WITHOUT_PROFILING + "    eligibility:\n" + rule)


def say(operator: Operator, settings: Settings, customer: str, at: int, given: bool) -> None:
    """A statement about profiling that became known a microsecond after it was made; no feed covers more by it."""
    when = [pa.array([micros], pa.int64()).cast(TIME) for micros in (at, at + 1)]
    row = pa.table(
        {
            "id": [f"said {at}"],
            "key_type": ["customer"],
            "key": [customer],
            "at": when[0],
            "known_at": when[1],
            "consent_profiling": [given],
        }
    )
    workspace = load_workspace()
    lake = Lake(workspace.lake_folder(settings.home))
    append_facts(lake, operator.keyring, "profile", row, key_types=workspace.catalog.key_types, covered=[])


def status(engine: Opened, customer: str, at: int | None = None) -> str:
    if at is not None:
        engine.move(at)
    return engine.ask(("customer", customer)).churn.status


def test_an_objection_and_its_withdrawal_count_from_when_they_are_known(operator: Operator, tmp_path: Path) -> None:
    settings, customer = home_of(operator, tmp_path), operator.active[0]
    no, yes = operator.history.end - 20 * MINUTE, operator.history.end - 10 * MINUTE
    say(operator, settings, customer, no, given=False)
    say(operator, settings, customer, yes, given=True)
    lake = Lake(load_workspace().lake_folder(settings.home))
    with opened(settings, fill(tmp_path / "then.db", operator, no, lake), no, tmp_path / "copy") as engine:
        at_first = status(engine, customer)
        statuses = [status(engine, customer, m) for m in (no + MINUTE, yes - MINUTE, yes + MINUTE)]
    assert [at_first, *statuses] == ["scored", "not_applicable", "not_applicable", "scored"]


def test_an_objection_counts_in_the_very_next_answer_and_so_does_its_withdrawal(
    operator: Operator, filled: Path, tmp_path: Path
) -> None:
    customer = operator.active[1]
    fact = {"source": "profile", "key": {"type": "customer", "value": customer}, "at": "2025-09-30T00:00:00Z"}
    with opened(operator.settings, filled, operator.history.end, tmp_path / "copy") as engine:
        before = status(engine, customer)
        engine.say({**fact, "id": "no", "consent_profiling": False})
        refused = engine.ask(("customer", customer))
        engine.say({**fact, "id": "yes", "consent_profiling": True, "at": "2025-09-30T00:01:00Z"})
        after = status(engine, customer)
        engine.say({**fact, "id": "yes", "void": True})
        again = status(engine, customer)
    assert refused.churn.model_dump() == {"status": "not_applicable", "why": WORDS}
    assert (before, after, again) == ("scored", "scored", "not_applicable")


def test_an_objection_does_not_wait_for_the_slowest_feed(operator: Operator, tmp_path: Path) -> None:
    """What became known after the last instant the lake covers counts all the same."""
    settings, customer, end = home_of(operator, tmp_path), operator.active[0], operator.history.end
    say(operator, settings, customer, end + MINUTE, given=False)
    lake, later = Lake(load_workspace().lake_folder(settings.home)), end + 30 * DAY
    with opened(settings, fill(tmp_path / "then.db", operator, later, lake), later, tmp_path / "copy") as engine:
        answer = engine.ask(("customer", customer))
    assert answer.churn.model_dump() == {"status": "not_applicable", "why": WORDS}
    with opened(settings, fill(tmp_path / "end.db", operator, end, lake), end, tmp_path / "other") as engine:
        assert status(engine, customer) == "scored"


def test_the_champions_were_taught_by_nobody_who_objects(operator: Operator) -> None:
    ids = {operator.keyring.key_id("customer", name) for name in operator.objecting}
    for record in operator.records:
        for data in (record.train, record.test):
            assert not ids & set(np.unique(data.entity).tolist())
            assert data.objected > 0
        assert record.summary()["objected"] == record.train.objected + record.test.objected
