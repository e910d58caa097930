"""Decisions kept beside the store: each is delivered once, whoever wrote it and however it ended."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from small_operator import Operator

from serving.engine import Engine
from serving.errors import Problem
from serving.live import journal
from serving.live.segment import ROOM, Record, unpacked
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


def record(decision: str, body: bytes, entity: int | None = None, **texts: bytes) -> Record:
    return Record(decision, 5, entity, body, texts)


records = st.lists(
    st.builds(
        Record,
        id=st.text("0123456789abcdef", min_size=32, max_size=32),
        at=st.integers(-(2**62), 2**62),
        entity=st.none() | st.integers(0, 2**63 - 1),
        body=st.binary(max_size=3_000),
        texts=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=20), max_size=3),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)


@given(batches=st.lists(records, max_size=4), cut=st.integers(0, 200))
def test_records_come_back_as_they_were_and_half_of_one_ends_the_file(batches: list[list[Record]], cut: int) -> None:
    kept = [one for batch in batches for one in batch]
    data = b"".join(one.packed() for one in kept)
    assert list(unpacked(data + bytes(50))) == kept
    half = data[: max(len(data) - cut, 0)]
    whole = sum(len(b"".join(one.packed() for one in kept[: n + 1])) <= len(half) for n in range(len(kept)))
    assert list(unpacked(half)) == list(unpacked(half + bytes(300))) == kept[:whole]


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(batches=st.lists(records, max_size=5))
def test_the_store_has_each_as_it_was_kept(store: Store, tmp_path: Path, batches: list[list[Record]]) -> None:
    spill = Spill(tmp_path / "beside")
    for batch in batches:
        spill.keep(batch)
    last = {one.id: one for batch in batches for one in batch}
    assert spill.waiting == spill.mine == sum(map(len, batches))
    assert spill.deliver(store) == sum(map(len, batches))
    with store.reading() as reading:
        found = {row[0]: row[1:] for row in reading.rows("SELECT id, entity, erased, body FROM decisions")}
        texts = dict(reading.rows("SELECT digest, body FROM texts"))
    for one in last.values():
        assert found[one.id][1:] == (0, one.body)
    assert texts.keys() >= {name for batch in batches for one in batch for name in one.texts}
    spill.release()
    assert list(spill.folder.glob("*")) == []


def test_what_somebody_still_writes_to_is_delivered_by_nobody_else(store: Store, tmp_path: Path) -> None:
    mine, theirs = Spill(tmp_path / "beside"), Spill(tmp_path / "beside")
    mine.keep([record(ONE, b"one")])
    assert theirs.deliver(store) == 0
    assert (theirs.waiting, theirs.mine, len(theirs.heads())) == (1, 0, 1)
    mine.keep([record(TWO, b"two", 7)])
    assert (mine.waiting, mine.heads()) == (2, {})
    assert mine.deliver(store) == 2
    assert (mine.deliver(store), theirs.deliver(store), mine.waiting, theirs.heads()) == (0, 0, 0, {})
    assert bodies(store) == {ONE: b"one", TWO: b"two"}


def test_half_a_decision_left_by_a_kill_keeps_no_other_from_being_delivered(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    spill.keep([record(ONE, b"one"), record(TWO, b"two")])
    (path,) = spill.folder.glob("*.journal")
    half = record(THREE, b"three").packed()[:-2]
    with path.open("r+b") as file:
        file.seek(sum(len(one.packed()) for one in unpacked(path.read_bytes())))
        file.write(half)
    spill.release()
    later = Spill(tmp_path / "beside")
    assert (later.waiting, later.deliver(store), later.waiting) == (2, 2, 0)
    assert bodies(store) == {ONE: b"one", TWO: b"two"}
    assert list(spill.folder.glob("*")) == []


def test_nothing_of_what_was_delivered_stays_in_a_file(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    spill.prepare()
    for n in range(3):
        spill.keep([record(str(n) * 32, b"somebody's secret")])
        files = list(spill.folder.glob("*.journal"))
        assert any(b"secret" in path.read_bytes() for path in files)
        spill.deliver(store)
        assert not any(b"secret" in path.read_bytes() for path in spill.folder.glob("*.journal"))
    spill.release()


def test_more_than_a_file_holds_goes_to_the_next_one(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    large = {str(n) * 32: bytes([n]) * (ROOM // 3) for n in range(7)} | {"f" * 32: b"x" * (2 * ROOM)}
    for decision, body in large.items():
        spill.keep([record(decision, body)])
    assert len(list(spill.folder.glob("*.journal"))) == 5
    assert spill.deliver(store) == len(large)
    assert bodies(store) == large


def test_who_needs_all_of_them_waits_until_a_service_that_runs_has_delivered_its_own(
    store: Store, tmp_path: Path
) -> None:
    service, waits = Spill(tmp_path / "beside"), Spill(tmp_path / "beside")
    service.keep([record(ONE, b"one")])
    assert not waits.settle(store, 0.2), "nobody delivered it, and it was said to be there"
    with ThreadPoolExecutor(1) as other:
        settled = other.submit(waits.settle, store, 30.0)
        while not settled.running():
            time.sleep(0.001)
        service.deliver(store)
        service.keep([record(TWO, b"two")])
        assert settled.result(), "what was decided later is nothing to wait for"
    assert bodies(store).keys() == {ONE}
    service.release()  # as a kill does
    assert waits.settle(store, 0.0)
    assert bodies(store).keys() == {ONE, TWO}


def test_where_the_store_does_not_take_them_in_time_they_stay(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    spill.keep([record(ONE, b"one")])
    with closing(sqlite3.connect(tmp_path / "live.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError):
            spill.deliver(store, 0.05)
        assert spill.waiting == 1
        other.execute("ROLLBACK")
    assert (spill.deliver(store), spill.waiting) == (1, 0)
    assert bodies(store) == {ONE: b"one"}


def test_what_was_answered_stands_in_place_of_what_the_store_took_too_late(store: Store, tmp_path: Path) -> None:
    spill = Spill(tmp_path / "beside")
    for decision in (ONE, TWO, THREE):
        store.write(journal.writes(decision, 5, None, b"unmarked")).result()
    store.write(lambda writing: writing.run("UPDATE decisions SET erased = ?, body = ? WHERE id = ?", True, b"", TWO))
    spill.keep([record(ONE, b"marked"), record(TWO, b"marked")])
    assert spill.deliver(store) == 2
    assert bodies(store) == {ONE: b"marked", TWO: b"", THREE: b"unmarked"}


def test_a_decision_left_by_a_kill_is_found_by_the_next_service_with_the_rules_it_was_taken_by(
    operator: Operator, tmp_path: Path
) -> None:
    settings = Settings(home=operator.settings.home, tracking_uri=operator.settings.models, time_limit=0.5)
    resources = open_resources(settings)
    asked = DecisionRequest.model_validate({"keys": [{"type": "cookie", "value": "nobody"}], "channel": "web"})
    engine = Engine.open(settings, resources, SqliteStore(tmp_path / "live.db"), Metrics())
    answer = json.loads(asyncio.run(engine.decide(asked)))
    assert answer["degraded"] == []
    engine.follower.stop()
    engine.spill.release()
    engine.store.close()
    later = Engine(settings, resources, SqliteStore(tmp_path / "live.db"), Metrics())
    later.made_ready(resources.follower.current)
    told = {"decision_id": answer["decision_id"], "action": answer["actions"][0]["action"], "response": "shown"}
    outcome = OutcomeRequest.model_validate(told)
    with closing(sqlite3.connect(tmp_path / "live.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Problem, match="does not answer in time") as early:
            asyncio.run(tell(later, outcome))
        other.execute("ROLLBACK")
    assert early.value.status_code == 503
    assert asyncio.run(tell(later, outcome)) == "new"
    said = json.loads(replay(later, answer["decision_id"]))
    assert (said["identical"], said["answer"]) == (True, answer)
    with pytest.raises(Problem, match="no such decision"):
        replay(later, "0" * 32)
    later.store.close()


def test_the_log_of_a_store_that_is_always_written_to_stays_small(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live.db")
    log, most = tmp_path / "live.db-wal", 0
    for _ in range(3_000):
        ids = [uuid4().hex for _ in range(20)]
        store.write(journal.delivers([record(id_, bytes(4_000)) for id_ in ids])).result()
        most = max(most, log.stat().st_size)
    store.close()
    assert (tmp_path / "live.db").stat().st_size > 240_000_000
    assert most < 240_000_000
