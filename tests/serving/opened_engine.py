"""An engine over a live store of its own whose clock stands still, asked without HTTP."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from small_operator import Operator

from features.history import History
from features.lake import Lake
from serving.champion import CHURN
from serving.deciding.decide import Person, decide
from serving.deciding.match import Match, match
from serving.deciding.person import person
from serving.engine import Engine
from serving.forms import EventsRequest
from serving.live.feeds import Covered
from serving.live.load import load
from serving.live.sqlite import SqliteStore
from serving.resources import Resources, open_resources
from serving.schemas import DecisionAnswer, DecisionRequest
from serving.settings import Settings
from serving.watch.metrics import Metrics

MINUTE = 60_000_000


class StillStore(SqliteStore):
    """A store whose clock stands at ``at`` (UTC microseconds) until somebody moves it."""

    def __init__(self, path: Path, at: int) -> None:
        self.at = at
        super().__init__(path)

    def clock(self) -> int:
        return self.at

    def machine_clock(self) -> int:
        return self.at


@dataclass(frozen=True)
class Seen:
    """What was read for one question: who it may be, what is known of them, at which cuts, and what was covered."""

    match: Match
    person: Person
    now: int
    seen: int
    covered: Covered

    def history(self, history: History) -> History:
        """A lake's history, with the coverage this was read with."""
        return replace(history, coverage=self.covered.coverage)


@dataclass(frozen=True)
class Opened:
    """An engine that is ready, and its store."""

    engine: Engine
    store: StillStore

    def ask(self, *keys: tuple[str, str], channel: str = "web", limit: int = 10) -> DecisionAnswer:
        """The answer, read back through the declared form."""
        body = {"keys": [{"type": t, "value": v} for t, v in keys], "channel": channel, "limit": limit}
        return DecisionAnswer.model_validate_json(asyncio.run(self.engine.decide(DecisionRequest.model_validate(body))))

    def say(self, *facts: dict) -> list[str]:
        """What became of facts, as an event brings them."""
        forms = EventsRequest.model_validate_json(json.dumps({"facts": facts})).facts
        return list(asyncio.run(self.engine.take(forms)).became)

    def read(self, *keys: tuple[str, int]) -> Seen:
        """What is known of whoever comes with (type, id) keys."""
        with self.store.reading() as reading:
            known, moment = self.engine.known(reading), self.engine.moment(reading)
            found = match(keys, known.named(keys), moment.people)
            who = person(known, self.engine.ready.panel, moment.covered, found)
            return Seen(found, who, reading.now, reading.seen, moment.covered)

    def of(self, *who: tuple[int, float]) -> DecisionAnswer:
        """The answer about somebody who is one of these, with their weights."""
        entities, weights = zip(*who, strict=True)
        with self.store.reading() as reading:
            known, moment = self.engine.known(reading), self.engine.moment(reading)
            found = Match(entities, weights, (), ())
            one = person(known, self.engine.ready.panel, moment.covered, found)
            return self.answered(Seen(found, one, reading.now, reading.seen, moment.covered))

    def answered(self, read: Seen, channel: str = "web", limit: int = 3) -> DecisionAnswer:
        """The answer about whoever was read of."""
        ready = self.engine.ready
        taken = decide(read.person, ready.panel, channel, limit)
        said = ready.speaker.answer("0" * 32, read.match, read.person, taken, read.now, read.seen, read.covered.silent)
        return DecisionAnswer.model_validate_json(said)

    def move(self, at: int) -> None:
        """Let the clock stand at another instant, and all be seen that is known by then."""
        self.store.at = at
        self.store.write(lambda writing: writing.stamp).result()


def fill(path: Path, operator: Operator, at: int, lake: Lake | None = None) -> Path:
    """A live store of all the operator's lake holds, or another, where it is that instant."""
    store, catalog = StillStore(path, at), operator.history.catalog
    load(store, lake or operator.lake, catalog, catalog.task(CHURN).entity, now=lambda end: at)
    store.close()
    return path


@contextmanager
def opened(settings: Settings, filled: Path, at: int, folder: Path, **changed: object) -> Iterator[Opened]:
    """An engine over a copy, in a folder, of a filled store; ``changed``: what its `Resources` have of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    store = StillStore(Path(shutil.copy(filled, folder / "live.db")), at)
    resources: Resources = replace(open_resources(settings), **changed)
    engine = Engine.open(settings, resources, store, Metrics())
    try:
        yield Opened(engine, store)
    finally:
        engine.close()
