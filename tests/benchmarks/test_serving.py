"""The bars of live decisions, which `make bench` measures; and that the measuring itself counts right."""

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from pathlib import Path

import pytest

from features.workspace import load_workspace
from serving.resources import read_actions
from serving.watch.metrics import Metrics
from tests.benchmarks.serving import Figures, measured, written
from tests.benchmarks.serving_actions import ACTIONS, fifty
from tests.benchmarks.serving_load import closed_loop, request
from tests.benchmarks.serving_mixed import NAMES
from tests.benchmarks.serving_operator import SMALL, Size, ensure
from tests.benchmarks.serving_stages import said
from tests.benchmarks.soak import soaked

BARS = {
    "p50_ratio": (0.0, 4.0),
    "p99_ratio": (0.0, 4.0),
    "throughput_share_16": (0.35, inf),
    "throughput_vs_mlflow": (10.0, inf),
}


@pytest.fixture(scope="module")
def figures() -> Figures:
    """Measured once for all bars."""
    found = measured(Size(), rounds=5, requests=10_000)
    written(found)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", BARS)
def test_bar(figures: Figures, name: str) -> None:
    least, most = BARS[name]
    value = figures[name]
    assert isinstance(value, float)
    assert least <= value <= most


@pytest.mark.slow
def test_nothing_fails_or_is_lost_in_a_short_soak() -> None:
    """`soaked` raises where something acknowledged is not in the store."""
    found = soaked(ensure(SMALL), minutes=0.5, share=0.5)
    statuses = found["statuses"]
    assert isinstance(statuses, dict)
    assert found["errors"] == 0
    assert set(statuses) == set(NAMES)


def test_fifty_actions_have_rules_of_their_own(tmp_path: Path) -> None:
    workspace = load_workspace()
    path = tmp_path / "actions.yaml"
    path.write_text(fifty(workspace.folder / "actions.yaml"))
    actions = read_actions(path, workspace).actions
    told = {(a.kind, a.eligibility, a.channels, a.margin, a.cost) for a in actions}
    assert len(actions) == len(told) == ACTIONS


def test_a_caller_counts_every_answer_however_it_comes() -> None:
    bodies = [b"x" * size for size in (0, 1, 70_000, 400_000)]
    with answering() as port:
        times, seconds, statuses, size = closed_loop(port, 3, [request("/", body) for body in bodies * 5])
    assert len(times) == 20
    assert all(0 < time <= seconds for time in times)
    assert statuses == {"200": 10, "503": 10}
    assert size == 5 * sum(map(len, bodies))


def test_stages_are_read_from_what_the_service_tells() -> None:
    metrics = Metrics()
    for micros in (110.0, 120.0, 130.0, 900.0):
        metrics.observe_stage("decision", micros / 1e6)
    metrics.observe_decision("line_check", "identified")
    metrics.observe_decision(None, "identified")
    before = said(metrics.text().decode())
    metrics.observe_stage("decision", 0.000_2)
    after = said(metrics.text().decode())
    assert before.microseconds()["decision"]["mean"] == pytest.approx(315)
    assert 100 <= before.microseconds()["decision"]["median"] <= 150
    assert after.less(before).microseconds()["decision"]["mean"] == pytest.approx(200)
    assert before.states == {"identified": 2}


class Echo(socketserver.StreamRequestHandler):
    """Sends back what it got, in pieces, every other time with 503."""

    disable_nagle_algorithm = True
    answered = count(1)

    def handle(self) -> None:
        while head := b"".join(iter(self.rfile.readline, b"\r\n")) if self.rfile.peek(1) else b"":
            body = self.rfile.read(int(head.rpartition(b"Content-Length: ")[2]))
            status = b"200 OK" if next(self.answered) % 2 else b"503 Service Unavailable"
            told = b"HTTP/1.1 " + status + b"\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(body)
            half = len(body) // 2
            for part in (told[:20], told[20:], body[:half], body[half:]):
                self.wfile.write(part)
                time.sleep(0.001)


@contextmanager
def answering() -> Iterator[int]:
    """The port of a server that echoes."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
