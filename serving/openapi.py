"""The OpenAPI document, completed with what only this instance knows."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI

from serving.errors import ProblemDocument


def describe(app: FastAPI, key_types: Sequence[str]) -> dict[str, Any]:
    """The app's document with the problem schema and the key types of its workspace; it stays the app's."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"ProblemDocument": problem}
    schemas["Key"]["properties"]["type"]["enum"] = list(key_types)
    return document
