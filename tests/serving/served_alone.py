"""A service in a process of its own, which can be killed and started again, and connections to it."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from small_operator import Operator, home_of

from features.durable import make_directory
from features.workspace import load_workspace
from serving.access import stored
from serving.champion import CHURN
from serving.live.load import load
from serving.live.open import open_store
from serving.settings import Settings

FORKING = Path(__file__).with_name("served_by_fork.py")
_FILLED: dict[Path, Path] = {}


def base_home(operator: Operator, folder: Path, url: str | None = None) -> tuple[Settings, str]:
    """A home whose live store (``url``: on a server) is filled, and an API key that may do all."""
    settings = home_of(operator, folder)
    settings = settings.model_copy(update={"port": free_port(), "log_format": "json", "store": url})
    key = stored.make_first(settings.home)
    assert key is not None
    _fill(settings, operator)
    return settings, key


def _fill(settings: Settings, operator: Operator) -> None:
    """Fill the live store of some settings; a file is filled once, and copied from then on."""
    url, filled = settings.live(load_workspace().name), _FILLED.get(operator.settings.home)
    if settings.store is None and filled is not None:
        shutil.copy(filled, make_directory(settings.home / "live") / f"{load_workspace().name}.db")
    store = open_store(url)
    if "fingerprint" in store.texts():
        store.set_clock(settings.now(operator.history.end) - store.machine_clock())
    else:
        catalog = load_workspace().catalog
        load(store, operator.lake, catalog, catalog.task(CHURN).entity, now=settings.now)
    store.close()
    if settings.store is None and filled is None:
        place = settings.home.parent / "filled.db"
        _FILLED[operator.settings.home] = Path(shutil.copy(url.removeprefix("sqlite:///"), place))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class Served:
    """A service that can be killed and started again."""

    settings: Settings
    key: str
    process: subprocess.Popen
    pid: int = 0

    @property
    def store(self) -> Path:
        """The file of the store, where it is one."""
        return self.settings.home / "live" / f"{load_workspace().name}.db"

    def start(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        self.pid = int(self._line())
        end = time.monotonic() + 90
        while self.get("/readyz")[0] != 200:
            assert time.monotonic() < end, "it did not get ready"
            time.sleep(0.02)

    def start_fails(self) -> int:
        """How a start ended that cannot succeed."""
        assert self.process.stdin is not None
        self.process.stdin.write("start\n")
        self.process.stdin.flush()
        self._line()
        return int(self._line())

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        assert self.ended() == -signal.SIGKILL

    def stop(self) -> int:
        """How it ended after it was asked to."""
        os.kill(self.pid, signal.SIGTERM)
        return self.ended()

    def ended(self) -> int:
        self.pid = 0
        return int(self._line())

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; 0 where nobody answers."""
        caller = Caller(self)
        try:
            return caller.send("GET", path)[:2]
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            caller.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the process that starts the service is gone"
        return line


@contextmanager
def served(settings: Settings, key: str) -> Iterator[Served]:
    """A service that is ready; what is left of it is killed."""
    command = [sys.executable, str(FORKING), settings.model_dump_json()]
    log = (settings.home / "service.log").open("ab")
    with (
        log,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        service = Served(settings, key, process)
        try:
            service.start()
            yield service
        finally:
            if service.pid:
                with suppress(ProcessLookupError):
                    os.kill(service.pid, signal.SIGKILL)
            process.kill()


class Caller:
    """One connection to a service, made anew where it was cut."""

    def __init__(self, service: Served) -> None:
        self._service = service
        self._connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=60)
        self._headers = {"X-API-Key": service.key, "Content-Type": "application/json"}

    def send(self, method: str, path: str, body: object = None) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers of the answer; an error where there was none."""
        try:
            content = None if body is None else orjson.dumps(body)
            self._connection.request(method, path, content, self._headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def post(self, route: str, body: object) -> tuple[int, bytes, dict[str, str]]:
        return self.send("POST", f"/v1/{route}", body)

    def close(self) -> None:
        self._connection.close()


def until(holds: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait for something to hold; what it takes on a machine that others use is no question here."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def asking(*keys: tuple[str, str], channel: str = "call_center", limit: int = 3) -> dict:
    return {"keys": [{"type": t, "value": v} for t, v in keys], "channel": channel, "limit": limit}
