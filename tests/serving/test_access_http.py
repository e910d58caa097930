"""Who may ask what of the service: each address without a key, with each scope alone; and what it tells of itself."""

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running import Service

from serving.access import stored
from serving.access.keys import LOOK
from serving.access.stored import SCOPES

ROUTES = [
    ("POST", "/v1/decisions", "decide"),
    ("POST", "/v1/scores", "decide"),
    ("POST", "/v1/outcomes", "decide"),
    ("POST", "/v1/events", "events"),
    ("GET", "/v1/decisions/" + "0" * 32, "read"),
    ("GET", "/v1/customers/C1", "read"),
    ("GET", "/v1/accounts/A1", "read"),
    ("GET", "/metrics", "read"),
    ("GET", "/openapi.json", None),
    ("GET", "/docs", None),
    ("GET", "/redoc", None),
]
REFUSED = {"POST": {422}, "GET": {200, 404}}
"""What those who may ask get for an empty body, or for something there is not."""


@pytest.fixture(scope="module")
def keys(told: Service) -> Iterator[dict[str, dict[str, str]]]:
    """Scope -> the headers of a key that has no other."""
    home = told.engine.settings.home
    made = {scope: {"X-API-Key": stored.add(home, f"only {scope}", [scope])[0]} for scope in SCOPES}
    yield _known_by(told, made)
    for scope in SCOPES:
        stored.revoke(home, f"only {scope}")


def _known_by(told: Service, made: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Once the service has looked at the file of keys again."""
    for _ in range(100):
        if told.client.get("/openapi.json", headers=made["read"]).status_code == 200:
            return made
        time.sleep(LOOK / 10)
    raise AssertionError("the new keys were not read")


def test_the_routes_above_are_all_there_are(told: Service) -> None:
    paths = told.client.get("/openapi.json", headers=told.headers).json()["paths"]
    declared = {(m.upper(), p.partition("{")[0]) for p, methods in paths.items() for m in methods}
    assert {pair for pair in declared if pair[1].startswith("/v1")} == {
        (method, next(p for p in (path, path.rpartition("/")[0] + "/") if (method, p) in declared))
        for method, path, _ in ROUTES
        if path.startswith("/v1")
    }


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_route_asks_for_its_scope_and_no_other(
    told: Service, keys: dict[str, dict[str, str]], method: str, path: str, scope: str | None
) -> None:
    before = told.counts()
    for headers in ({}, {"X-API-Key": "tl_wrong"}, {"Authorization": "Bearer tl_wrong"}):
        answer = told.client.request(method, path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert "www-authenticate" in answer.headers
    for given, headers in keys.items():
        answer = told.client.request(method, path, headers=headers)
        assert answer.status_code in ({403} if scope not in (None, given) else REFUSED[method])
    assert told.counts() == before


def test_an_id_of_the_caller_is_in_the_answer_and_a_strange_one_is_not(told: Service) -> None:
    for given, taken in (("call-7", True), ("a b", False), ("x" * 65, False), ("../../etc", False)):
        answer = told.client.get("/v1/customers/C1", headers={**told.headers, "X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) is taken


def test_metrics_count_decisions_stages_models_and_feeds(told: Service) -> None:
    def counted() -> dict[tuple[str, tuple], float]:
        text = told.client.get("/metrics", headers=told.headers).text
        families = text_string_to_metric_families(text)
        return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}

    before = counted()
    body = told.ask(("customer", told.operator.active[3])).json()
    after = counted()
    decision = "tieline_decisions_total", (("action", body["actions"][0]["action"]), ("match", "identified"))
    assert after[decision] == before.get(decision, 0) + 1
    for stage in ("keys", "decision", "journal"):
        count = "tieline_stage_seconds_count", (("stage", stage),)
        assert after[count] == before.get(count, 0) + 1
    assert after["tieline_risk_90_days_count", ()] == before["tieline_risk_90_days_count", ()] + 1
    models = {dict(labels)["name"]: dict(labels)["id"] for name, labels in after if name == "tieline_model_info"}
    assert models == {name: model["id"] for name, model in body["model"].items()}
    assert after["tieline_champion_stale", ()] == 0
    told.engine.journalling.deliver()
    assert counted()["tieline_queue_length", (("queue", "undelivered"),)] == 0
    text = told.client.get("/metrics", headers=told.headers).text
    assert told.operator.active[3] not in text
