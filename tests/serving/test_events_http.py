"""`POST /v1/events`: facts of every source, each once, seen by the very next decision; what is wrong has no effect."""

import json

import pytest
from running import Service

from features.facts import SOURCES
from serving.forms import EventsAnswer
from serving.schemas import DecisionAnswer
from serving.settings import micros

AT = "2025-09-20T10:00:00Z"
OF = {
    "journey": {"phase": "ask", "channel": "web", "topic": "a topic never heard of", "sentiment": -0.5},
    "faults": {"case": "case 1", "state": "opened", "severity": "major"},
    "sla": {"metric": "availability", "target": 0.99, "actual": 0.9, "breached": True},
    "usage": {"metric": "bill", "value": 31.5},
    "profile": {"status": "active", "contract_end": "2026-01-01T00:00:00+02:00", "consent_marketing": True},
    "contact": {"action": "device_offer", "channel": "app", "response": "shown", "origin": "other"},
    "calendar": {"kind": "season", "value": 1},
    "evidence": {"other": {"type": "customer", "value": "somebody told of"}},
}


def fact(name: str, id: str, **more: object) -> dict:
    key = {"type": "cookie", "value": f"browser of {id}"} if name == "evidence" else customer(f"customer of {id}")
    return {"source": name, "id": id, "key": key, "at": AT, **OF[name], **more}


def customer(name: str) -> dict[str, str]:
    return {"type": "customer", "value": name}


def became(told: Service, *facts: dict) -> list[str]:
    answer = told.say(*facts)
    assert answer.status_code == 200, answer.text
    return list(EventsAnswer.model_validate_json(answer.content).became)


@pytest.mark.parametrize("name", SOURCES)
def test_a_fact_of_each_source_is_new_once_then_known_then_revised_and_taken_back(told: Service, name: str) -> None:
    first = fact(name, f"once {name}")
    assert became(told, first, first) == ["new", "known"]
    assert became(told, first) == ["known"]
    later = first | {"at": "2025-09-20T11:00:00Z"}
    assert became(told, later) == ["revised"]
    assert became(told, later | {"void": True}) == ["revised"]
    assert became(told, later | {"void": True}) == ["known"]
    assert became(told, later) == ["revised"]


def test_the_instant_from_which_facts_are_known_is_the_stores(told: Service) -> None:
    before = told.now
    known = EventsAnswer.model_validate_json(told.say(fact("usage", "instant")).content).known_at
    assert before <= micros(known) <= told.now
    shown = DecisionAnswer.model_validate_json(told.ask(("customer", "customer of instant")).content)
    assert shown.match.state == "identified"
    assert shown.cuts.visible_to > known


def test_an_event_is_seen_by_the_very_next_decision(told: Service) -> None:
    for i in range(20):
        name = f"newcomer {i}"
        assert told.ask(("customer", name)).json()["match"]["state"] == "unidentified"
        came = {"source": "profile", "id": name, "key": customer(name), "at": AT, "status": "active"}
        assert became(told, came) == ["new"]
        body = told.ask(("customer", name)).json()
        assert (body["match"]["state"], body["churn"]["status"]) == ("identified", "scored")
        assert became(told, came | {"status": "left", "reason": "voluntary"}) == ["revised"]
        assert told.ask(("customer", name)).json()["churn"]["status"] == "not_applicable"


def test_a_login_in_an_event_makes_a_visitor_somebody_at_once(told: Service) -> None:
    name, browser = told.operator.active[5], ("cookie", "a browser just unpacked")
    assert told.ask(browser).json()["match"]["state"] == "unidentified"
    login = {"source": "evidence", "id": "login", "at": AT, "key": {"type": browser[0], "value": browser[1]}}
    assert became(told, login | {"other": customer(name)}) == ["new"]
    assert told.ask(browser).json()["match"]["state"] == "identified"
    assert became(told, login | {"other": customer(name), "void": True}) == ["revised"]
    assert told.ask(browser).json()["match"]["state"] == "unidentified"


KNOWN = {"type": "customer", "value": "nobody"}
JOURNEY = {"source": "journey", "id": "wrong", "key": KNOWN, "at": AT, "phase": "ask", "channel": "web"}
LINK = {"source": "evidence", "id": "wrong", "key": {"type": "cookie", "value": "c"}, "at": AT}


