"""Decisions kept beside the store: each is delivered once, whoever wrote it and however it ended."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from small_operator import Operator

from serving.engine import Engine
from serving.errors import Problem
from serving.live import journal
from serving.live.spill import Spill
from serving.live.sqlite import SqliteStore
from serving.live.store import Store
from serving.outcomes import tell
from serving.replaying import replay
from serving.resources import open_resources
from serving.schemas import DecisionRequest, OutcomeRequest
from serving.settings import Settings
from serving.watch.metrics import Metrics

ONE, TWO, THREE = ("1" * 32, "2" * 32, "3" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = SqliteStore(tmp_path / "live.db")
    yield store
    store.close()


def bodies(store: Store) -> dict[str, bytes]:
    with store.reading() as reading:
        return dict(reading.rows("SELECT id, body FROM decisions ORDER BY id"))


def test_what_somebody_still_writes_to_is_delivered_by_nobody_else(store: Store, tmp_path: Path) -> None:
    mine, theirs = Spill(tmp_path / "beside"), Spill(tmp_path / "beside")
    mine.keep(ONE, 5, None, b"one", {})
    assert theirs.deliver(store) == 0
    mine.keep(TWO, 6, 7, b"two", {})
    assert mine.waiting == 1
    assert mine.deliver(store) == 2
    assert (mine.deliver(store), theirs.deliver(store), mine.waiting) == (0, 0, 0)
    assert bodies(store) == {ONE: b"one", TWO: b"two"}


def test_half_a_decision_left_by_a_kill_keeps_no_other_from_being_delivered(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    spill.keep(ONE, 5, None, b"one", {})
    (path,) = spill.folder.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(path.read_bytes()[:20])
    spill.keep(TWO, 6, None, b"two", {})
    assert spill.deliver(store) == 2
    assert bodies(store) == {ONE: b"one", TWO: b"two"}


def test_what_was_answered_stands_in_place_of_what_the_store_took_too_late(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    for decision in (ONE, TWO, THREE):
        store.write(journal.writes(decision, 5, None, b"unmarked")).result()
    store.write(lambda writing: writing.run("UPDATE decisions SET erased = ?, body = ? WHERE id = ?", True, b"", TWO))
    spill.keep(ONE, 5, None, b"marked", {})
    spill.keep(TWO, 5, None, b"marked", {})
    assert spill.deliver(store) == 2
    assert bodies(store) == {ONE: b"marked", TWO: b"", THREE: b"unmarked"}


def test_a_decision_whose_rules_the_store_never_saw_replays_after_another_process_delivered_it(
    operator: Operator, tmp_path: Path
) -> None:
    settings = Settings(home=operator.settings.home, tracking_uri=operator.settings.models, time_limit=0.05)
    resources = open_resources(settings)
    asked = DecisionRequest.model_validate({"keys": [{"type": "cookie", "value": "nobody"}], "channel": "web"})
    engine = Engine.open(settings, resources, SqliteStore(tmp_path / "live.db"), Metrics())
    engine.spill.folder = tmp_path / "beside"
    with closing(sqlite3.connect(tmp_path / "live.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = json.loads(asyncio.run(engine.decide(asked)))
        other.execute("ROLLBACK")
    assert answer["degraded"] == ["journal"]
    engine.follower.stop()
    engine.spill.release()
    engine.store.close()
    later = Engine(settings, resources, SqliteStore(tmp_path / "live.db"), Metrics())
    later.made_ready(resources.follower.current)
    later.spill.folder = tmp_path / "beside"
    told = {"decision_id": answer["decision_id"], "action": answer["actions"][0]["action"], "response": "shown"}
    outcome = OutcomeRequest.model_validate(told)
    with pytest.raises(Problem, match="being delivered") as early:
        asyncio.run(tell(later, outcome))
    assert early.value.status_code == 503
    assert later.deliver() == 1
    said = json.loads(replay(later, answer["decision_id"]))
    assert (said["identical"], said["answer"]) == (True, answer)
    assert asyncio.run(tell(later, outcome)) == "new"
    later.store.close()
