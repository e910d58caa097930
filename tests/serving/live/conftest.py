"""Both live stores for every test that asks for `store`: a SQLite file, and a database of a real PostgreSQL server."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from database import Server, missing

from serving.live.open import open_store
from serving.live.store import Store


@dataclass
class Place:
    """Where a store is; ``open`` gives it, each time as another process would."""

    url: str
    opened: list[Store] = field(default_factory=list)

    def open(self) -> Store:
        self.opened.append(open_store(self.url))
        return self.opened[-1]

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()


@dataclass
class Places:
    """New places of one kind."""

    kind: str
    folder: Path
    server: Server | None
    made: Iterator[int] = field(default_factory=count)

    def new(self) -> Place:
        return Place(self.server.database() if self.server else f"sqlite:///{self.folder}/live{next(self.made)}.db")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    if why := missing():
        pytest.skip(why)
    server = Server()
    yield server
    server.remove()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Places:
    kind = request.param
    server = request.getfixturevalue("server") if kind == "postgres" else None
    return Places(kind, tmp_path_factory.mktemp(kind), server)


@pytest.fixture
def place(places: Places) -> Iterator[Place]:
    place = places.new()
    yield place
    place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()
