"""One small operator, served by one real server, for all tests of a session."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from opened_engine import Opened, fill, opened
from running import Service, serving
from small_operator import Operator, home_of, make


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return make(tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="session")
def service(operator: Operator) -> Iterator[Service]:
    """For questions: nobody tells it anything, so that it knows what the lake holds."""
    with serving(operator, operator.settings) as service:
        yield service


@pytest.fixture(scope="session")
def told(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """For everything else: tests tell it events and outcomes, each about people of its own."""
    with serving(operator, home_of(operator, tmp_path_factory.mktemp("told"))) as service:
        yield service


@pytest.fixture(scope="session")
def filled(operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A live store filled from the operator's lake, where it is the end of the lake."""
    return fill(tmp_path_factory.mktemp("filled") / "live.db", operator, operator.history.end)


@pytest.fixture(scope="session")
def still(operator: Operator, filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """An engine at the end of the lake, for questions alone."""
    with opened(operator.settings, filled, operator.history.end, tmp_path_factory.mktemp("still")) as engine:
        yield engine
