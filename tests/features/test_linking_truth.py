"""Linking against the truth of small operators; at 50,000 customers: ``python -m tests.linking_truth``."""

from dataclasses import replace
from pathlib import Path

import pytest

from features.simulator import scenario_named
from tests.linking_truth import measured, operator


@pytest.mark.parametrize(("scenario", "strict"), [("default", 0.995), ("dirty", 0.985)])
def test_who_is_joined_is_one_person_and_nobody_reads_a_former_owner(
    tmp_path: Path, scenario: str, strict: float
) -> None:
    lake, held = operator(tmp_path, 1_200, 8, 5, replace(scenario_named(scenario), warm_up_days=60))
    figures = measured(lake, held, 1_200)
    assert figures.precision >= 0.995
    assert figures.strict >= strict
    assert figures.recall >= 0.95
    assert figures.facts_of_changing_keys > 10_000
    assert figures.of_former_owner == 0
    assert figures.guarded > 0
    assert figures.merged == 0
