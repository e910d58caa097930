"""`POST /v1/decisions` over a real server, lake and models."""

from dataclasses import replace

import numpy as np
import pytest
from running import Service

from models import bundle
from models.registry import Registry
from serving.schemas import DecisionAnswer
from serving.settings import micros

HOUR = 3_600_000_000
BODY = {"keys": [{"type": "customer", "value": "C000001"}], "channel": "app"}


def test_no_credentials(service: Service) -> None:
    answer = service.client.post("/v1/decisions", json=BODY)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


def test_wrong_credentials(service: Service) -> None:
    for headers in ({"X-API-Key": "tl_wrong"}, {"Authorization": "Bearer tl_wrong"}):
        assert service.client.post("/v1/decisions", json=BODY, headers=headers).status_code == 401


def test_a_bearer_token_opens_too(service: Service) -> None:
    headers = {"Authorization": f"Bearer {service.headers['X-API-Key']}"}
    assert service.client.post("/v1/decisions", json=BODY, headers=headers).status_code == 200


def test_a_customer_gets_what_the_champions_say_of_their_vector(service: Service) -> None:
    customer, history = service.operator.active[0], service.operator.history
    answer = DecisionAnswer.model_validate_json(service.ask(("customer", customer)).content)
    now, seen = micros(answer.cuts.windows_end), micros(answer.cuts.visible_to)
    with service.engine.store.reading() as reading:
        known = replace(history, coverage=service.engine.feeds.covered(reading).coverage)
    entity = np.array([service.operator.id_of("customer", customer)])
    vector = known.frame("customer", entity, np.array([now]), history.catalog.features, np.array([seen]))
    registry, predicted = Registry(service.operator.settings.models), {}
    for name in ("churn", "needs"):
        version, path = registry.champion(name)
        model = bundle.load(path)
        predicted[name] = model.predict(vector[list(model.features)])
        assert (answer.model[name].version, answer.model[name].id) == (version, model.id)
    assert list(answer.churn.curve) == ["30", "60", "90"]
    assert list(answer.churn.curve.values()) == predicted["churn"]["leaves"][0].tolist()
    needs = {n.need: n.probability for n in answer.needs}
    assert needs == {need: p[0, -1] for need, p in predicted["needs"].items()}
    assert list(needs.values()) == sorted(needs.values(), reverse=True)


def test_an_answer_is_whole_and_its_parts_agree(service: Service) -> None:
    explained = False
    for customer in service.operator.active[:40]:
        answer = service.ask(("customer", customer), limit=20).json()
        actions = answer["actions"]
        (weight,) = answer["match"].pop("weights")
        assert weight == pytest.approx(1, abs=1e-5)
        assert answer["match"] == {
            "state": "identified",
            "candidates": 1,
            "keys": [{"type": "customer", "known": True}],
        }
        assert answer["visitor"] is None
        assert [a["slot"] for a in actions] == list(range(1, len(actions) + 1))
        assert [a["value"] for a in actions] == sorted((a["value"] for a in actions), reverse=True)
        assert "do_nothing" in {a["action"] for a in actions}
        assert not {a["action"] for a in actions} & {r["action"] for r in answer["refused"]}
        for action in actions:
            assert action["value"] == pytest.approx(sum(action["parts"].values()))
            assert action["propensity"] == 1.0
            assert action["words"]["agent"]
        for reason in answer["reasons"]:
            assert reason["words"] == service.operator.history.catalog.groups[reason["group"]]
            assert all(fact["meaning"] for fact in reason["facts"])
            explained = True
    assert explained, "nobody's score had a reason"


def test_the_store_runs_on_from_the_end_of_the_lake_and_both_cuts_are_in_the_answer(service: Service) -> None:
    before = service.now
    cuts = DecisionAnswer.model_validate_json(service.ask(("customer", service.operator.active[0])).content).cuts
    assert service.operator.history.end < before <= micros(cuts.windows_end) <= service.now
    assert service.operator.history.end < micros(cuts.visible_to) <= service.now
    assert service.now < service.operator.history.end + HOUR
    assert cuts.silent == []


def test_every_key_of_a_customer_gives_the_same_decision(service: Service) -> None:
    key_types = ("msisdn", "email", "line")
    customer = service.operator.active_with(*key_types)
    by_id = service.ask(("customer", customer)).json()
    for key_type in key_types:
        key = service.operator.keys[customer][key_type]
        answer = service.ask((key_type, key), (key_type, f" {key} ")).json()
        for part in ("churn", "needs", "reasons", "actions", "refused"):
            assert answer[part] == by_id[part]


def test_the_limit_is_kept_and_the_best_come_first(service: Service) -> None:
    customer = service.operator.active[2]
    everything = service.ask(("customer", customer), limit=20).json()["actions"]
    for limit in (1, 2, 20):
        assert service.ask(("customer", customer), limit=limit).json()["actions"] == everything[:limit]


def test_a_visitor_nobody_knows_is_unidentified_and_gets_only_what_needs_no_name(service: Service) -> None:
    answer = service.ask(("cookie", "never seen before"), channel="web")
    assert answer.status_code == 200
    body = answer.json()
    assert body["match"] == {
        "state": "unidentified",
        "candidates": 0,
        "weights": [],
        "keys": [{"type": "cookie", "known": False}],
    }
    assert body["churn"]["status"] == "given_customer"
    assert [a["action"] for a in body["actions"]] == ["say_who_you_are", "do_nothing"]


