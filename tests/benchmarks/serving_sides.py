"""The servers that are measured, each a process of its own, as their users start them."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving.access.stored import FILE, make_first
from tests.benchmarks.serving_operator import ROOT, Bench

_READY = 300.0
_TICK = os.sysconf("SC_CLK_TCK")
PATH = "/v1/decisions"


@dataclass(frozen=True)
class Side:
    """A server that answers. ``bodies``: a file with a body on each line; ``headers``: lines every request has."""

    name: str
    port: int
    pid: int
    path: str
    bodies: Path
    headers: tuple[str, ...] = field(default=(), repr=False)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a GET."""
        return _get(self.port, path, self.headers)

    def cpu_seconds(self) -> float:
        """The processor time of the process so far, and of its children that live."""
        pids = [self.pid, *_children(self.pid)]
        return sum(_cpu_seconds(pid) for pid in pids)

    def rss(self) -> int:
        """Bytes of memory that are resident now."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1024


@contextmanager
def ours(
    bench: Bench, name: str, store: str, folder: Path, bodies: Path, key: str, **environment: str
) -> Iterator[Side]:
    """``tieline serve`` over a live store, with everything it does: keys, limits, metrics, a log in a file."""
    port = free_port()
    command = [sys.executable, "-m", "tieline", "serve", "--port", str(port)]
    variables = bench.environment() | {"TIELINE_STORE": store} | environment
    headers = (f"X-API-Key: {key}",)
    with _process(command, variables, folder / f"{name}.log") as process:
        _wait(process, port, "/readyz", folder / f"{name}.log")
        yield Side(name, port, process.pid, PATH, bodies, headers)


@contextmanager
def constant(name: str, how: str, answer: Path, folder: Path, bodies: Path, headers: Sequence[str]) -> Iterator[Side]:
    """The endpoint of `serving_constant`; it is sent the same bytes as ours."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.serving_constant", str(port), str(answer), how]
    with _process(command, dict(os.environ), folder / f"{name}.log") as process:
        _wait(process, port, "/openapi.json", folder / f"{name}.log")
        yield Side(name, port, process.pid, PATH, bodies, tuple(headers))


@contextmanager
def mlflow(bench: Bench, folder: Path, bodies: Path) -> Iterator[Side]:
    """``mlflow models serve`` of our churn model, in this environment, one worker; bodies are ready vectors."""
    port = free_port()
    model = f"models:/{bench.workspace.model_name('churn')}@champion"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    found = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it starts uvicorn by its name
    variables = bench.environment() | {"MLFLOW_TRACKING_URI": bench.settings.models, "PYTHONPATH": str(ROOT)}
    variables["PATH"] = found
    with _process([*command, "--workers", "1", "--port", str(port)], variables, folder / "mlflow.log") as process:
        _wait(process, port, "/ping", folder / "mlflow.log")
        yield Side("mlflow", port, process.pid, "/invocations", bodies)


def new_key(bench: Bench) -> str:
    """A key of all scopes, in place of those the operator's home had."""
    (bench.settings.home / FILE).unlink(missing_ok=True)
    key = make_first(bench.settings.home)
    assert key is not None
    return key


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen]:
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env=dict(environment), cwd=ROOT, stdout=file, stderr=file, start_new_session=True
        )
        try:
            yield process
        finally:
            # MLflow's command has a server of its own below it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(process: subprocess.Popen, port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + _READY
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the server did not start:\n{log.read_text()[-3000:]}")
        try:
            if _get(port, path, ())[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)


def _get(port: int, path: str, headers: Sequence[str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=dict(line.split(": ", 1) for line in headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found
