"""The OpenAPI document is complete and true: checked by hand where it matters, then by generated requests."""

from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from running import Service
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from features.facts import CHANNELS, SOURCES

# Threads of the service draw random numbers while requests are made up; Hypothesis takes that for a strategy's.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")
OPERATIONS = {
    "GET /healthz",
    "GET /readyz",
    "POST /v1/decisions",
    "POST /v1/scores",
    "POST /v1/events",
    "POST /v1/outcomes",
    "GET /v1/decisions/{decision_id}",
    "GET /v1/customers/{customer_id}",
    "GET /v1/accounts/{account_id}",
}


def test_it_names_what_a_caller_must_know(service: Service) -> None:
    document = service.client.get("/openapi.json", headers=service.headers).json()
    decide = document["paths"]["/v1/decisions"]["post"]
    always = {"401", "403", "429", "500", "503"}
    assert set(decide["responses"]) == {"200", "400", "408", "413", "422", *always}
    for status, response in decide["responses"].items():
        assert list(response["content"]) == ["application/json" if status == "200" else "application/problem+json"]
    assert set(document["paths"]["/readyz"]["get"]["responses"]) == {"200", "503"}
    for path, methods in document["paths"].items():
        if path.startswith("/v1/"):
            (operation,) = methods.values()
            assert always | {"422"} <= set(operation["responses"])
            schemes = {next(iter(way)) for way in operation["security"]}
            assert {document["components"]["securitySchemes"][s]["type"] for s in schemes} == {"apiKey", "http"}
    schemas = document["components"]["schemas"]
    assert schemas["Key"]["properties"]["type"]["enum"] == list(service.operator.history.catalog.key_types)
    assert schemas["DecisionRequest"]["properties"]["channel"]["enum"] == list(CHANNELS)
    facts = schemas["EventsRequest"]["properties"]["facts"]["items"]["discriminator"]["mapping"]
    assert set(facts) == set(SOURCES)


@pytest.fixture
def api(told: Service) -> BaseSchema:
    # How a key is written depends on its type (an address, a number in E.164), which columns a fact needs on whether it
    # is void, and which decisions there are on what was asked before: none of it can a schema say. A well-formed
    # request may still be told 422 and which field is to blame, or 404.
    accepted = {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "404", "422"]}}
    refused = {"negative_data_rejection": {"expected-statuses": [400, 401, 404, 405, 408, 413, 422]}}
    config = SchemathesisConfig.from_dict({"checks": accepted | refused})
    return schemathesis.openapi.from_url(f"{told.client.base_url}/openapi.json", config=config, headers=told.headers)


def every_operation(api: BaseSchema, check: Callable[[Case], None], examples: int) -> set[str]:
    """Check generated requests, well-formed and malformed, of each operation; the operations checked."""
    checked = set()
    for result in api.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            if mode is GenerationMode.NEGATIVE and not operation.body:
                continue
            cases = operation.as_strategy(generation_mode=mode)
            limited = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            limited(given(case=cases)(check))()
        checked.add(operation.label)
    return checked


def checked_with_a_key(told: Service, api: BaseSchema, examples: int) -> None:
    def check(case: Case) -> None:
        case.call_and_validate(headers=told.headers)

    assert every_operation(api, check, examples) == OPERATIONS


def test_every_answer_is_declared(told: Service, api: BaseSchema) -> None:
    checked_with_a_key(told, api, 20)


@pytest.mark.slow
def test_every_answer_to_thousands_of_requests_is_declared(told: Service, api: BaseSchema) -> None:
    checked_with_a_key(told, api, 400)


def test_every_answer_without_a_key_is_declared_and_changes_nothing(told: Service, api: BaseSchema) -> None:
    before = told.counts()

    def check(case: Case) -> None:
        response = case.call()
        case.validate_response(response)
        assert response.status_code == (401 if case.path.startswith("/v1/") else 200)

    assert every_operation(api, check, 8) == OPERATIONS
    assert told.counts() == before
