"""Decisions are on the disk before they are answered, those of the same moment together, however the disk is."""

import asyncio
import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from opened_engine import Opened, opened
from small_operator import Operator

from serving.errors import Problem
from serving.live.segment import unpacked
from serving.schemas import DecisionRequest


@pytest.fixture
def engine(operator: Operator, filled: Path, tmp_path: Path) -> Iterator[Opened]:
    with opened(operator.settings, filled, operator.history.end, tmp_path) as engine:
        yield engine


def asked(*customers: str) -> list[DecisionRequest]:
    bodies = ({"keys": [{"type": "customer", "value": name}], "channel": "web"} for name in customers)
    return [DecisionRequest.model_validate(body) for body in bodies]


def ids(answers: list[bytes]) -> set[str]:
    return {orjson.loads(answer)["decision_id"] for answer in answers}


def on_disk(engine: Opened) -> set[str]:
    """The decisions in the files beside the store, read as another process would."""
    assert engine.store.beside is not None
    return {one.id for path in engine.store.beside.glob("*.journal") for one in unpacked(path.read_bytes())}


@contextmanager
def disk(call: str, instead: object) -> Iterator[None]:
    """While a call to the disk does something else."""
    real = getattr(os, call)
    setattr(os, call, instead)
    try:
        yield
    finally:
        setattr(os, call, real)


def test_what_comes_at_the_same_moment_is_synced_together_and_before_it_is_answered(
    engine: Opened, operator: Operator
) -> None:
    synced: list[int] = []
    real = os.pwrite

    def counted(handle: int, *given: object) -> int:
        assert fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DSYNC, "it may be in memory alone"
        synced.append(len(answers))
        return real(handle, *given)  # type: ignore[arg-type]

    answers: list[bytes] = []

    async def one(request: DecisionRequest) -> None:
        answers.append(await engine.engine.decide(request))

    async def all_at_once() -> None:
        await asyncio.gather(*map(one, asked(*operator.active[:12])))

    with disk("pwrite", counted):
        asyncio.run(all_at_once())
    assert synced == [0], "answered before it was synced, or synced one by one"
    assert len(answers) == 12
    assert ids(answers) == on_disk(engine)


def test_a_slow_disk_is_waited_for_by_a_thread_until_it_is_quick_again(engine: Opened, operator: Operator) -> None:
    threads: list[str] = []
    real = os.pwrite

    def noted(*given: object) -> int:
        threads.append(threading.current_thread().name)
        return real(*given)  # type: ignore[arg-type]

    engine.engine.journalling._took = 1.0  # as after many slow ones
    answers = []
    with disk("pwrite", noted):
        for request in asked(*operator.active[:20]) * 4:
            answers.append(asyncio.run(engine.engine.decide(request)))
    here = threading.current_thread().name
    assert threads[0] != here
    assert threads[-1] == here
    assert ids(answers) == on_disk(engine)


def test_one_who_gives_up_takes_no_other_along(engine: Opened, operator: Operator) -> None:
    async def one_gives_up() -> list[bytes]:
        tasks = [asyncio.ensure_future(engine.engine.decide(request)) for request in asked(*operator.active[:3])]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return [one for one in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(one, bytes)]

    answers = asyncio.run(one_gives_up())
    assert len(answers) == 2
    assert ids(answers) <= on_disk(engine)


def test_where_no_file_takes_them_the_store_does_and_where_nothing_does_there_is_no_answer(
    engine: Opened, operator: Operator
) -> None:
    def full(*given: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with disk("pwrite", full):
        answer = orjson.loads(asyncio.run(engine.engine.decide(asked(operator.active[0])[0])))
        assert answer["degraded"] == []
        with engine.store.reading() as reading:
            assert reading.rows("SELECT count(*) FROM decisions WHERE id = ?", answer["decision_id"]) == [(1,)]
        engine.store.close()
        with pytest.raises(Problem, match="does not answer in time") as none:
            asyncio.run(engine.engine.decide(asked(operator.active[0])[0]))
    assert none.value.status_code == 503
