"""The OpenAPI document is complete and true: checked by hand where it matters, then by generated requests."""

from collections.abc import Callable

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from running import Service
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from features.facts import CHANNELS


def test_it_names_what_a_caller_must_know(service: Service) -> None:
    document = service.client.get("/openapi.json", headers=service.headers).json()
    decide = document["paths"]["/v1/decisions"]["post"]
    assert set(decide["responses"]) == {"200", "400", "401", "413", "422", "500", "503"}
    for status, response in decide["responses"].items():
        assert list(response["content"]) == ["application/json" if status == "200" else "application/problem+json"]
    schemes = {next(iter(way)) for way in decide["security"]}
    assert {document["components"]["securitySchemes"][s]["type"] for s in schemes} == {"apiKey", "http"}
    schemas = document["components"]["schemas"]
    assert schemas["Key"]["properties"]["type"]["enum"] == list(service.operator.history.catalog.key_types)
    assert schemas["DecisionRequest"]["properties"]["channel"]["enum"] == list(CHANNELS)
    assert set(document["paths"]["/readyz"]["get"]["responses"]) == {"200", "503"}


@pytest.fixture
def api(service: Service) -> BaseSchema:
    # How a key is written depends on its type (an address, a number in E.164), which the schema cannot say: a
    # well-formed request may still be told 422, and which key is malformed.
    accepted = {"positive_data_acceptance": {"expected-statuses": ["2xx", "401", "422"]}}
    config = SchemathesisConfig.from_dict({"checks": accepted})
    return schemathesis.openapi.from_url(
        f"{service.client.base_url}/openapi.json", config=config, headers=service.headers
    )


def every_operation(api: BaseSchema, check: Callable[[Case], None], examples: int) -> list[str]:
    """Check generated requests, well-formed and malformed, of each operation; the operations checked."""
    checked = []
    for result in api.get_all_operations():
        operation = result.ok()
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            if mode is GenerationMode.NEGATIVE and not operation.body:
                continue
            cases = operation.as_strategy(generation_mode=mode)
            limited = settings(max_examples=examples, suppress_health_check=list(HealthCheck))
            limited(given(case=cases)(check))()
        checked.append(operation.label)
    return checked


def test_every_answer_is_declared(service: Service, api: BaseSchema) -> None:
    def check(case: Case) -> None:
        case.call_and_validate(headers=service.headers)

    assert set(every_operation(api, check, 60)) == {"GET /healthz", "GET /readyz", "POST /v1/decisions"}


def test_every_answer_without_a_key_is_declared(api: BaseSchema) -> None:
    def check(case: Case) -> None:
        response = case.call()
        case.validate_response(response)
        assert response.status_code == (401 if case.path.startswith("/v1/") else 200)

    every_operation(api, check, 20)
