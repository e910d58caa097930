"""One small operator, served by one real server, for all tests of a session."""

import sys
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from running import Service, running, wait_until_ready
from small_operator import Operator, make

from serving.app import create_app


@pytest.fixture(scope="session")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    return make(tmp_path_factory.mktemp("operator"))


@pytest.fixture(scope="session")
def service(operator: Operator) -> Iterator[Service]:
    printed = StringIO()
    with redirect_stderr(printed):
        app = create_app(operator.settings)
    key = printed.getvalue().split()[-1]
    with running(app) as client:
        wait_until_ready(client)
        yield Service(operator, client, {"X-API-Key": key})