def test_keys_of_two_customers_are_ambiguous_and_only_harmless_actions_are_left(service: Service) -> None:
    one, other = service.operator.active[:2]
    body = service.ask(("customer", one), ("customer", other), limit=20).json()
    assert (body["match"]["state"], body["match"]["candidates"]) == ("ambiguous", 2)
    assert body["churn"]["status"] == "mixture"
    assert body["reasons"] == []
    assert {a["kind"] for a in body["actions"]} <= {"service_message", "nothing"}


def test_an_unknown_cookie_beside_a_known_key_changes_nothing(service: Service) -> None:
    customer = service.operator.active[0]
    alone = service.ask(("customer", customer)).json()
    both = service.ask(("cookie", "new device"), ("customer", customer)).json()
    assert both["match"]["state"] == "identified"
    assert [k["known"] for k in both["match"]["keys"]] == [False, True]
    assert (both["churn"], both["actions"]) == (alone["churn"], alone["actions"])


def test_a_customer_who_has_left_has_no_risk_of_leaving(service: Service) -> None:
    gone = set(service.operator.left)
    names = service.operator.evidence.filter(
        [t == "customer" for t in service.operator.evidence["other_type"].to_pylist()]
    )
    customer = next(n for n in names["other"].to_pylist() if service.operator.id_of("customer", n) in gone)
    body = service.ask(("customer", customer)).json()
    assert body["match"]["state"] == "identified"
    assert (body["churn"]["status"], body["needs"], body["reasons"]) == ("not_applicable", None, [])
    assert "profile_status_last is active" in body["churn"]["why"]


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({"channel": "app"}, "body.keys", "Field required"),
        ({"keys": [], "channel": "app"}, "body.keys", "at least 1 item"),
        ({"keys": BODY["keys"]}, "body.channel", "Field required"),
        ({**BODY, "channel": "fax"}, "body.channel", "call_center"),
        ({**BODY, "limit": 0}, "body.limit", "greater than or equal to 1"),
        ({**BODY, "limit": 21}, "body.limit", "less than or equal to 20"),
        ({**BODY, "limit": "3"}, "body.limit", "valid integer"),
        ({**BODY, "limit": None}, "body.limit", "valid integer"),
        ({**BODY, "force": True}, "body", "Extra inputs"),
        ({**BODY, "keys": [{"type": "customer", "value": "x", "old": 1}]}, "body.keys.0", "Extra inputs"),
        ({**BODY, "keys": [{"type": "phone", "value": "x"}]}, "body.keys.0.type", "msisdn"),
        ({**BODY, "keys": [{"type": "customer"}]}, "body.keys.0.value", "Field required"),
        ({**BODY, "keys": [{"type": "customer", "value": ""}]}, "body.keys.0.value", "at least 1 character"),
        ({**BODY, "keys": [{"type": "customer", "value": "  "}]}, "body.keys.0.value", "empty"),
        ({**BODY, "keys": [{"type": "customer", "value": 7}]}, "body.keys.0.value", "valid string"),
        ({**BODY, "keys": [*BODY["keys"], {"type": "email", "value": "n"}]}, "body.keys.1.value", "name@domain"),
        ({**BODY, "keys": BODY["keys"] * 21}, "body.keys", "at most 20 items"),
        ([], "body", "should be an object"),
    ],
)
def test_a_bad_request_is_told_which_field_and_what_would_be_right(
    service: Service, body: object, field: str, says: str
) -> None:
    answer = service.client.post("/v1/decisions", json=body, headers=service.headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    errors = {e["field"]: e["message"] for e in answer.json()["errors"]}
    assert says in errors[field]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"keys": [{"type": "cookie", "value": "\\ud800"}]}', b"[" * 40_000]
)
def test_a_body_that_is_no_json_is_a_client_error(service: Service, content: bytes) -> None:
    headers = {**service.headers, "Content-Type": "application/json"}
    answer = service.client.post("/v1/decisions", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_too_large_is_413(service: Service) -> None:
    answer = service.ask(("cookie", "x" * service.operator.settings.body_limit))
    assert (answer.status_code, answer.json()["status"]) == (413, 413)


def test_no_key_is_repeated_in_an_answer_or_a_log(
    service: Service, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    customer = service.operator.active_with("email")
    email = service.operator.keys[customer]["email"]
    secrets = [customer, email, "0471-wrong-number", "someone at nowhere", "no-such-type-value"]
    answers = [
        service.ask(("customer", customer), ("email", email)),
        service.ask(("msisdn", "0471-wrong-number")),
        service.ask(("email", "someone at nowhere")),
        service.ask(("no-such-type", "no-such-type-value")),
        service.ask(("customer", customer), channel=email),
        service.client.post("/v1/decisions", json={"keys": customer, "channel": "app"}, headers=service.headers),
        service.ask(("customer", customer), **{email: True, customer: True}),
    ]
    text = "".join(a.text for a in answers) + caplog.text + "".join(capfd.readouterr())
    assert [s for s in secrets if s in text] == []


def test_decisions_are_told_apart(service: Service) -> None:
    ids = {service.ask(("customer", service.operator.active[0])).json()["decision_id"] for _ in range(3)}
    assert len(ids) == 3


def test_many_unknown_fields_are_one_error(service: Service) -> None:
    answer = service.ask(("customer", "C1"), **{f"x{i}": i for i in range(500)})
    assert [e["field"] for e in answer.json()["errors"]] == ["body"]