@pytest.mark.parametrize(
    ("wrong", "field", "says"),
    [
        (JOURNEY | {"colour": "red"}, "body.facts.1.journey", "Extra inputs"),
        (JOURNEY | {"source": "rumour"}, "body.facts.1", "journey"),
        (JOURNEY | {"phase": None}, "body.facts.1.phase", "is missing"),
        (JOURNEY | {"phase": "late"}, "body.facts.1.journey.phase", "discover"),
        (JOURNEY | {"at": "2999-01-01T00:00:00Z"}, "body.facts.1.at", "in the future"),
        (JOURNEY | {"at": "1970-01-01T00:00:00Z"}, "body.facts.1.at", "before 1990"),
        (JOURNEY | {"at": "2025-09-20T10:00:00"}, "body.facts.1.journey.at", "timezone"),
        (JOURNEY | {"at": 1_758_362_400}, "body.facts.1.journey.at", "with its zone"),
        (JOURNEY | {"at": "1758362400"}, "body.facts.1.journey.at", "with its zone"),
        (JOURNEY | {"key": {"type": "name", "value": "Ann"}}, "body.facts.1.key.type", "customer"),
        (JOURNEY | {"key": {"type": "msisdn", "value": "12"}}, "body.facts.1.key.value", "msisdn"),
        (JOURNEY | {"key": {"type": "customer", "value": "a\0b"}}, "body.facts.1.key.value", "control"),
        (JOURNEY | {"id": "a\0b"}, "body.facts.1.journey.id", "pattern"),
        (JOURNEY | {"id": ""}, "body.facts.1.journey.id", "at least 1"),
        (JOURNEY | {"id": "x" * 257}, "body.facts.1.journey.id", "at most 256"),
        (JOURNEY | {"topic": "\0"}, "body.facts.1.journey.topic", "pattern"),
        (JOURNEY | {"topic": "x" * 201}, "body.facts.1.journey.topic", "at most 200"),
        (JOURNEY | {"sentiment": "good"}, "body.facts.1.journey.sentiment", "valid number"),
        (JOURNEY | {"value": 1e300}, "body.facts.1.journey.value", "less than or equal"),
        (JOURNEY | {"void": 1}, "body.facts.1.journey.void", "valid boolean"),
        (LINK | {"other": {"type": "line", "value": "l"}}, "body.facts.1.other.type", "no link is declared"),
        (LINK | {"other": KNOWN, "confidence": 1.5}, "body.facts.1.evidence.confidence", "less than or equal to 1"),
        (LINK, "body.facts.1.evidence.other", "Field required"),
        (
            {"source": "faults", "id": "wrong", "key": KNOWN, "at": AT, "case": "c"},
            "body.facts.1.state",
            "is missing",
        ),
        (fact("usage", "beside", value=2.0), "body.facts.1.id", "says something else in fact 0"),
    ],
)
def test_one_wrong_fact_is_named_and_nothing_of_the_request_is_taken(
    told: Service, wrong: dict, field: str, says: str
) -> None:
    before = told.counts()
    answer = told.say(fact("usage", "beside"), wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    errors = {e["field"]: e["message"] for e in answer.json()["errors"]}
    assert says in errors[field]
    assert told.counts() == before


def test_a_request_holds_a_thousand_facts_and_not_one_more(told: Service) -> None:
    many = [fact("usage", f"many {i}", key=customer("a heavy user")) for i in range(1_001)]
    before = told.counts()
    answer = told.say(*many)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.facts")
    assert told.counts() == before
    assert became(told, *many[:1_000]) == ["new"] * 1_000
    assert told.counts()["facts"] == before["facts"] + 1_000


def test_a_taken_back_fact_needs_no_columns_of_its_own(told: Service) -> None:
    assert became(told, fact("usage", "typed wrong")) == ["new"]
    bare = {"source": "usage", "id": "typed wrong", "key": customer("customer of typed wrong"), "at": AT, "void": True}
    assert became(told, bare) == ["revised"]


def test_errors_of_a_large_body_are_told_up_to_a_hundred(told: Service) -> None:
    answer = told.post("events", {"facts": [{"source": "journey", "id": "", "key": {}}] * 1_000})
    assert (answer.status_code, len(answer.json()["errors"])) == (422, 100)


def test_thousands_of_keys_of_one_customer_neither_stop_the_service_nor_fail(told: Service) -> None:
    """A default customer id that every stranger's browser is linked to."""

    def links(part: int) -> list[dict]:
        return [
            LINK | {"id": f"default {part} {i}", "key": {"type": "cookie", "value": f"{part} {i}"}, "other": KNOWN}
            for i in range(1_000)
        ]

    for part in range(3):
        assert told.say(*links(part)).status_code == 200
    answer = DecisionAnswer.model_validate_json(told.ask(("cookie", "1 5")).content)
    assert answer.degraded == []
    assert json.loads(told.replay(answer.decision_id).content)["identical"] is True
