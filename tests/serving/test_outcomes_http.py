"""`POST /v1/outcomes` and `POST /v1/scores`: what came of a decision, and scores without one."""

import pytest
from running import Service

from serving.schemas import DecisionAnswer, OutcomeAnswer, ScoresAnswer
from serving.settings import instant

HOUR = 3_600_000_000


def decided(told: Service, place: int) -> DecisionAnswer:
    customer = told.operator.active[place]
    return DecisionAnswer.model_validate_json(told.ask(("customer", customer), limit=3).content)


def became(told: Service, decision: str, action: str, response: str, **more: object) -> str:
    answer = told.tell(decision, action, response, **more)
    assert answer.status_code == 200, answer.text
    return OutcomeAnswer.model_validate_json(answer.content).became


def test_an_outcome_is_new_then_known_then_revised_and_told_by_the_replay(told: Service) -> None:
    answer = next(a for a in (decided(told, place) for place in range(60, 90)) if len(a.actions) > 1)
    first, second = (action.action for action in answer.actions[:2])
    assert became(told, answer.decision_id, first, "shown") == "new"
    assert became(told, answer.decision_id, first, "shown") == "known"
    assert became(told, answer.decision_id, first, "accepted") == "revised"
    assert became(told, answer.decision_id, second, "declined") == "new"
    outcomes = [(o["action"], o["response"]) for o in told.replay(answer.decision_id).json()["outcomes"]]
    assert outcomes == [(first, "shown"), (first, "accepted"), (second, "declined")]


def test_an_outcome_is_a_contact_the_very_next_decision_knows_of(told: Service) -> None:
    customer = told.operator.active[11]
    answer = decided(told, 11)
    before = told.counts()["facts"]
    assert became(told, answer.decision_id, answer.actions[0].action, "shown") == "new"
    assert became(told, answer.decision_id, answer.actions[0].action, "already_fixed") == "revised"
    assert told.counts()["facts"] == before + 2
    card = told.client.get(f"/v1/customers/{customer}", headers=told.headers).json()
    shown = next(d for d in card["decisions"] if d["decision_id"] == answer.decision_id)
    assert "already_fixed" in str(shown)


@pytest.mark.parametrize(
    ("changed", "status", "field", "says"),
    [
        ({"decision_id": "0" * 32}, 404, "body.decision_id", "not known"),
        ({"decision_id": "x"}, 422, "body.decision_id", "pattern"),
        ({"decision_id": "\0" * 32}, 422, "body.decision_id", "pattern"),
        ({"decision_id": None}, 422, "body.decision_id", "valid string"),
        ({"action": "free_money"}, 422, "body.action", "did not hold this action (it held: "),
        ({"action": "x" * 61}, 422, "body.action", "at most 60"),
        ({"response": "none"}, 422, "body.response", "accepted"),
        ({"at": "2025-09-30T12:00:00"}, 422, "body.at", "timezone"),
        ({"at": 1_759_000_000}, 422, "body.at", "with its zone"),
        ({"at": "2025-09-30T12:00:00Z"}, 422, "body.at", "before the decision"),
        ({"at": "2999-01-01T00:00:00Z"}, 422, "body.at", "in the future"),
        ({"propensity": 0.5}, 422, "body", "Extra inputs"),
    ],
)
def test_an_outcome_that_does_not_fit_is_told_why_and_has_no_effect(
    told: Service, changed: dict, status: int, field: str, says: str
) -> None:
    answer = decided(told, 12)
    before = told.counts()
    right = {"decision_id": answer.decision_id, "action": answer.actions[0].action, "response": "shown"}
    wrong = told.post("outcomes", right | changed)
    assert (wrong.status_code, wrong.headers["content-type"]) == (status, "application/problem+json")
    errors = {e["field"]: e["message"] for e in wrong.json()["errors"]}
    assert says in errors[field]
    assert told.counts() == before


def test_an_outcome_may_tell_when_it_came(told: Service) -> None:
    answer = decided(told, 13)
    at = answer.cuts.windows_end.isoformat()
    assert became(told, answer.decision_id, answer.actions[0].action, "shown", at=at) == "new"
    (outcome,) = told.replay(answer.decision_id).json()["outcomes"]
    assert outcome["at"] == at.replace("+00:00", "Z")
    soon = instant(told.now + HOUR).isoformat()
    assert told.tell(answer.decision_id, answer.actions[0].action, "accepted", at=soon).status_code == 422


def test_an_outcome_about_a_stranger_is_kept_with_the_decision(told: Service) -> None:
    answer = DecisionAnswer.model_validate_json(told.ask(("cookie", "a stranger's"), channel="web").content)
    assert became(told, answer.decision_id, answer.actions[0].action, "shown") == "new"
    assert told.replay(answer.decision_id).json()["outcomes"][0]["response"] == "shown"


def test_scores_say_of_each_what_a_decision_says_and_write_nothing_down(service: Service) -> None:
    one, other = service.operator.active[:2]
    people = ((("customer", one),), (("cookie", "nobody's"),), (("customer", one), ("customer", other)))
    before = service.counts()
    scored = ScoresAnswer.model_validate_json(service.score(*people).content)
    assert service.counts() == before
    for keys, score in zip(people, scored.people, strict=True):
        decision = DecisionAnswer.model_validate_json(service.ask(*keys).content)
        assert (score.match, score.visitor) == (decision.match, decision.visitor)
        assert (score.churn, score.needs) == (decision.churn, decision.needs)
        assert [r.group for r in score.reasons] == [r.group for r in decision.reasons]
        assert scored.model == decision.model


@pytest.mark.parametrize(
    ("people", "field"),
    [
        ([], "body.people"),
        ([{"keys": [{"type": "customer", "value": "x"}]}] * 201, "body.people"),
        ([{"keys": []}], "body.people.0.keys"),
        ([{"keys": [{"type": "customer", "value": "x"}]}, {"keys": [{"type": "no", "value": "x"}]}],
         "body.people.1.keys.0.type"),
        ([{"keys": [{"type": "email", "value": "x"}], "channel": "web"}], "body.people.0"),
    ],
)  # fmt: skip
def test_wrong_people_are_named(service: Service, people: list, field: str) -> None:
    answer = service.post("scores", {"people": people})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert field in {e["field"] for e in answer.json()["errors"]}
